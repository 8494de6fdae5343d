"""Orders that belong together: the stop and the target of an entry, of which one may fill.

    entry ─┬─ stop    rests at the venue where it does stops, else is held by us
           └─ target  held by us: when it is reached the stop has to make way first

A stop that the venue gives up is taken over by a successor, and a person is told when that
fails too. At any time one leg of a group is at the venue at the most. `moves` looks at the
group as the books have it and says what to do next, so it does not matter where a process
died: whoever comes next is told the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import takewhile

from execution.model.enums import OrderStatus as S
from execution.model.enums import OrderType
from execution.model.identifiers import ClientOrderId, client_order_id
from execution.model.money import ZERO, plain
from execution.model.order import IN_FLIGHT, OPEN, SENDABLE, STOPS, TERMINAL, Order, OrderIntent
from execution.orders.held import Release, closable
from execution.venues.capabilities import Capabilities

AGAIN = " #"  # "stop #2" is the stop that comes after "stop" had to make way, or was lost
SUCCESSORS_MAX = 3  # that lapse in a row; then a person has to look


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
    """Write a new intent, to be held: the leg that takes over from one that goes or is gone."""

    intent: OrderIntent
    after: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a leg, or a slice, as what it is released as."""

    order: Order
    order_qty: Decimal  # base units
    order_type: OrderType
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprotected:
    """Tell a person that a position is open and no stop watches it."""

    order: Order  # the last stop
    reason: str


Move = Drop | Cancel | Hold | Send | Unprotected

NONE_LAPSED: Set[ClientOrderId] = frozenset()


def moves(
    group: Sequence[Order],
    others: Iterable[Order],
    position_qty: Decimal,
    budget_qty: Decimal,
    released: Mapping[ClientOrderId, Release],
    capabilities: Capabilities,
    fits_qty: Decimal,
    lapsed: Set[ClientOrderId] = NONE_LAPSED,
    can_send: bool = True,
) -> tuple[Move, ...]:
    """Say what to do next with one group, in this order; nothing when it has to wait.

    `group` are all its legs, ended ones included; an order without a group is one of its
    own. `others` are the account's other orders, `position_qty` the signed base units held
    of the instrument, `budget_qty` what the group may fill in all (see `budget`), `fits_qty`
    is `room` in the venue's steps, 0 when that is too little to be sent. `lapsed` are the
    legs that ended though nobody asked them to. Unless it `can_send`, nothing makes way: a
    leg at the venue is better than one that cannot follow it. What is sent to close, and
    what is at the venue to close, is never more than the position.
    """
    others = tuple(others)
    waiting = [o for o in group if o.status in SENDABLE]
    there = [o for o in group if o.status in OPEN | IN_FLIGHT]
    filled = any(o.status is S.FILLED for o in group)
    if _left(group, budget_qty) <= 0 < budget_qty or (filled and not fits_qty):
        return _finish(waiting, there, "its group has filled")
    can_close = closable(group[0].intent.side, position_qty)
    if group[0].intent.protects and there:
        if can_close == 0:
            return _finish(waiting, there, "the position is closed")
        if len(there) > 1:
            return _only_the_stop(there)
        why = _misfit(there[0], can_close, fits_qty, capabilities)
        if why:
            return make_way(there[0], waiting, budget_qty, why) if can_send else ()
    renewed = _renewed(group, budget_qty, lapsed, filled) if fits_qty else ()
    following = _first(waiting, released)
    if following is None or not can_send or any(isinstance(m, Hold) for m in renewed):
        return renewed
    release = released[following.client_order_id]
    if there:
        return renewed + _clear(following, release, there, waiting, budget_qty, capabilities)
    left_qty = room(group, others, position_qty, budget_qty)
    return renewed + _send(following, release, left_qty, _left(group, budget_qty), others)


def room(
    group: Sequence[Order], others: Iterable[Order], position_qty: Decimal, budget_qty: Decimal
) -> Decimal:
    """Base units for which a leg may be at the venue, if no other of its group is; >= 0.

    What closes is never more than the position less what others close of it at the venue.
    """
    intent, left_qty = group[0].intent, _left(group, budget_qty)
    if not intent.reduce_only:
        return max(ZERO, left_qty)
    beside = sum((o.leaves_qty for o in _closing(intent, others)), ZERO)
    return max(ZERO, min(left_qty, closable(intent.side, position_qty) - beside))


def budget(intents: Iterable[OrderIntent], parent_qty: Decimal | None) -> Decimal:
    """What a group may fill in all, base units: its largest leg, or less if less was opened.

    `intents` are the legs in their first terms, `parent_qty` what their parent brought (see
    `held.received`); None when they have no parent.
    """
    asked = max((intent.order_qty for intent in intents), default=ZERO)
    return asked if parent_qty is None else min(asked, parent_qty)


def successor(leg: OrderIntent, order_qty: Decimal) -> OrderIntent:
    """The leg that takes over from one that goes: the same wish under its own id."""
    name, _, number = leg.leg.partition(AGAIN)
    name = f"{name}{AGAIN}{int(number or 1) + 1}"
    key = client_order_id(leg.account, leg.strategy, leg.instrument_id, leg.signal_time, name)
    return replace(leg, client_order_id=key, leg=name, order_qty=order_qty)


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
    return tuple(_closing(intent, working))


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
    order: Order, release: Release, qty: Decimal, left_qty: Decimal, others: Iterable[Order]
) -> tuple[Move, ...]:
    if qty < left_qty and _stops(order) and not release.rests:
        # The way out that was reached goes before one that rests at a better price.
        beside = _closing(order.intent, others)
        exits = [o for o in beside if o.status in OPEN and not o.intent.protects]
        if exits:
            return tuple(Cancel(order=o, reason="the stop was reached") for o in exits)
    if qty <= 0:
        return ()
    return (Send(order=order, order_qty=qty, order_type=release.order_type, reason=release.reason),)


def _only_the_stop(there: list[Order]) -> tuple[Move, ...]:
    """Take the target off the venue that is there beside the stop, once the stop surely is."""
    if any(o.status in IN_FLIGHT for o in there):
        return ()
    why = "the stop of its group is at the venue too"
    return tuple(Cancel(order=o, reason=why) for o in there if not _stops(o))


def _misfit(leg: Order, can_close: Decimal, fits_qty: Decimal, capabilities: Capabilities) -> str:
    """Why the one leg at the venue has to give way to one of another size, or nothing.

    What is filling already is left to end: a fee may have taken a little of the rest.
    """
    if leg.status not in OPEN or leg.cum_qty:
        return ""
    if leg.leaves_qty > can_close:
        return f"only {plain(can_close)} is left to protect"
    rests = _stops(leg) and leg.intent.order_type in capabilities.order_types
    return f"{plain(fits_qty)} is to be protected" if rests and leg.leaves_qty < fits_qty else ""


def _renewed(
    group: Sequence[Order], budget_qty: Decimal, lapsed: Set[ClientOrderId], filled: bool
) -> tuple[Move, ...]:
    """Hold a leg again that is needed and has ended; say so when its successors end as well.

    In a group that has `filled` and has more to close all the same, its parent has brought
    more since.
    """
    found: list[Move] = []
    for stops in (True, False):
        legs = sorted((o for o in group if _stops(o) is stops), key=_number, reverse=True)
        if not legs or any(o.status not in TERMINAL for o in legs):
            continue
        last = legs[0]
        lost = len(list(takewhile(lambda o: o.client_order_id in lapsed, legs)))
        if lost <= SUCCESSORS_MAX and (lost or filled):
            found.append(Hold(intent=successor(last.intent, budget_qty), after=last))
        elif lost and stops:
            why = f"{lost} stops in a row ended unfilled, the last is {last.status}: {last.reason}"
            found.append(Unprotected(order=last, reason=why))
    return tuple(found)


def _finish(waiting: list[Order], there: list[Order], reason: str) -> tuple[Move, ...]:
    return (
        *(Drop(order=o, reason=reason) for o in waiting),
        *(Cancel(order=o, reason=reason) for o in there if o.status in OPEN),
    )


def _beside(order: Order, intent: OrderIntent) -> bool:
    """Whether both close the same position."""
    same = (order.intent.instrument_id, order.intent.side) == (intent.instrument_id, intent.side)
    return same and order.intent.reduce_only and order.client_order_id != intent.client_order_id


def _closing(intent: OrderIntent, others: Iterable[Order]) -> list[Order]:
    """The others at the venue, or on their way to it, that close what `intent` closes."""
    return [o for o in others if o.status in OPEN | IN_FLIGHT and _beside(o, intent)]


def _left(group: Iterable[Order], budget_qty: Decimal) -> Decimal:
    return budget_qty - sum((o.cum_qty for o in group), ZERO)


def _number(order: Order) -> int:
    """Which of its kind it is: 2 for "stop #2"."""
    return int(order.intent.leg.partition(AGAIN)[2] or 1)


def _stops(order: Order) -> bool:
    return order.intent.order_type in STOPS
