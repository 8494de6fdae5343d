"""What an account has done lately, as the pace controls and the breaker look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from execution.model.identifiers import AccountId, InstrumentId, StrategyId


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counts from the ledger; all ≥ 0. A None is not known, and unknown means no."""

    sent_last_minute: int  # orders
    sent_today: int  # orders, in the account's day
    entries: Mapping[tuple[StrategyId, InstrumentId], int]  # sent in the last 24 h
    failed_in_row: int  # orders that the venue refused, since it last took one
    venue_errors: int  # in the breaker's window
    stop_losses_in_row: int  # positions closed by a stop with a loss, since another close
    reconciled_at: datetime | None  # UTC, the last comparison with the venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What may not be opened for a while."""

    lock_id: str
    account: AccountId
    protection: str  # what made it
    reason: str
    made_at: datetime  # UTC
    until: datetime | None  # UTC; None: until a person lifts it
    instrument_id: InstrumentId | None = None  # None: every one
    strategy: StrategyId | None = None  # None: any

    def holds(self, now: datetime) -> bool:
        """Whether it is in force at `now`; at its very end it is not."""
        return self.until is None or now < self.until

    def covers(self, instrument_id: InstrumentId, strategy: StrategyId) -> bool:
        """Whether it keeps this strategy from opening this instrument."""
        return self.instrument_id in (None, instrument_id) and self.strategy in (None, strategy)
