from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from data.feeds.base import NEW_YORK, session_times
from data.feeds.calendar import expected_opens, is_session_open, sessions
from execution.errors import InputInvalid
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.timeframe import DAY, WEEK, parse_timeframe, timeframe_of

REAL_BARS = Path(__file__).parents[4] / "shared" / "data"
HOUR = timedelta(hours=1)


def make_instrument(symbol: str) -> Instrument:
    crypto = "/" in symbol
    return Instrument(
        instrument_id=InstrumentId(symbol, VenueId("simulated")),
        asset_class=AssetClass.CRYPTO if crypto else AssetClass.EQUITY,
        base=symbol.partition("/")[0],
        quote="USD",
        px_increment=Decimal("0.01"),
        qty_increment=Decimal(1),
    )


STOCK, COIN = make_instrument("SPY"), make_instrument("BTC/USD")


def local(opens: pd.DatetimeIndex) -> list[str]:
    return list(opens.tz_convert(NEW_YORK).strftime("%m-%d %H:%M"))


def test_a_stocks_first_hour_is_the_one_that_holds_the_open():
    """Sources put 09:30 to 10:00 into the bar of 09:00, on New York's clock."""
    day = expected_opens(
        STOCK, HOUR, datetime(2024, 7, 2, tzinfo=UTC), datetime(2024, 7, 3, tzinfo=UTC)
    )

    assert [f"07-02 {hour:02}:00" for hour in range(9, 16)] == local(day)


def test_a_half_day_ends_at_one_and_a_holiday_has_no_bars():
    days = expected_opens(
        STOCK, HOUR, datetime(2024, 7, 3, tzinfo=UTC), datetime(2024, 7, 5, tzinfo=UTC)
    )

    assert local(days) == ["07-03 09:00", "07-03 10:00", "07-03 11:00", "07-03 12:00"]


def test_stocks_days_keep_new_yorks_clock_over_the_change_of_time():
    start, end = datetime(2024, 3, 8, tzinfo=UTC), datetime(2024, 3, 12, tzinfo=UTC)

    days = expected_opens(STOCK, DAY, start, end)

    assert list(days.strftime("%Y-%m-%d %H:%M")) == ["2024-03-08 14:30", "2024-03-11 13:30"]


def test_a_week_opens_with_its_first_session():
    """Monday 2024-05-27 was Memorial Day."""
    start, end = datetime(2024, 5, 20, tzinfo=UTC), datetime(2024, 6, 4, tzinfo=UTC)

    weeks = expected_opens(STOCK, WEEK, start, end)

    assert local(weeks) == ["05-20 09:30", "05-28 09:30", "06-03 09:30"]


def test_a_week_that_began_before_the_start_is_not_opened_again():
    start, end = datetime(2024, 5, 22, tzinfo=UTC), datetime(2024, 5, 30, tzinfo=UTC)

    assert local(expected_opens(STOCK, WEEK, start, end)) == ["05-28 09:30"]


@pytest.mark.parametrize("timeframe", ["15m", "1h", "4h", "1d", "1w"])
def test_crypto_never_closes(timeframe: str):
    """Half-open: a bar that opens at the end is the next stretch's."""
    interval = parse_timeframe(timeframe)
    start = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday

    opens = expected_opens(COIN, interval, start, start + 10 * interval)

    assert [start + n * interval for n in range(10)] == list(opens)


def test_a_start_between_two_opens_waits_for_the_next():
    start = datetime(2024, 1, 1, 0, 1, tzinfo=UTC)

    assert [start.replace(hour=1, minute=0)] == list(
        expected_opens(COIN, HOUR, start, start + HOUR)
    )


@pytest.mark.parametrize("instrument", [STOCK, COIN], ids=["stock", "coin"])
def test_two_stretches_give_what_one_gives(instrument: Instrument):
    start, middle, end = (
        datetime(2024, 2, 1, tzinfo=UTC),
        datetime(2024, 3, 6, 15, 17, tzinfo=UTC),
        datetime(2024, 3, 15, tzinfo=UTC),
    )
    for interval in (timedelta(minutes=5), HOUR, DAY, WEEK):
        whole = expected_opens(instrument, interval, start, end)
        parts = expected_opens(instrument, interval, start, middle).append(
            expected_opens(instrument, interval, middle, end)
        )
        assert list(whole) == list(parts)


@pytest.mark.parametrize("timeframe", ["5m", "1h", "1d", "1w"])
def test_a_weekend_has_no_bars_of_a_stock(timeframe: str):
    sunday = datetime(2024, 6, 30, 12, tzinfo=UTC)

    assert expected_opens(STOCK, parse_timeframe(timeframe), sunday, sunday + 9 * HOUR).empty


def test_a_session_is_open_until_before_its_close():
    close = datetime(2024, 7, 3, 17, tzinfo=UTC)  # a half day, 13:00 in New York

    assert is_session_open(STOCK, close - timedelta(seconds=1))
    assert not is_session_open(STOCK, close)
    assert is_session_open(COIN, close)


def test_what_the_calendar_does_not_know_is_refused():
    """An empty answer would say that no bar is missing."""
    start = datetime(2100, 1, 1, tzinfo=UTC)

    with pytest.raises(InputInvalid, match="known from 1970-01-01 to"):
        expected_opens(STOCK, DAY, start, start + DAY)
    with pytest.raises(InputInvalid, match="has no time zone"):
        sessions(datetime(2024, 1, 1), datetime(2024, 1, 2))  # noqa: DTZ001 - the fault


@pytest.mark.parametrize("text", ["7m", "3d", "0h", "1", "h", "100m", "1H", "-1h"])
def test_bars_of_an_odd_length_are_refused(text: str):
    with pytest.raises(InputInvalid, match="timeframe"):
        parse_timeframe(text)


@pytest.mark.parametrize("text", ["1m", "90s", "12h", "1d", "1w"])
def test_a_timeframe_is_written_as_it_is_read(text: str):
    if text == "90s":
        with pytest.raises(InputInvalid, match="part of a day"):
            timeframe_of(timedelta(seconds=90))
    else:
        assert text == timeframe_of(parse_timeframe(text))


@pytest.mark.skipif(not REAL_BARS.is_dir(), reason="real bars are not part of the project")
def test_the_calendar_expects_what_a_real_source_has():
    """Daily to the bar; hourly but for a morning of silence, and trades after early closes."""
    daily = pd.read_parquet(REAL_BARS / "us_SPY_1d_unadjusted.parquet")
    days = pd.DatetimeIndex(session_times(daily["ts"])["ts_open"])
    hourly = pd.read_parquet(REAL_BARS / "us_SPY_1h_unadjusted.parquet")
    hours = pd.DatetimeIndex(hourly["ts"]).tz_localize(NEW_YORK).tz_convert("UTC")

    expected = expected_opens(STOCK, HOUR, hours[0], hours[-1] + HOUR)

    assert list(days) == list(expected_opens(STOCK, DAY, days[0], days[-1] + DAY))
    assert sorted({f"{ts:%F}" for ts in expected.difference(hours)}) == ["2002-09-11"]
    assert hours.difference(expected).tz_convert(NEW_YORK).hour.min() == 13
