-- The outbox: which alert went out on which channel. `alerts` stays the truth and is only
-- ever appended to; no channel's address is kept, only its name.

CREATE TABLE channels (
    channel       VARCHAR PRIMARY KEY,
    first_seen_at TIMESTAMPTZ NOT NULL     -- alerts of before are not sent there
);

CREATE TABLE deliveries (                  -- one row an alert and channel
    alert_id     VARCHAR NOT NULL,
    channel      VARCHAR NOT NULL,
    status       VARCHAR NOT NULL
                 CHECK (status IN ('unwanted', 'waiting', 'sending', 'delivered')),
    attempts     INTEGER NOT NULL,
    next_at      TIMESTAMPTZ,              -- waiting: not before; sending: taken back after
    message_id   VARCHAR,                  -- one message carries one alert, or a digest of many
    claimed_by   VARCHAR,                  -- the process that sends it
    sent_at      TIMESTAMPTZ,              -- when its last message was begun
    delivered_at TIMESTAMPTZ,
    error        VARCHAR NOT NULL,         -- why the last try failed; "" when it did not
    PRIMARY KEY (alert_id, channel)
);

CREATE TABLE run_processes (               -- who works on a run: a dead one writes no end
    run_id     VARCHAR NOT NULL,
    attempt    INTEGER NOT NULL,
    process    VARCHAR NOT NULL,           -- the name of the lock it holds for as long as it lives
    host       VARCHAR NOT NULL,
    pid        INTEGER NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, attempt)
);
