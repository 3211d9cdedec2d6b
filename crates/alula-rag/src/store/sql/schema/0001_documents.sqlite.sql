CREATE TABLE rag_collections (
    -- Never used again, as words are indexed with it.
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- Counts the changes of what is found in it.
    change BIGINT NOT NULL DEFAULT 0,
    UNIQUE (tenant, id)
);

CREATE TABLE rag_entries (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    collection BIGINT NOT NULL,
    document TEXT NOT NULL,
    filename TEXT NOT NULL,
    -- Both in JSON.
    attributes TEXT NOT NULL,
    chunking TEXT,
    archived BIGINT NOT NULL DEFAULT 0,
    -- The edition that is found, how many chunks it has, and the space of their vectors.
    live BIGINT,
    chunks BIGINT NOT NULL DEFAULT 0,
    space BIGINT,
    UNIQUE (collection, document)
);
CREATE UNIQUE INDEX rag_entries_live ON rag_entries (live) WHERE live IS NOT NULL;

-- What filters look at. The kind is 0 for a text, 1 for a number, 2 for a truth.
CREATE TABLE rag_attributes (
    entry BIGINT NOT NULL,
    name TEXT NOT NULL,
    kind BIGINT NOT NULL,
    text TEXT,
    number REAL,
    PRIMARY KEY (entry, name)
) WITHOUT ROWID;

-- A version of a document with its chunks. One that is to be removed has lost its version.
CREATE TABLE rag_editions (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    entry BIGINT NOT NULL,
    version TEXT,
    UNIQUE (entry, version)
);

-- The key is that of the edition in the upper bits, and the place in it in the lowest 20.
CREATE TABLE rag_chunks (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    page BIGINT,
    tokens BIGINT NOT NULL,
    -- In JSON.
    headings TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX rag_chunks_id ON rag_chunks (id);

-- Words are split, folded and set apart by the collection before they come here.
CREATE VIRTUAL TABLE rag_words
USING fts5(words, content = '', contentless_delete = 1, tokenize = 'ascii');
CREATE VIRTUAL TABLE rag_word_counts USING fts5vocab('rag_words', 'row');

-- Only vectors of the same model and length can be compared.
CREATE TABLE rag_spaces (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    dimensions BIGINT NOT NULL,
    UNIQUE (model, dimensions)
);

-- Vectors of chunks that follow each other, rounded, to be scanned.
CREATE TABLE rag_segments (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    collection BIGINT NOT NULL,
    edition BIGINT NOT NULL,
    space BIGINT NOT NULL,
    first BIGINT NOT NULL,
    count BIGINT NOT NULL,
    codes BLOB NOT NULL
);
CREATE INDEX rag_segments_of ON rag_segments (collection, space, edition, first, count);
CREATE INDEX rag_segments_edition ON rag_segments (edition, space, first, count);

-- The same vectors as they are. The key is that of the segment in the upper bits, and the place in
-- it in the lowest 8.
CREATE TABLE rag_vectors (
    key INTEGER PRIMARY KEY,
    vector BLOB NOT NULL
);

-- What is to be removed of an edition: the vectors of a space, or all where that is 0.
CREATE TABLE rag_dead (
    edition BIGINT NOT NULL,
    space BIGINT NOT NULL,
    PRIMARY KEY (edition, space)
);

CREATE TABLE rag_cached_vectors (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    hash TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (model, hash)
);
