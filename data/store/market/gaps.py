"""Bars that should be there and are not: asked for again, and remembered where in vain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from data.store.market.chunks import Span, chunk_at
from data.store.market.frames import Frames
from data.store.market.series import Series

CONFIRMED = 3  # asked again so often and never given: the source does not have it
PAUSE = timedelta(hours=1)  # a source that is late is not one that has nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Neighbours among the missing bars of a series."""

    series: Series
    first: datetime  # ts_open of the first and the last of them
    last: datetime
    bars: int
    asked: int  # how often each of them was asked for again, at least
    confirmed: bool  # the source does not have them


class Gaps:
    """The `missing` table."""

    def __init__(self, session: Frames) -> None:
        self._session = session

    def note(
        self,
        number: int,
        missing: pd.DatetimeIndex,
        now: datetime,
        *,
        final: bool = False,
        asked_at: datetime | None = None,
    ) -> None:
        """Keep exactly these as missing, with what is known of each.

        `final` for a source that says all it has at once, such as a file: they are confirmed.
        `asked_at` where somebody was asked for those that are new here.
        """
        with self._session.incoming(pd.DataFrame({"ts_open": missing})):
            self._session.rows(
                "DELETE FROM missing WHERE series = ? "
                "AND ts_open NOT IN (SELECT ts_open FROM incoming)",
                number,
            )
            self._session.rows(
                "INSERT INTO missing SELECT ?, ts_open, ?, ?, ? FROM incoming "
                "ON CONFLICT DO NOTHING",
                number,
                CONFIRMED if final else 0,
                now,
                asked_at,
            )

    def to_ask(self, series: Series, number: int, now: datetime, *, again: bool) -> list[Span]:
        """Return stretches that hold what is to be asked for again, at most one a chunk.

        That is what is not confirmed and was not asked for within the hour; with `again`, all.
        """
        rows = self._session.rows(
            "SELECT ts_open FROM missing WHERE series = ? "
            "AND (? OR (asked < ? AND (asked_at IS NULL OR asked_at <= ?))) ORDER BY ts_open",
            number,
            again,
            CONFIRMED,
            now - PAUSE,
        )
        spans: dict[datetime, Span] = {}
        for (ts_open,) in rows:
            chunk = chunk_at(ts_open, series.interval)
            # A longer bar may reach beyond its chunk, what is asked for does not.
            end = min(ts_open + series.interval, chunk.end)
            start = spans[chunk.start].start if chunk.start in spans else ts_open
            spans[chunk.start] = Span(start, end)
        return list(spans.values())

    def asked(self, number: int, span: Span, now: datetime) -> None:
        """Count one answer for a stretch: what it held is missing no more, the rest still is.

        Within the hour an answer counts once: a source that is late is not one without.
        """
        self._session.rows(
            "DELETE FROM missing WHERE series = ? AND ts_open >= ? AND ts_open < ? "
            "AND ts_open IN (SELECT ts_open FROM bars WHERE series = ?)",
            number,
            span.start,
            span.end,
            number,
        )
        self._session.rows(
            "UPDATE missing SET asked = asked + 1, asked_at = ? "
            "WHERE series = ? AND ts_open >= ? AND ts_open < ? "
            "AND (asked_at IS NULL OR asked_at <= ?)",
            now,
            number,
            span.start,
            span.end,
            now - PAUSE,
        )

    def confirmed(self, number: int) -> pd.DatetimeIndex:
        """Return when the bars would open that the source does not have, rising."""
        found = self._session.frame(
            "SELECT ts_open FROM missing WHERE series = ? AND asked >= ? ORDER BY ts_open",
            number,
            CONFIRMED,
        )
        return pd.DatetimeIndex(found["ts_open"])

    def asked_in_vain(self, number: int) -> pd.DatetimeIndex:
        """Return those of the confirmed ones that the source was asked for, and not only once.

        The holes of a file are not among them: nobody has asked whether it should have them.
        """
        found = self._session.frame(
            "SELECT ts_open FROM missing WHERE series = ? AND asked >= ? AND asked_at IS NOT NULL "
            "ORDER BY ts_open",
            number,
            CONFIRMED,
        )
        return pd.DatetimeIndex(found["ts_open"])

    def of(self, series: Series, number: int) -> tuple[Gap, ...]:
        """The gaps of a series, oldest first: bars that follow each other at its interval.

        A night or a weekend ends a stock's gap.
        """
        rows = self._session.rows(
            "SELECT min(ts_open), max(ts_open), count(*), min(asked), confirmed FROM ("
            "  SELECT ts_open, asked, asked >= ? AS confirmed,"
            "         ts_open - to_seconds(row_number() OVER"
            "             (PARTITION BY asked >= ? ORDER BY ts_open) * ?) AS island"
            "  FROM missing WHERE series = ?"
            ") GROUP BY island, confirmed ORDER BY 1",
            CONFIRMED,
            CONFIRMED,
            int(series.interval.total_seconds()),
            number,
        )
        return tuple(
            Gap(series=series, first=first, last=last, bars=n, asked=asked, confirmed=confirmed)
            for first, last, n, asked, confirmed in rows
        )
