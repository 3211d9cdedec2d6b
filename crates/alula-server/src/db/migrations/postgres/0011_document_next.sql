-- What a document that is found shall have once it was read anew, and how it is cut then: until that
-- is done, or if it fails, it is found with what it has.
ALTER TABLE document_entries ADD COLUMN next_attributes TEXT;
ALTER TABLE document_entries ADD COLUMN next_chunking TEXT;
