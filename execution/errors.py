"""Errors, named by what the caller may do.

TradingError
├── InputInvalid       mend the input: it names the row, column, value and rule
│   ├── ConfigInvalid  mend the configuration or the environment
│   └── TooSmall       nothing that the venue takes is left of it
├── NotYetAvailable    nothing to mend: this version cannot do it
├── VenueUnavailable   retry: nothing was sent
├── OutcomeUnknown     never resend: look up by client order id first
├── VenueRefused       do not retry: the venue said no
├── SafetyViolation    stop and alert: a rule that protects money was about to be broken
│   └── Refused          no is the answer, and a person or a rule gave it: nothing is broken
│       ├── ApprovalRefused  no person approved this exact plan
│       │   └── NotApproved  stop and alert: an order was on its way that nobody approved
│       ├── PreflightFailed  preflight found what a run must not begin without
│       ├── LiveNotAllowed   a switch of live trading is off
│       ├── TradingStopped   trading is halted, or only reduces
│       └── PlanOutdated     the plan no longer holds: the next cycle plans anew
├── LedgerUnavailable  retry the whole unit: it is not known to be written
└── InvariantBroken    stop; page a person
"""

from __future__ import annotations


class TradingError(Exception):
    """Any error Regent raises on purpose; `exit_code` is the command's."""

    exit_code = 1


class InputInvalid(TradingError):
    """Bars, signals or symbols break a rule; nothing was written or sent."""

    exit_code = 2


class ConfigInvalid(InputInvalid):
    """A setting is unknown, missing or out of range; nothing was written or sent."""


class TooSmall(InputInvalid):
    """An order is below the venue's minimum: it can never be sent in this quantity."""


class NotYetAvailable(TradingError):
    """What was asked for is not in this version; the text names what is missing."""

    exit_code = 3


class SafetyViolation(TradingError):
    """Something was about to break a rule that protects money; nothing more is sent.

    Raised as it is, it halts the account: something went wrong that only a person can judge.
    A no that is one of the answers to expect is one of the classes below.
    """

    exit_code = 4


class Refused(SafetyViolation):
    """A rule or a person said no, as they may; nothing more is sent, and nothing is halted."""


class ApprovalRefused(Refused):
    """No person approved this exact plan in time; nothing was sent."""


class NotApproved(ApprovalRefused):
    """An order that is in no approved plan was about to leave; it did not."""


class PreflightFailed(Refused):
    """Something that a run must not begin without is missing; nothing was sent."""


class LiveNotAllowed(Refused):
    """A switch that live trading needs is off; nothing was sent."""


class TradingStopped(Refused):
    """The account's trading state does not let it out; what had left by then is told."""


class PlanOutdated(Refused):
    """What was planned no longer holds, in the books or in risk's eyes; it is not sent."""


class LedgerUnavailable(TradingError):
    """The ledger could not be read or written; the unit may be run again whole."""

    exit_code = 5


class VenueUnavailable(TradingError):
    """The venue could not be reached; nothing was sent."""

    exit_code = 6


class OutcomeUnknown(TradingError):
    """The request may have reached the venue; look it up before anything else."""

    exit_code = 6


class VenueRefused(TradingError):
    """The venue said no."""

    exit_code = 6


class InvariantBroken(TradingError):
    """Something that cannot be has happened; the books must be looked at by a person."""

    exit_code = 7
