-- What lists say of a job.
ALTER TABLE jobs ADD COLUMN label TEXT;
