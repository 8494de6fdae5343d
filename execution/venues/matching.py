"""How the simulated venue treats orders: pure steps from one account state to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from execution.errors import InvariantBroken
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId, InstrumentId, TradeId, VenueOrderId
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.money import ZERO, plain, quantize
from execution.model.order import OPEN, OrderIntent
from execution.venues.fill_model import FillModel
from execution.venues.simulated_account import SimulatedFill, SimulatedOrder, SimulatedState


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the steps know of the world."""

    instruments: Mapping[InstrumentId, Instrument]
    fill_model: FillModel
    bars: Mapping[InstrumentId, MarketSnapshot]  # the newest of each instrument

    def cost(self, qty: Decimal, px: Decimal) -> Decimal:
        """What buying takes out of the cash, commission included."""
        notional = quantize(qty * px)
        return notional + self.fill_model.commission(notional)

    def buy_px(self, order: SimulatedOrder) -> Decimal | None:
        """The most a buy may pay per base unit as things stand; None: nobody can say."""
        if order.limit_px is not None:
            return order.limit_px
        instrument = self.instruments.get(order.instrument_id)
        bar = self.bars.get(order.instrument_id)
        if instrument is None or bar is None:
            return None
        px = self.fill_model.market_px(instrument, order.side, order.order_qty, bar)
        return bar.last_px if px is None else px  # no volume, no fill: a stand-in to reserve by

    def cash_free(self, state: SimulatedState, apart_from: ClientOrderId | None = None) -> Decimal:
        """Cash that no open buy has a claim on, >= 0; all is claimed by one without a price."""
        free = state.cash
        for order in state.orders.values():
            if order.side is OrderSide.BUY and order.client_order_id != apart_from:
                px = self.buy_px(order) if order.leaves_qty else ZERO
                if px is None:
                    return ZERO
                free -= self.cost(order.leaves_qty, px)
        return max(ZERO, free)


def qty_free(
    state: SimulatedState, instrument_id: InstrumentId, apart_from: ClientOrderId
) -> Decimal:
    """Base units held that no open sell has a claim on."""
    claimed = sum(
        order.leaves_qty
        for order in state.orders.values()
        if order.instrument_id == instrument_id
        and order.side is OrderSide.SELL
        and order.client_order_id != apart_from
    )
    return state.positions.get(instrument_id, ZERO) - claimed


def place(
    state: SimulatedState, intent: OrderIntent, market: Market, now: datetime
) -> tuple[SimulatedState, SimulatedOrder]:
    """Take an order in and fill what the newest bar gives; a known id changes nothing."""
    known = state.orders.get(intent.client_order_id)
    if known is not None:
        return state, known
    order = SimulatedOrder(
        client_order_id=intent.client_order_id,
        venue_order_id=VenueOrderId(f"SIM-O-{state.next_id}"),
        instrument_id=intent.instrument_id,
        side=intent.side,
        order_type=intent.order_type,
        time_in_force=intent.time_in_force,
        order_qty=intent.order_qty,
        limit_px=intent.limit_px,
        cum_qty=ZERO,
        status=S.ACCEPTED,
        reason="",
        ts_placed=now,
    )
    state = replace(state, next_id=state.next_id + 1)
    refusal = refuse(state, order, market)
    if refusal is None and intent.reduce_only and intent.side is OrderSide.BUY:
        refusal = "a reduce-only buy has nothing to reduce: nothing is ever short here"
    if refusal is None and (intent.post_only or intent.display_qty is not None):
        refusal = f"post_only={intent.post_only} display_qty={intent.display_qty} is not supported"
    if refusal is not None:
        order = replace(order, status=S.REJECTED, reason=refusal)
        return _put(state, order), order
    bar = market.bars[order.instrument_id]
    instrument = market.instruments[order.instrument_id]
    px = market.fill_model.market_px(instrument, order.side, order.order_qty, bar)
    if px is not None and (order.limit_px is None or _within(order.side, px, order.limit_px)):
        state = _fill(_put(state, order), order, px, bar, market, now)
        order = state.orders[order.client_order_id]
    if order.status in OPEN and order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
        reason = (
            f"{order.time_in_force}: {plain(order.cum_qty)} of {plain(order.order_qty)} at once"
        )
        order = replace(order, status=S.CANCELED, reason=reason)
    return _put(state, order), order


def refuse(state: SimulatedState, order: SimulatedOrder, market: Market) -> str | None:
    """Say why the venue would not take `order`, or None."""
    instrument = market.instruments.get(order.instrument_id)
    bar = market.bars.get(order.instrument_id)
    if instrument is None:
        return f"unknown instrument {order.instrument_id}"
    if bar is None:
        return f"no market data for {order.instrument_id}"
    if order.order_type not in {OrderType.MARKET, OrderType.LIMIT}:
        return f"order_type={order.order_type} is not supported, only market and limit"
    if order.time_in_force is TimeInForce.GTD:
        return "time_in_force=gtd is not supported"
    if (order.limit_px is None) != (order.order_type is OrderType.MARKET):
        return f"limit_px={order.limit_px} does not go with order_type={order.order_type}"
    if instrument.quote != state.currency:
        return f"quote={instrument.quote} is not the account's currency {state.currency}"
    return _refuse_size(order, instrument, bar) or _refuse_funds(state, order, market)


def _refuse_size(order: SimulatedOrder, instrument: Instrument, bar: MarketSnapshot) -> str | None:
    px = bar.last_px if order.limit_px is None else order.limit_px
    if order.limit_px is not None and (px <= 0 or px % instrument.px_increment):
        return (
            f"limit_px={plain(px)} is not a positive multiple of {plain(instrument.px_increment)}"
        )
    qty, step = plain(order.order_qty), plain(instrument.qty_increment)
    if order.order_qty <= 0 or order.order_qty % instrument.qty_increment:
        return f"order_qty={qty} is not a positive multiple of {step}"
    if order.order_qty < instrument.qty_min:
        return f"order_qty={qty} is below qty_min={plain(instrument.qty_min)}"
    notional = quantize(order.order_qty * px)
    if notional < instrument.notional_min:
        return f"notional={plain(notional)} is below notional_min={plain(instrument.notional_min)}"
    return None


def _refuse_funds(state: SimulatedState, order: SimulatedOrder, market: Market) -> str | None:
    if order.side is OrderSide.SELL:
        held = qty_free(state, order.instrument_id, order.client_order_id)
        if order.order_qty > held:
            qty = plain(order.order_qty)
            return f"order_qty={qty} is more than the {plain(held)} held and free: no shorting"
        return None
    px, cash = market.buy_px(order), market.cash_free(state, order.client_order_id)
    if px is None:
        return f"no price for {order.instrument_id}: its cost is not known"
    cost = market.cost(order.order_qty, px)
    if cost > cash:
        return f"insufficient cash: cost={plain(cost)} with commission, free={plain(cash)}"
    return None


def work(
    state: SimulatedState, bars: Iterable[MarketSnapshot], market: Market, now: datetime
) -> tuple[SimulatedState, None]:
    """Work the open orders on new bars, oldest order first; the same bar again gives nothing.

    A market order's rest takes what a bar that ended after it was placed gives; a resting
    limit needs a bar that opened at or after it was placed and traded through it.
    """
    for bar in bars:
        instrument = market.instruments.get(bar.instrument_id)
        waiting = [o for o in state.orders.values() if o.instrument_id == bar.instrument_id]
        waiting = [o for o in waiting if o.status in OPEN and bar.ts_event > o.ts_placed]
        if instrument is None:
            continue
        for order in sorted(waiting, key=arrival):
            px = order.limit_px
            if px is None:
                px = market.fill_model.market_px(instrument, order.side, order.order_qty, bar)
            elif bar.ts_open < order.ts_placed or not market.fill_model.trades_through(
                order.side, px, bar
            ):
                px = None
            if px is not None:
                state = _fill(state, order, px, bar, market, now)
            state = _put(state, _expire(state.orders[order.client_order_id], bar))
    return state, None


def cancel(state: SimulatedState, client_order_id: ClientOrderId) -> tuple[SimulatedState, str]:
    """Cancel an open order; answer why not, or ""."""
    order = state.orders.get(client_order_id)
    if order is None:
        return state, f"no order {client_order_id}"
    if order.status not in OPEN:
        return state, f"order {client_order_id} is {order.status} already"
    return _put(state, replace(order, status=S.CANCELED, reason="canceled on request")), ""


def _fill(
    state: SimulatedState,
    order: SimulatedOrder,
    px: Decimal,
    bar: MarketSnapshot,
    market: Market,
    now: datetime,
) -> SimulatedState:
    """Fill what the bar's volume and the account's money allow of an open order at `px`."""
    instrument = market.instruments[order.instrument_id]
    key = (order.instrument_id, bar.ts_event)
    taken = state.taken.get(key, ZERO)
    qty = market.fill_model.qty_available(instrument, order.leaves_qty, bar, taken)
    if order.time_in_force is TimeInForce.FOK and qty < order.order_qty:
        return state
    if order.side is OrderSide.BUY:
        paid_for = _affordable(state, order, qty, px, market)
        if paid_for < qty:
            order = replace(order, status=S.CANCELED, reason="insufficient cash for the rest")
        qty = paid_for
    if not qty:
        return _put(state, order)
    commission = market.fill_model.commission(quantize(qty * px))
    cash = state.cash - order.side.sign * quantize(qty * px) - commission
    held = state.positions.get(order.instrument_id, ZERO) + order.side.sign * qty
    if cash < 0 or held < 0:
        raise InvariantBroken(f"{order.client_order_id}: cash={cash}, held={held} after a fill")
    cum_qty = order.cum_qty + qty
    if cum_qty == order.order_qty:
        order = replace(order, status=S.FILLED)
    elif order.status in OPEN:
        order = replace(order, status=S.PARTIALLY_FILLED)
    fill = SimulatedFill(
        trade_id=TradeId(f"SIM-T-{state.next_id}"),
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        instrument_id=order.instrument_id,
        side=order.side,
        last_qty=qty,
        last_px=px,
        commission=commission,
        commission_ccy=instrument.quote,
        ts_bar=bar.ts_event,
        ts_event=now,
    )
    others = {k: v for k, v in state.positions.items() if k != order.instrument_id}
    state = replace(
        state,
        cash=cash,
        next_id=state.next_id + 1,
        positions={**others, order.instrument_id: held} if held else others,
        taken={**state.taken, key: taken + qty},
        new_fills=(*state.new_fills, fill),
    )
    return _put(state, replace(order, cum_qty=cum_qty))


def _affordable(
    state: SimulatedState, order: SimulatedOrder, qty: Decimal, px: Decimal, market: Market
) -> Decimal:
    """Largest part of `qty` that the free cash pays for at `px`, commission included."""
    free = market.cash_free(state, order.client_order_id)
    if market.cost(qty, px) <= free:
        return qty
    instrument = market.instruments[order.instrument_id]
    part = instrument.quantize_qty(free / market.cost(Decimal(1), px))
    # The quotient is rounded, so it can be a hair too much.
    return part if market.cost(part, px) <= free else part - instrument.qty_increment


def _expire(order: SimulatedOrder, bar: MarketSnapshot) -> SimulatedOrder:
    """End a DAY order with the first bar that ends on a later UTC date."""
    if order.status not in OPEN or order.time_in_force is not TimeInForce.DAY:
        return order
    if bar.ts_event.date() <= order.ts_placed.date():
        return order
    return replace(
        order, status=S.EXPIRED, reason=f"day order: {plain(order.leaves_qty)} not filled"
    )


def _within(side: OrderSide, px: Decimal, limit_px: Decimal) -> bool:
    return px <= limit_px if side is OrderSide.BUY else px >= limit_px


def arrival(order: SimulatedOrder) -> tuple[datetime, int, str]:
    """Sort key: oldest first, SIM-O-9 before SIM-O-10."""
    return order.ts_placed, len(order.venue_order_id), order.venue_order_id


def _put(state: SimulatedState, order: SimulatedOrder) -> SimulatedState:
    return replace(state, orders={**state.orders, order.client_order_id: order})
