"""Runs: who was started, how often, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from data.store.session import Row, Session
from execution.errors import InputInvalid, InvariantBroken
from execution.model.enums import RunMode
from execution.model.identifiers import AccountId, RunId, VenueId


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    REFUSED = "refused"  # a rule or a person said no
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, over all its attempts."""

    run_id: RunId
    account: AccountId
    venue: VenueId
    mode: RunMode
    config: str  # JSON, as last given
    attempts: int
    status: RunStatus
    message: str
    started_at: datetime  # UTC, of the first attempt
    ended_at: datetime | None


class Runs:
    """The `runs` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(
        self,
        run_id: RunId,
        account: AccountId,
        venue: VenueId,
        mode: RunMode,
        config_json: str,
        now: datetime,
    ) -> int:
        """Mark a run as running; return which attempt this is, from 1.

        Raises InputInvalid when the id belongs to another account, venue or mode.
        """
        known = self.get(run_id)
        if known is None:
            row = (run_id, account, venue, mode, config_json, 1, RunStatus.RUNNING, "", now, None)
            self._session.insert("runs", [row])
            return 1
        if (known.account, known.venue, known.mode) != (account, venue, mode):
            raise InputInvalid(
                f"run {run_id} is {known.mode} on {known.account} at {known.venue}, "
                f"not {mode} on {account} at {venue}"
            )
        self._session.rows(
            "UPDATE runs SET attempts = attempts + 1, status = ?, message = '', config = ?, "
            "ended_at = NULL WHERE run_id = ?",
            RunStatus.RUNNING,
            config_json,
            run_id,
        )
        return known.attempts + 1

    def finish(self, run_id: RunId, status: RunStatus, message: str, now: datetime) -> None:
        """Note how the run ended."""
        updated = self._session.rows(
            "UPDATE runs SET status = ?, message = ?, ended_at = ? WHERE run_id = ? "
            "RETURNING run_id",
            status,
            message,
            now,
            run_id,
        )
        if not updated:
            raise InvariantBroken(f"run {run_id} ended and was never started")

    def get(self, run_id: RunId) -> Run | None:
        """One run, or None."""
        row = self._session.row("SELECT * FROM runs WHERE run_id = ?", run_id)
        return None if row is None else _run(row)

    def latest(self, account: AccountId) -> Run | None:
        """The account's run that was started last."""
        row = self._session.row(
            "SELECT * FROM runs WHERE account = ? ORDER BY started_at DESC, rowid DESC LIMIT 1",
            account,
        )
        return None if row is None else _run(row)

    def recent(self, accounts: Iterable[AccountId], limit: int) -> tuple[Run, ...]:
        """The last runs of these accounts, newest first."""
        rows = self._session.rows(
            "SELECT * FROM runs WHERE list_contains(?, account) "
            "ORDER BY started_at DESC, rowid DESC LIMIT ?",
            list(accounts),
            limit,
        )
        return tuple(_run(row) for row in rows)

    def accounts(self) -> tuple[AccountId, ...]:
        """Every account that had a run, by name."""
        rows = self._session.rows("SELECT DISTINCT account FROM runs ORDER BY account")
        return tuple(AccountId(account) for (account,) in rows)

    def find(self, prefix: str) -> Run:
        """The one run whose id starts with what a person typed; InputInvalid otherwise."""
        rows = self._session.rows(
            "SELECT * FROM runs WHERE starts_with(run_id, ?) ORDER BY run_id LIMIT 3", prefix
        )
        found = [_run(row) for row in rows]
        exact = [run for run in found if run.run_id == prefix]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if not found:
            raise InputInvalid(f"no run starts with {prefix!r}")
        ids = ", ".join(run.run_id for run in found)
        raise InputInvalid(f"{prefix!r} is the start of several runs: {ids}: type more of it")


def _run(row: Row) -> Run:
    run_id, account, venue, mode, config, attempts, status, message, started_at, ended_at = row
    return Run(
        run_id=run_id,
        account=account,
        venue=venue,
        mode=RunMode(mode),
        config=config,
        attempts=attempts,
        status=RunStatus(status),
        message=message,
        started_at=started_at,
        ended_at=ended_at,
    )
