CREATE TABLE rag_collections (
    -- Never used again, as words are indexed with it.
    key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    -- Counts the changes of what is found in it.
    change BIGINT NOT NULL DEFAULT 0,
    UNIQUE (tenant, id)
);

CREATE TABLE rag_entries (
    key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection BIGINT NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    filename TEXT COLLATE "C" NOT NULL,
    -- Both in JSON.
    attributes TEXT COLLATE "C" NOT NULL,
    chunking TEXT COLLATE "C",
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
    name TEXT COLLATE "C" NOT NULL,
    kind BIGINT NOT NULL,
    text TEXT COLLATE "C",
    number DOUBLE PRECISION,
    PRIMARY KEY (entry, name)
);

-- A version of a document with its chunks. One that is to be removed has lost its version.
CREATE TABLE rag_editions (
    key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry BIGINT NOT NULL,
    version TEXT COLLATE "C",
    UNIQUE (entry, version)
);

-- The key is that of the edition in the upper bits, and the place in it in the lowest 20.
CREATE TABLE rag_chunks (
    key BIGINT PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    start_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    page BIGINT,
    tokens BIGINT NOT NULL,
    -- In JSON.
    headings TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    -- They are split, folded and set apart by the collection before they come here.
    words TSVECTOR NOT NULL
);
CREATE INDEX rag_chunks_words ON rag_chunks USING gin (words);
CREATE INDEX rag_chunks_id ON rag_chunks (id);

-- Only vectors of the same model and length can be compared.
CREATE TABLE rag_spaces (
    key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model TEXT COLLATE "C" NOT NULL,
    dimensions BIGINT NOT NULL,
    UNIQUE (model, dimensions)
);

-- Vectors of chunks that follow each other, rounded, to be scanned.
CREATE TABLE rag_segments (
    key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection BIGINT NOT NULL,
    edition BIGINT NOT NULL,
    space BIGINT NOT NULL,
    first BIGINT NOT NULL,
    count BIGINT NOT NULL,
    codes BYTEA NOT NULL
);
CREATE INDEX rag_segments_of ON rag_segments (collection, space, edition, first, count);
CREATE INDEX rag_segments_edition ON rag_segments (edition, space, first, count);

-- The same vectors as they are. The key is that of the segment in the upper bits, and the place in
-- it in the lowest 8.
CREATE TABLE rag_vectors (
    key BIGINT PRIMARY KEY,
    vector BYTEA NOT NULL
);

-- What is to be removed of an edition: the vectors of a space, or all where that is 0.
CREATE TABLE rag_dead (
    edition BIGINT NOT NULL,
    space BIGINT NOT NULL,
    PRIMARY KEY (edition, space)
);

CREATE TABLE rag_cached_vectors (
    key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    vector BYTEA NOT NULL,
    UNIQUE (model, hash)
);

-- By what vectors are found in this database: 'scan', or 'pgvector'.
CREATE TABLE rag_vector_index (
    name TEXT NOT NULL
);
