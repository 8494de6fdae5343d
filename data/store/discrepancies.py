"""Discrepancies: where books and venue disagree, open until they agree again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from data.store.session import Session
from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.identifiers import AccountId, InstrumentId, RunId

OPEN = "FROM discrepancies WHERE account = ? AND resolved_at IS NULL"


class Discrepancies:
    """The `discrepancies` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def replace(
        self, account: AccountId, run_id: RunId, found: Iterable[Discrepancy], now: datetime
    ) -> None:
        """Take over what a whole reconciliation found.

        What is found again stays open since it was first found, what is new is opened,
        what is found no longer is resolved.
        """
        now_open = {(d.kind.value, d.key): d for d in found}
        rows = self._session.rows(f"SELECT kind, key, discrepancy_id {OPEN}", account)
        was_open = {(kind, key): discrepancy_id for kind, key, discrepancy_id in rows}
        for known, discrepancy_id in was_open.items():
            if known not in now_open:
                self._session.rows(
                    "UPDATE discrepancies SET resolved_at = ? WHERE discrepancy_id = ?",
                    now,
                    discrepancy_id,
                )
        for key, d in now_open.items():
            if key in was_open:
                self._session.rows(
                    "UPDATE discrepancies SET books = ?, venue = ? WHERE discrepancy_id = ?",
                    d.books,
                    d.venue,
                    was_open[key],
                )
            else:
                named = (uuid.uuid4().hex, account, run_id, d.kind, d.key, d.instrument_id)
                self._session.insert("discrepancies", [(*named, d.books, d.venue, now, None)])

    def open(self, account: AccountId) -> tuple[Discrepancy, ...]:
        """What disagrees now, oldest first."""
        rows = self._session.rows(
            f"SELECT kind, key, instrument, books, venue {OPEN} ORDER BY found_at, kind, key",
            account,
        )
        return tuple(
            Discrepancy(
                kind=DiscrepancyKind(kind),
                key=key,
                books=books,
                venue=venue,
                instrument_id=None if instrument is None else InstrumentId.parse(instrument),
            )
            for kind, key, instrument, books, venue in rows
        )
