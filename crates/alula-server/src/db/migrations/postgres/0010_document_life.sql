-- 1: a version of it is found, whatever its last job has come to.
ALTER TABLE document_entries ADD COLUMN is_live BIGINT NOT NULL DEFAULT 0;
UPDATE document_entries SET is_live = 1 WHERE state = 1;
-- How often it was tried to give it other vectors since it has some.
ALTER TABLE document_entries ADD COLUMN embed_tries BIGINT NOT NULL DEFAULT 0;
CREATE INDEX document_entries_owner_open ON document_entries (owner) WHERE state = 0;

-- The name of the store of objects that belongs to this database: one row.
CREATE TABLE storage (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL
);
