"""Sizing by a fixed share of equity: from signals to the orders that get there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from execution.errors import InputInvalid
from execution.model.account import AccountView
from execution.model.enums import AssetClass, OrderSide, OrderType, TimeInForce
from execution.model.identifiers import ClientOrderId, InstrumentId, StrategyId, client_order_id
from execution.model.instrument import Instrument
from execution.model.money import ZERO, plain
from execution.model.order import OrderIntent
from execution.model.signal import Signal
from execution.orders.bracket import legs


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingConfig:
    """How large; fractions are of the account's equity."""

    position_pct_max: Decimal = Decimal("0.20")  # largest worth of one position
    room_pct: Decimal = ZERO  # the part of it left free: risk counts at the worst price
    rebalance_min_pct: Decimal = Decimal("0.02")  # a smaller change is not worth its costs
    allow_short: bool = False  # False: side -1 only closes what is held


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A wish that became no order, and why."""

    instrument_id: InstrumentId
    strategy: StrategyId
    reason: str


DEFAULT = SizingConfig()


def size(
    signals: Iterable[Signal],
    account: AccountView,
    instruments: Mapping[InstrumentId, Instrument],
    config: SizingConfig = DEFAULT,
) -> tuple[tuple[OrderIntent, ...], tuple[Skipped, ...]]:
    """Turn wishes into orders: target minus what is held and on the way, one an instrument.

    The target is equity × min(weight, position_pct_max less its room) at the mark, rounded
    down to the instrument's increment, or the signal's own quantity, which is taken as it is
    and left to risk. Side 0 closes: all that is held, or the signal's quantity of it. Nothing is
    sold that is not held unless shorts are allowed. What cannot be priced is skipped, never
    guessed; closing needs the instrument's mark, but no equity.

    Several signals on one instrument are netted: the sum of side × weight, at most the
    whole, under the name, time, price and exits of the heaviest one on the winning side.
    With a quantity among them they must agree, or the instrument is skipped.

    An entry whose signal has a stop or a target is followed by the orders that protect it;
    when one of them cannot be made, the entry is skipped too.
    """
    batches: dict[InstrumentId, list[Signal]] = {}
    for signal in signals:
        batches.setdefault(signal.instrument_id, []).append(signal)
    intents: list[OrderIntent] = []
    skipped: list[Skipped] = []
    for instrument_id, batch in batches.items():
        wish = net(batch)
        instrument = instruments.get(instrument_id)
        if wish is None:
            result: tuple[OrderIntent, ...] | str = "its signals ask for different quantities"
        elif instrument is None:
            result = "the instrument is not traded here"
        else:
            result = _orders(wish, account, instrument, config)
        if isinstance(result, tuple):
            intents += result
        else:
            strategy = (wish or batch[0]).strategy
            skipped.append(Skipped(instrument_id=instrument_id, strategy=strategy, reason=result))
    return tuple(intents), tuple(skipped)


def net(batch: list[Signal]) -> Signal | None:
    """Make one signal of several on one instrument; None when their quantities conflict."""
    if len({(s.side, s.quantity) for s in batch}) > 1 and any(s.quantity for s in batch):
        return None
    if len(batch) == 1:
        return batch[0]
    weight = sum((s.side * s.weight for s in batch), ZERO)
    side = (weight > 0) - (weight < 0)
    winning = [s for s in batch if s.side == side] or batch
    heaviest = max(winning, key=lambda s: (s.weight, s.confidence))
    return replace(heaviest, side=side, weight=min(abs(weight), Decimal(1)))


def _orders(
    signal: Signal, account: AccountView, instrument: Instrument, config: SizingConfig
) -> tuple[OrderIntent, ...] | str:
    """One order and what protects it, or the reason why there is none."""
    order = _order(signal, account, instrument, config)
    if isinstance(order, str):
        return order
    try:
        trail_pct = None if order.reduce_only else signal.trail_pct
        return (order, *legs(order, instrument, trail_pct))
    except InputInvalid as error:
        return f"it cannot be protected: {error}"


def _order(
    signal: Signal, account: AccountView, instrument: Instrument, config: SizingConfig
) -> OrderIntent | str:
    """Size one wish: the order, or the reason why there is none."""
    mark = account.marks.get(instrument.instrument_id)
    if mark is None:
        return "no price"
    target = _target(signal, account, instrument, mark, config)
    if isinstance(target, str):
        return target
    target_qty, how = target
    position = account.positions.get(instrument.instrument_id)
    held = position.net_qty if position else ZERO
    buys, sells = (_on_the_way(account, instrument, side) for side in OrderSide)
    delta = target_qty - (held + buys - sells)
    side = OrderSide.BUY if delta > 0 else OrderSide.SELL
    wanted = abs(delta)
    if side is OrderSide.SELL and not config.allow_short:
        wanted = min(wanted, max(ZERO, held - sells))
    qty = instrument.quantize_qty(wanted)
    under_way = f", {plain(buys - sells)} on the way" if buys or sells else ""
    reason = f"{how} → {plain(target_qty)} at {plain(mark)}; {plain(held)} held{under_way}"
    reduces = held * side.sign < 0 and qty <= abs(held)
    no = _too_small(qty, mark, instrument) or _not_worth_it(
        signal, qty * mark, account.equity, closes=reduces and target_qty == 0, config=config
    )
    if no:
        return f"{no} ({reason})"
    leg = "exit" if reduces else "entry"
    crypto = instrument.asset_class is AssetClass.CRYPTO
    order = OrderIntent(
        client_order_id=_id(signal, account, leg),
        account=account.account,
        instrument_id=instrument.instrument_id,
        strategy=signal.strategy,
        signal_time=signal.ts_event,
        leg=leg,
        side=side,
        order_qty=qty,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.GTC if crypto else TimeInForce.DAY,
        reduce_only=reduces,
        px_ref=mark,
        confidence=signal.confidence,
        reason=reason,
        # An order that leaves a position has nothing left to protect.
        stop_loss=None if reduces else signal.stop_loss,
        take_profit=None if reduces else signal.take_profit,
    )
    # Terms are those of the signal's own side: a buyer's limit is no seller's.
    return _on_terms(order, signal, instrument) if signal.side in (0, side.sign) else order


def _on_terms(order: OrderIntent, signal: Signal, instrument: Instrument) -> OrderIntent | str:
    """The order with the prices and the handling that the signal asks for."""
    limit_px, stop_px = signal.price, signal.stop_px
    if limit_px is not None:
        limit_px = instrument.quantize_px(limit_px, order.side)
        if limit_px <= 0:
            return f"price {plain(limit_px)} is below the venue's least step"
    # What we may have to hold is good till canceled.
    usual = order.time_in_force if stop_px is None else TimeInForce.GTC
    return replace(
        order,
        order_type=_order_type(limit_px, stop_px),
        time_in_force=signal.time_in_force or usual,
        limit_px=limit_px,
        stop_px=stop_px,
        post_only=signal.post_only,
        display_qty=signal.display_qty,
        expire_at=signal.expire_at,
    )


def _order_type(limit_px: Decimal | None, stop_px: Decimal | None) -> OrderType:
    """What the prices that a signal names make of it."""
    if stop_px is None:
        return OrderType.MARKET if limit_px is None else OrderType.LIMIT
    return OrderType.STOP if limit_px is None else OrderType.STOP_LIMIT


def _id(signal: Signal, account: AccountView, leg: str) -> ClientOrderId:
    """The id of this wish on this account: the same however often it is sized."""
    return client_order_id(
        account.account, signal.strategy, signal.instrument_id, signal.ts_event, leg
    )


def _target(
    signal: Signal,
    account: AccountView,
    instrument: Instrument,
    mark: Decimal,
    config: SizingConfig,
) -> tuple[Decimal, str] | str:
    """Signed base units to hold and how they came about, or the reason why not."""
    head = f"{signal.strategy}, {signal.regime}:"
    if signal.side == 0 and signal.quantity is not None:
        position = account.positions.get(instrument.instrument_id)
        held = position.net_qty if position else ZERO
        left = max(ZERO, abs(held) - signal.quantity)
        return left.copy_sign(held), f"{head} close {plain(signal.quantity)}"
    if signal.side == 0:
        return ZERO, f"{head} close"
    if signal.side < 0 and not config.allow_short:
        return ZERO, f"{head} side -1 closes only, shorts are not allowed"
    if signal.quantity is not None:
        qty = instrument.quantize_qty(signal.quantity)
        return signal.side * qty, f"{head} quantity {plain(signal.quantity)}"
    equity = account.equity
    if equity is None:
        return "no price of something that is held, so equity is not known"
    if equity <= 0:
        return f"equity={plain(equity)} leaves nothing to invest"
    share = min(signal.weight, config.position_pct_max * (1 - config.room_pct))
    cap = f"{config.position_pct_max}"
    if config.room_pct:
        cap = f"{plain(share)} ({cap} less room for its price)"
    capped = f" capped at {cap}" if share < signal.weight else ""
    how = f"{head} weight {plain(signal.weight)}{capped} of {equity:,.2f}"
    return signal.side * instrument.quantize_qty(equity * share / mark), how


def _on_the_way(account: AccountView, instrument: Instrument, side: OrderSide) -> Decimal:
    """Base units that open orders of one side may still fill; what protects waits only."""
    return sum(
        (
            order.leaves_qty
            for order in account.working
            if order.intent.instrument_id == instrument.instrument_id
            and order.intent.side is side
            and not order.intent.protects
        ),
        ZERO,
    )


def _too_small(qty: Decimal, mark: Decimal, instrument: Instrument) -> str:
    """Say which of the venue's minima an order is below, or nothing."""
    if qty == 0:
        return "nothing to do"
    if qty < instrument.qty_min:
        return f"quantity {plain(qty)} is below the venue's least {plain(instrument.qty_min)}"
    if qty * mark < instrument.notional_min:
        least = plain(instrument.notional_min)
        return f"worth {qty * mark:,.2f} is below the venue's least {least}"
    return ""


def _not_worth_it(
    signal: Signal, notional: Decimal, equity: Decimal | None, *, closes: bool, config: SizingConfig
) -> str:
    """Say why a change is too small to pay for; a close or an exact wish never is."""
    if closes or signal.quantity is not None:
        return ""
    if equity is None:
        return "no price of something that is held, so equity is not known"
    if notional < config.rebalance_min_pct * equity:
        return f"worth {notional:,.2f} is below {config.rebalance_min_pct} of equity {equity:,.2f}"
    return ""
