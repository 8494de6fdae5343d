"""The time before a series' first bar: its market was not listed yet, or its source not well.

A source that is not well answers with nothing, as one does that has nothing. So what it was
asked for before its first bar is asked for again, as a gap is, before it is believed. It is
kept as one stretch, and is no gap: before its listing a market lacks no bars.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from data.feeds.calendar import FIRST_SESSION, expected_opens
from data.store.market.chunks import Span, joined
from data.store.market.frames import Frames
from data.store.market.gaps import CONFIRMED, PAUSE
from data.store.market.series import Series
from data.store.session import Row
from execution.model.instrument import Instrument
from execution.model.timeframe import WEEK

LONG_ENOUGH = 2 * WEEK  # no market is closed for so long: some bar opens


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """Time before the first bar of a series that its source gave nothing of."""

    series: Series
    since: datetime  # when its first bar would open
    first: datetime | None  # ts_open of the first bar there is
    asked: int  # how often, in vain, an hour apart
    confirmed: bool  # the source does not have it

    def __str__(self) -> str:
        first = f"first bar {self.first:%Y-%m-%d %H:%M}Z" if self.first else "no bar"
        what = f"{self.series}: {first}, asked since {self.since:%Y-%m-%d %H:%M}Z"
        if self.confirmed:
            return f"{what}: the source has none before"
        return f"{what}: asked {self.asked} of {CONFIRMED} times, the next download asks again"


class Leads:
    """The `leads` table."""

    def __init__(self, session: Frames) -> None:
        self._session = session

    def to_ask(
        self, number: int, asked: Iterable[Span], now: datetime, *, again: bool
    ) -> list[Span]:
        """Return what to ask for again of what was `asked` for: all of it before the first bar.

        Nothing once it is confirmed, or within the hour; with `again`, all the same.
        """
        row = self._row(number)
        if row is None:
            return []
        _, first, times, asked_at = row
        due = again or (times < CONFIRMED and asked_at <= now - PAUSE)
        return before(first, asked) if due else []

    def note(
        self,
        number: int,
        since: datetime | None,
        first: datetime | None,
        now: datetime,
        *,
        asked: bool,
    ) -> None:
        """Keep that nothing came from `since` until the first bar; None where that is no time.

        `asked`: it was asked for again just now. Within the hour that counts once; another
        stretch than before begins at one.
        """
        row = self._row(number)
        if row is not None and row[:2] == (since, first):
            *_, times, asked_at = row
            if not asked or asked_at > now - PAUSE:
                return
            kept = times + 1
        else:
            kept = 1
        self._session.rows("DELETE FROM leads WHERE series = ?", number)
        if since is not None:
            self._session.insert("leads", [(number, since, first, kept, now)])

    def of(self, series: Series, number: int) -> Lead | None:
        """What a series lacks before its first bar, if anything."""
        row = self._row(number)
        if row is None:
            return None
        since, first, asked, _ = row
        confirmed = asked >= CONFIRMED
        return Lead(series=series, since=since, first=first, asked=asked, confirmed=confirmed)

    def _row(self, number: int) -> Row | None:
        return self._session.row(
            "SELECT since, first, asked, asked_at FROM leads WHERE series = ?", number
        )


def before(first: datetime | None, asked: Iterable[Span]) -> list[Span]:
    """Return what was asked for before the first bar: all, where there is none."""
    spans = joined(asked)
    if first is None:
        return spans
    return [Span(s.start, min(s.end, first)) for s in spans if s.start < first]


def first_expected(
    instrument: Instrument, interval: timedelta, spans: Iterable[Span]
) -> datetime | None:
    """Return when the first bar in some stretches would open; None: a weekend lacks nothing."""
    for span in spans:
        start = max(span.start, FIRST_SESSION + LONG_ENOUGH)  # no calendar knows earlier ones
        end = min(span.end, start + LONG_ENOUGH)
        opens = expected_opens(instrument, interval, start, end)
        if not opens.empty:
            return opens[0].to_pydatetime()
    return None
