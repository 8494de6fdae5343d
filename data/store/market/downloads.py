"""What was downloaded when, and whether it came to its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from data.store.market.chunks import Span
from data.store.market.frames import Frames
from data.store.market.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the store has of one series."""

    series: Series
    made_from: str | None  # the shorter timeframe it was resampled from
    bars: int
    first: datetime | None  # ts_open of the first bar
    last: datetime | None  # ts_close of the last
    missing: int
    restated: int  # bars that their source ever changed
    fetched_at: datetime | None
    unfinished: bool  # the last download of it was cut off: another goes on from there
    adjusted: bool  # there are factors for splits and dividends
    asked_since: datetime | None  # where nothing came from then until the first bar


class Downloads:
    """The `downloads` table, and a look over all series."""

    def __init__(self, session: Frames) -> None:
        self._session = session

    def begin(self, number: int, wanted: Span, now: datetime) -> int:
        """Note that a download begins; return its number."""
        ((download,),) = self._session.rows("SELECT coalesce(max(download), 0) + 1 FROM downloads")
        row = (download, number, wanted.start, wanted.end, now, None, None, None)
        self._session.insert("downloads", [row])
        return int(download)

    def end(self, download: int, bars_new: int, bars_restated: int, now: datetime) -> None:
        """Note that it came to its end, and with what."""
        self._session.rows(
            "UPDATE downloads SET ended_at = ?, bars_new = ?, bars_restated = ? WHERE download = ?",
            now,
            bars_new,
            bars_restated,
            download,
        )

    def held(self) -> tuple[Held, ...]:
        """What there is of every series, sorted."""
        rows = self._session.rows("""
            SELECT s.source, s.symbol, s.timeframe, s.made_from,
                   coalesce(b.bars, 0), b.first, b.last,
                   (SELECT count(*) FROM missing m WHERE m.series = s.series),
                   (SELECT count(DISTINCT ts_open) FROM restatements r WHERE r.series = s.series),
                   b.fetched_at,
                   coalesce((SELECT ended_at IS NULL FROM downloads d WHERE d.series = s.series
                             ORDER BY download DESC LIMIT 1), false),
                   EXISTS (SELECT 1 FROM factors f
                           WHERE f.source = s.source AND f.symbol = s.symbol),
                   (SELECT since FROM leads l WHERE l.series = s.series)
            FROM series s LEFT JOIN (
                SELECT series, count(*) AS bars, min(ts_open) AS first, max(ts_close) AS last,
                       max(fetched_at) AS fetched_at
                FROM bars GROUP BY series
            ) b USING (series)
            ORDER BY 1, 2, 3
        """)
        return tuple(
            Held(
                series=Series(source, symbol, timeframe),
                made_from=made_from,
                bars=bars,
                first=first,
                last=last,
                missing=missing,
                restated=restated,
                fetched_at=fetched_at,
                unfinished=unfinished,
                adjusted=adjusted,
                asked_since=asked_since,
            )
            for (
                source,
                symbol,
                timeframe,
                made_from,
                bars,
                first,
                last,
                missing,
                restated,
                fetched_at,
                unfinished,
                adjusted,
                asked_since,
            ) in rows
        )
