"""Bars that were downloaded before: read from the market store, offline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd

from data.feeds.base import NoBarYet, closed_bars
from data.feeds.factors import adjusted
from data.schemas.bars import BarFrame, validate_bars
from data.store.market.series import Series
from data.store.market.store import MarketStore
from execution.errors import InputInvalid
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.timeframe import parse_timeframe, timeframe_of

# Sources whose prices come scaled by what was known later.
ADJUSTED = ("sample",)


class StoreFeed:
    """All that the store has from one source at one timeframe.

    Prices are adjusted for the splits and dividends up to the last bar where the store has
    factors: that bar keeps the price that was traded, which is what orders and marks are
    derived from. `venue` is the instruments' venue: that of the run.
    """

    live = False

    def __init__(
        self, store: MarketStore, source: str | None, timeframe: str, venue: VenueId
    ) -> None:
        self._store = store
        self._interval = parse_timeframe(timeframe)
        self._timeframe = timeframe_of(self._interval)
        self._venue = venue
        with store.reading() as archive:
            known = archive.series.all()
            self._source = source or _only_source(known)
            self._instruments = tuple(
                archive.series.instrument(series.source, series.symbol, venue)
                for series in known
                if (series.source, series.timeframe) == (self._source, self._timeframe)
            )
            # What was taken out up to the last bar was not in the prices that were traded.
            self._adjusted = {
                i.instrument_id
                for i in self._instruments
                if self._source in ADJUSTED
                or len(archive.factors.of(self._source, i.instrument_id.symbol))
            }
        self.adjusted = bool(self._adjusted)
        if not self._instruments:
            there = ", ".join(map(str, known)) or "nothing yet"
            raise InputInvalid(
                f"the store has no {self._timeframe} bars of {self._source}; it has {there}: "
                "`regent bars download` or `regent bars resample` makes more"
            )

    @property
    def interval(self) -> timedelta:
        """The timeframe's length."""
        return self._interval

    def instruments(self) -> tuple[Instrument, ...]:
        """What there are bars of, in the steps that the source last told."""
        return self._instruments

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        """Return the last `limit` bars closed at or before `as_of` (None: now), adjusted."""
        series = Series(self._source, instrument_id.symbol, self._timeframe)
        if instrument_id not in (i.instrument_id for i in self._instruments):
            raise InputInvalid(f"the store has no {series}")
        with self._store.reading() as archive:
            number = archive.series.number(series)
            found = archive.bars.newest(number, as_of or datetime.now(UTC), limit)
            factors = archive.factors.of(series.source, series.symbol)
        if found.empty:
            raise NoBarYet(f"no bar of {series} had closed by {as_of or 'now'}")
        bars = validate_bars(adjusted(found, factors), f"store {series}")
        return closed_bars(bars, instrument_id, as_of, limit)

    def adjusts(self, instrument_id: InstrumentId) -> bool:
        """Whether the store has factors of it, or its source gave adjusted prices."""
        return instrument_id in self._adjusted

    def absent(self, instrument_id: InstrumentId) -> pd.DatetimeIndex:
        """Return when bars should have opened that the source was asked for again in vain, UTC."""
        series = Series(self._source, instrument_id.symbol, self._timeframe)
        with self._store.reading() as archive:
            return archive.gaps.asked_in_vain(archive.series.number(series))

    def last_price(self, instrument_id: InstrumentId) -> None:
        """None: these bars are of the past."""


def _only_source(known: tuple[Series, ...]) -> str:
    sources = sorted({series.source for series in known})
    if len(sources) != 1:
        raise InputInvalid(f"source: which of those in the store? {', '.join(sources) or 'none'}")
    return sources[0]
