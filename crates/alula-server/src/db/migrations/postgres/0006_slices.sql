-- A reservation is a slice of a budget from now on: what a process has set aside for the calls of a
-- key. `amount` is what is left of it, and this what its calls have cost, which `budget_spend` counts
-- already.
ALTER TABLE budget_reservations ADD COLUMN spent BIGINT NOT NULL DEFAULT 0;
