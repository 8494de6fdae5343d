"""Bars of real sources: nothing is an error but what is known to be missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from data.feeds.base import NEW_YORK, session_times
from data.quality.bars import BARS
from data.quality.expectation import look
from data.quality.rules import DEFAULT_RULES, Severity
from data.quality.sample import BarSample
from execution.model.timeframe import DAY
from tests.data.quality.samples import COIN, HOUR, STOCK

REAL_BARS = Path(__file__).parents[4] / "shared" / "data"
VALUES = ["open", "high", "low", "close", "volume"]


@dataclass(frozen=True)
class Known:
    """What a source is known to lack, and what of it is worth a look."""

    rows: int
    gaps: int = 0
    missing: int = 0
    warned: frozenset[str] = frozenset()


KNOWN = {
    "binance_BTCUSDT_1h": Known(37_702, gaps=10, missing=22, warned=frozenset({"zero_volume_run"})),
    "coinbase_BTCUSD_1h_2017_2019": Known(20_111),
    "coinbase_BTCUSD_1d_2014_2018": Known(1_318, 8, 34, frozenset({"row_count"})),
    "us_AAPL_1d_unadjusted": Known(5_849, warned=frozenset({"no_split"})),
    "us_IBM_1d_unadjusted": Known(5_849, warned=frozenset({"no_split"})),
    "us_SPY_1d_unadjusted": Known(5_849),
    # On 2002-09-11 trading began at 11:00, after a silence that no calendar knows of.
    "us_SPY_1h_unadjusted": Known(40_832, gaps=1, missing=2),
}


def sample(name: str) -> BarSample:
    frame = pd.read_parquet(REAL_BARS / f"{name}.parquet")
    stock, daily = name.startswith("us_"), "_1d" in name
    interval = DAY if daily else HOUR
    if stock and daily:
        times = session_times(frame["ts"].dt.normalize())
    else:
        ts = frame["ts"].dt.tz_localize(NEW_YORK) if stock else frame["ts"]
        opens = ts.dt.tz_convert("UTC").dt.as_unit("us")
        times = pd.DataFrame({"ts_open": opens, "ts_close": opens + interval})
    return BarSample(
        instrument=STOCK if stock else COIN,
        interval=interval,
        table=times.join(frame[VALUES].astype(float)),
        now=datetime(2026, 1, 1, tzinfo=UTC),
        replayed=True,
    )


@pytest.mark.skipif(not REAL_BARS.is_dir(), reason="real bars are not part of the project")
@pytest.mark.parametrize("name", KNOWN)
def test_real_bars_have_no_error_but_their_known_gaps(name: str):
    known = KNOWN[name]

    found = [f for f in look(BARS.values(), sample(name), DEFAULT_RULES) if len(f.offending)]

    for f in found:
        print(f"{name}: {f.result.severity} {f.result}")
    errors = {f.expectation.name: f for f in found if f.expectation.severity is Severity.ERROR}
    assert errors.keys() == ({"no_gaps"} if known.gaps else set())
    gaps = errors["no_gaps"].offending if known.gaps else pd.Series(dtype=str)
    missing = [int(text.rpartition(": ")[2].removesuffix(" missing")) for text in gaps]
    assert (len(missing), sum(missing)) == (known.gaps, known.missing)
    assert known.warned <= {f.expectation.name for f in found}
    assert found[0].result.rows == known.rows


@pytest.mark.skipif(not REAL_BARS.is_dir(), reason="real bars are not part of the project")
def test_the_splits_of_a_stock_are_found():
    """Apple's of 2000, 2005 (2 for 1), 2014 (7 for 1) and 2020 (4 for 1)."""
    bars = sample("us_AAPL_1d_unadjusted")

    rows = BARS["no_split"](bars, DEFAULT_RULES).index

    days = [f"{bars.opens[row]:%Y-%m-%d}" for row in rows]
    assert days == ["2000-06-21", "2005-02-28", "2014-06-09", "2020-08-31"]
