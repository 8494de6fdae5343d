-- The breaker: from when on it counts, and what an account has made apart from what was paid in.

ALTER TABLE trading_state ADD COLUMN counts_from TIMESTAMPTZ;  -- the account's clock, not the person's

ALTER TABLE equity ADD COLUMN unit DECIMAL(38,12);  -- worth of one unit paid in at first; null: 1
ALTER TABLE equity ADD COLUMN flows BIGINT;         -- deposits and withdrawals that it knows of
