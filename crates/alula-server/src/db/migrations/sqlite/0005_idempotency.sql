CREATE TABLE idempotency (
    -- The hash of the owner and its `Idempotency-Key`.
    id BLOB PRIMARY KEY,
    -- The hash of what was asked for.
    request BLOB NOT NULL,
    -- Who executes it, and until when that counts without news.
    holder TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    -- The answer, once it is there; without a body if that is too large to be kept.
    status BIGINT,
    headers TEXT,
    body BLOB,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_expires_at ON idempotency (expires_at);
