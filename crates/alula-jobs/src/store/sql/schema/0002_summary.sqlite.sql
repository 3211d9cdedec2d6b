-- What lists say of a job and its trace are new. And what may be large is behind all else: SQLite reads through
-- what is before a column of a row.
CREATE TABLE jobs_new (
    id TEXT PRIMARY KEY,
    -- What lists say of it.
    label TEXT,
    -- The `traceparent` of what has enqueued it.
    trace TEXT,
    owner TEXT,
    queue TEXT NOT NULL,
    name TEXT NOT NULL,
    max_attempts BIGINT NOT NULL,
    -- The steps after this one, in JSON.
    rest TEXT,
    -- How many steps are done, of how many.
    step BIGINT NOT NULL DEFAULT 0,
    steps BIGINT NOT NULL,
    -- 0 scheduled, 1 queued, 2 running, 3 waiting, 4 succeeded, 5 failed, 6 cancelled.
    state BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    token BIGINT NOT NULL DEFAULT 0,
    worker TEXT,
    lease_until BIGINT,
    created_at BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    unique_key TEXT,
    parent TEXT,
    -- What is enqueued when it ends, in JSON.
    on_end TEXT,
    progress TEXT,
    error TEXT,
    -- These two last.
    args TEXT NOT NULL,
    result TEXT
);
INSERT INTO jobs_new (
    id, owner, queue, name, max_attempts, rest, step, steps, state, priority, attempts, token,
    worker, lease_until, created_at, run_at, started_at, finished_at, unique_key, parent, on_end,
    progress, error, args, result
)
SELECT
    id, owner, queue, name, max_attempts, rest, step, steps, state, priority, attempts, token,
    worker, lease_until, created_at, run_at, started_at, finished_at, unique_key, parent, on_end,
    progress, error, args, result
FROM jobs ORDER BY rowid;
DROP TABLE jobs;
ALTER TABLE jobs_new RENAME TO jobs;

CREATE INDEX jobs_queued ON jobs (queue, priority DESC, run_at, id) WHERE state = 1;
CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 0;
CREATE INDEX jobs_running ON jobs (queue) WHERE state = 2;
CREATE INDEX jobs_waiting ON jobs (queue) WHERE state = 3;
CREATE INDEX jobs_failed ON jobs (queue) WHERE state = 5;
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE state >= 4;
CREATE UNIQUE INDEX jobs_unique ON jobs (unique_key) WHERE unique_key IS NOT NULL AND state < 4;
-- How many children are in which state, and which they are in the order of their making.
CREATE INDEX jobs_children ON jobs (parent, state) WHERE parent IS NOT NULL;
CREATE INDEX jobs_siblings ON jobs (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX jobs_owned ON jobs (owner, queue, id) WHERE parent IS NULL AND owner IS NOT NULL;
CREATE INDEX jobs_open ON jobs (owner, queue, state) WHERE owner IS NOT NULL AND state < 4;
