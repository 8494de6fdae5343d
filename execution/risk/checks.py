"""One function a rule. Unknown means no.

Each check looks at one intent and at the account with every intent approved before it, and
every order still working, counted at once. An order that only reduces passes every limit;
a halt, a quarantine or an order in flight on its instrument stops it too. One that protects
what is held, or what its parent opens, is no change under way: it counts for nothing but
itself. A check says yes or no with its facts as `key=value`; exactly the limit is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from execution.model.enums import OrderSide, TradingState
from execution.model.money import ZERO, quantize
from execution.model.order import IN_FLIGHT, OrderIntent
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's word on one intent."""

    passed: bool
    facts: str


Check = Callable[[OrderIntent, Outlook, RiskLimits], Finding]


def trading_state(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """ACTIVE lets all pass, REDUCING what reduces, HALTED only what an emergency stop closes."""
    state = outlook.account.trading_state
    reduces = state is TradingState.REDUCING and intent.reduce_only
    flattens = state is TradingState.HALTED and intent.flattens
    passed = state is TradingState.ACTIVE or reduces or flattens
    return Finding(passed, f"trading_state={state} reduce_only={intent.reduce_only}")


def account_free(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny while the venue says that it takes no orders of the account, or does not say."""
    blocks = outlook.account.blocks
    told = "unknown" if blocks is None else ",".join(blocks) or "none"
    return Finding(blocks == (), f"blocks={told}")


def instrument_free(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny while books and venue disagree there, or an order's fate is unknown.

    What an emergency stop closes is held by both sides: a disagreement does not stop it.
    """
    quarantined = {intent.instrument_id, None} & outlook.account.quarantined
    unknown = [
        order.client_order_id
        for order in outlook.account.working
        if order.intent.instrument_id == intent.instrument_id and order.status in IN_FLIGHT
    ]
    return Finding(
        (not quarantined or intent.flattens) and not unknown,
        f"quarantined={bool(quarantined)} orders_in_flight={len(unknown)}",
    )


def reduce_only(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order marked reduce-only that could open or flip a position.

    A protective leg closes what is held, or what its parent is still to open.
    """
    if not intent.reduce_only:
        return Finding(True, "reduce_only=False")
    held = outlook.held(intent.instrument_id)
    if intent.protects:
        opening, others = outlook.opening(intent), outlook.protected(intent)
        covers = max(ZERO, -held * intent.side.sign) + opening - others
        facts = f"held={_plain(held)} opening={_plain(opening)} protected={_plain(others)}"
        return Finding(intent.order_qty <= covers, f"reduce_only=True {facts}")
    pending = outlook.pending(intent.instrument_id, intent.side)
    shrinks = held * intent.side.sign < 0 and pending + intent.order_qty <= abs(held)
    return Finding(shrinks, f"reduce_only=True held={_plain(held)} pending={_plain(pending)}")


def confidence(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening on a signal below the least confidence."""
    if intent.reduce_only:
        return _reduces()
    return Finding(
        intent.confidence >= limits.min_confidence,
        f"confidence={_plain(intent.confidence)} min_confidence={limits.min_confidence}",
    )


def signal_age(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening on a signal that is too old, or of a time that has not come yet."""
    if intent.reduce_only:
        return _reduces()
    age_h = Decimal((outlook.account.ts - intent.signal_time).total_seconds()) / 3600
    return Finding(
        0 <= age_h <= limits.max_signal_age_h,
        f"signal_age_h={age_h:.1f} max_signal_age_h={limits.max_signal_age_h}",
    )


def position_size(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order after which one position is worth more than its share of equity."""
    if intent.reduce_only:
        return _reduces()
    worth = outlook.after(intent).worth_max(intent.instrument_id)
    return _within(worth, outlook.account.equity, "position", limits.max_position_size_pct)


def exposure(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order after which all positions together are worth more than their share."""
    if intent.reduce_only:
        return _reduces()
    after = outlook.after(intent)
    total = ZERO
    for instrument_id in sorted(after.instruments()):
        worth = after.worth_max(instrument_id)
        if worth is None:
            return Finding(False, f"exposure=unknown no_price_for={instrument_id}")
        total += worth
    return _within(total, outlook.account.equity, "exposure", limits.max_exposure_pct)


def positions_count(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order that would open one position too many."""
    if intent.reduce_only:
        return _reduces()
    after = outlook.after(intent)
    held = [i for i in after.instruments() if after.qty_max(i) > 0]
    return Finding(
        len(held) <= limits.max_positions,
        f"positions={len(held)} max_positions={limits.max_positions}",
    )


def daily_loss(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening once the day has lost its share, realized and unrealized together."""
    if intent.reduce_only:
        return _reduces()
    start, equity = outlook.account.equity_day_open, outlook.account.equity
    if start is None or equity is None or start <= 0:
        return Finding(False, f"equity_day_open={start} equity={equity}")
    loss_pct = quantize((start - equity) / start)
    return Finding(
        loss_pct <= limits.max_daily_loss_pct,
        f"daily_loss_pct={loss_pct:.4f} max_daily_loss_pct={limits.max_daily_loss_pct}",
    )


def min_balance(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening on an account that is worth less than the least balance."""
    if intent.reduce_only:
        return _reduces()
    equity = outlook.account.equity
    return Finding(
        equity is not None and equity >= limits.min_balance,
        f"equity={_money(equity)} min_balance={limits.min_balance}",
    )


def buying_power(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny a buy that, with all buys before it, costs more than the venue lets us spend."""
    if not _buys(intent):
        return Finding(True, "side=sell")
    if intent.protects:
        return _reduces()
    power = outlook.account.buying_power
    cost = outlook.after(intent).cost() * (1 + limits.buying_power_buffer_pct)
    return Finding(
        power is not None and cost <= power,
        f"cost={_money(cost)} buying_power={_money(power)}",
    )


CHECKS: tuple[Check, ...] = (
    trading_state,
    account_free,
    instrument_free,
    reduce_only,
    confidence,
    signal_age,
    position_size,
    exposure,
    positions_count,
    daily_loss,
    min_balance,
    buying_power,
)


def _buys(intent: OrderIntent) -> bool:
    return intent.side is OrderSide.BUY


def _reduces() -> Finding:
    return Finding(True, "reduce_only=True")


def _plain(value: Decimal) -> str:
    """Exactly, without the zeros that the books add."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _within(worth: Decimal | None, equity: Decimal | None, name: str, share: Decimal) -> Finding:
    """Compare a worth with its share of equity; anything unknown is a no."""
    limit = None if equity is None else share * equity
    return Finding(
        worth is not None and limit is not None and worth <= limit,
        f"{name}={_money(worth)} limit={_money(limit)} share={share}",
    )
