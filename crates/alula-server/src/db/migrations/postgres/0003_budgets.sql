-- What a key has spent in a period: a day (2026-11-26), a month (2026-11), or `total`.
CREATE TABLE budget_spend (
    key TEXT NOT NULL,
    period TEXT NOT NULL,
    spent BIGINT NOT NULL,
    -- By calls that are under way.
    reserved BIGINT NOT NULL,
    PRIMARY KEY (key, period)
);

-- A call that is under way, or whose process is gone.
CREATE TABLE budget_reservations (
    id TEXT PRIMARY KEY,
    -- The process that makes the call, and says again and again that it does.
    process TEXT NOT NULL,
    key TEXT NOT NULL,
    period TEXT NOT NULL,
    amount BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- 1: its process was taken for gone, and the amount counts as spent.
    is_charged BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX budget_reservations_process ON budget_reservations (process);
CREATE INDEX budget_reservations_expires_at ON budget_reservations (is_charged, expires_at);
