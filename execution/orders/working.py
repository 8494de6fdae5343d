"""One round over the orders that we hold, and over what protects a position.

What is to be done is decided by `held` and `groups` from the books alone; here it is done,
each step written before or as it happens. A round is safe to repeat: after a crash, or when
it has to wait for the venue, the next one goes on from what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from execution.errors import InputInvalid, TooSmall
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId, InstrumentId
from execution.model.money import ZERO
from execution.model.order import IN_FLIGHT, OPEN, SENDABLE, STOPS, Order, OrderIntent
from execution.orders.groups import (
    AGAIN,
    Cancel,
    Drop,
    Hold,
    Move,
    Send,
    Unprotected,
    budget,
    in_the_way,
    make_way,
    moves,
    room,
)
from execution.orders.held import (
    UNNEEDED,
    End,
    Moment,
    Release,
    Trigger,
    as_sent,
    due,
    overstayed,
)
from execution.orders.submission import Clock, Record, submit_all
from execution.venues.base import Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the books know, once every fill is booked."""

    # Those not terminal, the legs of what is held, and of both every order of their groups
    # and every parent, whatever its status.
    orders: tuple[Order, ...]
    intended: Mapping[ClientOrderId, OrderIntent]  # the first terms of those orders
    received: Mapping[ClientOrderId, Decimal]  # by parent, see `held.received`
    positions: Mapping[InstrumentId, Decimal]  # signed base units; none there: flat
    prices: Mapping[InstrumentId, Decimal]  # fresh ones alone, quote per base unit
    sends: Mapping[ClientOrderId, int]  # how often each was sent
    triggers: Mapping[ClientOrderId, Trigger] = field(default_factory=dict)
    lapsed: frozenset[ClientOrderId] = frozenset()  # see `held.lapsed`
    # What the venue was built with: orders of other instruments are left alone.
    traded: frozenset[InstrumentId] = frozenset()
    sends_allowed: bool = True  # whether an order that only reduces may be sent now
    # Why an order that opens may not be sent now; empty: it may.
    may_open: Callable[[OrderIntent], str] = lambda _: ""

    def can_send(self, instrument_id: InstrumentId, orders: Iterable[Order]) -> bool:
        """Whether an order that only reduces would leave now; `orders` as they are by now."""
        return self.sends_allowed and not any(
            o.status in IN_FLIGHT and o.intent.instrument_id == instrument_id for o in orders
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pens:
    """How what is decided gets into the books; each commits before it returns."""

    record: Record
    save_trigger: Callable[[Trigger], object]
    # Writes an intent under the run and the plan of the order that it takes over from.
    hold: Callable[[OrderIntent, Order], Order]
    # Tells a person, with the last stop and why: in every round for as long as it is so.
    unprotected: Callable[[Order, str], object]


async def work(desk: Desk, venue: Venue, pens: Pens, clock: Clock) -> tuple[Order, ...]:
    """Do what is due now; return the orders that changed, none when there was nothing to do.

    After a round that changed something, bring the books up to the venue and work again:
    a leg that was asked to make way may be gone by then. SafetyViolation is passed on.
    """
    return await _Round(desk, venue, pens, clock).run()


async def clear_the_way(
    exits: Iterable[OrderIntent], desk: Desk, venue: Venue, pens: Pens, clock: Clock
) -> tuple[Order, ...]:
    """Ask the venue to cancel the legs that claim what `exits` are to close.

    A stop that goes is replaced by one that we hold, so the price stays watched. Nothing
    may be sent before the books say that they are gone; what changed is returned.
    """
    return await _Round(desk, venue, pens, clock).clear(exits)


class _Round:
    """One round; `changed` is every order as it was written last."""

    def __init__(self, desk: Desk, venue: Venue, pens: Pens, clock: Clock) -> None:
        self._desk, self._venue, self._pens, self._clock = desk, venue, pens, clock
        self._known = {order.client_order_id: order for order in desk.orders}
        self._changed: dict[ClientOrderId, Order] = {}
        self._reserved: dict[ClientOrderId, Order] = {}  # about to be sent, as if they were

    async def run(self) -> tuple[Order, ...]:
        ours = [o for o in self._desk.orders if o.intent.instrument_id in self._desk.traded]
        for order in overstayed(ours, self._clock()):
            await self._cancel(Cancel(order=order, reason=f"expired at {order.intent.expire_at}"))
        released: dict[ClientOrderId, Send] = {}
        for group in self._groups():
            legs = [self._taken_back(order) for order in group]
            for move in await self._moves(legs):
                if isinstance(move, Send):
                    fitting = await self._fit(move, legs)
                    released |= fitting
                    self._reserved |= {key: _as_if_sent(send) for key, send in fitting.items()}
                else:
                    await self._do(move)
        due_now = [self._known[key] for key in released]
        sent = await submit_all(
            due_now,
            tuple(self._known.values()),
            self._venue,
            self._pens.record,
            self._clock,
            self._desk.sends,
            released,
        )
        for before, after in zip(due_now, sent, strict=True):
            if after != before:
                self._keep(after)
        return tuple(self._changed.values())

    async def clear(self, exits: Iterable[OrderIntent]) -> tuple[Order, ...]:
        for intent in exits:
            for leg in in_the_way(intent, self._desk.orders):
                instrument_id = leg.intent.instrument_id
                may = self._desk.can_send(instrument_id, self._desk.orders)
                if not may or instrument_id not in self._desk.traded:
                    continue  # what would follow it could not be sent: it stays
                group = [o for o in self._desk.orders if _group(o) == _group(leg)]
                waiting = [o for o in group if o.status in SENDABLE]
                why = f"{intent.client_order_id} closes the position"
                for move in make_way(leg, waiting, self._budget(group), why):
                    await self._do(move)
        return tuple(self._changed.values())

    def _groups(self) -> list[list[Order]]:
        """The groups that may have something of ours to do; an order without a group is one."""
        found: dict[tuple[str | None, str], list[Order]] = {}
        for order in self._desk.orders:
            found.setdefault(_group(order), []).append(order)
        return [
            group
            for group in found.values()
            if group[0].intent.instrument_id in self._desk.traded
            and any(o.status is S.HELD or o.intent.protects or self._was_held(o) for o in group)
        ]

    def _was_held(self, order: Order) -> bool:
        """Whether an INITIALIZED order is one that we hold all the same.

        Its release was not sent after all, or it takes over from another and the process
        died before that was written, or its parent has gone out without it.
        """
        if order.status is not S.INITIALIZED:
            return False
        intent = order.intent
        if self._desk.sends.get(order.client_order_id, 0):
            return intent.protects or intent.not_before is not None
        parent = self._known.get(intent.parent_id) if intent.parent_id else None
        left = parent is not None and parent.status not in SENDABLE
        return intent.protects and (left or AGAIN in intent.leg)

    def _taken_back(self, order: Order) -> Order:
        """The order, HELD again if it was before."""
        if not self._was_held(order):
            return order
        key = f"held_again:{self._desk.sends.get(order.client_order_id, 0)}"
        return self._write(order, S.HELD, key, f"held again: {order.reason}".rstrip(": "))

    async def _moves(self, group: list[Order]) -> tuple[Move, ...]:
        """Judge the held legs, write what has ended or moved, and say what is next."""
        group, released = self._judged(group)
        instrument_id, keys = group[0].intent.instrument_id, {o.client_order_id for o in group}
        others = [o for key, o in (self._known | self._reserved).items() if key not in keys]
        position_qty = self._desk.positions.get(instrument_id, ZERO)
        budget_qty = self._budget(group)
        room_qty = room(group, others, position_qty, budget_qty)
        found = moves(
            group,
            others,
            position_qty,
            budget_qty,
            released,
            self._venue.capabilities(instrument_id),
            await self._fits(group, room_qty),
            self._desk.lapsed,
            self._desk.can_send(instrument_id, self._known.values()),
        )
        return found + self._withheld(group, released)

    def _withheld(
        self, group: list[Order], released: Mapping[ClientOrderId, Release]
    ) -> tuple[Unprotected, ...]:
        """The stop that should go out while nothing may be sent, and no leg is at the venue."""
        if self._desk.sends_allowed or any(o.status in OPEN | IN_FLIGHT for o in group):
            return ()
        return tuple(
            Unprotected(order=o, reason=f"{released[o.client_order_id].reason}; it may not be sent")
            for o in group
            if o.client_order_id in released and o.intent.protects and _stops(o)
        )

    def _judged(self, group: list[Order]) -> tuple[list[Order], dict[ClientOrderId, Release]]:
        """The group without what is over, that is written; and which of it may go out."""
        released: dict[ClientOrderId, Release] = {}
        for order in [o for o in group if o.status is S.HELD]:
            step = due(order, self._moment(order))
            if isinstance(step, End):
                group = [o for o in group if o is not order]
                key = UNNEEDED if step.unneeded else step.status.value
                group.append(self._write(order, step.status, key, step.reason))
                continue
            if step.trigger is not None:
                self._pens.save_trigger(step.trigger)
            opens = not order.intent.reduce_only
            if isinstance(step, Release) and not (opens and self._desk.may_open(order.intent)):
                released[order.client_order_id] = step
        return group, released

    def _moment(self, order: Order) -> Moment:
        intent, parent_id = order.intent, order.intent.parent_id
        return Moment(
            now=self._clock(),
            last_px=self._desk.prices.get(intent.instrument_id),
            capabilities=self._venue.capabilities(intent.instrument_id),
            position_qty=self._desk.positions.get(intent.instrument_id, ZERO),
            parent=self._known.get(parent_id) if parent_id else None,
            parent_qty=self._desk.received.get(parent_id, ZERO) if parent_id else ZERO,
            trigger=self._desk.triggers.get(order.client_order_id),
        )

    def _budget(self, group: Iterable[Order]) -> Decimal:
        intents = [self._desk.intended.get(o.client_order_id, o.intent) for o in group]
        parent_id = intents[0].parent_id
        brought = None if parent_id is None else self._desk.received.get(parent_id, ZERO)
        return budget(intents, brought)

    async def _fits(self, group: list[Order], room_qty: Decimal) -> Decimal:
        """What a protective leg could go out for now, in the venue's steps; 0 when too little."""
        there = [o for o in group if o.status in OPEN]
        leg = next((o for o in (*there, *group) if _stops(o)), group[0]).intent
        if not leg.protects or room_qty <= 0:
            return ZERO
        try:
            return (await self._venue.quantize(replace(leg, order_qty=room_qty))).order_qty
        except InputInvalid:
            return ZERO

    async def _fit(self, move: Send, group: list[Order]) -> dict[ClientOrderId, Send]:
        """The send in the venue's steps; what is too small for them ends, all else waits."""
        wanted = replace(move.order.intent, order_qty=move.order_qty)
        try:
            fitting = await self._venue.quantize(as_sent(wanted, move.order_type))
        except TooSmall as error:
            # A late fill of its parent may bring enough; what others have closed stays closed.
            left_qty = self._budget(group) - sum((o.cum_qty for o in group), ZERO)
            key = UNNEEDED if move.order_qty == left_qty else "too_small"
            self._write(move.order, S.CANCELED, key, str(error))
            return {}
        except InputInvalid as error:
            if _stops(move.order):
                self._pens.unprotected(move.order, str(error))
            return {}
        return {move.order.client_order_id: replace(move, order_qty=fitting.order_qty)}

    async def _do(self, move: Drop | Cancel | Hold | Unprotected) -> None:
        if isinstance(move, Unprotected):
            self._pens.unprotected(move.order, move.reason)
        elif isinstance(move, Drop):
            self._write(move.order, S.CANCELED, "dropped", move.reason)
        elif isinstance(move, Hold):
            held = self._pens.hold(move.intent, move.after)
            why = f"takes over from {move.after.client_order_id}"
            self._write(held, S.HELD, "held:1", why)
        else:
            await self._cancel(move)

    async def _cancel(self, move: Cancel) -> None:
        """Write that it is to go, and ask; once more if it was asked: that may have been lost."""
        key = f"pending_cancel:{move.order.cum_qty:f}"
        pending = self._write(move.order, S.PENDING_CANCEL, key, move.reason)
        await self._venue.cancel(pending, self._clock())

    def _write(self, order: Order, status: S, key: str, reason: str) -> Order:
        event = order.event(status, key, self._clock(), reason)
        after = self._pens.record(event)
        if after is None:  # written before
            return order.apply(event)
        return self._keep(after)

    def _keep(self, order: Order) -> Order:
        self._known[order.client_order_id] = self._changed[order.client_order_id] = order
        return order


def _as_if_sent(send: Send) -> Order:
    intent = replace(send.order.intent, order_qty=send.order_qty)
    return replace(send.order, intent=intent, status=S.SUBMITTED)


def _stops(order: Order) -> bool:
    return order.intent.order_type in STOPS


def _group(order: Order) -> tuple[str | None, str]:
    """What it is grouped by: a group may bear the id of an order that is not in it."""
    group_id = order.intent.group_id
    return group_id, "" if group_id else order.client_order_id
