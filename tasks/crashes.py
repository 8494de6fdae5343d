"""Runs that were killed: they wrote no end, so whoever comes next writes it for them."""

from __future__ import annotations

from data.store.books import Books
from data.store.connection import Ledger
from data.store.run_processes import RunProcess
from data.store.runs import Run, RunStatus
from execution.model.enums import RunMode, Severity, Topic
from execution.model.identifiers import RunId
from tasks import wiring
from tasks.alerts import send_alerts, write_alert
from tasks.processes import is_dead, process_locks

NO_WORD = "the process ended without a word"


def note_crashed_runs(ledger: Ledger) -> tuple[RunId, ...]:
    """Mark every run as failed whose process is gone, and alert once; return those.

    One that waits for an approval, or for a venue, has a process that lives. Prefect's own
    word is not asked: what it calls crashed may be alive.
    """
    with ledger.transaction() as books:
        found = write_crashed_runs(books, ledger)
    if found:
        send_alerts(ledger)
    return found


def write_crashed_runs(books: Books, ledger: Ledger) -> tuple[RunId, ...]:
    """The same in a transaction that is open; `send_alerts` follows its commit."""
    found: list[RunId] = []
    locks = process_locks(ledger)
    for run_id, processes in books.run_processes.of_running().items():
        run = books.runs.get(run_id)
        if run is None or not all(is_dead(locks, one.process) for one in processes):
            continue
        books.runs.finish(run_id, RunStatus.FAILED, NO_WORD, wiring.wall_clock())
        severity = Severity.CRITICAL if run.mode is RunMode.LIVE else Severity.WARNING
        text = _text(run, processes[-1])
        write_alert(books, run.account, run_id, severity, Topic.RUN_CRASHED, text)
        found.append(run_id)
    return tuple(found)


def _text(run: Run, process: RunProcess) -> str:
    return (
        f"{NO_WORD}: attempt {run.attempts} of a {run.mode} run, process {process.pid} on "
        f"{process.host}; it was killed, out of memory, or the machine went down. What it had "
        "sent is looked up before anything new is sent"
    )
