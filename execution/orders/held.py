"""Orders that we hold: when each is due, and as what it then goes out.

Stops that the venue does not do, slices of a larger order, and the stop and target of an
entry wait here, in the ledger, through restarts. `due` looks at one order at one moment;
what a group makes of it is decided in `groups`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId
from execution.model.money import ZERO, plain, quantize
from execution.model.order import OPEN, STOPS, TERMINAL, Order, OrderEvent, OrderIntent
from execution.orders.placement import is_target, sent_type
from execution.venues.capabilities import Capabilities

# A slice that opens a position is not sent later than this: the wish is old by then.
LATE_MAX = timedelta(hours=1)
# Ends the key of the event by which a leg ended because its parent had brought too little.
UNNEEDED = "unneeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """How far a held trailing stop has come; kept in the ledger."""

    client_order_id: ClientOrderId
    extreme_px: Decimal  # the best price since it became active, quote per base unit
    ts_event: datetime  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What one held order is judged by."""

    now: datetime  # UTC
    last_px: Decimal | None  # quote per base unit; None: no fresh price, so none is reached
    capabilities: Capabilities  # of the venue, for its instrument
    position_qty: Decimal  # signed base units held of its instrument
    parent: Order | None = None  # None although it has a parent: that was never written
    parent_qty: Decimal = ZERO  # base units that the parent brought, see `received`
    trigger: Trigger | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not yet; a `trigger` is to be saved."""

    trigger: Trigger | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """It may go out, its group allowing; a `trigger` is to be saved."""

    order_type: OrderType  # as which it goes out
    reason: str  # for people: what was reached, and as what it goes out
    rests: bool = False  # it goes to the venue to wait there: nothing was reached
    trigger: Trigger | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """It is never sent: CANCELED or EXPIRED, and why."""

    status: S
    reason: str
    unneeded: bool = False  # a late fill of its parent brings it back, see `lapsed`


Step = Wait | Release | End


def due(order: Order, moment: Moment) -> Step:
    """Judge one HELD order; the same moment always gives the same step.

    Whether and when, that is: how much goes out is for `groups.moves` to say.

    A stop goes out as MARKET once its price is reached (a stop-limit as LIMIT, at its
    limit), and before that as it is where the venue does stops. A target goes out once its
    limit is reached. A price that is exactly reached counts.
    """
    intent = order.intent
    if intent.expire_at is not None and moment.now >= intent.expire_at:
        return End(status=S.EXPIRED, reason=f"not due before it expired at {intent.expire_at}")
    if intent.parent_id is not None:
        parent = moment.parent
        if parent is None:
            return End(status=S.CANCELED, reason=f"its parent {intent.parent_id} does not exist")
        if parent.status not in TERMINAL:
            return Wait()
        if moment.parent_qty <= 0:
            reason = f"its parent {parent.client_order_id} is {parent.status}, nothing to protect"
            return End(status=S.CANCELED, reason=reason, unneeded=True)
    if intent.protects and closable(intent.side, moment.position_qty) <= 0:
        return End(status=S.CANCELED, reason="the position is closed: nothing left to protect")
    if intent.not_before is not None:
        if moment.now < intent.not_before:
            return Wait()
        if moment.now > intent.not_before + LATE_MAX and not intent.reduce_only:
            late = f"was due at {intent.not_before}: too late to open a position"
            return End(status=S.EXPIRED, reason=late)
    return _by_price(order, moment)


def closable(side: OrderSide, position_qty: Decimal) -> Decimal:
    """Base units that an order of this side can close of a signed position, >= 0."""
    return max(ZERO, -side.sign * position_qty)


def received(fills: Iterable[Fill], base: str) -> Decimal:
    """Base units that an order's fills brought: without the fees taken in the base currency."""
    total = ZERO
    for fill in fills:
        fee = fill.commission if fill.commission_ccy == base else ZERO
        total += fill.last_qty - (fee if fill.side is OrderSide.BUY else ZERO)
    return max(ZERO, total)


def lapsed(order: Order, events: Iterable[OrderEvent]) -> bool:
    """Whether a leg ended though nobody asked it to, so that another has to take over.

    Such are a stop that the venue rejected, expired or canceled of its own accord, and any
    leg that ended because its parent had brought too little. `events` are all of its own.
    """
    if order.status not in TERMINAL - {S.FILLED} or not order.intent.protects:
        return False
    told = tuple(events)
    if any(event.event_key.endswith(f":{UNNEEDED}") for event in told):
        return True
    statuses = {event.status for event in told}
    sent = S.SUBMITTED in statuses and S.PENDING_CANCEL not in statuses
    return order.intent.order_type in STOPS and sent


def as_sent(intent: OrderIntent, order_type: OrderType) -> OrderIntent:
    """The terms of a released order: what waited is left out of them, the id stays."""
    if order_type is intent.order_type:
        return intent
    limit_px = intent.limit_px if order_type is OrderType.LIMIT else None
    return replace(intent, order_type=order_type, limit_px=limit_px, stop_px=None, trail_pct=None)


def overstayed(orders: Iterable[Order], now: datetime) -> tuple[Order, ...]:
    """Open orders whose `expire_at` has passed: to be canceled, the venue may not do it."""
    return tuple(
        order
        for order in orders
        if order.status in OPEN
        and order.intent.time_in_force is TimeInForce.GTD
        and order.intent.expire_at is not None
        and now >= order.intent.expire_at
    )


def _by_price(order: Order, moment: Moment) -> Step:
    intent, px = order.intent, moment.last_px
    if is_target(intent):
        if px is None or intent.limit_px is None or (px - intent.limit_px) * intent.side.sign > 0:
            return Wait()
        return _release(order, f"target {plain(intent.limit_px)} reached at {plain(px)}")
    if intent.order_type not in STOPS:
        return _release(order, "due")
    trigger = _follow(order, moment)
    level = _level(intent, trigger)
    moved = trigger if trigger != moment.trigger else None
    if px is not None and level is not None and (px - level) * intent.side.sign >= 0:
        reached = f"{intent.order_type} {plain(level)} reached at {plain(px)}"
        return replace(_release(order, reached), trigger=moved)
    if intent.order_type in moment.capabilities.order_types:
        release = _release(order, "the venue watches its price")
        return replace(release, order_type=intent.order_type, rests=True, trigger=moved)
    return Wait(trigger=moved)


def _release(order: Order, why: str) -> Release:
    sent = sent_type(order.intent.order_type)
    same = sent is order.intent.order_type
    return Release(order_type=sent, reason=why if same else f"{why}: sent as {sent}")


def _follow(order: Order, moment: Moment) -> Trigger | None:
    """The best price of a trailing stop so far; None before the first, and for other types."""
    if order.intent.order_type is not OrderType.TRAILING_STOP or moment.last_px is None:
        return moment.trigger
    best = max if order.intent.side is OrderSide.SELL else min
    old = moment.trigger.extreme_px if moment.trigger else moment.last_px
    if moment.trigger and best(old, moment.last_px) == old:
        return moment.trigger
    return Trigger(
        client_order_id=order.client_order_id,
        extreme_px=best(old, moment.last_px),
        ts_event=moment.now,
    )


def _level(intent: OrderIntent, trigger: Trigger | None) -> Decimal | None:
    """The price at which a stop is reached; None for a trailing one that saw no price yet."""
    if intent.trail_pct is None:
        return intent.stop_px
    if trigger is None:
        return None
    return quantize(trigger.extreme_px * (1 + intent.side.sign * intent.trail_pct))
