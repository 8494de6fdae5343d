"""Errors, named by what the caller may do.

TradingError
├── InputInvalid       mend the input: it names the row, column, value and rule
│   ├── ConfigInvalid  mend the configuration or the environment
│   └── TooSmall       nothing that the venue takes is left of it
├── NotYetAvailable    nothing to mend: this version cannot do it
├── VenueUnavailable   retry: nothing was sent
├── OutcomeUnknown     never resend: look up by client order id first
├── VenueRefused       do not retry: the venue said no
├── SafetyViolation    stop and alert: a rule that protects money said no
│   ├── ApprovalRefused  nothing was sent: no person approved this exact plan
│   └── PreflightFailed  nothing was sent: something that a run needs is not there
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
    """A rule that protects money said no; nothing more is sent."""

    exit_code = 4


class ApprovalRefused(SafetyViolation):
    """No person approved this exact plan in time; nothing was sent."""


class PreflightFailed(SafetyViolation):
    """Something that a run needs is not there; it did nothing. A no to expect: nothing broke."""


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
