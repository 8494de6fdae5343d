"""One run of the trading cycle: what it was told, and its record in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from prefect.context import FlowRunContext

from data.store.runs import RunStatus
from execution.errors import (
    LedgerUnavailable,
    SafetyViolation,
    TradingError,
    VenueUnavailable,
)
from execution.model.enums import RunMode, Severity
from execution.model.identifiers import AccountId, RunId
from tasks import wiring
from tasks.alerts import alert
from tasks.config import RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What every stage is given: which run this is, and what it was told."""

    run_id: RunId
    attempt: int  # 1, or more when the same run was started again
    config: RunConfig

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

    A live run that `sends` no order needs no consent to live trading.
    """
    wiring.require_available(config)
    ledger = wiring.open_ledger()
    run = FlowRunContext.get()
    run_id = RunId(str(run.flow_run.id if run and run.flow_run else uuid4()))
    with ledger.transaction() as books:
        now = wiring.wall_clock()
        text = config.model_dump_json()
        account, venue = config.account_id, config.venue_id
        attempt = books.runs.start(run_id, account, venue, config.mode, text, now)
    cycle = Cycle(run_id=run_id, attempt=attempt, config=config)
    try:
        if cycle.live and sends:
            wiring.require_live_allowed(config, ledger)
        yield cycle
    except BaseException as error:
        refused = isinstance(error, SafetyViolation)
        with suppress(LedgerUnavailable):
            _end(cycle, RunStatus.REFUSED if refused else RunStatus.FAILED, told(error))
        raise
    _end(cycle, RunStatus.COMPLETED, "")


def told(error: BaseException) -> str:
    """What of an error may be written down: another library's text may quote a secret."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return str(error) if isinstance(error, TradingError) else type(error).__name__


def _end(cycle: Cycle, status: RunStatus, message: str) -> None:
    """Write how the run ended, and tell a person when it did not end well."""
    with wiring.open_ledger().transaction() as books:
        books.runs.finish(cycle.run_id, status, message, wiring.wall_clock())
    if status is not RunStatus.COMPLETED:
        failed = status is RunStatus.FAILED
        severity = Severity.CRITICAL if failed and cycle.live else Severity.WARNING
        alert(cycle.account, cycle.run_id, severity, f"run {status}", message)
