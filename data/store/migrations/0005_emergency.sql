-- Emergency stops, an account each; and what is traded, so that it can be closed without a feed.

CREATE TABLE emergencies (
    emergency_id VARCHAR NOT NULL,         -- of the press of the button: one for all its accounts
    account      VARCHAR NOT NULL,
    actor        VARCHAR NOT NULL,         -- a person's name, or 'automation'
    reason       VARCHAR NOT NULL,
    flatten      BOOLEAN NOT NULL,         -- whether its orders may close what is held
    started_at   TIMESTAMPTZ NOT NULL,     -- its orders' ids are derived from it
    status       VARCHAR NOT NULL CHECK (status IN ('open', 'ended')),
    ended_at     TIMESTAMPTZ,
    report       VARCHAR NOT NULL          -- JSON: what was done, and what could not be; '' before
);

CREATE TABLE instruments (                 -- as the feed last described them
    instrument    VARCHAR PRIMARY KEY,
    asset_class   VARCHAR NOT NULL,
    base          VARCHAR NOT NULL,
    quote         VARCHAR NOT NULL,
    px_increment  DECIMAL(38,12) NOT NULL CHECK (px_increment > 0),
    qty_increment DECIMAL(38,12) NOT NULL CHECK (qty_increment > 0),
    qty_min       DECIMAL(38,12) NOT NULL,
    notional_min  DECIMAL(38,12) NOT NULL
);
