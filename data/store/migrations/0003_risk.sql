-- Risk: how a trading state came about and how long it lasts, locks of single instruments,
-- what went wrong lately, when the books were last compared, and the limits of live trading.

ALTER TABLE trading_state ADD COLUMN cause VARCHAR;          -- the breaker's; null: a person's word
ALTER TABLE trading_state ADD COLUMN until TIMESTAMPTZ;      -- REDUCING may end by itself then

ALTER TABLE live_trading ADD COLUMN limits VARCHAR;          -- JSON: what a live run may not exceed

CREATE TABLE locks (                       -- what may not be opened, and until when
    lock_id    VARCHAR PRIMARY KEY,
    account    VARCHAR NOT NULL,
    instrument VARCHAR,                    -- null: every one
    strategy   VARCHAR,                    -- null: any
    protection VARCHAR NOT NULL,           -- what made it
    reason     VARCHAR NOT NULL,
    made_at    TIMESTAMPTZ NOT NULL,
    until      TIMESTAMPTZ,                -- null: until a person lifts it
    lifted_at  TIMESTAMPTZ,
    lifted_by  VARCHAR
);

CREATE TABLE incidents (                   -- append-only: what the breaker counts
    account VARCHAR NOT NULL,
    run_id  VARCHAR NOT NULL,
    kind    VARCHAR NOT NULL,              -- 'venue error'
    text    VARCHAR NOT NULL,
    ts      TIMESTAMPTZ NOT NULL
);

CREATE TABLE reconciliations (             -- append-only: when books and venue were compared
    account     VARCHAR NOT NULL,
    run_id      VARCHAR NOT NULL,
    differences INTEGER NOT NULL,
    ts          TIMESTAMPTZ NOT NULL
);
