-- The ledger. `order_events`, `fills` and `transfers` are append-only and the truth;
-- `orders` and `positions` are folded from them and can be rebuilt.
-- Money, prices and quantities are DECIMAL(38,12); times are UTC.

CREATE TABLE runs (
    run_id      VARCHAR PRIMARY KEY,
    account     VARCHAR NOT NULL,
    venue       VARCHAR NOT NULL,
    mode        VARCHAR NOT NULL CHECK (mode IN ('backtest', 'dry-run', 'paper', 'live')),
    config      VARCHAR NOT NULL,          -- JSON, as given; never holds a secret
    attempts    INTEGER NOT NULL,          -- how often this run was started
    status      VARCHAR NOT NULL CHECK (status IN ('running', 'completed', 'refused', 'failed')),
    message     VARCHAR NOT NULL,
    started_at  TIMESTAMPTZ NOT NULL,
    ended_at    TIMESTAMPTZ
);

CREATE TABLE stages (                      -- append-only: what each stage saw and did
    run_id      VARCHAR NOT NULL,
    attempt     INTEGER NOT NULL,
    stage       VARCHAR NOT NULL,
    event       VARCHAR NOT NULL CHECK (event IN ('started', 'completed', 'failed')),
    detail      VARCHAR NOT NULL,          -- JSON: inputs at the start, the outcome at the end
    ts          TIMESTAMPTZ NOT NULL
);

CREATE TABLE regimes (
    run_id         VARCHAR NOT NULL,
    instrument     VARCHAR NOT NULL,
    label          VARCHAR NOT NULL,
    confidence     DOUBLE NOT NULL,
    volatility     DOUBLE NOT NULL,
    trend_strength DOUBLE NOT NULL,
    ts_event       TIMESTAMPTZ NOT NULL,
    bars           INTEGER NOT NULL,
    bars_sha256    VARCHAR NOT NULL,
    PRIMARY KEY (run_id, instrument)
);

CREATE TABLE signals (
    run_id      VARCHAR NOT NULL,
    row_number  INTEGER NOT NULL,
    source      VARCHAR NOT NULL,          -- 'analysis', or the file's name
    instrument  VARCHAR NOT NULL,
    ts_event    TIMESTAMPTZ NOT NULL,
    regime      VARCHAR NOT NULL,
    side        INTEGER NOT NULL CHECK (side IN (-1, 0, 1)),
    weight      DECIMAL(38,12) NOT NULL CHECK (weight BETWEEN 0 AND 1),
    confidence  DECIMAL(38,12) NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    strategy    VARCHAR NOT NULL,
    stop_loss   DECIMAL(38,12),
    take_profit DECIMAL(38,12),
    quantity    DECIMAL(38,12),
    price       DECIMAL(38,12),
    PRIMARY KEY (run_id, row_number)
);

CREATE TABLE risk_decisions (              -- append-only: one row a check and intent
    run_id          VARCHAR NOT NULL,
    attempt         INTEGER NOT NULL,
    plan_digest     VARCHAR NOT NULL,
    client_order_id VARCHAR NOT NULL,
    intent          VARCHAR NOT NULL,      -- JSON: the whole intent the check looked at
    check_name      VARCHAR NOT NULL,
    passed          BOOLEAN NOT NULL,
    facts           VARCHAR NOT NULL,
    ts              TIMESTAMPTZ NOT NULL
);

CREATE TABLE approvals (
    approval_id  VARCHAR PRIMARY KEY,
    run_id       VARCHAR NOT NULL,
    account      VARCHAR NOT NULL,
    plan_digest  VARCHAR NOT NULL,
    plan         VARCHAR NOT NULL,         -- JSON, exactly what the person was shown
    status       VARCHAR NOT NULL
                 CHECK (status IN ('waiting', 'approved', 'refused', 'expired', 'used')),
    approver     VARCHAR,
    reason       VARCHAR NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    decided_at   TIMESTAMPTZ,
    used_at      TIMESTAMPTZ
);

CREATE TABLE intents (
    client_order_id VARCHAR PRIMARY KEY,
    run_id          VARCHAR NOT NULL,      -- the run that wrote it first
    plan_digest     VARCHAR NOT NULL,
    account         VARCHAR NOT NULL,
    instrument      VARCHAR NOT NULL,
    strategy        VARCHAR NOT NULL,
    signal_time     TIMESTAMPTZ NOT NULL,
    leg             VARCHAR NOT NULL,
    side            VARCHAR NOT NULL CHECK (side IN ('buy', 'sell')),
    order_qty       DECIMAL(38,12) NOT NULL CHECK (order_qty > 0),
    order_type      VARCHAR NOT NULL,
    time_in_force   VARCHAR NOT NULL,
    reduce_only     BOOLEAN NOT NULL,
    px_ref          DECIMAL(38,12) NOT NULL CHECK (px_ref > 0),
    confidence      DECIMAL(38,12) NOT NULL,
    reason          VARCHAR NOT NULL,
    limit_px        DECIMAL(38,12),
    stop_loss       DECIMAL(38,12),
    take_profit     DECIMAL(38,12),
    created_at      TIMESTAMPTZ NOT NULL
);

CREATE TABLE orders (                      -- folded: intents + order_events + fills
    client_order_id VARCHAR PRIMARY KEY,
    status          VARCHAR NOT NULL,
    venue_order_id  VARCHAR,
    cum_qty         DECIMAL(38,12) NOT NULL,
    avg_px          DECIMAL(38,12) NOT NULL,
    reason          VARCHAR NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL
);

CREATE TABLE order_events (                -- append-only
    seq             BIGINT PRIMARY KEY,    -- one counter with fills: the order of the story
    client_order_id VARCHAR NOT NULL,
    event_key       VARCHAR NOT NULL UNIQUE,
    status          VARCHAR NOT NULL,
    venue_order_id  VARCHAR,
    reason          VARCHAR NOT NULL,
    ts_event        TIMESTAMPTZ NOT NULL,
    ts_init         TIMESTAMPTZ NOT NULL
);

CREATE TABLE fills (                       -- append-only
    venue           VARCHAR NOT NULL,
    account         VARCHAR NOT NULL,
    trade_id        VARCHAR NOT NULL,
    seq             BIGINT NOT NULL UNIQUE,
    client_order_id VARCHAR,               -- null: an order that is not ours
    venue_order_id  VARCHAR NOT NULL,
    instrument      VARCHAR NOT NULL,
    base            VARCHAR NOT NULL,      -- the instrument's base currency
    quote           VARCHAR NOT NULL,
    side            VARCHAR NOT NULL CHECK (side IN ('buy', 'sell')),
    last_qty        DECIMAL(38,12) NOT NULL CHECK (last_qty > 0),
    last_px         DECIMAL(38,12) NOT NULL CHECK (last_px > 0),
    commission      DECIMAL(38,12) NOT NULL CHECK (commission >= 0),
    commission_ccy  VARCHAR NOT NULL,
    ts_event        TIMESTAMPTZ NOT NULL,
    ts_init         TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (venue, account, trade_id)
);

CREATE TABLE accounts (                    -- what has books here, and whose money it is
    account    VARCHAR PRIMARY KEY,
    venue      VARCHAR NOT NULL,
    uid        VARCHAR NOT NULL,           -- the venue's own name for the account
    opened_at  TIMESTAMPTZ NOT NULL,
    UNIQUE (venue, uid)
);

CREATE TABLE transfers (                   -- append-only: money that came or went, never a fill
    account     VARCHAR NOT NULL,
    transfer_id VARCHAR NOT NULL,
    kind        VARCHAR NOT NULL CHECK (kind IN ('opening', 'deposit', 'withdrawal')),
    currency    VARCHAR NOT NULL,
    amount      DECIMAL(38,12) NOT NULL,   -- signed: > 0 came in
    ts_event    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account, transfer_id)
);

CREATE TABLE positions (                   -- folded: fills
    account      VARCHAR NOT NULL,
    instrument   VARCHAR NOT NULL,
    net_qty      DECIMAL(38,12) NOT NULL,
    avg_px       DECIMAL(38,12) NOT NULL,
    realized_pnl DECIMAL(38,12) NOT NULL,
    commission   DECIMAL(38,12) NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account, instrument)
);

CREATE TABLE equity (                      -- append-only
    account        VARCHAR NOT NULL,
    run_id         VARCHAR NOT NULL,
    currency       VARCHAR NOT NULL,
    cash           DECIMAL(38,12) NOT NULL,
    holdings       DECIMAL(38,12) NOT NULL,
    equity         DECIMAL(38,12) NOT NULL,
    unrealized_pnl DECIMAL(38,12) NOT NULL,
    realized_pnl   DECIMAL(38,12) NOT NULL,
    ts_event       TIMESTAMPTZ NOT NULL,   -- market time of the marks
    ts_init        TIMESTAMPTZ NOT NULL,
    buying_power   DECIMAL(38,12)          -- as the venue said; null: it did not
);

CREATE TABLE marks (                       -- the prices that the last equity was taken at
    account    VARCHAR NOT NULL,
    instrument VARCHAR NOT NULL,
    px         DECIMAL(38,12) NOT NULL CHECK (px > 0),
    ts_event   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account, instrument)
);

CREATE TABLE discrepancies (
    discrepancy_id VARCHAR PRIMARY KEY,
    account        VARCHAR NOT NULL,
    run_id         VARCHAR NOT NULL,       -- the run that found it
    kind           VARCHAR NOT NULL,
    key            VARCHAR NOT NULL,
    instrument     VARCHAR,                -- null: the whole account
    books          VARCHAR NOT NULL,
    venue          VARCHAR NOT NULL,
    found_at       TIMESTAMPTZ NOT NULL,
    resolved_at    TIMESTAMPTZ             -- null: open, the instrument is quarantined
);

CREATE TABLE trading_state (               -- append-only; the last row of an account counts
    seq     BIGINT PRIMARY KEY,
    account VARCHAR NOT NULL,
    state   VARCHAR NOT NULL CHECK (state IN ('active', 'reducing', 'halted')),
    reason  VARCHAR NOT NULL,
    actor   VARCHAR NOT NULL,              -- a person's name, or 'regent'
    ts      TIMESTAMPTZ NOT NULL
);

CREATE TABLE live_trading (                -- append-only; the last row counts
    seq     BIGINT PRIMARY KEY,
    enabled BOOLEAN NOT NULL,
    actor   VARCHAR NOT NULL,
    ts      TIMESTAMPTZ NOT NULL
);

CREATE TABLE alerts (
    alert_id VARCHAR PRIMARY KEY,
    account  VARCHAR,
    run_id   VARCHAR,
    severity VARCHAR NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    topic    VARCHAR NOT NULL,
    text     VARCHAR NOT NULL,
    ts       TIMESTAMPTZ NOT NULL
);

-- The simulated venue's own books: what a real venue would keep on its side. Nothing in
-- the tables above is computed from them but through the venue's reports.
CREATE TABLE simulated_accounts (
    account  VARCHAR PRIMARY KEY,
    currency VARCHAR NOT NULL,
    cash     DECIMAL(38,12) NOT NULL,
    next_id  BIGINT NOT NULL               -- of orders and trades
);

CREATE TABLE simulated_positions (
    account    VARCHAR NOT NULL,
    instrument VARCHAR NOT NULL,
    net_qty    DECIMAL(38,12) NOT NULL,
    PRIMARY KEY (account, instrument)
);

CREATE TABLE simulated_orders (
    account         VARCHAR NOT NULL,
    client_order_id VARCHAR NOT NULL,
    venue_order_id  VARCHAR NOT NULL,
    instrument      VARCHAR NOT NULL,
    side            VARCHAR NOT NULL,
    order_type      VARCHAR NOT NULL,
    time_in_force   VARCHAR NOT NULL,
    order_qty       DECIMAL(38,12) NOT NULL,
    limit_px        DECIMAL(38,12),
    cum_qty         DECIMAL(38,12) NOT NULL,
    status          VARCHAR NOT NULL,
    reason          VARCHAR NOT NULL,
    ts_placed       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account, client_order_id)
);

CREATE TABLE simulated_fills (             -- append-only
    account         VARCHAR NOT NULL,
    trade_id        VARCHAR NOT NULL,
    client_order_id VARCHAR NOT NULL,
    venue_order_id  VARCHAR NOT NULL,
    instrument      VARCHAR NOT NULL,
    side            VARCHAR NOT NULL,
    last_qty        DECIMAL(38,12) NOT NULL,
    last_px         DECIMAL(38,12) NOT NULL,
    commission      DECIMAL(38,12) NOT NULL,
    commission_ccy  VARCHAR NOT NULL,
    ts_bar          TIMESTAMPTZ NOT NULL,  -- the bar whose volume it took part in
    ts_event        TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account, trade_id)
);
