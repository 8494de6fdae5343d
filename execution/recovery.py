"""What is done after an error, by its kind. The table decides; `tasks.cycle` carries it out.

A halt is lifted only by a person, so it is kept for what only a person can judge: a rule
that protects money was about to be broken, or something happened that nobody thought of. A
no that was to be expected, an interruption, a wrong setting and a venue that is away halt
nothing: they would teach people to lift halts without looking.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto

from execution.errors import (
    InputInvalid,
    InvariantBroken,
    LedgerUnavailable,
    NotApproved,
    NotYetAvailable,
    OutcomeUnknown,
    Refused,
    SafetyViolation,
    TradingError,
    VenueRefused,
    VenueUnavailable,
)
from execution.model.enums import Topic


class Procedure(Enum):
    """What is done, the gravest last."""

    NOTHING = auto()  # no is an answer, and an interruption is a wish
    RELOAD = auto()  # the next run reads and checks its settings and input anew
    LOOK_UP = auto()  # what became of each order is asked, and adopted, before anything new
    HALT = auto()  # no new order before a person has looked


GRAVITY = list(Procedure)

# By the nearest class of an error; whatever is not below one of them is unknown.
PROCEDURES: dict[type[BaseException], Procedure] = {
    Refused: Procedure.NOTHING,
    InputInvalid: Procedure.RELOAD,
    NotYetAvailable: Procedure.RELOAD,
    VenueUnavailable: Procedure.LOOK_UP,
    OutcomeUnknown: Procedure.LOOK_UP,
    VenueRefused: Procedure.LOOK_UP,
    LedgerUnavailable: Procedure.LOOK_UP,
    SafetyViolation: Procedure.HALT,
    NotApproved: Procedure.HALT,
    InvariantBroken: Procedure.HALT,
}
UNKNOWN = Procedure.HALT


def procedure(
    errors: Iterable[BaseException], also: Mapping[type[BaseException], Procedure] | None = None
) -> Procedure:
    """What is to be done after all that went wrong; `also` adds kinds unknown to the domain.

    The gravest counts: an error on the way out, while the orders are looked after, does not
    cover up the one before it.
    """
    table = {**PROCEDURES, **(also or {})}
    return max((_one(e, table) for e in errors), key=GRAVITY.index, default=Procedure.NOTHING)


def topic(errors: Sequence[BaseException]) -> Topic:
    """What a person is told that it is about; the last error is the one that ended the run."""
    if any(isinstance(e, SafetyViolation) and procedure([e]) is Procedure.HALT for e in errors):
        return Topic.SAFETY_VIOLATION
    return Topic.RUN_REFUSED if isinstance(errors[-1], Refused) else Topic.RUN_FAILED


def _one(error: BaseException, table: Mapping[type[BaseException], Procedure]) -> Procedure:
    """By the nearest class; what an interruption tears down is part of the interruption."""
    if not isinstance(error, TradingError) and _interrupted(error):
        return Procedure.NOTHING
    return next((table[kind] for kind in type(error).__mro__ if kind in table), UNKNOWN)


def _interrupted(error: BaseException | None) -> bool:
    """Whether it began with Ctrl-C, a service manager's stop, or an orchestrator's.

    A deadline of our own cancels, too: what it cancels is below a TimeoutError.
    """
    overdue = False
    while error is not None:
        overdue = overdue or isinstance(error, TimeoutError)
        if not isinstance(error, Exception) and not (overdue and isinstance(error, CancelledError)):
            return True
        error = error.__cause__ or error.__context__
    return False
