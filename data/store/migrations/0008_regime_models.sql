-- Regime models: what was fitted, on which bars, and which of them has said a run's regimes.

CREATE TABLE regime_models (               -- append-only
    sha256       VARCHAR PRIMARY KEY,      -- of `model`
    feed         VARCHAR NOT NULL,         -- with symbol and length: which bars
    symbol       VARCHAR NOT NULL,
    bar_s        BIGINT NOT NULL,          -- seconds from a bar's open to its close
    name         VARCHAR NOT NULL,         -- in the registry, as `regime.model` said
    kind         VARCHAR NOT NULL,
    version      INTEGER NOT NULL,
    model        VARCHAR NOT NULL,         -- JSON, canonical
    bars         INTEGER NOT NULL,         -- of the training
    trained_from TIMESTAMPTZ NOT NULL,     -- open of its first bar
    trained_to   TIMESTAMPTZ NOT NULL,     -- close of its last bar
    bars_sha256  VARCHAR NOT NULL,
    moves_sha256 VARCHAR NOT NULL,
    fitted_by    VARCHAR NOT NULL,         -- the run
    fitted_at    TIMESTAMPTZ NOT NULL
);

ALTER TABLE regimes ADD COLUMN model_sha256 VARCHAR;  -- null: no model, the regime is unknown
ALTER TABLE regimes ADD COLUMN reason VARCHAR;        -- why it is unknown
