"""What is done after an error, by its kind. The table decides; `tasks.cycle` carries it out.

A halt is lifted only by a person, so it is kept for what only a person can judge: a rule
that protects money was about to be broken, or something happened that nobody thought of. A
no that was to be expected, an interruption, a wrong setting and a venue that is away halt
nothing: they would teach people to lift halts without looking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    error: BaseException, also: Mapping[type[BaseException], Procedure] | None = None
) -> Procedure:
    """What is to be done after `error`; `also` adds kinds that the domain does not know.

    The gravest of what has happened counts: an error on the way out, while the orders are
    looked after, does not cover up the one before it. But what an interruption tears down is
    part of the interruption.
    """
    table = {**PROCEDURES, **(also or {})}
    found = []
    for happened in _happened(error):
        if not isinstance(happened, Exception):  # Ctrl-C, a service manager, an orchestrator
            found.append(Procedure.NOTHING)
        elif isinstance(happened, TradingError) or not _interrupted(happened):
            found.append(_by_class(happened, table))
    return max(found, key=GRAVITY.index, default=Procedure.NOTHING)


def topic(error: BaseException) -> Topic:
    """What a person is told that it is about."""
    for happened in _happened(error):
        if isinstance(happened, SafetyViolation) and _by_class(happened, PROCEDURES) is UNKNOWN:
            return Topic.SAFETY_VIOLATION
    return Topic.RUN_REFUSED if isinstance(error, Refused) else Topic.RUN_FAILED


def _by_class(error: BaseException, table: Mapping[type[BaseException], Procedure]) -> Procedure:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), UNKNOWN)


def _happened(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it came on top of; what it only puts in other words is not one."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        other_words = seen.__cause__ is not None or seen.__suppress_context__
        # What a library raises on top of an error of its own says nothing more.
        ours = isinstance(seen, TradingError) or not isinstance(seen.__context__, Exception)
        again = isinstance(seen.__context__, TradingError)
        seen = seen.__context__ if not other_words and (ours or again) else None


def _interrupted(error: BaseException | None) -> bool:
    """Whether an interruption began it."""
    while error is not None:
        if not isinstance(error, Exception):
            return True
        error = error.__cause__ or error.__context__
    return False
