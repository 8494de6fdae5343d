-- The stretch before a series' first bar that its source was asked for and gave nothing of.
CREATE TABLE leads (
    series   INTEGER PRIMARY KEY,
    since    TIMESTAMPTZ NOT NULL,  -- when the first bar of it would open
    first    TIMESTAMPTZ,           -- ts_open of the first bar there is; null: there is none
    asked    INTEGER NOT NULL,      -- how often it was asked for, in vain
    asked_at TIMESTAMPTZ NOT NULL
);
