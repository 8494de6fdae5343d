"""Bars without a fault, of a coin and of a stock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from data.feeds.calendar import expected_opens, sessions
from data.quality.sample import BarSample
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.timeframe import DAY

HOUR = timedelta(hours=1)
FIRST = datetime(2024, 1, 2, tzinfo=UTC)
BARS = 400
COIN, STOCK = (
    Instrument(
        instrument_id=InstrumentId(symbol, VenueId("simulated")),
        asset_class=asset_class,
        base=symbol.partition("/")[0],
        quote="USD",
        px_increment=Decimal("0.01"),
        qty_increment=Decimal(1),
    )
    for symbol, asset_class in (("BTC/USD", AssetClass.CRYPTO), ("SPY", AssetClass.EQUITY))
)


def coin_hours(**changes: Any) -> BarSample:  # noqa: ANN401 - any of a sample's fields
    """A coin's hours; the last has just closed."""
    opens = expected_opens(COIN, HOUR, FIRST, FIRST + BARS * HOUR)
    times = pd.DataFrame({"ts_open": opens, "ts_close": opens + HOUR})
    return _sample(COIN, HOUR, times, changes)


def stock_days(**changes: Any) -> BarSample:  # noqa: ANN401 - any of a sample's fields
    """A stock's days over holidays, half days and changes of the clock."""
    times = sessions(FIRST, FIRST + 2 * BARS * DAY)[:BARS]
    return _sample(STOCK, DAY, times, changes)


def _sample(
    instrument: Instrument, interval: timedelta, times: pd.DataFrame, changes: dict[str, Any]
) -> BarSample:
    values = _values(len(times))
    bars = pd.concat([times.reset_index(drop=True), values], axis="columns")
    fields: dict[str, Any] = {
        "instrument": instrument,
        "interval": interval,
        "table": bars,
        "now": bars["ts_close"].iloc[-1].to_pydatetime(),
        "replayed": False,
    }
    return BarSample(**(fields | changes))


def _values(bars: int) -> pd.DataFrame:
    """Prices in cents around 1,000 and volumes, none of them remarkable."""
    rng = np.random.default_rng(7)
    close = np.round(1_000 * np.exp(np.cumsum(0.005 * rng.standard_normal(bars))), 2)
    open_ = np.append(1_000.0, close[:-1]) + np.round(rng.uniform(0.01, 0.5, bars), 2)
    return pd.DataFrame(
        {
            "open": open_.round(2),
            "high": (np.maximum(open_, close) + 1).round(2),
            "low": (np.minimum(open_, close) - 1).round(2),
            "close": close,
            "volume": rng.integers(500, 1_500, bars).astype(float),
        }
    )
