"""Data quality: what of a run's data was not as expected, and which bars were seen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from data.quality.expectation import Result
from data.quality.rules import Severity
from data.quality.seen import Seen
from data.schemas.report import BadRow
from data.store.session import Row, Session
from execution.model.identifiers import InstrumentId, RunId

SECOND = timedelta(seconds=1)
SEEN = "SELECT digests FROM bars_seen WHERE source = ? AND instrument = ? AND interval_s = ?"
REPLACE = """
    ON CONFLICT (source, instrument, interval_s)
    DO UPDATE SET bars = excluded.bars, digests = excluded.digests, seen_at = excluded.seen_at
"""


class Quality:
    """The `quality` and `bars_seen` tables."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, run_id: RunId, attempt: int, results: Iterable[Result], now: datetime) -> None:
        """Keep what was not met; what was met leaves no row."""
        rows = []
        for r in results:
            if r.first is not None:
                told = (r.subject, r.expectation, r.severity, r.rule, r.rows, r.failing)
                first = (r.first.row, r.first.column, r.first.value, r.at)
                rows.append((run_id, attempt, *told, *first, now))
        self._session.insert("quality", rows)

    def of(self, run_id: RunId) -> tuple[Result, ...]:
        """What the run's last attempt to look found, as it was found."""
        rows = self._session.rows(
            "SELECT * EXCLUDE (run_id, attempt, ts) FROM quality WHERE run_id = ? "
            "AND ts = (SELECT max(ts) FROM quality WHERE run_id = ?) ORDER BY rowid",
            run_id,
            run_id,
        )
        return tuple(map(_result, rows))

    def seen(self, source: str, instrument_id: InstrumentId, interval: timedelta) -> Seen | None:
        """The bars that were seen last, None when there were none."""
        row = self._session.row(SEEN, source, instrument_id, interval // SECOND)
        return None if row is None else Seen.parse(row[0])

    def see(
        self,
        source: str,
        instrument_id: InstrumentId,
        interval: timedelta,
        bars: Seen,
        now: datetime,
    ) -> None:
        """Keep these as the bars that were seen last."""
        key = (source, instrument_id, interval // SECOND)
        self._session.insert("bars_seen", [(*key, len(bars.rows), bars.text(), now)], REPLACE)


def _result(row: Row) -> Result:
    subject, expectation, severity, rule, rows, failing, first_row, column, value, at = row
    return Result(
        subject=subject,
        expectation=expectation,
        severity=Severity(severity),
        rule=rule,
        rows=rows,
        failing=failing,
        first=BadRow(first_row, column, value, rule),
        at=at,
    )
