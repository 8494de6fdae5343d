"""One word on whether an account trades: who said it, why, and how long it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from execution.model.enums import TradingState

REGENT = "regent"  # the actor that is not a person
STRICTNESS = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """One row of the story of an account's trading state; the last one counts."""

    state: TradingState
    reason: str
    actor: str  # a person's name, or 'regent'
    ts: datetime  # UTC
    cause: str | None = None  # what the breaker tripped on; None: it was not the breaker
    until: datetime | None = None  # UTC; REDUCING may end by itself from then on

    @property
    def by_person(self) -> bool:
        """Whether a person has said so."""
        return self.actor != REGENT


def loosens(before: TradingState | None, after: TradingState) -> bool:
    """Whether `after` lets more through than `before` did."""
    return before is not None and STRICTNESS.index(after) < STRICTNESS.index(before)
