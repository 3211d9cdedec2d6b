-- Workers look for jobs by the names that they know: those of others do not stand in the way.
DROP INDEX jobs_queued;
CREATE INDEX jobs_queued ON jobs (queue, name, priority DESC, run_at, id) WHERE state = 1;

-- What an owner has that ended in one way.
CREATE INDEX jobs_owned_ended ON jobs (owner, queue, state, id)
WHERE parent IS NULL AND owner IS NOT NULL AND state >= 4;
