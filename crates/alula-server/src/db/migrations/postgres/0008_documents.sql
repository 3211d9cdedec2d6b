-- A document: its bytes are an object of its name. A row is there before its object and after it.
CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    -- 0: its bytes arrive. 1: they are there. 2: it is being removed.
    state BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- Why somebody has sent it, as OpenAI's files have it; empty for one that was sent to be found.
    purpose TEXT NOT NULL,
    -- 1: whoever brings the same bytes again means this one.
    is_shared BIGINT NOT NULL,
    kind TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '',
    bytes BIGINT NOT NULL DEFAULT 0,
    -- Another one whenever its text is taken out anew.
    generation BIGINT NOT NULL DEFAULT 1,
    pages BIGINT,
    characters BIGINT,
    created_at BIGINT NOT NULL,
    -- When it is to be removed, if somebody said so.
    expires_at BIGINT,
    -- When to look after one whose bytes arrive, or that is being removed.
    due_at BIGINT
);
CREATE UNIQUE INDEX documents_bytes ON documents (owner, sha256) WHERE state = 1 AND is_shared = 1;
CREATE INDEX documents_owner ON documents (owner, state, bytes);
CREATE INDEX documents_expire ON documents (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX documents_due ON documents (due_at) WHERE due_at IS NOT NULL;

-- A document in a collection, where it is found: `default`, or a vector store.
CREATE TABLE document_entries (
    document TEXT NOT NULL REFERENCES documents (id),
    collection TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- 0: a job is at it. 1: it is found. 2: it has failed.
    state BIGINT NOT NULL,
    -- The last job for it.
    job TEXT NOT NULL,
    -- In JSON.
    attributes TEXT NOT NULL,
    chunking TEXT,
    is_archived BIGINT NOT NULL DEFAULT 0,
    chunks BIGINT NOT NULL DEFAULT 0,
    -- How many of these have vectors.
    embedded BIGINT NOT NULL DEFAULT 0,
    error_code TEXT,
    error TEXT,
    -- Not to be given other vectors before.
    embed_after BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (document, collection)
);
CREATE INDEX document_entries_list ON document_entries (owner, collection, document);
CREATE INDEX document_entries_open ON document_entries (updated_at) WHERE state = 0;

-- Who wants to be told of the end of a job for a document.
CREATE TABLE document_callbacks (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    url TEXT NOT NULL
);
CREATE INDEX document_callbacks_job ON document_callbacks (job);
