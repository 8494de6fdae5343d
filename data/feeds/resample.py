"""Longer bars made of shorter ones: only whole ones, exactly."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from data.feeds.base import DAY, NEW_YORK
from data.feeds.calendar import MONDAY, expected_opens, sessions
from data.feeds.factors import adjusted
from data.schemas.bars import COLUMNS, BarFrame
from execution.errors import InputInvalid
from execution.model.enums import AssetClass
from execution.model.instrument import Instrument
from execution.model.timeframe import WEEK, timeframe_of

NONE = pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
PARTS = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def resample(
    bars: BarFrame,
    instrument: Instrument,
    interval: timedelta,
    target: timedelta,
    absent: pd.DatetimeIndex = NONE,
    factors: pd.DataFrame | None = None,
) -> BarFrame:
    """Return bars of `target` length made of `bars` of `interval` length.

    A bar is given only when each of its parts that the calendar expects is there, or is among
    `absent`: bars that the source is known not to have, as while an exchange was down. So a
    running bar is never given, and later bars change none that was. A stock's day is its
    regular session, from open to close, its week all of its sessions; bars outside of
    sessions are left out. With `factors` (see `data.feeds.factors`) the parts are put on the
    scale of their whole's last day: its close is what was traded, and `adjusted` makes of the
    longer bars what would have been made of adjusted ones. Raises InputInvalid unless `target`
    is a multiple of `interval`.
    """
    if target <= interval or target % interval:
        raise InputInvalid(
            f"bars of {timeframe_of(target)} cannot be made of bars of {timeframe_of(interval)}"
        )
    if bars.empty:
        return bars
    reach = max(target, DAY)
    opens = pd.DatetimeIndex(bars["ts_open"])
    expected = expected_opens(instrument, interval, opens[0] - reach, opens[-1] + reach)
    parts = pd.DataFrame({"whole": _whole(expected, instrument, target)}, index=expected)
    parts["there"] = expected.isin(opens) | expected.isin(absent)
    complete = parts.groupby("whole")["there"].all()
    # What the calendar does not expect is part of nothing.
    whole = pd.DatetimeIndex(parts["whole"].reindex(opens))
    kept = complete.reindex(whole).eq(True).to_numpy()
    bars, whole = bars[kept], whole[kept]
    times = _times(whole.unique(), instrument, target)
    if factors is not None:
        until = times["ts_close"].iloc[whole.unique().get_indexer(whole)]
        bars = adjusted(bars, factors, until)
    made = bars.groupby(whole.to_numpy()).agg(PARTS)
    return pd.concat([times, made.reset_index(drop=True)], axis="columns")[list(COLUMNS)]


def _whole(opens: pd.DatetimeIndex, instrument: Instrument, target: timedelta) -> pd.DatetimeIndex:
    """Say which longer bar each one is part of: by a naive time, a stock's in New York."""
    stock = instrument.asset_class is AssetClass.EQUITY
    clock = opens.tz_convert(NEW_YORK if stock else "UTC").tz_localize(None)
    if target == WEEK:
        monday = MONDAY.tz_localize(None)
        return monday + (clock - monday) // WEEK * WEEK
    return clock.floor(target)


def _times(whole: pd.DatetimeIndex, instrument: Instrument, target: timedelta) -> pd.DataFrame:
    """Say when these bars open and close, UTC."""
    if instrument.asset_class is AssetClass.CRYPTO:
        opens = whole.tz_localize("UTC")
        return _frame(opens, opens + target)
    if target < DAY:
        opens = whole.tz_localize(NEW_YORK).tz_convert("UTC")
        return _frame(opens, opens + target)
    if whole.empty:
        return _frame(NONE, NONE)
    # A day's time is its midnight, a week's its Monday's: the sessions lie behind.
    ends = whole[-1] + target
    known = sessions(whole[0].tz_localize(NEW_YORK), ends.tz_localize(NEW_YORK))
    day = _whole(pd.DatetimeIndex(known["ts_open"]), instrument, target)
    found = known.groupby(day).agg({"ts_open": "first", "ts_close": "last"}).loc[whole]
    return found.reset_index(drop=True)


def _frame(opens: pd.DatetimeIndex, closes: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame({"ts_open": opens.as_unit("us"), "ts_close": closes.as_unit("us")})
