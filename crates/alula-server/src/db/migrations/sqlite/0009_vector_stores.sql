CREATE TABLE vector_stores (
    -- Sorts by when it was made. It is the collection that its files are entries of.
    id TEXT PRIMARY KEY,
    -- The id of the key that made it; empty where none was needed.
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    -- In JSON.
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When it was last searched or changed.
    active_at BIGINT NOT NULL,
    -- After so many days without that it is removed.
    expires_days BIGINT,
    -- From when on nobody finds it. The row stays until all that belongs to it is gone for sure.
    removed_at BIGINT
);
CREATE INDEX vector_stores_owner ON vector_stores (owner, id);
CREATE INDEX vector_stores_expiring ON vector_stores (active_at) WHERE expires_days IS NOT NULL;
CREATE INDEX vector_stores_removed ON vector_stores (removed_at) WHERE removed_at IS NOT NULL;

-- Files that were put into a store at once.
CREATE TABLE vector_store_batches (
    -- Sorts by when it was made.
    id TEXT PRIMARY KEY,
    store TEXT NOT NULL REFERENCES vector_stores (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    -- 1 once somebody has cancelled it.
    is_cancelled BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX vector_store_batches_store ON vector_store_batches (store);

CREATE TABLE vector_store_batch_files (
    batch TEXT NOT NULL REFERENCES vector_store_batches (id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    PRIMARY KEY (batch, document)
);
