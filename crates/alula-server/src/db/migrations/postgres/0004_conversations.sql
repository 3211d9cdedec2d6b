CREATE TABLE conversations (
    -- Sorts by when it was made.
    id TEXT PRIMARY KEY,
    -- The id of the key that made it; empty where none was needed.
    owner TEXT NOT NULL,
    title TEXT,
    model TEXT,
    system_prompt TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX conversations_owner ON conversations (owner, id);

CREATE TABLE conversation_messages (
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- From 1, without gaps.
    position BIGINT NOT NULL,
    -- `user` or `assistant`.
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    -- The model that answered.
    model TEXT,
    -- 1 for an answer that broke off.
    partial BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (conversation, position)
);
