-- Bars by series, what was asked for when, what the source changed, and what it has not.
-- Prices and volumes are floats: they are analysed, never booked. Times are UTC.

CREATE TABLE instruments (  -- as their source describes them: the steps an order is made in
    source        VARCHAR NOT NULL,  -- the feed they come from: ccxt:binance, alpaca, files
    symbol        VARCHAR NOT NULL,
    asset_class   VARCHAR NOT NULL,
    base          VARCHAR NOT NULL,
    quote         VARCHAR NOT NULL,
    px_increment  DECIMAL(38,12) NOT NULL,
    qty_increment DECIMAL(38,12) NOT NULL,
    qty_min       DECIMAL(38,12) NOT NULL,
    notional_min  DECIMAL(38,12) NOT NULL,
    PRIMARY KEY (source, symbol)
);

CREATE TABLE series (
    series       INTEGER PRIMARY KEY,
    source       VARCHAR NOT NULL,
    symbol       VARCHAR NOT NULL,
    timeframe    VARCHAR NOT NULL,
    made_from    VARCHAR,  -- the shorter timeframe it was resampled from; null: downloaded
    UNIQUE (source, symbol, timeframe)
);

CREATE TABLE bars (
    series     INTEGER NOT NULL,
    ts_open    TIMESTAMPTZ NOT NULL,
    ts_close   TIMESTAMPTZ NOT NULL,
    open       DOUBLE NOT NULL,
    high       DOUBLE NOT NULL,
    low        DOUBLE NOT NULL,
    close      DOUBLE NOT NULL,
    volume     DOUBLE NOT NULL,
    fetched_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (series, ts_open)
);

-- A year of daily bars, a month of shorter ones, a day of the shortest: what is written at once.
CREATE TABLE chunks (
    series      INTEGER NOT NULL,
    ts_start    TIMESTAMPTZ NOT NULL,
    asked_from  TIMESTAMPTZ NOT NULL,  -- of the chunk, this stretch was asked for
    asked_until TIMESTAMPTZ NOT NULL,
    bars        INTEGER NOT NULL,
    sha256      VARCHAR NOT NULL,      -- of the bars in it
    fetched_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (series, ts_start)
);

-- What a bar was before its source gave another one for the same time: the newest wins.
CREATE TABLE restatements (
    series     INTEGER NOT NULL,
    ts_open    TIMESTAMPTZ NOT NULL,
    found_at   TIMESTAMPTZ NOT NULL,
    ts_close   TIMESTAMPTZ NOT NULL,
    open       DOUBLE NOT NULL,
    high       DOUBLE NOT NULL,
    low        DOUBLE NOT NULL,
    close      DOUBLE NOT NULL,
    volume     DOUBLE NOT NULL,
    fetched_at TIMESTAMPTZ NOT NULL,
    old_sha256 VARCHAR NOT NULL,  -- of the chunk before and after
    new_sha256 VARCHAR NOT NULL,
    PRIMARY KEY (series, ts_open, found_at)
);

-- Bars that the calendar expects and the source did not give.
CREATE TABLE missing (
    series   INTEGER NOT NULL,
    ts_open  TIMESTAMPTZ NOT NULL,
    asked    INTEGER NOT NULL,  -- how often it was asked for again, in vain
    found_at TIMESTAMPTZ NOT NULL,
    asked_at TIMESTAMPTZ,
    PRIMARY KEY (series, ts_open)
);

CREATE TABLE downloads (
    download      INTEGER PRIMARY KEY,
    series        INTEGER NOT NULL,
    since         TIMESTAMPTZ NOT NULL,
    until         TIMESTAMPTZ NOT NULL,
    started_at    TIMESTAMPTZ NOT NULL,
    ended_at      TIMESTAMPTZ,  -- null: it did not come to its end
    bars_new      INTEGER,
    bars_restated INTEGER
);

-- From a factor file: what prices up to and including a day are multiplied by.
CREATE TABLE factors (
    source       VARCHAR NOT NULL,
    symbol       VARCHAR NOT NULL,
    last_day     DATE NOT NULL,
    price_factor DOUBLE NOT NULL,
    split_factor DOUBLE NOT NULL,
    PRIMARY KEY (source, symbol, last_day)
);
