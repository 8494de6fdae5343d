"""Orders that belong together: the stop and the target of an entry, of which one may fill.

    entry ─┬─ stop    rests at the venue where it does stops, else is held by us
           └─ target  held by us: when it is reached the stop has to make way first

At any time one leg of a group is at the venue at the most. `moves` looks at the group as the
books have it and says what to do next, so it does not matter where a process died: whoever
comes next is told the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from execution.model.enums import OrderStatus as S
from execution.model.enums import OrderType
from execution.model.identifiers import ClientOrderId, client_order_id
from execution.model.money import ZERO
from execution.model.order import IN_FLIGHT, OPEN, SENDABLE, STOPS, Order, OrderIntent
from execution.orders.held import Release, closable
from execution.venues.capabilities import Capabilities

AGAIN = " #"  # "stop #2" is the stop that comes after "stop" had to make way


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Write a leg that no venue has as CANCELED."""

    order: Order
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Ask the venue to cancel; nothing else of the group moves before it has confirmed."""

    order: Order
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Write a new intent, to be held: the stop that takes over from one that makes way."""

    intent: OrderIntent
    after: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a leg, or a slice, as what it is released as."""

    order: Order
    order_qty: Decimal  # base units
    order_type: OrderType
    reason: str


Move = Drop | Cancel | Hold | Send


def moves(
    group: Sequence[Order],
    others: Iterable[Order],
    position_qty: Decimal,
    budget_qty: Decimal,
    released: Mapping[ClientOrderId, Release],
    capabilities: Capabilities,
) -> tuple[Move, ...]:
    """Say what to do next with one group, in this order; nothing when it has to wait.

    `group` are all its legs, ended ones included; an order without a group is one of its
    own. `others` are the account's other orders, `position_qty` the signed base units held
    of the instrument, `budget_qty` what the group may fill in all (see `budget`). What is
    sent to close, and what is at the venue to close, is never more than the position.
    """
    waiting = [o for o in group if o.status in SENDABLE]
    there = [o for o in group if o.status in OPEN | IN_FLIGHT]
    left_qty = budget_qty - sum((o.cum_qty for o in group), ZERO)
    if any(o.status is S.FILLED for o in group) or left_qty <= 0 < budget_qty:
        return _finish(waiting, there, "its group has filled")
    can_close = closable(group[0].intent.side, position_qty)
    if group[0].intent.protects and there:
        if can_close == 0:
            return _finish(waiting, there, "the position is closed")
        if len(there) > 1:
            why = "the stop of its group is at the venue too"
            return tuple(
                Cancel(order=o, reason=why) for o in there if o.status in OPEN and not _stops(o)
            )
        leg = there[0]
        # What is filling already is left to end: a fee may have taken a little of the rest.
        if leg.status in OPEN and not leg.cum_qty and leg.leaves_qty > can_close:
            why = f"only {_text(can_close)} is left to protect"
            return make_way(leg, waiting, budget_qty, why)
    following = _first(waiting, released)
    if following is None:
        return ()
    release = released[following.client_order_id]
    if there:
        return _clear(following, release, there, waiting, budget_qty, capabilities)
    return _send(following, release, left_qty, can_close, others)


def budget(intents: Iterable[OrderIntent], parent_qty: Decimal | None) -> Decimal:
    """What a group may fill in all, base units: its largest leg, or less if less was opened.

    `intents` are the legs in their first terms, `parent_qty` what their parent brought (see
    `held.received`); None when they have no parent.
    """
    asked = max((intent.order_qty for intent in intents), default=ZERO)
    return asked if parent_qty is None else min(asked, parent_qty)


def successor(stop: OrderIntent, order_qty: Decimal) -> OrderIntent:
    """The stop that takes over from one that makes way: the same wish under its own id."""
    leg, _, number = stop.leg.partition(AGAIN)
    leg = f"{leg}{AGAIN}{int(number or 1) + 1}"
    key = client_order_id(stop.account, stop.strategy, stop.instrument_id, stop.signal_time, leg)
    return replace(stop, client_order_id=key, leg=leg, order_qty=order_qty)


def make_way(
    order: Order, waiting: Iterable[Order], budget_qty: Decimal, reason: str
) -> tuple[Hold | Cancel, ...]:
    """Cancel a leg at the venue; for a stop another one takes over the watch before it goes.

    `waiting` are the legs of its group that no venue has, `budget_qty` as for `moves`.
    """
    cancel = Cancel(order=order, reason=reason)
    if not _stops(order) or any(_stops(o) for o in waiting):
        return (cancel,)
    return (Hold(intent=successor(order.intent, budget_qty), after=order), cancel)


def in_the_way(intent: OrderIntent, working: Iterable[Order]) -> tuple[Order, ...]:
    """The protective legs at the venue that must be gone before `intent` closes a position.

    A resting stop claims what it protects: with it there, an exit is refused, or both fill.
    """
    if not intent.reduce_only or intent.protects:
        return ()
    return tuple(o for o in working if o.status in OPEN | IN_FLIGHT and _beside(o, intent))


def _first(waiting: Iterable[Order], released: Mapping[ClientOrderId, Release]) -> Order | None:
    """The leg that goes next: a stop that is reached, then a target, then what only rests."""
    due = [order for order in waiting if order.client_order_id in released]
    return min(due, key=lambda o: (released[o.client_order_id].rests, not _stops(o)), default=None)


def _clear(
    following: Order,
    release: Release,
    there: list[Order],
    waiting: list[Order],
    budget_qty: Decimal,
    capabilities: Capabilities,
) -> tuple[Move, ...]:
    """Make room for a leg that was reached while another one is at the venue."""
    if release.rests or any(o.status in IN_FLIGHT for o in there):
        return ()
    if _stops(following):
        # One stop at the venue is executing already: a second would sell twice.
        if any(_stops(o) for o in there):
            return ()
        return tuple(Cancel(order=o, reason="the stop was reached") for o in there)
    # A stop that we sent, or that has begun to fill, was reached first.
    if any(o.cum_qty or o.intent.order_type not in capabilities.order_types for o in there):
        return ()
    return make_way(there[0], waiting, budget_qty, release.reason)


def _send(
    order: Order, release: Release, left_qty: Decimal, can_close: Decimal, others: Iterable[Order]
) -> tuple[Move, ...]:
    qty = left_qty
    if order.intent.reduce_only:
        beside = [o for o in others if o.status in OPEN | IN_FLIGHT and _beside(o, order.intent)]
        qty = min(qty, can_close - sum((o.leaves_qty for o in beside), ZERO))
        exits = [o for o in beside if o.status in OPEN and not o.intent.protects]
        if qty < left_qty and exits and _stops(order) and not release.rests:
            # The way out that was reached goes before one that rests at a better price.
            return tuple(Cancel(order=o, reason="the stop was reached") for o in exits)
    if qty <= 0:
        return ()
    return (Send(order=order, order_qty=qty, order_type=release.order_type, reason=release.reason),)


def _finish(waiting: list[Order], there: list[Order], reason: str) -> tuple[Move, ...]:
    return (
        *(Drop(order=o, reason=reason) for o in waiting),
        *(Cancel(order=o, reason=reason) for o in there if o.status in OPEN),
    )


def _beside(order: Order, intent: OrderIntent) -> bool:
    """Whether both close the same position."""
    same = (order.intent.instrument_id, order.intent.side) == (intent.instrument_id, intent.side)
    return same and order.intent.reduce_only and order.client_order_id != intent.client_order_id


def _stops(order: Order) -> bool:
    return order.intent.order_type in STOPS


def _text(value: Decimal) -> str:
    return f"{value.normalize():f}"
