"""Locks: what may not be opened for a while, and who lifted it."""

from __future__ import annotations

from datetime import datetime

from data.store.session import Row, Session
from execution.model.activity import Lock
from execution.model.identifiers import AccountId, InstrumentId


class Locks:
    """The `locks` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, lock: Lock) -> bool:
        """Keep a lock; False when its id is known: made twice, it is one."""
        row = (
            lock.lock_id,
            lock.account,
            lock.instrument_id,
            lock.strategy,
            lock.protection,
            lock.reason,
            lock.made_at,
            lock.until,
            None,
            None,
        )
        tail = "ON CONFLICT (lock_id) DO NOTHING RETURNING lock_id"
        return bool(self._session.insert("locks", [row], tail))

    def lift(self, lock_id: str, actor: str, now: datetime) -> None:
        """End a lock before its time; `actor` is a person's name."""
        self._session.rows(
            "UPDATE locks SET lifted_at = ?, lifted_by = ? WHERE lock_id = ? AND lifted_at IS NULL",
            now,
            actor,
            lock_id,
        )

    def active(self, account: AccountId, now: datetime) -> tuple[Lock, ...]:
        """The locks in force at `now`, oldest first."""
        rows = self._session.rows(
            "SELECT * EXCLUDE (lifted_at, lifted_by) FROM locks WHERE account = ? "
            "AND lifted_at IS NULL ORDER BY made_at, lock_id",
            account,
        )
        return tuple(lock for lock in map(_lock, rows) if lock.holds(now))


def _lock(row: Row) -> Lock:
    lock_id, account, instrument, strategy, protection, reason, made_at, until = row
    return Lock(
        lock_id=lock_id,
        account=account,
        instrument_id=None if instrument is None else InstrumentId.parse(instrument),
        strategy=strategy,
        protection=protection,
        reason=reason,
        made_at=made_at,
        until=until,
    )
