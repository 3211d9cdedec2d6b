CREATE TABLE jobs (
    id TEXT COLLATE "C" PRIMARY KEY,
    owner TEXT COLLATE "C",
    queue TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
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
    worker TEXT COLLATE "C",
    lease_until BIGINT,
    created_at BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    unique_key TEXT COLLATE "C",
    parent TEXT COLLATE "C",
    -- What is enqueued when it ends, in JSON.
    on_end TEXT,
    args TEXT NOT NULL,
    progress TEXT,
    result TEXT,
    error TEXT
);

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

-- When the next job of a queue with a rate may begin.
CREATE TABLE job_rates (
    queue TEXT COLLATE "C" PRIMARY KEY,
    next_at BIGINT NOT NULL
);

CREATE TABLE job_schedules (
    name TEXT COLLATE "C" PRIMARY KEY,
    spec TEXT COLLATE "C" NOT NULL,
    next_at BIGINT NOT NULL
);

-- Rows change often: what died is cleared early, and there is room for changes on the same page.
ALTER TABLE jobs SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
