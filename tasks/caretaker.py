"""Between the runs: what is left in the outbox goes out, and who has died is missed; cheaply."""

from __future__ import annotations

import logging
import time

from data.store.connection import Ledger
from data.store.run_processes import RunProcess
from execution.errors import LedgerUnavailable
from execution.model.enums import Severity, Topic
from execution.model.identifiers import AccountId, RunId
from tasks import wiring
from tasks.alerts import channels_problem, send_alerts, write_alert
from tasks.crashes import note_crashed_runs
from tasks.processes import is_dead, process_locks

EVERY_S = 2.0

_log = logging.getLogger(__name__)


class Caretaker:
    """Looks after one ledger for as long as a process lives; it opens it only when it changed."""

    def __init__(
        self, ledger: Ledger, account: AccountId | None = None, run_id: RunId | None = None
    ) -> None:
        self._ledger = ledger
        self._whose = (account, run_id)  # in whose name it alerts
        self._next_at = 0.0
        self._stamp: tuple[int, int] | None = None  # of the file, when it was read last
        self._processes: tuple[tuple[RunProcess, ...], ...] = ()  # of each run without an end
        self._problem = ""

    def look(self) -> None:
        """Do what is to be done, at most every other second. A busy ledger is left for later."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + EVERY_S
        try:
            self._look_at_settings()
            self._look_at_ledger()
        except LedgerUnavailable as error:
            _log.warning("looked after later: %s", error)

    def _look_at_ledger(self) -> None:
        try:
            file = self._ledger.path.stat()
        except FileNotFoundError:
            return  # nobody has traded here yet
        stamp = (file.st_mtime_ns, file.st_size)
        if stamp != self._stamp:
            with self._ledger.reading() as books:
                self._processes = tuple(books.run_processes.of_running().values())
            send_alerts(self._ledger)
            self._stamp = stamp
        locks = process_locks(self._ledger)
        if any(all(is_dead(locks, p.process) for p in run) for run in self._processes):
            note_crashed_runs(self._ledger)

    def _look_at_settings(self) -> None:
        """Settings that have become wrong are not used: a person is told, and the old ones stay."""
        problem = channels_problem() or wiring.settings_problem()
        if problem and problem != self._problem and self._ledger.path.exists():
            when = f"{wiring.wall_clock():%Y-%m-%d %H:%M:%S}Z"
            text = f"{when}: the old settings are kept, because of the new ones: {problem}"
            with self._ledger.transaction() as books:
                write_alert(books, *self._whose, Severity.WARNING, Topic.SETTINGS_INVALID, text)
            send_alerts(self._ledger)
        self._problem = problem
