"""Emergency stops: who pressed, for which account, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from data.store.session import Row, Session
from execution.model.identifiers import AccountId
from execution.model.order import OrderIntent


class EmergencyStatus(StrEnum):
    """How an emergency stop stands."""

    OPEN = "open"  # something is left to be done: the next press goes on with it
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """The emergency stop of one account."""

    emergency_id: str
    account: AccountId
    actor: str
    reason: str
    flatten: bool  # whether its orders may close what is held
    started_at: datetime  # UTC; the ids of its orders are derived from it
    status: EmergencyStatus = EmergencyStatus.OPEN
    ended_at: datetime | None = None
    report: str = ""  # JSON


class Emergencies:
    """The `emergencies` table; an account has one open emergency at the most."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, wanted: Emergency) -> Emergency:
        """Open an emergency, or go on with the account's open one; return the one in force.

        One that only canceled so far may be told to flatten as well, never the reverse.
        """
        known = self.open(wanted.account)
        if known is None:
            self._session.insert("emergencies", [_row(wanted)])
            return wanted
        if wanted.flatten and not known.flatten:
            self._session.rows(
                "UPDATE emergencies SET flatten = true WHERE account = ? AND status = ?",
                wanted.account,
                EmergencyStatus.OPEN,
            )
        return self.open(wanted.account) or known

    def open(self, account: AccountId) -> Emergency | None:
        """The account's open emergency; None when there is none."""
        row = self._session.row(
            "SELECT * FROM emergencies WHERE account = ? AND status = ?",
            account,
            EmergencyStatus.OPEN,
        )
        return None if row is None else _emergency(row)

    def lets_through(self, intent: OrderIntent) -> bool:
        """Whether an order belongs to the open emergency of its account, and only closes."""
        if not intent.flattens:
            return False
        known = self.open(intent.account)
        return known is not None and known.flatten and known.started_at == intent.signal_time

    def report(self, account: AccountId, report_json: str) -> None:
        """Keep what was done so far, and what could not be."""
        self._session.rows(
            "UPDATE emergencies SET report = ? WHERE account = ? AND status = ?",
            report_json,
            account,
            EmergencyStatus.OPEN,
        )

    def end(self, account: AccountId, now: datetime) -> None:
        """Close the account's open emergency: its orders are let through no more."""
        self._session.rows(
            "UPDATE emergencies SET status = ?, ended_at = ? WHERE account = ? AND status = ?",
            EmergencyStatus.ENDED,
            now,
            account,
            EmergencyStatus.OPEN,
        )

    def of(self, account: AccountId) -> tuple[Emergency, ...]:
        """Every emergency that the account had, oldest first."""
        rows = self._session.rows(
            "SELECT * FROM emergencies WHERE account = ? ORDER BY started_at, rowid", account
        )
        return tuple(_emergency(row) for row in rows)


def _row(e: Emergency) -> Row:
    return (
        e.emergency_id,
        e.account,
        e.actor,
        e.reason,
        e.flatten,
        e.started_at,
        e.status,
        e.ended_at,
        e.report,
    )


def _emergency(row: Row) -> Emergency:
    emergency_id, account, actor, reason, flatten, started_at, status, ended_at, report = row
    return Emergency(
        emergency_id=emergency_id,
        account=account,
        actor=actor,
        reason=reason,
        flatten=flatten,
        started_at=started_at,
        status=EmergencyStatus(status),
        ended_at=ended_at,
        report=report,
    )
