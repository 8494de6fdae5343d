"""The account as a check looks at it: with all that is under way or approved already."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from decimal import Decimal

from execution.model.account import AccountView
from execution.model.enums import OrderSide
from execution.model.identifiers import ClientOrderId, InstrumentId
from execution.model.money import ZERO, quantize
from execution.model.order import IN_FLIGHT, SENDABLE, Order, OrderIntent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The account at its worst: of all that is working or approved, what hurts has filled.

    A sale that has not filled frees nothing: it may never fill.
    """

    account: AccountView
    approved: tuple[OrderIntent, ...]  # before this intent, in this plan

    def held(self, instrument_id: InstrumentId) -> Decimal:
        """Net base units held now."""
        position = self.account.positions.get(instrument_id)
        return position.net_qty if position else ZERO

    def pending(self, instrument_id: InstrumentId, side: OrderSide) -> Decimal:
        """Base units still to be filled on one side; what only protects is not expected to."""
        working = (o.leaves_qty for o in self.account.working if _on(o.intent, instrument_id, side))
        approved = (i.order_qty for i in self.approved if _on(i, instrument_id, side))
        return sum(working, ZERO) + sum(approved, ZERO)

    def opening(self, intent: OrderIntent) -> Decimal:
        """Base units that what a leg, and every other one beside it, protects may still bring."""
        beside = [
            other
            for other in (intent, *self.approved, *(o.intent for o in self.account.working))
            if other.protects
            and (other.instrument_id, other.side) == (intent.instrument_id, intent.side)
        ]
        parents = {leg.parent_id for leg in beside}
        working = (o.leaves_qty for o in self.account.working if _opens(o.intent, intent, parents))
        approved = (i.order_qty for i in self.approved if _opens(i, intent, parents))
        return sum(working, ZERO) + sum(approved, ZERO)

    def protected(self, intent: OrderIntent) -> Decimal:
        """Base units on its side that other groups protect; of each one leg may fill.

        Legs whose parent is not under way protect what it has brought, and that is held: all
        of them together no more than the position. An entry that never left brought nothing.
        """
        under_way = {o.client_order_id for o in self.account.working}
        under_way |= {i.client_order_id for i in self.approved}
        groups: dict[str, Decimal] = {}
        orphans: dict[str, Decimal] = {}
        working = ((o.intent, o.leaves_qty) for o in self.account.working)
        for other, qty in (*working, *((i, i.order_qty) for i in self.approved)):
            same = (other.instrument_id, other.side) == (intent.instrument_id, intent.side)
            if same and other.protects and _group(other) != _group(intent):
                alone = other.parent_id is not None and other.parent_id not in under_way
                found = orphans if alone else groups
                found[_group(other)] = max(qty, found.get(_group(other), ZERO))
        held_qty = max(ZERO, -self.held(intent.instrument_id) * intent.side.sign)
        return sum(groups.values(), ZERO) + min(sum(orphans.values(), ZERO), held_qty)

    def qty_max(self, instrument_id: InstrumentId) -> Decimal:
        """Largest absolute holding that any subset of what is pending can lead to."""
        held = self.held(instrument_id)
        longest = held + self.pending(instrument_id, OrderSide.BUY)
        shortest = held - self.pending(instrument_id, OrderSide.SELL)
        return max(abs(longest), abs(shortest))

    def worth_max(self, instrument_id: InstrumentId) -> Decimal | None:
        """Worth of `qty_max` at the mark; None without a mark."""
        mark = self.account.marks.get(instrument_id)
        return None if mark is None else quantize(self.qty_max(instrument_id) * mark)

    def instruments(self) -> set[InstrumentId]:
        """Every instrument held, working or approved."""
        working = {order.intent.instrument_id for order in self.account.working}
        approved = {intent.instrument_id for intent in self.approved}
        return set(self.account.positions) | working | approved

    def cost(self) -> Decimal:
        """What buys will cost at the most, that the venue may not know of yet.

        Its buying power has left out already what it holds open orders for.
        """
        unseen = (o.leaves_qty * _px_max(o.intent) for o in self.account.working if _new(o))
        approved = (i.order_qty * _px_max(i) for i in self.approved if _buys(i))
        return sum(unseen, ZERO) + sum(approved, ZERO)

    def after(self, intent: OrderIntent) -> Outlook:
        """The outlook with one more intent approved."""
        return replace(self, approved=(*self.approved, intent))


def _new(order: Order) -> bool:
    """Whether it is a buy that the venue may not have counted: in flight, or held by us."""
    return order.status in IN_FLIGHT | SENDABLE and _buys(order.intent)


def _px_max(intent: OrderIntent) -> Decimal:
    """The most a buy may cost, quote per base unit."""
    return max(intent.px_ref, intent.limit_px or ZERO, intent.stop_px or ZERO)


def _on(intent: OrderIntent, instrument_id: InstrumentId, side: OrderSide) -> bool:
    return intent.instrument_id == instrument_id and intent.side is side and not intent.protects


def _opens(other: OrderIntent, leg: OrderIntent, parents: Set[ClientOrderId | None]) -> bool:
    """Whether `other` is one of these parents, and opens what `leg` closes."""
    return (
        other.client_order_id in parents
        and other.instrument_id == leg.instrument_id
        and not other.reduce_only
        and other.side is not leg.side
    )


def _group(intent: OrderIntent) -> str:
    return intent.group_id or intent.client_order_id


def _buys(intent: OrderIntent) -> bool:
    return intent.side is OrderSide.BUY and not intent.protects
