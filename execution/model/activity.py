"""What an account has done lately, as the pace controls and the breaker look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.model.enums import OrderSide
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId, StrategyId
from execution.model.order import OrderIntent

# The protection of a lock that a strategy gets for wishing the same too often: control 5.
REPEATS = "repeated executions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order that opens and has left, by what another would be taken for it."""

    client_order_id: ClientOrderId
    strategy: StrategyId
    instrument_id: InstrumentId
    side: OrderSide
    order_qty: Decimal  # base units
    ts_init: datetime  # UTC, when it was sent

    def like(self, intent: OrderIntent) -> bool:
        """Whether `intent` is the same again under another id."""
        mine = (self.strategy, self.instrument_id, self.side, self.order_qty)
        theirs = (intent.strategy, intent.instrument_id, intent.side, intent.order_qty)
        return mine == theirs and self.client_order_id != intent.client_order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counts from the ledger; all ≥ 0. A None is not known, and unknown means no."""

    sent_last_minute: int  # orders
    sent_today: int  # orders, in the account's day
    # Wishes to open that were sent in the last 24 h; in slices or whole, a wish is one.
    entries: Mapping[tuple[StrategyId, InstrumentId], int]
    failed_in_row: int  # orders that the venue refused, since it last took one
    venue_errors: int  # in the breaker's window
    stop_losses_in_row: int  # positions closed by a stop with a loss, since another close
    reconciled_at: datetime | None  # UTC, our clock: the last comparison with the venue
    stop_loss_at: datetime | None = None  # UTC, the last of those in a row
    sent_lately: tuple[Sent, ...] | None = None  # in the last hour, such as open a position


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
