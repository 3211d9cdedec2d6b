CREATE TABLE api_keys (
    -- The part of the key that is not secret.
    id TEXT PRIMARY KEY,
    -- SHA-256 of the whole key.
    hash BLOB NOT NULL,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    -- Separated by spaces.
    scopes TEXT NOT NULL,
    -- NULL: no budget.
    budget_micro_usd BIGINT,
    -- `day` or `month`, in UTC; `total` for good.
    budget_period TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    -- The number of the last change of any key when this one changed.
    changed BIGINT NOT NULL
);
CREATE INDEX api_keys_changed ON api_keys (changed);

-- One row: the number of the last change. Whoever changes a key locks it.
CREATE TABLE api_key_changes (last BIGINT NOT NULL);
INSERT INTO api_key_changes (last) VALUES (0);
