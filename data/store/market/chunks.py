"""Which stretches of a series were asked for, and which are still to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from data.store.market.frames import Frames
from execution.errors import InvariantBroken
from execution.model.timeframe import DAY

SHORT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time, `start <= t < end`, UTC, never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise InvariantBroken(f"start={self.start} is not before end={self.end}")


def chunk_at(moment: datetime, interval: timedelta) -> Span:
    """Return the chunk that holds a moment: of at most about 3,000 bars, written at once.

    A year of daily bars or longer, a month down to 15 minutes, a day of shorter ones; in UTC.
    """
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if interval < SHORT:
        return Span(day, day + DAY)
    month = day.replace(day=1)
    if interval < DAY:
        return Span(month, (month + timedelta(days=31)).replace(day=1))
    year = month.replace(month=1)
    return Span(year, year.replace(year=year.year + 1))


def by_chunk(span: Span, interval: timedelta) -> list[Span]:
    """Cut a stretch where its chunks end."""
    parts, start = [], span.start
    while start < span.end:
        end = min(span.end, chunk_at(start, interval).end)
        parts.append(Span(start, end))
        start = end
    return parts


def to_ask(
    asked: Mapping[datetime, Span], wanted: Span, interval: timedelta, *, again: bool = False
) -> list[Span]:
    """Return what of `wanted` has not been asked for, oldest first, each within one chunk.

    `asked` is by the start of the chunk. What is asked of one chunk stays in one piece: a
    hole between the two is asked for, too. With `again` all of `wanted` is.
    """
    spans = []
    for part in by_chunk(wanted, interval):
        done = asked.get(chunk_at(part.start, interval).start)
        if done is None:
            spans.append(part)
        elif again:
            spans.append(Span(min(part.start, done.end), max(part.end, done.start)))
        else:
            if part.start < done.start:
                spans.append(Span(part.start, done.start))
            if part.end > done.end:
                spans.append(Span(done.end, part.end))
    return spans


def joined(spans: Iterable[Span]) -> list[Span]:
    """Join the stretches that touch or overlap; oldest first."""
    whole: list[Span] = []
    for span in sorted(spans):
        if whole and span.start <= whole[-1].end:
            whole[-1] = Span(whole[-1].start, max(whole[-1].end, span.end))
        else:
            whole.append(span)
    return whole


def merged(spans: Iterable[Span], interval: timedelta) -> list[Span]:
    """Join them where they touch, and cut them where chunks end; oldest first."""
    return [part for span in joined(spans) for part in by_chunk(span, interval)]


class Chunks:
    """The `chunks` table."""

    def __init__(self, session: Frames) -> None:
        self._session = session

    def asked(self, number: int) -> dict[datetime, Span]:
        """What was asked of each chunk, by its start, oldest first."""
        rows = self._session.rows(
            "SELECT ts_start, asked_from, asked_until FROM chunks WHERE series = ? "
            "ORDER BY ts_start",
            number,
        )
        return {ts_start: Span(start, end) for ts_start, start, end in rows}

    def save(
        self, number: int, chunk: Span, asked: Span, bars: int, sha256: str, now: datetime
    ) -> None:
        """Add what was asked to what was before, and say what is in the chunk now."""
        self._session.insert(
            "chunks",
            [(number, chunk.start, asked.start, asked.end, bars, sha256, now)],
            "ON CONFLICT DO UPDATE SET asked_from = least(asked_from, excluded.asked_from), "
            "asked_until = greatest(asked_until, excluded.asked_until), bars = excluded.bars, "
            "sha256 = excluded.sha256, fetched_at = excluded.fetched_at",
        )
