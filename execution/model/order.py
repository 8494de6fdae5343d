"""An order's life: a table of statuses, and a fold over events and fills."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from execution.errors import InvariantBroken
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    StrategyId,
    VenueOrderId,
)
from execution.model.money import ZERO, quantize

NEXT: dict[S, set[S]] = {
    # REJECTED straight from INITIALIZED cannot be: a send is written first.
    S.INITIALIZED: {S.DENIED, S.HELD, S.SUBMITTED, S.CANCELED},
    S.HELD: {S.SUBMITTED, S.CANCELED, S.EXPIRED},
    # Back to INITIALIZED: the venue has proven that nothing was sent.
    S.SUBMITTED: {
        S.INITIALIZED,
        S.ACCEPTED,
        S.REJECTED,
        S.PARTIALLY_FILLED,
        S.FILLED,
        S.CANCELED,
        S.EXPIRED,
        S.UNKNOWN,
    },
    S.UNKNOWN: {
        S.UNKNOWN,  # with a new reason
        S.INITIALIZED,
        S.ACCEPTED,
        S.REJECTED,
        S.PARTIALLY_FILLED,
        S.FILLED,
        S.CANCELED,
        S.EXPIRED,
    },
    S.ACCEPTED: {S.PARTIALLY_FILLED, S.FILLED, S.PENDING_CANCEL, S.CANCELED, S.EXPIRED, S.REJECTED},
    # Some venues reject the rest of an order that they had taken.
    S.PARTIALLY_FILLED: {S.FILLED, S.PENDING_CANCEL, S.CANCELED, S.EXPIRED, S.REJECTED},
    # A fill can land while our cancel is in flight, and the cancel can be refused.
    S.PENDING_CANCEL: {
        S.ACCEPTED,
        S.PARTIALLY_FILLED,
        S.FILLED,
        S.CANCELED,
        S.EXPIRED,
        S.REJECTED,
    },
}
TERMINAL = set(S) - NEXT.keys()  # derived; never listed twice
SENDABLE = {S.INITIALIZED, S.HELD}  # no venue has it: it may be sent
IN_FLIGHT = {S.SUBMITTED, S.UNKNOWN}  # nobody knows whether the venue has it
OPEN = {S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL}  # the venue has it


# The strategy of the orders that an emergency stop closes positions with.
EMERGENCY = StrategyId("emergency")
STOPS = {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """A sized wish, before risk; its id is derived from the wish, so it is sent once."""

    client_order_id: ClientOrderId
    account: AccountId
    instrument_id: InstrumentId
    strategy: StrategyId
    signal_time: datetime  # UTC
    leg: str  # "entry", "exit", "stop", "target", "entry 2/5": one order of a signal
    side: OrderSide
    order_qty: Decimal  # base units, > 0
    order_type: OrderType
    time_in_force: TimeInForce
    reduce_only: bool  # closes or shrinks the position, never opens
    px_ref: Decimal  # the price it was sized at, quote per base unit
    confidence: Decimal  # of the signal, 0 to 1
    reason: str  # for people: why this order, in this size
    limit_px: Decimal | None = None  # worst acceptable; set if and only if (STOP_)LIMIT
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_px: Decimal | None = None  # trigger; set if and only if STOP or STOP_LIMIT
    trail_pct: Decimal | None = None  # of the best price since; set iff TRAILING_STOP, 0 to 1
    post_only: bool = False  # rejected rather than filled on arrival
    display_qty: Decimal | None = None  # what an iceberg shows, base units
    expire_at: datetime | None = None  # set if and only if GTD, UTC
    not_before: datetime | None = None  # held until then, UTC: a slice of a larger order
    parent_id: ClientOrderId | None = None  # held until that order has ended with a fill
    group_id: str | None = None  # of its group one may fill: the others are canceled (OCO)

    @property
    def notional(self) -> Decimal:
        """Worth at the reference price, in quote units."""
        return quantize(self.order_qty * self.px_ref)

    @property
    def flattens(self) -> bool:
        """Whether it closes a position for an emergency stop: it may leave while halted."""
        return self.reduce_only and self.strategy == EMERGENCY and not self.protects

    @property
    def protects(self) -> bool:
        """Whether it waits to close a position: no change under way, so not counted as one."""
        return self.reduce_only and (self.order_type in STOPS or self.group_id is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One thing that happened to an order; append-only, folded in order of `seq`."""

    client_order_id: ClientOrderId
    status: S
    # What makes the event itself: seen twice, it is booked once.
    event_key: str
    ts_event: datetime  # UTC, venue clock where there is one
    ts_init: datetime  # UTC, our clock
    venue_order_id: VenueOrderId | None = None
    reason: str = ""
    # New terms, from here on: what was released or amended, when it is not what was intended.
    order_qty: Decimal | None = None  # base units
    limit_px: Decimal | None = None

    @property
    def has_terms(self) -> bool:
        """Whether it changes what is asked for."""
        return self.order_qty is not None or self.limit_px is not None

    def amended(self, intent: OrderIntent) -> OrderIntent:
        """The intent with this event's terms."""
        if not self.has_terms:
            return intent
        return replace(
            intent,
            order_qty=intent.order_qty if self.order_qty is None else self.order_qty,
            limit_px=intent.limit_px if self.limit_px is None else self.limit_px,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An intent on its way, folded from its events and fills."""

    intent: OrderIntent
    status: S = S.INITIALIZED
    venue_order_id: VenueOrderId | None = None
    cum_qty: Decimal = ZERO  # base units filled
    avg_px: Decimal = ZERO  # fill-weighted; 0 before the first fill
    reason: str = ""  # the last event's

    @property
    def client_order_id(self) -> ClientOrderId:
        """Our id, derived from the intent."""
        return self.intent.client_order_id

    @property
    def leaves_qty(self) -> Decimal:
        """Base units still open; 0 once terminal."""
        return ZERO if self.status in TERMINAL else self.intent.order_qty - self.cum_qty

    def event(self, status: S, key: str, now: datetime, reason: str = "") -> OrderEvent:
        """Something that we do to it at `now`; `key` tells it from all else of this order."""
        return OrderEvent(
            client_order_id=self.client_order_id,
            status=status,
            event_key=f"{self.client_order_id}:{key}",
            ts_event=now,
            ts_init=now,
            reason=reason,
        )

    def apply(self, event: OrderEvent) -> Order:
        """Return the order after `event`; one that the table does not allow is ignored.

        Venues repeat and reorder what they say, so a status that cannot follow is an
        old story, not an error. Fills never pass through here: they are always booked.
        """
        if event.client_order_id != self.client_order_id:
            raise InvariantBroken(f"event of {event.client_order_id} on {self.client_order_id}")
        amends = event.status is self.status and event.has_terms
        if not amends and event.status not in NEXT.get(self.status, set()):
            return self
        return replace(
            self,
            intent=event.amended(self.intent),
            status=event.status,
            venue_order_id=event.venue_order_id or self.venue_order_id,
            reason=event.reason,
        )

    def fill(self, fill: Fill) -> Order:
        """Return the order after `fill`: fills are facts, statuses are opinions.

        The status follows the quantities while the order lives; a terminal status stays,
        but for a fill that completes it.
        """
        cum_qty = self.cum_qty + fill.last_qty
        cost = self.cum_qty * self.avg_px + fill.notional
        status = self.status
        if cum_qty >= self.intent.order_qty:
            status = S.FILLED
        elif status not in TERMINAL and status is not S.PENDING_CANCEL:
            status = S.PARTIALLY_FILLED
        return replace(
            self,
            status=status,
            venue_order_id=fill.venue_order_id,
            cum_qty=quantize(cum_qty),
            avg_px=quantize(cost / cum_qty),
        )
