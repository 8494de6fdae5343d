from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.feeds.base import DAY, NEW_YORK, session_times
from data.feeds.calendar import expected_opens
from data.feeds.resample import resample
from data.schemas.bars import PRICES, BarFrame, validate_bars
from execution.errors import InputInvalid
from execution.model.instrument import Instrument
from execution.model.timeframe import WEEK
from tests.data.feeds.test_calendar import COIN, STOCK

REAL_BARS = Path(__file__).parents[4] / "shared" / "data"
HOUR = timedelta(hours=1)
MONDAY = datetime(2024, 7, 1, tzinfo=UTC)


def walk(instrument: Instrument, start: datetime, end: datetime, seed: int = 0) -> BarFrame:
    """Hourly bars of a random walk at every open the calendar knows."""
    opens = expected_opens(instrument, HOUR, start, end)
    dice = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(dice.normal(0, 0.01, len(opens))))
    first = np.concatenate([[100.0], close[:-1]])
    return validate_bars(
        pd.DataFrame(
            {
                "ts_open": opens,
                "ts_close": opens + HOUR,
                "open": first,
                "high": np.maximum(first, close) * 1.001,
                "low": np.minimum(first, close) * 0.999,
                "close": close,
                "volume": dice.uniform(1, 9, len(opens)),
            }
        ),
        "walk",
    )


def test_a_longer_bar_is_the_first_highest_lowest_last_and_sum_of_its_parts():
    bars = walk(COIN, MONDAY, MONDAY + 2 * DAY)

    made = resample(bars, COIN, HOUR, 4 * HOUR)

    part = bars.iloc[4:8]
    assert len(made) == 12
    assert made.iloc[1].to_dict() == {
        "ts_open": MONDAY + 4 * HOUR,
        "ts_close": MONDAY + 8 * HOUR,
        "open": part["open"].iloc[0],
        "high": part["high"].max(),
        "low": part["low"].min(),
        "close": part["close"].iloc[-1],
        "volume": pytest.approx(part["volume"].sum(), rel=1e-15),
    }


@pytest.mark.parametrize("lost", [0, 2, 3])
def test_a_bar_that_lacks_a_part_is_not_made(lost: int):
    """First, middle or last: what was traded then is not known."""
    bars = walk(COIN, MONDAY, MONDAY + 8 * HOUR).drop(index=lost)

    assert list(resample(bars, COIN, HOUR, 4 * HOUR)["ts_open"]) == [MONDAY + 4 * HOUR]


def test_a_part_that_the_source_is_known_not_to_have_is_not_waited_for():
    """The exchange was down: nothing was traded."""
    bars = walk(COIN, MONDAY, MONDAY + 4 * HOUR)
    absent = pd.DatetimeIndex(bars["ts_open"].iloc[[3]])

    (made,) = resample(bars.drop(index=3), COIN, HOUR, 4 * HOUR, absent).itertuples()

    assert made.close == bars["close"].iloc[2]
    assert made.ts_close == MONDAY + 4 * HOUR


def test_the_running_bar_is_never_given():
    bars = walk(COIN, MONDAY, MONDAY + timedelta(hours=30))

    assert list(resample(bars, COIN, HOUR, DAY)["ts_close"]) == [MONDAY + DAY]


def test_a_stocks_day_begins_with_the_hour_that_holds_the_open_and_ends_early_on_a_half_day():
    """The hour of 09:00 holds 09:30 to 10:00; 2024-07-03 closed at 13:00."""
    bars = walk(STOCK, MONDAY, MONDAY + 4 * DAY)

    made = resample(bars, STOCK, HOUR, DAY)

    local = bars["ts_open"].dt.tz_convert(NEW_YORK)
    first = bars[local.dt.hour == 9]
    assert list(made["open"]) == list(first["open"])
    assert list(made["ts_open"].dt.tz_convert(NEW_YORK).dt.strftime("%d %H:%M")) == [
        "01 09:30",
        "02 09:30",
        "03 09:30",
    ]
    assert list(made["ts_close"].dt.tz_convert(NEW_YORK).dt.hour) == [16, 16, 13]


def test_a_stocks_week_is_whole_with_its_last_session():
    """Friday the 5th is missing at first; Thursday the 4th was a holiday."""
    friday = MONDAY + 5 * DAY
    bars = walk(STOCK, MONDAY, MONDAY + 8 * DAY)

    assert resample(bars[bars["ts_close"] < friday - 5 * HOUR], STOCK, HOUR, WEEK).empty
    (made,) = resample(bars, STOCK, HOUR, WEEK).itertuples()
    assert made.ts_close == datetime(2024, 7, 5, 20, tzinfo=UTC)
    assert made.volume == pytest.approx(bars[bars["ts_open"] < friday]["volume"].sum())


def test_what_is_traded_outside_of_the_session_is_left_out():
    bars = walk(STOCK, MONDAY, MONDAY + DAY)
    early = bars.iloc[[0]].assign(ts_open=MONDAY + 9 * HOUR, ts_close=MONDAY + 10 * HOUR, high=999)

    made = resample(pd.concat([early, bars], ignore_index=True), STOCK, HOUR, DAY)

    assert made["high"].max() < 999


def test_a_split_within_a_week_leaves_no_jump_in_it():
    """Two for one after Tuesday: the week's high is Monday's, in the shares of its Friday."""
    bars = walk(STOCK, MONDAY, MONDAY + 5 * DAY)
    split = pd.DataFrame(
        {
            "last_day": pd.to_datetime(["2024-07-02"]),
            "price_factor": [1.0],
            "split_factor": [0.5],
        }
    )
    before = bars["ts_open"] < MONDAY + 2 * DAY
    traded = bars.copy()
    traded.loc[before, list(PRICES)] *= 2
    traded.loc[before, "volume"] /= 2

    made = resample(traded, STOCK, HOUR, WEEK, factors=split)

    assert len(made) == 1
    pd.testing.assert_frame_equal(made, resample(bars, STOCK, HOUR, WEEK), check_exact=True)


@pytest.mark.parametrize("instrument", [COIN, STOCK], ids=["coin", "stock"])
@pytest.mark.parametrize("target", [4 * HOUR, DAY, WEEK], ids=["4h", "1d", "1w"])
@settings(max_examples=15, deadline=None)
@given(cut=st.integers(1, 300), lost=st.sets(st.integers(0, 299), max_size=3))
def test_later_bars_change_none_that_was_made(
    instrument: Instrument, target: timedelta, cut: int, lost: set[int]
):
    """Made of the bars up to then, they are the first of those made of all."""
    bars = walk(instrument, MONDAY, MONDAY + 16 * DAY)
    bars = bars.drop(index=[n for n in lost if n < len(bars)])
    whole = resample(bars, instrument, HOUR, target)

    part = resample(bars.iloc[:cut], instrument, HOUR, target)

    pd.testing.assert_frame_equal(part, whole.iloc[: len(part)], check_exact=True)


def test_lengths_that_do_not_fit_are_refused():
    bars = walk(COIN, MONDAY, MONDAY + DAY)

    with pytest.raises(InputInvalid, match="bars of 1h cannot be made of bars of 4h"):
        resample(bars, COIN, 4 * HOUR, HOUR)
    with pytest.raises(InputInvalid, match="bars of 6h cannot be made of bars of 4h"):
        resample(bars, COIN, 4 * HOUR, 6 * HOUR)


@pytest.mark.skipif(not REAL_BARS.is_dir(), reason="real bars are not part of the project")
def test_a_real_sources_days_are_made_of_its_hours_exactly():
    """But for 24 half days, on which the source trades on after the early close."""
    hourly = pd.read_parquet(REAL_BARS / "us_SPY_1h_unadjusted.parquet")
    daily = pd.read_parquet(REAL_BARS / "us_SPY_1d_unadjusted.parquet")
    opens = hourly["ts"].dt.tz_localize(NEW_YORK).dt.tz_convert("UTC").dt.as_unit("us")
    values = hourly.drop(columns="ts").astype(float)
    bars = pd.concat([pd.DataFrame({"ts_open": opens, "ts_close": opens + HOUR}), values], axis=1)

    made = resample(bars, STOCK, HOUR, DAY).set_index("ts_open")

    told = daily.drop(columns="ts").astype(float).set_index(session_times(daily["ts"])["ts_open"])
    both = made.index.intersection(told.index)
    differs = (made.loc[both, told.columns] != told.loc[both]).any(axis=1)
    half_days = made.loc[both[differs], "ts_close"].dt.tz_convert(NEW_YORK).dt.hour
    assert len(told) - len(both) == 1  # a morning of silence
    assert set(half_days) == {13}
    assert len(half_days) < 25
