"""One run of the trading cycle: what it was told, and its record in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException

from data.store.books import Books
from data.store.runs import RunStatus
from data.store.trading_state import REGENT
from execution.errors import (
    LedgerUnavailable,
    SafetyViolation,
    TradingError,
    VenueUnavailable,
)
from execution.model.enums import RunMode, Severity, Topic, TradingState
from execution.model.identifiers import AccountId, RunId
from execution.recovery import Procedure, procedure, topic
from tasks import halting, wiring
from tasks.alerts import channels_problem, require_channels, send_alerts, write_alert
from tasks.config import RunConfig
from tasks.crashes import write_crashed_runs
from tasks.processes import process_locks, this_process

# Prefect's server away or out of breath says nothing of the orders.
ORCHESTRATION: dict[type[BaseException], Procedure] = {
    PrefectException: Procedure.LOOK_UP,
    httpx.HTTPError: Procedure.LOOK_UP,
}
# What a person is told to expect.
NEXT = {
    Procedure.RELOAD: "nothing is halted, the next run reads it anew",
    Procedure.LOOK_UP: "what may have left is looked up before anything new is sent",
    Procedure.HALT: "trading on this account is halted until a person lifts it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What every stage is given: which run this is, and what it was told."""

    run_id: RunId
    attempt: int  # 1, or more when the same run was started again
    config: RunConfig
    failures: list[BaseException] = field(default_factory=list, compare=False, repr=False)

    @property
    def account(self) -> AccountId:
        """Whose money it is."""
        return self.config.account_id

    @property
    def live(self) -> bool:
        """Whether real money is at stake."""
        return self.config.mode is RunMode.LIVE

    @contextmanager
    def stage(self, name: str, **inputs: object) -> Iterator[dict[str, Any]]:
        """Write a stage's inputs before it and its outcome after it.

        What the block puts into the dictionary is the outcome. An error is the outcome
        too, and goes on up.
        """
        outcome: dict[str, Any] = {}
        self._record(name, "started", inputs)
        try:
            yield outcome
        except BaseException as error:
            self.failures.append(error)
            # The error goes on up: a ledger that cannot be written must not hide it.
            with suppress(LedgerUnavailable):
                self._record(name, "failed", {"error": told(error)})
                if isinstance(error, VenueUnavailable):
                    self.incident(told(error))
            raise
        self._record(name, "completed", outcome)

    def incident(self, text: str) -> None:
        """Note that the venue did not answer: the breaker counts it."""
        with wiring.open_ledger().transaction() as books:
            books.activity.failed(self.account, self.run_id, text, wiring.wall_clock())

    def _record(self, stage: str, event: str, detail: Mapping[str, Any]) -> None:
        text = json.dumps(detail, default=str)
        with wiring.open_ledger().transaction() as books:
            now = wiring.wall_clock()
            books.stages.append(self.run_id, self.attempt, stage, event, text, now)


@contextmanager
def open_cycle(config: RunConfig, *, sends: bool = True) -> Iterator[Cycle]:
    """Write the run's start, and how it ended, whatever happens in between but a kill.

    A live run that `sends` no order needs no consent to live trading, and no run that does
    starts without its strategies and the channels that its alerts are to go out on. After an error
    `execution.recovery` says what is done. Runs that were killed before are told of.
    """
    wiring.require_available(config)
    if sends:
        wiring.choose_strategies(config)
        require_channels()
    ledger = wiring.open_ledger()
    run = FlowRunContext.get()
    run_id = RunId(str(run.flow_run.id if run and run.flow_run else uuid4()))
    process = this_process(process_locks(ledger))
    with ledger.transaction() as books:
        write_crashed_runs(books, ledger)  # first: this run may be one of them, started again
        now = wiring.wall_clock()
        text = config.model_dump_json()
        account, venue = config.account_id, config.venue_id
        attempt = books.runs.start(run_id, account, venue, config.mode, text, now)
        books.run_processes.note(run_id, attempt, process, now)
        if problem := channels_problem():
            about = Topic.SETTINGS_INVALID
            write_alert(books, account, run_id, Severity.WARNING, about, problem)
    send_alerts()
    cycle = Cycle(run_id=run_id, attempt=attempt, config=config)
    try:
        if cycle.live and sends:
            wiring.require_live_allowed(config, ledger)
        yield cycle
    except BaseException as error:
        # The error goes on up: a ledger that cannot be written must not hide it.
        try:
            _recover(cycle, error)
        except LedgerUnavailable:
            _halt_by_file(cycle, error)
        raise
    with ledger.transaction() as books:
        books.runs.finish(cycle.run_id, RunStatus.COMPLETED, "", wiring.wall_clock())


def told(error: BaseException) -> str:
    """What of an error may be written down: another library's text may quote a secret."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return str(error) if isinstance(error, TradingError) else type(error).__name__


def _recover(cycle: Cycle, error: BaseException) -> None:
    """Write how the run ended, halt the account if that is called for, and tell a person."""
    errors = [*cycle.failures, error]  # a stage on the way out may have failed, too
    what_to_do = procedure(errors, ORCHESTRATION)
    halts = what_to_do is Procedure.HALT
    refused = isinstance(error, SafetyViolation)
    status = RunStatus.REFUSED if refused else RunStatus.FAILED
    message = told(error)
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.runs.finish(cycle.run_id, status, message, now)
        if halts:
            _halt(books, cycle, "; ".join(dict.fromkeys(map(told, errors))))
        text = f"{message}; {NEXT[what_to_do]}" if what_to_do in NEXT else message
        grave = halts or (cycle.live and not refused)
        severity = Severity.CRITICAL if grave else Severity.WARNING
        write_alert(books, cycle.account, cycle.run_id, severity, topic(errors), text)
    send_alerts()


def _halt_by_file(cycle: Cycle, error: BaseException) -> None:
    """Halt although the ledger cannot be written, if that is called for."""
    errors = [*cycle.failures, error]
    if procedure(errors, ORCHESTRATION) is Procedure.HALT:
        reason = f"run {cycle.run_id[:8]} ended: {'; '.join(dict.fromkeys(map(told, errors)))}"
        with suppress(LedgerUnavailable):  # then neither place can be written: the error says so
            halting.halt_file().write((cycle.account,), REGENT, reason, wiring.wall_clock())


def _halt(books: Books, cycle: Cycle, message: str) -> None:
    """Halt, unless it is halted: the reason that a person has read stays the last word."""
    if books.trading_state.get(cycle.account) is not TradingState.HALTED:
        reason = f"run {cycle.run_id[:8]} ended: {message}"
        now = wiring.wall_clock()
        books.trading_state.set(cycle.account, TradingState.HALTED, reason, REGENT, now)
