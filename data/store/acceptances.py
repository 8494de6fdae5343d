"""Acceptances: what a person took into the books that was not our doing; append-only."""

from __future__ import annotations

from datetime import datetime

from data.store.session import Session
from execution.model.identifiers import AccountId


class Acceptances:
    """The `acceptances` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, account: AccountId, key: str, actor: str, reason: str, now: datetime) -> None:
        """Keep a person's word on the discrepancy of that key."""
        self._session.insert("acceptances", [(account, key, actor, reason, now)])

    def keys(self, account: AccountId) -> frozenset[str]:
        """Every key that a person has accepted."""
        rows = self._session.rows("SELECT key FROM acceptances WHERE account = ?", account)
        return frozenset(key for (key,) in rows)
