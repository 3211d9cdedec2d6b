-- What lists say of a job.
ALTER TABLE jobs ADD COLUMN label TEXT;
-- The `traceparent` of what has enqueued it.
ALTER TABLE jobs ADD COLUMN trace TEXT;
