"""The bars themselves: written chunk by chunk, read by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from data.schemas.bars import COLUMNS, BarFrame
from data.store.market.chunks import Chunks, Span, chunk_at
from data.store.market.frames import Frames
from data.store.market.series import Series
from execution.regime.bars import bars_sha256

LISTED = ", ".join(COLUMNS)
VALUES = list(COLUMNS[1:])  # all but the key
CHANGES = ", ".join(f"{name} = i.{name}" for name in (*VALUES, "fetched_at"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """Bars of one chunk that a source gave differently from what it had given before."""

    series: Series
    first: datetime  # ts_open of the first and the last of them
    last: datetime
    bars: int
    old_sha256: str  # of the chunk
    new_sha256: str

    def __str__(self) -> str:
        when = f"{self.first:%Y-%m-%d %H:%M}Z"
        if self.last != self.first:
            when += f" to {self.last:%Y-%m-%d %H:%M}Z"
        return (
            f"{self.series}: restated: bars={self.bars}, {when}, "
            f"sha256 {self.old_sha256[:12]} -> {self.new_sha256[:12]}; the newest are kept, "
            "the old ones are in the table restatements"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was new in an answer."""

    bars_new: int
    restated: Restated | None


class BarRows:
    """The tables `bars` and `restatements`."""

    def __init__(self, session: Frames, chunks: Chunks) -> None:
        self._session = session
        self._chunks = chunks

    def write(
        self, series: Series, number: int, span: Span, bars: BarFrame, now: datetime
    ) -> Written:
        """Keep what a source gave for a stretch of one chunk.

        A bar that is there already and equal is left alone. One that differs takes its place,
        and the old one goes to `restatements`. One that the source no longer gives stays: an
        empty page is no evidence.
        """
        chunk = chunk_at(span.start, series.interval)
        stored = self.between(number, chunk)
        fresh, changed = _news(stored, bars)
        if not fresh.empty:
            rows = fresh.assign(series=number, fetched_at=pd.Timestamp(now))
            self._session.put("bars", rows)
        restated = None
        if not changed.empty:
            restated = self._restate(series, number, chunk, stored, changed, now)
        if stored.empty:
            stored = bars
        elif restated is not None or not fresh.empty:
            stored = self.between(number, chunk)
        self._chunks.save(number, chunk, span, len(stored), bars_sha256(stored), now)
        return Written(bars_new=len(fresh), restated=restated)

    def between(self, number: int, span: Span) -> BarFrame:
        """Return the bars with `start <= ts_open < end`, oldest first."""
        return self._session.frame(
            f"SELECT {LISTED} FROM bars WHERE series = ? AND ts_open >= ? AND ts_open < ? "  # noqa: S608 - ours
            "ORDER BY ts_open",
            number,
            span.start,
            span.end,
        )

    def all(self, number: int) -> BarFrame:
        """Return every bar of a series, oldest first."""
        return self._session.frame(
            f"SELECT {LISTED} FROM bars WHERE series = ? ORDER BY ts_open",  # noqa: S608 - ours
            number,
        )

    def newest(self, number: int, as_of: datetime, limit: int) -> BarFrame:
        """Return the last `limit` bars closed at or before `as_of`, oldest first."""
        found = self._session.frame(
            f"SELECT {LISTED} FROM bars WHERE series = ? AND ts_close <= ? "  # noqa: S608 - ours
            "ORDER BY ts_open DESC LIMIT ?",
            number,
            as_of,
            limit,
        )
        return found.iloc[::-1].reset_index(drop=True)

    def opens(self, number: int) -> pd.DatetimeIndex:
        """Return when its bars open, rising."""
        found = self._session.frame(
            "SELECT ts_open FROM bars WHERE series = ? ORDER BY ts_open", number
        )
        return pd.DatetimeIndex(found["ts_open"])

    def open_before(self, number: int, moment: datetime, nth: int) -> datetime | None:
        """Return when the nth last bar before a moment opens, or the first there is."""
        rows = self._session.rows(
            "SELECT min(ts_open) FROM (SELECT ts_open FROM bars WHERE series = ? AND ts_open < ? "
            "ORDER BY ts_open DESC LIMIT ?)",
            number,
            moment,
            nth,
        )
        return rows[0][0] if rows else None

    def _restate(
        self,
        series: Series,
        number: int,
        chunk: Span,
        stored: BarFrame,
        changed: pd.DataFrame,
        now: datetime,
    ) -> Restated:
        moment = pd.Timestamp(now)
        with self._session.incoming(changed.assign(fetched_at=moment)):
            old = self._session.frame(
                "SELECT b.* FROM bars b JOIN incoming i USING (ts_open) WHERE b.series = ? "
                "ORDER BY ts_open",
                number,
            )
            self._session.rows(
                f"UPDATE bars SET {CHANGES} FROM incoming i "  # noqa: S608 - ours
                "WHERE bars.series = ? AND bars.ts_open = i.ts_open",
                number,
            )
        old_sha256 = bars_sha256(stored)
        new_sha256 = bars_sha256(self.between(number, chunk))
        self._session.put(
            "restatements",
            old.assign(found_at=moment, old_sha256=old_sha256, new_sha256=new_sha256),
        )
        return Restated(
            series=series,
            first=changed["ts_open"].iloc[0].to_pydatetime(),
            last=changed["ts_open"].iloc[-1].to_pydatetime(),
            bars=len(changed),
            old_sha256=old_sha256,
            new_sha256=new_sha256,
        )


def _news(stored: BarFrame, given: BarFrame) -> tuple[BarFrame, BarFrame]:
    """Return the bars that are new, and those that differ from the stored one of their time."""
    if stored.empty:
        return given, given.iloc[:0]
    known = given["ts_open"].isin(stored["ts_open"])
    again = given[known]
    before = stored[stored["ts_open"].isin(again["ts_open"])]  # both rise: row by row the same
    differs = (again[VALUES].to_numpy() != before[VALUES].to_numpy()).any(axis=1)
    return given[~known], again[differs]
