"""Controls of what the account holds once all that is pending has filled at its worst price."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from execution.model.enums import OrderSide
from execution.model.identifiers import InstrumentId
from execution.model.money import ZERO
from execution.model.order import IN_FLIGHT, OPEN, OrderIntent
from execution.model.symbols import names
from execution.risk.checks.control import Finding, age, control, money, share_of_equity
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook


@control(
    "capital threshold: buying power",
    "buying_power_buffer_pct",
    "price_collar_pct",
    number=7,
)
def buying_power(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny a buy that, with all buys before it, costs more than the venue lets us spend."""
    if intent.side is not OrderSide.BUY:
        return Finding(True, "side=sell")
    cost, power = outlook.after(intent).cost, outlook.account.buying_power
    if cost is not None:
        cost *= 1 + limits.buying_power_buffer_pct
    return Finding(
        cost is not None and power is not None and cost <= power,
        f"cost={money(cost)} buying_power={money(power)}",
    )


@control("capital threshold: least equity", "min_balance", number=7)
def min_balance(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening on an account that is worth less than the least balance."""
    equity = outlook.equity
    return Finding(
        equity is not None and equity >= limits.min_balance,
        f"equity={money(equity)} min_balance={limits.min_balance}",
    )


@control("open orders count at once", "max_open_orders", number=8)
def open_orders(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order too many; what only protects is not counted."""
    working = [order.intent for order in outlook.account.working]
    count = 1 + sum(not other.protects for other in (*working, *outlook.approved))
    facts = f"open_orders={count} max_open_orders={limits.max_open_orders}"
    return Finding(count <= limits.max_open_orders, facts)


@control("max position", "max_position_size_pct", "price_collar_pct", number=9)
def position_size(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order after which a position is worth more than its share of equity.

    Its own, or one that was approved before: at bad prices the equity shrinks for all.
    """
    after = outlook.after(intent)
    share = limits.max_position_size_pct
    mine = share_of_equity("position", after.worths[intent.instrument_id], after.equity_min, share)
    for other in sorted(after.opened - {intent.instrument_id}):
        found = share_of_equity("position", after.worths[other], after.equity_min, share)
        if not found.passed and mine.passed:
            return Finding(False, f"{found.facts} instrument={other}")
    return mine


@control("gross exposure", "max_exposure_pct", "price_collar_pct", number=10)
def exposure(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order after which all positions together are worth more than their share."""
    after = outlook.after(intent)
    total = _total(after, after.worths)
    if isinstance(total, InstrumentId):
        return Finding(False, f"exposure=unknown no_price_for={total}")
    return share_of_equity("exposure", total, after.equity_min, limits.max_exposure_pct)


@control("net exposure", "max_net_exposure_pct", "price_collar_pct", number=10)
def net_exposure(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order after which longs less shorts, either way, are worth more than a share."""
    after = outlook.after(intent)
    net = [
        _sum(stake.net_max(side) for stake in after.stakes.values())
        for side in (OrderSide.BUY, OrderSide.SELL)
    ]
    furthest = None if None in net else max(abs(n) for n in net if n is not None)
    return share_of_equity("net_exposure", furthest, after.equity_min, limits.max_net_exposure_pct)


@control("leverage", "max_leverage", "price_collar_pct", number=11)
def leverage(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order after which all positions are worth more than so many equities."""
    after = outlook.after(intent)
    total = _total(after, after.worths)
    known = None if isinstance(total, InstrumentId) else total
    return share_of_equity("exposure", known, after.equity_min, limits.max_leverage)


@control("concentration by group", "groups", "max_group_exposure_pct", number=12)
def concentration(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order after which what moves together is worth more than its share."""
    if not limits.groups:
        return Finding(True, "groups=none")
    after, share = outlook.after(intent), limits.max_group_exposure_pct
    facts = []
    for name, symbols in sorted(limits.groups.items()):
        members = {i for i in after.stakes if _is_one_of(i, symbols)}
        if not members & after.opened:
            continue
        total = _total(after, members)
        worth = None if isinstance(total, InstrumentId) else total
        found = share_of_equity(name.replace(" ", "_"), worth, after.equity_min, share)
        if not found.passed:
            return found
        facts.append(found.facts)
    return Finding(True, "; ".join(facts) or "group=none")


@control("max positions", "max_positions")
def positions_count(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order that would open one position too many."""
    stakes = outlook.after(intent).stakes.values()
    count = sum(stake.qty_max > 0 for stake in stakes)
    return Finding(
        count <= limits.max_positions, f"positions={count} max_positions={limits.max_positions}"
    )


@control("unfilled timeout", "max_unfilled_s", number=28)
def unfilled(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening more of an instrument while an order on it is open for too long."""
    account = outlook.account
    waiting = [
        order.client_order_id
        for order in account.working
        if order.intent.instrument_id == intent.instrument_id
        and not order.intent.protects
        and order.status in OPEN | IN_FLIGHT
    ]
    ages = [age(account.ts, account.sent_at.get(key)) for key in waiting]
    known = [a for a in ages if a is not None]
    oldest = max(known, default=ZERO) if len(known) == len(ages) else None
    told = "unknown" if oldest is None else f"{oldest:.0f}"
    return Finding(
        oldest is not None and oldest <= limits.max_unfilled_s,
        f"open_orders={len(waiting)} open_for_s={told} max_unfilled_s={limits.max_unfilled_s}",
    )


@lru_cache(maxsize=4096)
def _is_one_of(instrument_id: InstrumentId, symbols: tuple[str, ...]) -> bool:
    return any(names(text, instrument_id) for text in symbols)


def _total(outlook: Outlook, of: Iterable[InstrumentId]) -> Decimal | InstrumentId:
    """What they are worth at the most together; or the first that has no price."""
    ids = tuple(of)
    total = _sum(outlook.worths[i] for i in ids)
    return min(i for i in ids if outlook.worths[i] is None) if total is None else total


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    """The sum; None when one of them is not known."""
    total = ZERO
    for value in values:
        if value is None:
            return None
        total += value
    return total
