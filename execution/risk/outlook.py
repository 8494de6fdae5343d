"""The account as a check looks at it: with all that is under way or approved already."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal

from execution.model.account import AccountView
from execution.model.enums import OrderSide
from execution.model.identifiers import ClientOrderId, InstrumentId
from execution.model.money import ZERO, quantize
from execution.model.order import IN_FLIGHT, SENDABLE, Order, OrderIntent
from execution.risk.collar import loss_max, worst_px, worth_px
from execution.risk.limits import RiskLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """What is held of one instrument, and what open and approved orders may make of it."""

    held: Decimal  # signed base units
    buys: Decimal  # base units still to be filled; what only protects is not expected to
    sells: Decimal
    mark: Decimal | None  # quote per base unit
    px_max: Decimal | None  # the highest price that any of it may be worth

    @property
    def qty_max(self) -> Decimal:
        """Largest absolute holding that any subset of what is pending can lead to."""
        return max(abs(self.held + self.buys), abs(self.held - self.sells))

    @property
    def worth_max(self) -> Decimal | None:
        """Worth of `qty_max` at the highest price; None without a price."""
        return None if self.px_max is None else quantize(self.qty_max * self.px_max)

    def net_max(self, side: OrderSide) -> Decimal | None:
        """Signed worth when all of one side fills and none of the other, at its furthest."""
        if self.px_max is None or self.mark is None:
            return None
        qty = self.held + self.buys if side is OrderSide.BUY else self.held - self.sells
        return quantize(qty * (self.px_max if qty * side.sign > 0 else self.mark))

    def plus(self, intent: OrderIntent, qty: Decimal, collar_pct: Decimal) -> Stake:
        """The stake once `qty` of an order is pending, too."""
        px_max = self.px_max
        if not intent.reduce_only and px_max is not None:  # what closes adds no worth
            px_max = max(px_max, worth_px(intent, self.mark, collar_pct) or px_max)
        buys = intent.side is OrderSide.BUY
        return Stake(
            held=self.held,
            buys=self.buys + (qty if buys else ZERO),
            sells=self.sells + (ZERO if buys else qty),
            mark=self.mark,
            px_max=px_max,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The account at its worst: of all that is working or approved, what hurts has filled.

    Each at the worst price inside the collar. A sale that has not filled frees nothing: it
    may never fill. Make it with `of`; every order, approved or under way, is counted once.
    """

    account: AccountView
    collar_pct: Decimal
    approved: tuple[OrderIntent, ...]  # before this intent, in this plan
    equity: Decimal | None  # at the marks, now
    equity_min: Decimal | None  # once all that is pending has filled at its worst price
    cost: Decimal | None  # of buys that the venue may not know of yet, at the most
    stakes: Mapping[InstrumentId, Stake]  # of everything held, working or approved
    worths: Mapping[InstrumentId, Decimal | None]  # `Stake.worth_max` of each
    opened: frozenset[InstrumentId]  # what the approved intents open
    # The last answer of `after`: many controls ask for the same.
    _asked: list[tuple[OrderIntent, Outlook]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, account: AccountView, limits: RiskLimits) -> Outlook:
        """The outlook before anything of a plan is approved."""
        stakes = {i: _stake(account, i) for i in account.positions}
        outlook: Outlook = cls(
            account=account,
            collar_pct=limits.price_collar_pct,
            approved=(),
            equity=account.equity,
            equity_min=account.equity,
            cost=ZERO,
            stakes=stakes,
            worths={i: stake.worth_max for i, stake in stakes.items()},
            opened=frozenset(),
        )
        for order in account.working:
            # Its buying power has left out already what the venue holds open orders for.
            outlook = outlook._with(order.intent, order.leaves_qty, unpaid=_new(order))
        return outlook

    def after(self, intent: OrderIntent) -> Outlook:
        """The outlook with one more intent approved."""
        if self._asked and self._asked[0][0] is intent:
            return self._asked[0][1]
        opened = self.opened if intent.reduce_only else self.opened | {intent.instrument_id}
        outlook = self._with(intent, intent.order_qty, unpaid=True)
        after = replace(outlook, approved=(*self.approved, intent), opened=opened)
        self._asked[:] = [(intent, after)]
        return after

    def stake(self, instrument_id: InstrumentId) -> Stake:
        """What is held and pending of one instrument."""
        return self.stakes.get(instrument_id) or _stake(self.account, instrument_id)

    def held(self, instrument_id: InstrumentId) -> Decimal:
        """Net base units held now."""
        return self.stake(instrument_id).held

    def pending(self, instrument_id: InstrumentId, side: OrderSide) -> Decimal:
        """Base units still to be filled on one side; what only protects is not expected to."""
        stake = self.stake(instrument_id)
        return stake.buys if side is OrderSide.BUY else stake.sells

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

    def _with(self, intent: OrderIntent, qty: Decimal, *, unpaid: bool) -> Outlook:
        """Count `qty` of an order; what only protects is not expected to fill."""
        if intent.protects:
            return self
        key, mark = intent.instrument_id, self.account.marks.get(intent.instrument_id)
        stake = self.stake(key).plus(intent, qty, self.collar_pct)
        loss = loss_max(intent, qty, mark, self.collar_pct)
        equity_min = None if self.equity_min is None or loss is None else self.equity_min - loss
        cost = self.cost
        if unpaid and intent.side is OrderSide.BUY and cost is not None:
            px = worst_px(intent, mark, self.collar_pct)
            cost = None if px is None else cost + qty * px
        return replace(
            self,
            equity_min=equity_min,
            cost=cost,
            stakes={**self.stakes, key: stake},
            worths={**self.worths, key: stake.worth_max},
        )


def _stake(account: AccountView, instrument_id: InstrumentId) -> Stake:
    position, mark = account.positions.get(instrument_id), account.marks.get(instrument_id)
    held = position.net_qty if position else ZERO
    return Stake(held=held, buys=ZERO, sells=ZERO, mark=mark, px_max=mark)


def _new(order: Order) -> bool:
    """Whether the venue may not have counted it: in flight, or held by us."""
    return order.status in IN_FLIGHT | SENDABLE


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
