"""When bars are to be expected: New York's sessions for stocks, always for crypto.

The sessions, holidays and early closes are those of `exchange_calendars` for XNYS. Bars
shorter than a day lie on New York's clock, counted from its midnight, and those that touch
a session are expected: the first hour of a session that begins at 09:30 is the bar of
09:00, the last of one that ends at 13:00 that of 12:00. A stock's day opens with its
session, its week with the week's first session. Crypto's bars lie on UTC's clock, its
weeks begin on Monday.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd

from data.feeds.base import NEW_YORK, SESSION_CLOSE, SESSION_OPEN
from execution.errors import InputInvalid
from execution.model.enums import AssetClass
from execution.model.instrument import Instrument
from execution.model.timeframe import DAY, WEEK, require_regular

FIRST_SESSION = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MONDAY = pd.Timestamp("1970-01-05", tz="UTC")


def expected_opens(
    instrument: Instrument,
    interval: timedelta,
    start: datetime,
    end: datetime,
    phase: timedelta = timedelta(0),
) -> pd.DatetimeIndex:
    """Return when the bars open in `start <= ts_open < end`: UTC, microseconds, rising.

    `phase` is how much later than midnight, or a week's Monday, the bars' grid begins: some
    sources count a stock's hours from 09:30, some exchanges a coin's days from 08:00. Raises
    InputInvalid for a time without a zone, an interval that does not divide a day (a week is
    fine), or a stock's times that lie outside the calendar.
    """
    require_regular(interval)
    first, last = _utc(start), _utc(end)
    if last <= first:
        return pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
    if instrument.asset_class is AssetClass.CRYPTO:
        opens = _always(interval, first, last, phase)
    else:
        # The day or week that holds `start` may have opened before it.
        opens = _in_sessions(interval, sessions(start - max(interval, DAY), end), phase)
    return opens[(opens >= first) & (opens < last)].as_unit("us")


def sessions(start: datetime, end: datetime) -> pd.DataFrame:
    """Return New York's sessions that overlap `start` to `end`: `ts_open`, `ts_close`, UTC.

    The early close of a half day is told. Raises InputInvalid outside the calendar, which
    ends a year from now: nobody knows the holidays of later years.
    """
    known = _schedule()
    first, last = _utc(start), _utc(end)
    if first < pd.Timestamp(FIRST_SESSION) or last > known["ts_close"].iloc[-1]:
        raise InputInvalid(
            f"the calendar of New York's sessions is known from {FIRST_SESSION:%Y-%m-%d} to "
            f"{known['ts_close'].iloc[-1]:%Y-%m-%d}, not for {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        )
    overlapping = (known["ts_close"] > first) & (known["ts_open"] < last)
    return known[overlapping].reset_index(drop=True)


def is_session_open(instrument: Instrument, moment: datetime) -> bool:
    """Whether the instrument's regular session is on: from its open until before its close."""
    if instrument.asset_class is AssetClass.CRYPTO:
        return True
    return not sessions(moment, moment + MICROSECOND).empty


def closed_until(instrument: Instrument, interval: timedelta, now: datetime) -> datetime:
    """Return the time before which every bar that opened has closed by `now`.

    That is when the running bar opened, or `now` where none runs.
    """
    opens = expected_opens(instrument, interval, now - 2 * WEEK, now)
    if opens.empty:
        return now
    last = opens[-1].to_pydatetime()
    stocks_day = instrument.asset_class is AssetClass.EQUITY and interval == DAY
    length = SESSION_CLOSE - SESSION_OPEN if stocks_day else interval
    return now if last + length <= now else last


@cache
def _schedule() -> pd.DataFrame:
    """Every session that is known, with its open and close, read once a process."""
    import exchange_calendars  # half a second: only who asks for sessions pays it

    found = exchange_calendars.get_calendar("XNYS", start=FIRST_SESSION.date()).schedule
    times = {"ts_open": found["open"], "ts_close": found["close"]}
    return pd.DataFrame({name: ts.dt.as_unit("us") for name, ts in times.items()}).reset_index(
        drop=True
    )


def _always(
    interval: timedelta, first: pd.Timestamp, last: pd.Timestamp, phase: timedelta
) -> pd.DatetimeIndex:
    origin = (MONDAY if interval == WEEK else pd.Timestamp(0, tz="UTC")) + phase
    before = (first - origin) // interval
    return pd.date_range(origin + before * interval, last, freq=interval)


def _in_sessions(interval: timedelta, found: pd.DataFrame, phase: timedelta) -> pd.DatetimeIndex:
    local = pd.DataFrame(
        {name: ts.dt.tz_convert(NEW_YORK).dt.tz_localize(None) for name, ts in found.items()}
    )
    if interval == DAY:
        return pd.DatetimeIndex(found["ts_open"])
    if interval == WEEK:
        week = local["ts_open"].dt.to_period("W")
        return pd.DatetimeIndex(found["ts_open"][~week.duplicated()])
    # Sessions lie between 09:30 and 16:00, where no clock is ever put forward or back.
    local -= phase
    opens = local["ts_open"].dt.floor(interval)
    count = -((opens - local["ts_close"]) // interval)  # a bar that is begun counts
    nth = np.concatenate([np.arange(n) for n in count]) if len(count) else np.empty(0, int)
    bars = opens.repeat(count) + pd.to_timedelta(nth, unit="us") * (interval // MICROSECOND)
    bars += phase
    return pd.DatetimeIndex(bars.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC"))


def _utc(moment: datetime) -> pd.Timestamp:
    if moment.tzinfo is None:
        raise InputInvalid(f"time {moment} has no time zone")
    return pd.Timestamp(moment).tz_convert("UTC")
