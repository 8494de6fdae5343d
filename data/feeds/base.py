"""The port to bars, and what every feed's bars have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from data.schemas.bars import BarFrame
from execution.errors import InputInvalid
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.money import quantize
from execution.regime.bars import bars_sha256

__all__ = [
    "SIMULATED",
    "Feed",
    "NoBarYet",
    "Source",
    "bars_sha256",
    "between",
    "closed_bars",
    "session_times",
    "snapshot",
]

SIMULATED = VenueId("simulated")
DAY = timedelta(days=1)
DAYS_OF_LIQUIDITY = 20
NEW_YORK = "America/New_York"
SESSION_OPEN, SESSION_CLOSE = timedelta(hours=9, minutes=30), timedelta(hours=16)


class NoBarYet(InputInvalid):
    """An instrument had no closed bar by the time asked for: it was not traded yet."""


@runtime_checkable
class Feed(Protocol):
    """A source of bars and prices. One that cannot be reached raises VenueUnavailable."""

    live: bool  # False: bars of the past, whose time stands in for the clock
    adjusted: bool  # scaled by later splits or dividends, at least some: not what was traded

    @property
    def interval(self) -> timedelta:
        """Time from one bar to the next; a day for daily bars, sessions or not."""
        ...

    def instruments(self) -> tuple[Instrument, ...]:
        """What this feed has bars of."""
        ...

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        """Return the last `limit` bars closed at or before `as_of`, oldest first.

        None means now. Columns as in `data.schemas.bars.Bars`; never empty: raises
        InputInvalid when no bar had closed by then or the instrument is not here.
        """
        ...

    def last_price(self, instrument_id: InstrumentId) -> tuple[Decimal, datetime] | None:
        """Return the latest traded price, quote per base unit, > 0, and its time, UTC.

        Newer than the last closed bar, however long the bars are. None for a replay.
        """
        ...


@runtime_checkable
class Source(Feed, Protocol):
    """A feed whose whole history can be asked for, stretch by stretch, to be kept."""

    def history(self, instrument_id: InstrumentId, start: datetime, end: datetime) -> BarFrame:
        """Return the bars with `start <= ts_open < end`, oldest first; there may be none.

        Prices as they were traded, where the source can tell: not adjusted for later splits
        and dividends. The bars need not be closed yet.
        """
        ...


@runtime_checkable
class KnowsGaps(Protocol):
    """A feed that knows which bars there are nowhere."""

    def absent(self, instrument_id: InstrumentId) -> pd.DatetimeIndex:
        """Return when bars should have opened that the source was asked for again in vain, UTC."""
        ...


@runtime_checkable
class AdjustsSome(Protocol):
    """A feed that scales the prices of some instruments and leaves others as they were traded."""

    def adjusts(self, instrument_id: InstrumentId) -> bool:
        """Whether its prices are scaled by later splits or dividends, as `Feed.adjusted` says."""
        ...


def between(bars: BarFrame, start: datetime, end: datetime) -> BarFrame:
    """Keep the bars with `start <= ts_open < end`."""
    first, last = (
        int(bars["ts_open"].searchsorted(pd.Timestamp(moment))) for moment in (start, end)
    )
    return bars.iloc[first:last].reset_index(drop=True)


def closed_bars(
    bars: BarFrame, instrument_id: InstrumentId, as_of: datetime | None, limit: int
) -> BarFrame:
    """Keep the last `limit` bars closed at or before `as_of` (None: now)."""
    if limit < 1:
        raise InputInvalid(f"limit={limit} breaks limit >= 1")
    cutoff = as_of or datetime.now(UTC)
    if cutoff.tzinfo is None:
        raise InputInvalid(f"as_of={cutoff} has no time zone")
    end = int(bars["ts_close"].searchsorted(pd.Timestamp(cutoff), side="right"))
    if end == 0:
        raise NoBarYet(f"no bar of {instrument_id} had closed by {cutoff:%Y-%m-%d %H:%M}Z")
    return bars.iloc[max(0, end - limit) : end].reset_index(drop=True)


def session_times(dates: pd.Series[pd.Timestamp]) -> pd.DataFrame:
    """Turn naive dates into `ts_open` and `ts_close` of New York's regular session.

    09:30 to 16:00 local, in UTC. A half day's early close is not known here: its bar
    counts as closed at 16:00, later than it was, which can never look ahead.
    """
    times = {"ts_open": dates + SESSION_OPEN, "ts_close": dates + SESSION_CLOSE}
    return pd.DataFrame(
        {
            name: ts.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC").dt.as_unit("us")
            for name, ts in times.items()
        }
    )


def snapshot(instrument_id: InstrumentId, bars: BarFrame, interval: timedelta) -> MarketSnapshot:
    """Sum up the last bar and the liquidity of the 20 days up to it.

    `adv` is the mean volume of a day, `volatility_day` the sample deviation of the log
    returns from day to day (0 with fewer than two returns). Bars shorter than a day are
    gathered into days of 24 hours counted back from the last close, so no day is cut
    short but the oldest; days without a bar do not count.
    """
    if bars.empty:
        raise InputInvalid(f"no bars of {instrument_id}")
    last = bars.iloc[-1]
    daily = bars
    if interval < DAY:
        age = (last["ts_close"] - bars["ts_close"]) // DAY
        daily = bars.groupby(-age).agg({"close": "last", "volume": "sum"})
    returns = np.diff(np.log(daily["close"].to_numpy(float)))[-DAYS_OF_LIQUIDITY:]
    volatility = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    return MarketSnapshot(
        instrument_id=instrument_id,
        last_px=_price(last["close"]),
        high=_price(last["high"]),
        low=_price(last["low"]),
        volume=_decimal(last["volume"]),
        ts_open=last["ts_open"].to_pydatetime(),
        ts_event=last["ts_close"].to_pydatetime(),
        adv=_decimal(daily["volume"].tail(DAYS_OF_LIQUIDITY).mean()),
        volatility_day=_decimal(volatility),
    )


def _decimal(value: float) -> Decimal:
    """The shortest decimal that is this float: what the person or the venue wrote."""
    return Decimal(repr(float(value)))


def _price(value: float) -> Decimal:
    return quantize(_decimal(value))
