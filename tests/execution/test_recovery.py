"""What is done after an error, by its kind."""

from __future__ import annotations

import asyncio

import pytest

from execution import errors
from execution.errors import (
    ApprovalRefused,
    ConfigInvalid,
    InputInvalid,
    InvariantBroken,
    LedgerUnavailable,
    LiveNotAllowed,
    NotApproved,
    NotYetAvailable,
    OutcomeUnknown,
    PlanOutdated,
    SafetyViolation,
    TooSmall,
    TradingError,
    TradingStopped,
    VenueRefused,
    VenueUnavailable,
)
from execution.model.enums import Topic
from execution.recovery import Procedure, procedure, topic


@pytest.mark.parametrize(
    ("error", "expected", "about"),
    [
        (ConfigInvalid(""), Procedure.RELOAD, Topic.RUN_FAILED),
        (InputInvalid(""), Procedure.RELOAD, Topic.RUN_FAILED),
        (TooSmall(""), Procedure.RELOAD, Topic.RUN_FAILED),
        (NotYetAvailable(""), Procedure.RELOAD, Topic.RUN_FAILED),
        (VenueUnavailable(""), Procedure.LOOK_UP, Topic.RUN_FAILED),
        (OutcomeUnknown(""), Procedure.LOOK_UP, Topic.RUN_FAILED),
        (VenueRefused(""), Procedure.LOOK_UP, Topic.RUN_FAILED),
        (LedgerUnavailable(""), Procedure.LOOK_UP, Topic.RUN_FAILED),
        (ApprovalRefused(""), Procedure.NOTHING, Topic.RUN_REFUSED),
        (LiveNotAllowed(""), Procedure.NOTHING, Topic.RUN_REFUSED),
        (TradingStopped(""), Procedure.NOTHING, Topic.RUN_REFUSED),
        (PlanOutdated(""), Procedure.NOTHING, Topic.RUN_REFUSED),
        (SafetyViolation(""), Procedure.HALT, Topic.SAFETY_VIOLATION),
        (NotApproved(""), Procedure.HALT, Topic.SAFETY_VIOLATION),
        (InvariantBroken(""), Procedure.HALT, Topic.RUN_FAILED),
        (TradingError(""), Procedure.HALT, Topic.RUN_FAILED),
        (KeyError("x"), Procedure.HALT, Topic.RUN_FAILED),
        (MemoryError(), Procedure.HALT, Topic.RUN_FAILED),
        (KeyboardInterrupt(), Procedure.NOTHING, Topic.RUN_FAILED),
        (SystemExit(143), Procedure.NOTHING, Topic.RUN_FAILED),
        (asyncio.CancelledError(), Procedure.NOTHING, Topic.RUN_FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_error_has_its_procedure(
    error: BaseException, expected: Procedure, about: Topic
):
    assert procedure([error]) is expected
    assert topic([error]) is about


def test_every_error_that_we_raise_was_thought_of():
    """A new one halts until somebody has decided otherwise, here."""
    ours = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, TradingError)
    }
    halts = {kind for kind in ours if procedure([kind("")]) is Procedure.HALT}
    assert halts == {TradingError, SafetyViolation, NotApproved, InvariantBroken}


def test_an_error_on_the_way_out_does_not_cover_up_a_graver_one():
    """Monitoring and reconciliation follow an execution that failed, and can fail, too."""
    assert procedure([SafetyViolation(""), VenueUnavailable("")]) is Procedure.HALT
    assert topic([SafetyViolation(""), VenueUnavailable("")]) is Topic.SAFETY_VIOLATION
    assert procedure([KeyError(""), LedgerUnavailable("")]) is Procedure.HALT
    assert procedure([SafetyViolation(""), KeyboardInterrupt()]) is Procedure.HALT
    assert procedure([]) is Procedure.NOTHING


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit()])
def test_what_an_interruption_tears_down_is_part_of_it(interruption: BaseException):
    """DuckDB and asyncio make errors of their own out of Ctrl-C."""
    torn, told, ours = RuntimeError("closed"), KeyError(), InvariantBroken("")
    late = TimeoutError("closing took too long")
    torn.__context__ = told.__cause__ = late.__context__ = ours.__context__ = interruption

    assert {procedure([error]) for error in (torn, told, late)} == {Procedure.NOTHING}
    assert procedure([ours]) is Procedure.HALT


def test_a_deadline_of_our_own_is_no_interruption():
    """It cancels what takes too long, and says so with an error that nobody thought of."""

    async def too_long() -> None:
        async with asyncio.timeout(0):
            await asyncio.sleep(1)

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(too_long())

    assert procedure([caught.value]) is Procedure.HALT


def test_other_kinds_can_be_added():
    class ServerAway(Exception): ...

    assert procedure([ServerAway()]) is Procedure.HALT
    assert procedure([ServerAway()], {ServerAway: Procedure.LOOK_UP}) is Procedure.LOOK_UP
