"""Bars from a source into the store: what is new, what has changed, what is missing.

Chunk by chunk: a source is asked, then what it gave is written in one short transaction.
Killed anywhere, the next download goes on with the first chunk that was not written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from data.feeds.base import NoBarYet, Source
from data.feeds.calendar import closed_until, expected_opens
from data.store.market.bars import Restated, Written
from data.store.market.chunks import Span, joined, merged, to_ask
from data.store.market.gaps import Gap
from data.store.market.leads import Lead, before, first_expected
from data.store.market.series import Series
from data.store.market.store import Archive, MarketStore
from execution.errors import InputInvalid
from execution.model.instrument import Instrument
from execution.model.timeframe import timeframe_of

OVERLAP = 24  # of the newest bars are asked for again: has the source changed its mind?

Track = Callable[[Sequence[Span]], Iterable[Span]]  # hands them on, and shows how far we are


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """What a download did, and what the store has now."""

    series: Series
    asked: Span | None  # None: nothing new can be there yet
    bars: int
    bars_new: int
    restated: tuple[Restated, ...]
    gaps: tuple[Gap, ...]
    lead: Lead | None  # asked for before the first bar, in vain
    on_calendar: bool  # else its bars open at times of their own, and gaps cannot be told


def download(
    store: MarketStore,
    name: str,
    source: Source,
    instrument: Instrument,
    now: datetime,
    *,
    since: datetime | None = None,
    again: bool = False,
    track: Track = iter,
) -> Downloaded:
    """Fetch what the store does not have of an instrument yet, up to the last closed bar.

    `since` may be left out for a series that was downloaded before, and for a file. The
    newest bars are fetched once more and compared; with `again`, and of a file, all are. Bars
    that the calendar expects and that did not come are asked for again: see `gaps`, and, for
    those before the first, `leads`. Raises VenueUnavailable when the source cannot be reached;
    what came until then is kept.
    """
    return _Download(store, name, source, instrument, now).run(since, again, track)


class _Download:
    """One download under way."""

    def __init__(
        self, store: MarketStore, name: str, source: Source, instrument: Instrument, now: datetime
    ) -> None:
        symbol = instrument.instrument_id.symbol
        self._series = Series(name, symbol, timeframe_of(source.interval))
        self._store = store
        self._source = source
        self._instrument = instrument
        self._now = now
        self._whole = not source.live  # a file: it says all that it has at once, each time
        self._written: list[Written] = []

    def run(self, since: datetime | None, again: bool, track: Track) -> Downloaded:
        wanted = self._wanted(since)
        with self._store.transaction() as archive:
            number = archive.series.open(self._series, self._instrument)
            spans = self._spans(archive, number, wanted, again or self._whole) if wanted else []
            lead = self._lead_to_ask(archive, number, again=again)
            begun = archive.downloads.begin(number, wanted, self._now) if wanted else None
        for span in track(merged([*spans, *lead], self._series.interval)):
            bars = self._ask(span)
            with self._store.transaction() as archive:
                self._write(archive, number, span, bars)
        with self._store.transaction() as archive:
            on_calendar = self._note_missing(archive, number)
            self._note_lead(archive, number, asked=bool(lead))
            left = archive.gaps.to_ask(self._series, number, self._now, again=again)
        for span in track([] if self._whole else left):
            bars = self._ask(span)
            with self._store.transaction() as archive:
                self._write(archive, number, span, bars)
                archive.gaps.asked(number, span, self._now)
        restated = tuple(w.restated for w in self._written if w.restated)
        bars_new = sum(w.bars_new for w in self._written)
        with self._store.transaction() as archive:
            if begun is not None:
                bars_restated = sum(one.bars for one in restated)
                archive.downloads.end(begun, bars_new, bars_restated, self._now)
            return Downloaded(
                series=self._series,
                asked=wanted,
                bars=len(archive.bars.opens(number)),
                bars_new=bars_new,
                restated=restated,
                gaps=archive.gaps.of(self._series, number),
                lead=archive.leads.of(self._series, number),
                on_calendar=on_calendar,
            )

    def _wanted(self, since: datetime | None) -> Span | None:
        """What the store should have, once all is there; None where no bar can have closed."""
        until = closed_until(self._instrument, self._source.interval, self._now)
        if self._whole:
            try:
                bars = self._source.bars(self._instrument.instrument_id, self._now, sys.maxsize)
            except NoBarYet:
                return None
            # What a file has is all there is of it: its first bar to its last.
            since = since or bars["ts_open"].iloc[0].to_pydatetime()
            until = bars["ts_close"].iloc[-1].to_pydatetime()
        elif since is None:
            since = self._first_asked()
        return Span(since, until) if since < until else None

    def _first_asked(self) -> datetime:
        with self._store.transaction() as archive:
            number = archive.series.open(self._series, self._instrument)
            asked = archive.chunks.asked(number)
        if not asked:
            raise InputInvalid(f"{self._series}: since when? it was not downloaded before")
        return next(iter(asked.values())).start

    def _spans(self, archive: Archive, number: int, wanted: Span, again: bool) -> list[Span]:
        """What is to be asked for, each stretch within one chunk, oldest first."""
        asked = archive.chunks.asked(number)
        spans = to_ask(asked, wanted, self._series.interval, again=again)
        ends = {span.end for span in asked.values()}
        for span in [span for span in spans if span.start in ends]:
            first = archive.bars.open_before(number, span.start, OVERLAP)
            if first is not None:
                spans.append(Span(first, span.start))
        return spans

    def _lead_to_ask(self, archive: Archive, number: int, *, again: bool) -> list[Span]:
        asked = archive.chunks.asked(number).values()
        return archive.leads.to_ask(number, asked, self._now, again=again)

    def _ask(self, span: Span) -> pd.DataFrame:
        """Ask for a stretch; what is not closed yet is dropped, it would still change."""
        bars = self._source.history(self._instrument.instrument_id, span.start, span.end)
        return bars[bars["ts_close"] <= pd.Timestamp(self._now)]

    def _write(self, archive: Archive, number: int, span: Span, bars: pd.DataFrame) -> None:
        self._written.append(archive.bars.write(self._series, number, span, bars, self._now))

    def _note_missing(self, archive: Archive, number: int) -> bool:
        """Keep what is missing; False where no bar opens when the calendar says so."""
        opens = archive.bars.opens(number)
        asked = archive.chunks.asked(number)
        expected = _expected(self._instrument, self._series, opens, asked)
        on_calendar = opens.empty or expected.isin(opens).any()
        missing = expected.difference(opens) if on_calendar else expected[:0]
        archive.gaps.note(number, missing, self._now, final=self._whole)
        return bool(on_calendar)

    def _note_lead(self, archive: Archive, number: int, *, asked: bool) -> None:
        """Keep since when nothing came before the first bar. A file has said all it has."""
        if self._whole:
            return
        opens = archive.bars.opens(number)
        first = None if opens.empty else opens[0].to_pydatetime()
        spans = before(first, archive.chunks.asked(number).values())
        since = first_expected(self._instrument, self._series.interval, spans)
        archive.leads.note(number, since, first, self._now, asked=asked)


def _expected(
    instrument: Instrument, series: Series, opens: pd.DatetimeIndex, asked: Mapping[datetime, Span]
) -> pd.DatetimeIndex:
    """When bars open in what was asked for, from the first there is: before it lies a lead."""
    if opens.empty:
        return opens
    first = opens[0].to_pydatetime()
    spans = (Span(max(s.start, first), s.end) for s in joined(asked.values()) if s.end > first)
    found = [expected_opens(instrument, series.interval, s.start, s.end) for s in spans]
    return pd.DatetimeIndex(found[0].append(found[1:]))
