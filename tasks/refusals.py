"""Refusals of the live gate, told where they are made: a caller may catch them and be silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from execution.errors import ConfigInvalid, LedgerUnavailable, SafetyViolation
from execution.model.enums import Severity, Topic
from execution.model.identifiers import AccountId, RunId
from tasks import wiring
from tasks.alerts import alert

NO_RUN = RunId("no run")


@contextmanager
def refusals_told(account: AccountId, run_id: RunId) -> Iterator[None]:
    """Alert of a refusal inside the block, and pass it on."""
    try:
        yield
    except (SafetyViolation, ConfigInvalid) as refusal:
        tell_refusal(account, run_id, str(refusal))
        raise


def tell_refusal(account: AccountId, run_id: RunId, text: str) -> None:
    """Write the alert; the same words of one run are one alert, without a run each is its own."""
    if run_id == NO_RUN:
        text = f"{text} (at {wiring.wall_clock().isoformat(timespec='milliseconds')})"
    # The refusal stands, and is passed on: a ledger that cannot be written must not hide it.
    with suppress(LedgerUnavailable):
        alert(account, run_id, Severity.CRITICAL, Topic.SAFETY_VIOLATION, text)
