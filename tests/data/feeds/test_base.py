from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from data.feeds.base import DAY, closed_bars, session_times, snapshot
from execution.errors import InputInvalid
from tests.execution.examples import AAPL
from tests.execution.walks import random_walk

HOUR = timedelta(hours=1)


def test_only_bars_that_had_closed_are_given():
    """The bar of 03:00 closes at 04:00: at 03:59:59 nobody knows its close."""
    bars = random_walk(0, 10)

    before = closed_bars(bars, AAPL, datetime(2024, 1, 1, 3, 59, 59, tzinfo=UTC), 100)
    at = closed_bars(bars, AAPL, datetime(2024, 1, 1, 4, tzinfo=UTC), 100)

    assert (len(before), len(at)) == (3, 4)
    assert pd.Timestamp("2024-01-01 04:00", tz="UTC") == at["ts_close"].iloc[-1]


def test_a_bar_still_open_now_is_dropped():
    bars = random_walk(0, 3)
    start = pd.Timestamp.now("UTC").floor("s") - pd.Timedelta(minutes=150)
    bars["ts_open"] = [start + i * pd.Timedelta(HOUR) for i in range(3)]
    bars["ts_close"] = bars["ts_open"] + pd.Timedelta(HOUR)

    assert len(closed_bars(bars, AAPL, None, 100)) == 2


def test_the_last_bars_are_given_oldest_first_and_counted_from_zero():
    bars = random_walk(0, 10)

    last = closed_bars(bars, AAPL, None, 3)

    assert list(bars["close"][-3:]) == list(last["close"])
    assert list(last.index) == [0, 1, 2]


def test_no_closed_bar_is_an_error_that_names_the_instrument_and_the_time():
    with pytest.raises(InputInvalid, match=r"no bar of AAPL.SCRIPTED had closed by 2023-12-31"):
        closed_bars(random_walk(0, 5), AAPL, datetime(2023, 12, 31, tzinfo=UTC), 5)


def test_a_time_without_zone_and_a_limit_of_none_are_refused():
    with pytest.raises(InputInvalid, match="has no time zone"):
        closed_bars(random_walk(0, 5), AAPL, datetime(2024, 1, 1), 5)  # noqa: DTZ001
    with pytest.raises(InputInvalid, match="limit=0 breaks limit >= 1"):
        closed_bars(random_walk(0, 5), AAPL, None, 0)


def test_a_session_follows_new_yorks_clock_through_summer_time():
    times = session_times(pd.Series(pd.to_datetime(["2013-03-08", "2013-03-11"])))

    assert [f"{t:%Y-%m-%d %H:%M}" for t in times["ts_open"]] == [
        "2013-03-08 14:30",
        "2013-03-11 13:30",
    ]
    assert [f"{t:%Y-%m-%d %H:%M}" for t in times["ts_close"]] == [
        "2013-03-08 21:00",
        "2013-03-11 20:00",
    ]


def test_a_snapshot_of_daily_bars_keeps_the_written_price_and_twenty_days_of_liquidity():
    n = 30
    bars = random_walk(0, n)
    bars["ts_open"] = pd.date_range("2024-01-01", periods=n, tz="UTC", unit="us")
    bars["ts_close"] = bars["ts_open"] + pd.Timedelta(hours=6, minutes=30)
    bars["volume"] = np.arange(n, dtype=float)
    bars["close"] = 100 * np.exp(0.01 * (np.arange(n) % 2))
    bars.loc[n - 1, "close"] = 428.91

    snap = snapshot(AAPL, bars, DAY)

    returns = np.diff(np.log(bars["close"]))[-20:]
    assert Decimal("428.91") == snap.last_px
    assert Decimal("19.5") == snap.adv  # mean of 10 to 29
    assert float(snap.volatility_day) == pytest.approx(np.std(returns, ddof=1))
    assert datetime(2024, 1, 30, 6, 30, tzinfo=UTC) == snap.ts_event
    assert type(snap.ts_event) is datetime


def test_hours_are_gathered_into_days_before_liquidity_is_measured():
    """Ten hours of a day just begun must not pass for a day's volume."""
    bars = random_walk(0, 24 * 25 + 10).assign(volume=2.0)
    bars["close"] = [100 * 1.02 ** (i // 24 % 2) for i in range(10, len(bars) + 10)]

    snap = snapshot(AAPL, bars, HOUR)

    assert Decimal("48.0") == snap.adv
    daily = [np.log(1.02) * (-1) ** i for i in range(20)]
    assert float(snap.volatility_day) == pytest.approx(np.std(daily, ddof=1))


def test_one_bar_has_no_volatility_and_none_is_refused():
    assert Decimal(0) == snapshot(AAPL, random_walk(0, 1), HOUR).volatility_day
    with pytest.raises(InputInvalid, match=r"no bars of AAPL.SCRIPTED"):
        snapshot(AAPL, random_walk(0, 1)[:0], HOUR)
