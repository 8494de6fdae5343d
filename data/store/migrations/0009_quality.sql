-- Data quality: what of a run's data was not as expected, and the bars that were seen.

CREATE TABLE quality (                     -- append-only: one row an expectation that was not met
    run_id      VARCHAR NOT NULL,
    attempt     INTEGER NOT NULL,
    subject     VARCHAR NOT NULL,          -- an instrument, or a table of the books
    expectation VARCHAR NOT NULL,
    severity    VARCHAR NOT NULL CHECK (severity IN ('error', 'warning')),
    rule        VARCHAR NOT NULL,          -- what should hold
    rows_seen   BIGINT NOT NULL,
    failing     BIGINT NOT NULL CHECK (failing > 0),
    first_row   BIGINT NOT NULL,           -- from 1; 0: the table as a whole
    column_name VARCHAR NOT NULL,
    value       VARCHAR NOT NULL,          -- that breaks the rule
    ts_event    TIMESTAMPTZ,               -- of that row, where it has a time
    ts          TIMESTAMPTZ NOT NULL
);

CREATE TABLE bars_seen (                   -- digests of the bars that a run saw last
    source     VARCHAR NOT NULL,
    instrument VARCHAR NOT NULL,
    interval_s BIGINT NOT NULL,
    bars       BIGINT NOT NULL,
    digests    VARCHAR NOT NULL,           -- base64: time and digest of each
    seen_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, instrument, interval_s)
);
