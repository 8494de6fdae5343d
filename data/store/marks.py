"""Marks: the prices at which an account was last valued."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from data.store.session import Session
from execution.model.identifiers import AccountId, InstrumentId


class Marks:
    """The `marks` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(
        self, account: AccountId, marks: Mapping[InstrumentId, Decimal], now: datetime
    ) -> None:
        """Keep the newest prices, quote per base unit; those of other instruments stay."""
        for instrument_id in marks:
            self._session.rows(
                "DELETE FROM marks WHERE account = ? AND instrument = ?", account, instrument_id
            )
        self._session.insert("marks", [(account, i, px, now) for i, px in marks.items()])

    def of(self, account: AccountId) -> dict[InstrumentId, Decimal]:
        """Last known price by instrument."""
        rows = self._session.rows("SELECT instrument, px FROM marks WHERE account = ?", account)
        return {InstrumentId.parse(instrument): px for instrument, px in rows}

    def latest_ts(self, account: AccountId) -> datetime | None:
        """The market time of the newest price the account has seen; None without one."""
        row = self._session.rows("SELECT max(ts_event) FROM marks WHERE account = ?", account)[0]
        newest: datetime | None = row[0]
        return newest
