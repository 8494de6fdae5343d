"""One instrument's bars, with what they are held against: the clock and the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.feeds.base import NEW_YORK, SESSION_OPEN, session_times
from data.feeds.calendar import FIRST_SESSION, MICROSECOND, MONDAY, expected_opens, sessions
from data.quality.seen import Seen
from execution.errors import InputInvalid
from execution.model.enums import AssetClass
from execution.model.instrument import Instrument
from execution.model.timeframe import DAY, require_regular

Floats = npt.NDArray[np.float64]
NORMAL = 1.4826  # of a normal distribution: its deviation in median absolute deviations
NORMAL_MEAN = 1.2533  # the same in mean absolute deviations, where the median one is 0


@dataclass(frozen=True, kw_only=True)
class BarSample:
    """Bars as they were read, right or wrong; times are looked at only if they are UTC."""

    instrument: Instrument
    interval: timedelta
    table: pd.DataFrame  # columns of `data.schemas.bars.Bars`
    now: datetime  # UTC, the market's clock: what is later is of the future
    replayed: bool  # bars of the past are never late
    stored: bool = False  # taken for the newest there are, and as old as their last download
    adjusted: bool = False  # scaled by later splits and dividends: not what was traded then
    absent: pd.DatetimeIndex | None = None  # when bars should have opened that nobody has
    seen: Seen | None = None  # what was read before
    reference: pd.DataFrame | None = None  # another source's bars
    reference_problem: str = ""  # why there are none, although they were asked for

    @property
    def subject(self) -> str:
        """The instrument."""
        return str(self.instrument.instrument_id)

    def moment(self, row: int) -> datetime | None:
        """When the bar opened."""
        if "ts_open" not in self.table:
            return None
        ts = self.table["ts_open"].iloc[row]
        return ts.to_pydatetime() if isinstance(ts, pd.Timestamp) and ts.tzinfo else None

    @property
    def clock(self) -> pd.Timestamp:
        """Now, to be compared with times of the table."""
        return pd.Timestamp(self.now)

    @property
    def stock(self) -> bool:
        """Whether its market closes."""
        return self.instrument.asset_class is not AssetClass.CRYPTO

    @cached_property
    def regular(self) -> bool:
        """Whether the calendar knows bars of this length."""
        try:
            require_regular(self.interval)
        except InputInvalid:
            return False
        return True

    @cached_property
    def opens(self) -> pd.DatetimeIndex:
        """When the bars opened."""
        return pd.DatetimeIndex(self.table["ts_open"])

    @cached_property
    def closes(self) -> pd.DatetimeIndex:
        """When the bars closed."""
        return pd.DatetimeIndex(self.table["ts_close"])

    @cached_property
    def keys(self) -> pd.DatetimeIndex:
        """What tells one bar from another: a stock's days by their date, else the opening."""
        return self.key(self.opens)

    def key(self, opens: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """The keys of bars that open then: the hour at which a session opens is no gap."""
        if self.stock and self.interval == DAY:
            return opens.tz_convert(NEW_YORK).tz_localize(None).normalize()
        return opens

    @cached_property
    def phase(self) -> pd.Timedelta:
        """How much later than the calendar's own grid most bars begin.

        Some exchanges have days of their own, and some sources count a stock's hours from 09:30.
        """
        if self.stock is (self.interval >= DAY) or not self.regular or self.opens.empty:
            return pd.Timedelta(0)
        if self.stock:
            local = self.opens.tz_convert(NEW_YORK).tz_localize(None)
            from_open = pd.Timedelta(SESSION_OPEN) % self.interval
            counted = (local - local.normalize()) % self.interval == from_open
            return from_open if counted.mean() > 0.5 else pd.Timedelta(0)
        after, count = np.unique((self.opens - MONDAY) % self.interval, return_counts=True)
        return pd.Timedelta(after[np.argmax(count)])

    @cached_property
    def judged(self) -> npt.NDArray[np.bool_]:
        """The rows of times that the calendar knows, up to now."""
        known = self.opens <= self.clock
        return known & (self.opens >= pd.Timestamp(FIRST_SESSION)) if self.stock else known

    @cached_property
    def expected(self) -> pd.DatetimeIndex:
        """When the bars from the first to the last should have opened."""
        opens = self.opens[self.judged]
        if opens.empty or not self.regular:
            return opens[:0]
        start, end = opens.min().to_pydatetime(), opens.max().to_pydatetime()
        if self.stock and self.interval == DAY:  # the session opens later where the row says so
            start, end = start - DAY, end + DAY
        found = self._expected(start, end + MICROSECOND)
        keys = self.key(found)
        ours = self.keys[self.judged]
        return found[(keys >= ours.min()) & (keys <= ours.max())]

    @cached_property
    def spans(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """When stocks are traded, microseconds: 09:30 to 16:00 of New York's session days.

        On half days too: after the early close there are trades, and some sources have them.
        """
        start = self.opens[self.judged].min().to_pydatetime()
        found = sessions(start - DAY, min(self.closes[self.judged].max(), self.now) + DAY)
        dates = found["ts_open"].dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.normalize()
        times = session_times(dates)
        return _us(pd.DatetimeIndex(times["ts_open"])), _us(pd.DatetimeIndex(times["ts_close"]))

    def closed_since(self) -> int:
        """How many bars have closed since the newest one did."""
        last_open, last_close = self.opens.max(), self.closes.max()
        if self.stock and self.interval >= DAY:
            found = sessions(last_close.to_pydatetime(), max(self.now, last_close))
            ended = (found["ts_close"] <= self.now) & (found["ts_open"] > last_close)
            return int(ended.sum()) * DAY // self.interval
        if not self.regular:
            return max(0, (self.clock - last_close) // self.interval)
        end = self.now - self.interval + MICROSECOND
        start = last_open.to_pydatetime() + MICROSECOND
        return len(self._expected(start, end))

    def _expected(self, start: datetime, end: datetime) -> pd.DatetimeIndex:
        phase = self.phase.to_pytimedelta()
        return expected_opens(self.instrument, self.interval, start, end, phase)

    @cached_property
    def after_close(self) -> npt.NDArray[np.bool_]:
        """The bars before which the market was closed."""
        shut = np.zeros(len(self.opens), dtype=bool)
        shut[1:] = self.opens[1:] > self.closes[:-1]
        return shut

    @cached_property
    def returns(self) -> Floats:
        """Log return of each bar's close; NaN where there is none."""
        close = self.column("close")
        logs = np.where((close > 0) & np.isfinite(close), np.log(close), np.nan)
        return np.diff(logs, prepend=np.nan)

    @cached_property
    def return_z(self) -> Floats:
        """Robust z of each return."""
        return robust_z(self.returns)

    def column(self, name: str) -> Floats:
        """A column's numbers."""
        return self.table[name].to_numpy(np.float64)


def robust_z(values: Floats) -> Floats:
    """Distance from the median, in median absolute deviations scaled to standard ones.

    Where half of the values are the same, in mean ones. Iglewicz and Hoaglin (1993), How to
    Detect and Handle Outliers. NaN stays NaN; all the same gives 0.
    """
    if not np.isfinite(values).any():
        return np.full_like(values, np.nan)
    away = values - np.nanmedian(values)
    scale = NORMAL * np.nanmedian(np.abs(away)) or NORMAL_MEAN * np.nanmean(np.abs(away)) or 1.0
    return away / scale


def _us(times: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    return times.as_unit("us").asi8
