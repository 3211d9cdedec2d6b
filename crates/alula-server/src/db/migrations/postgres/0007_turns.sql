-- What has asked for a turn, if it may ask again: its turn is kept once.
ALTER TABLE conversation_messages ADD COLUMN origin TEXT;
CREATE INDEX conversation_messages_origin ON conversation_messages (conversation, origin)
WHERE origin IS NOT NULL;
