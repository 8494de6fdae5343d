-- Real venues: orders that we hold until they are due, amended terms, typed transfers,
-- forced executions, and what a person accepted.

ALTER TABLE signals ADD COLUMN stop_px DECIMAL(38,12);
ALTER TABLE signals ADD COLUMN trail_pct DECIMAL(38,12);
ALTER TABLE signals ADD COLUMN display_qty DECIMAL(38,12);
ALTER TABLE signals ADD COLUMN time_in_force VARCHAR;
ALTER TABLE signals ADD COLUMN expire_at TIMESTAMPTZ;
ALTER TABLE signals ADD COLUMN post_only BOOLEAN DEFAULT false;

ALTER TABLE intents ADD COLUMN stop_px DECIMAL(38,12);
ALTER TABLE intents ADD COLUMN trail_pct DECIMAL(38,12);
ALTER TABLE intents ADD COLUMN post_only BOOLEAN DEFAULT false;
ALTER TABLE intents ADD COLUMN display_qty DECIMAL(38,12);
ALTER TABLE intents ADD COLUMN expire_at TIMESTAMPTZ;
ALTER TABLE intents ADD COLUMN not_before TIMESTAMPTZ;
ALTER TABLE intents ADD COLUMN parent_id VARCHAR;
ALTER TABLE intents ADD COLUMN group_id VARCHAR;

ALTER TABLE orders ADD COLUMN order_qty DECIMAL(38,12);      -- as released or amended; else null
ALTER TABLE orders ADD COLUMN limit_px DECIMAL(38,12);

ALTER TABLE order_events ADD COLUMN order_qty DECIMAL(38,12);
ALTER TABLE order_events ADD COLUMN limit_px DECIMAL(38,12);

ALTER TABLE fills ADD COLUMN kind VARCHAR DEFAULT 'trade';   -- or 'liquidation'

CREATE TABLE order_triggers (              -- how far a held trailing stop has come
    client_order_id VARCHAR PRIMARY KEY,
    extreme_px      DECIMAL(38,12) NOT NULL CHECK (extreme_px > 0),
    ts_event        TIMESTAMPTZ NOT NULL
);

CREATE TABLE typed_transfers (             -- `transfers` with every kind there is
    account     VARCHAR NOT NULL,
    transfer_id VARCHAR NOT NULL,
    kind        VARCHAR NOT NULL CHECK (kind IN (
        'opening', 'deposit', 'withdrawal', 'funding', 'fee', 'interest', 'dividend',
        'adjustment')),
    currency    VARCHAR NOT NULL,
    amount      DECIMAL(38,12) NOT NULL,   -- signed: > 0 came in
    ts_event    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account, transfer_id)
);
INSERT INTO typed_transfers SELECT * FROM transfers;
DROP TABLE transfers;
ALTER TABLE typed_transfers RENAME TO transfers;

CREATE TABLE acceptances (                 -- append-only: what a person took into the books
    account VARCHAR NOT NULL,
    key     VARCHAR NOT NULL,              -- of the discrepancy that was accepted
    actor   VARCHAR NOT NULL,
    reason  VARCHAR NOT NULL,
    ts      TIMESTAMPTZ NOT NULL
);
