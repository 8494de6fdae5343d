"""The halt that comes before anything else, and which accounts it is about."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from data.store.books import Books
from data.store.connection import Ledger
from data.store.emergencies import Emergency
from data.store.halt import EVERY
from data.store.snapshot import reading_snapshot, snapshot_path
from execution.errors import InputInvalid, LedgerUnavailable, TradingError
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId
from tasks import halting, wiring
from tasks.cycle import Cycle, told
from tasks.emergency_account import Known, Pace, insist, look_up, quick_ledger

AUTOMATION = "automation"  # the actor of a press that no person has made


@dataclass(kw_only=True)
class Stopping:
    """One account that is being stopped."""

    known: Known
    emergency: Emergency  # as it is in the ledger, once it is there
    attempt: int = 1
    again: bool = False  # it was halted already, and by the books nothing is open

    @property
    def account(self) -> AccountId:
        """Whose money it is."""
        return self.known.account

    @property
    def cycle(self) -> Cycle:
        """The run that what is done to it belongs to."""
        return self.known.cycle(self.emergency, self.attempt)


@dataclass(kw_only=True)
class Declaration:
    """Writes the halt: into its file, then into the ledger, with an emergency an account.

    Where the ledger is busy, the accounts are read from its last snapshot meanwhile, so that
    the cancels go out; `insist` then goes on until it is written.

    An automation halts nobody: it comes after a halt that is in the ledger, and finds out in
    one transaction whether that still holds. If a person has let the account trade again
    meanwhile, it comes too late and leaves it alone.
    """

    emergency_id: str
    reason: str
    actor: str
    flatten: bool
    accounts: tuple[AccountId, ...]  # all that have books here, when empty
    now: datetime
    pace: Pace
    stopping: dict[AccountId, Stopping] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    written: threading.Event = field(default_factory=threading.Event)  # or given up
    failed: str = ""  # why the ledger does not have it
    late: list[AccountId] = field(default_factory=list)  # an automation's, not halted any more
    _take_back: Callable[[], None] | None = None  # what the halt file says of this press

    def halt(self) -> None:
        """Halt, and find the accounts.

        Raises InputInvalid for one that is not known here, LedgerUnavailable without a ledger.
        """
        ledger = quick_ledger(self.pace)
        if not ledger.path.exists():
            raise LedgerUnavailable(
                f"no ledger at {ledger.path}: was this REGENT_HOME ever traded with?"
            )
        if self.actor == AUTOMATION:
            insist(self.pace, lambda: self._write(wiring.open_ledger()))
            return
        try:
            names = self.accounts or (EVERY,)
            file = halting.halt_file()
            self._take_back = file.write(names, self.actor, self.reason, self.now)
        except LedgerUnavailable as error:  # the ledger's own halt follows at once
            self.problems.append(str(error))
        try:
            self._write(ledger)
        except LedgerUnavailable:
            if not self._from_snapshot(ledger):
                insist(self.pace, lambda: self._write(wiring.open_ledger()))

    def insist(self) -> None:
        """Write to the ledger what it was too busy for before."""
        if self.written.is_set():
            return
        try:
            insist(self.pace, lambda: self._write(wiring.open_ledger()))
        except TradingError as error:
            self.failed = f"the halt is in its file alone, not in the ledger: {error}"
            self.problems.append(self.failed)
        finally:
            self.written.set()  # nobody needs to wait for it any longer

    def _write(self, ledger: Ledger) -> None:
        """All of it in one transaction; what is open goes on, nothing is begun twice."""
        with ledger.transaction() as books:
            self.late.clear()
            for account in self._chosen(books):
                halted = books.trading_state.get(account) is TradingState.HALTED
                if not halted and self.actor == AUTOMATION:
                    self.late.append(account)
                    continue
                if not halted:
                    why = f"emergency stop: {self.reason}"
                    books.trading_state.set(account, TradingState.HALTED, why, self.actor, self.now)
                emergency = books.emergencies.begin(self._wanted(account))
                one = self._look_up(books, account, emergency)
                if one is not None:
                    one.again = halted and not one.known.orders and not one.known.holds
                    config = one.known.config
                    of = (account, config.venue_id, config.mode, config.model_dump_json())
                    one.attempt = books.runs.start(one.cycle.run_id, *of, self.now)
        self.written.set()

    def _from_snapshot(self, ledger: Ledger) -> bool:
        """Read the accounts from the last published copy; whether there was one."""
        with suppress(LedgerUnavailable), reading_snapshot(snapshot_path(ledger)) as books:
            for account in self._chosen(books):
                self._look_up(books, account, self._wanted(account))
            return True
        return False

    def _chosen(self, books: Books) -> tuple[AccountId, ...]:
        known = books.accounts.names()
        unknown = set(self.accounts) - set(known)
        if unknown or not known:
            if self._take_back is not None:
                self._take_back()
            names = ", ".join(sorted(unknown)) or "of nobody"
            there = ", ".join(known) or "none yet"
            raise InputInvalid(f"account {names} has no books here; there are: {there}")
        return tuple(dict.fromkeys(self.accounts)) or known

    def _wanted(self, account: AccountId) -> Emergency:
        return Emergency(
            emergency_id=self.emergency_id,
            account=account,
            actor=self.actor,
            reason=self.reason,
            flatten=self.flatten,
            started_at=self.now,
        )

    def _look_up(self, books: Books, account: AccountId, emergency: Emergency) -> Stopping | None:
        try:
            known = look_up(books, account)
        except (TradingError, ValueError) as error:
            problem = f"{account}: {told(error)}"
            if problem not in self.problems:
                self.problems.append(problem)
            return None
        one = self.stopping.setdefault(account, Stopping(known=known, emergency=emergency))
        one.emergency = emergency
        return one
