"""The honest half of the lying exchange: one venue's accounts and a matching engine.

    engine = Engine([BTC_USDT], Rules(dedupe=Dedupe.FOREVER), clock)
    engine.open_account("key", {"USDT": "10000"})
    engine.set_price("BTC/USDT", "50000")
    order = engine.place("key", NewOrder(symbol="BTC/USDT", side=BUY, type=MARKET, qty=...))

There is no book of other people's orders: an instrument has one price, at which takers fill
at once and which fills what rests when it gets there (`set_price`), or as much as
`set_liquidity` leaves. Nothing is ever forgotten. Every method may be called from any thread;
what it returns are snapshots. Queries here tell the truth: dialects ask `lies.View` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal

from execution.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from execution.model.money import ZERO, floor_to, round_down
from tests.venues.lying_exchange.candles import Candle, candles
from tests.venues.lying_exchange.memory import Memory, Number
from tests.venues.lying_exchange.records import (
    Balance,
    Dedupe,
    FeeIn,
    Fill,
    Happening,
    Instrument,
    NewOrder,
    Order,
    Refused,
    Rules,
    Trigger,
    Why,
)

IMMEDIATE = {TimeInForce.IOC, TimeInForce.FOK}
MARKET_ONCE_TRIGGERED = {OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP}


class Engine(Memory):
    """One venue: instruments, prices, accounts by API key, orders, fills and transfers."""

    def __init__(
        self, instruments: Sequence[Instrument], rules: Rules, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(instruments, rules, clock)
        self._liquidity: dict[str, Decimal] = {}  # what is left of it, where it is limited
        self._rights: dict[str, frozenset[str]] = {}

    # What a test or the control API does

    def set_price(self, symbol: str, px: Number) -> None:
        """Move the price: stops trigger, trailing stops follow, what is crossed fills."""
        with self.lock:
            self.instrument(symbol)
            self._prices[symbol] = Decimal(px)
            self._expire_old()
            for order_id in list(self._open):
                if self._orders[order_id].symbol == symbol:
                    self._trail(order_id)
                    self._match(order_id)

    def permit(self, key: str, *rights: str) -> None:
        """Let a key do exactly this of `trade` and `withdraw`; it is only told, not kept to."""
        self._rights[key] = frozenset(rights)

    def rights(self, key: str) -> frozenset[str]:
        """What a key may do; to trade, until something else was said."""
        return self._rights.get(key, frozenset({"trade"}))

    def set_liquidity(self, symbol: str, qty: Number | None) -> None:
        """Let no more than `qty` fill from now on, all orders together; None: no limit."""
        with self.lock:
            self._liquidity.pop(symbol, None)
            if qty is not None:
                self._liquidity[symbol] = Decimal(qty)

    def fill_next(self, order_id: str, qty: Number | None = None, px: Number | None = None) -> Fill:
        """Fill an open order now, wherever the price is: `qty` of it (all), at `px` (its limit)."""
        with self.lock:
            order = self._require_open(order_id)
            at_px = Decimal(px) if px is not None else order.limit_px or self.price(order.symbol)
            size = order.leaves_qty if qty is None else min(Decimal(qty), order.leaves_qty)
            return self._fill(order_id, size, at_px, maker=order.limit_px is not None)

    def liquidate(self, key: str, symbol: str, qty: Number | None = None) -> Fill | None:
        """Take the account's holding and sell it: no client id, and its orders are canceled."""
        with self.lock:
            for order in self.open_orders(key, symbol):
                self._close(order.order_id, OrderStatus.CANCELED, "liquidation")
            instrument = self.instrument(symbol)
            held = self._totals[key].get(instrument.base, ZERO)
            size = round_down(min(held, Decimal(qty)) if qty else held, instrument.qty_step)
            if not size:
                return None
            asked = NewOrder(symbol=symbol, side=OrderSide.SELL, type=OrderType.MARKET, qty=size)
            order_id = self._add(key, asked, liquidation=True)
            return self._fill(order_id, size, self.price(symbol), maker=False)

    # What a client does, through a dialect

    def place(self, key: str, asked: NewOrder) -> Order:
        """Take an order and match it; raises Refused. Returned as it is after matching."""
        with self.lock:
            self._expire_old()
            known = self._known(key, asked)
            if known and self.rules.dedupe is Dedupe.RETURN_EXISTING:
                return known[-1]
            asked = self._checked(key, asked)
            self._require_funds(key, [asked])
            order_id = self._add(key, asked)
            self._match(order_id, arriving=True)
            return self._orders[order_id]

    def place_oco(self, key: str, legs: Sequence[NewOrder], group_id: str) -> tuple[Order, ...]:
        """Take orders of which the first to fill or trigger cancels the others."""
        with self.lock:
            self._expire_old()
            checked = [self._checked(key, leg) for leg in legs]
            self._require_funds(key, checked)
            ids = [self._add(key, leg, group_id=group_id) for leg in checked]
            for order_id in ids:
                self._match(order_id, arriving=True)
            return tuple(self._orders[order_id] for order_id in ids)

    def place_bracket(
        self, key: str, entry: NewOrder, legs: Sequence[NewOrder], group_id: str
    ) -> tuple[Order, ...]:
        """Take an entry, and legs that are `held` until it is filled and are OCO from then on."""
        with self.lock:
            self._expire_old()
            checked = self._checked(key, entry)
            self._require_funds(key, [checked])
            legs = [self._checked(key, leg) for leg in legs]
            first = self._add(key, checked, memo={**entry.memo, "bracket": group_id})
            ids = [self._add(key, leg, group_id=group_id, held=True) for leg in legs]
            self._match(first, arriving=True)
            return tuple(self._orders[order_id] for order_id in (first, *ids))

    def cancel(self, order_id: str) -> Order:
        """Cancel an open order, and with it the rest of its OCO group; raises Refused."""
        with self.lock:
            order = self._require_open(order_id)
            self._close(order_id, OrderStatus.CANCELED, "canceled by the client")
            for sibling in self._siblings(order):
                self._close(sibling, OrderStatus.CANCELED, "its group was canceled")
            return self._orders[order_id]

    def amend(
        self,
        order_id: str,
        *,
        qty: Decimal | None = None,
        limit_px: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> Order:
        """Change an open order in place (`qty` is the new total) and match it; raises Refused."""
        with self.lock:
            order = self._require_open(order_id)
            asked = replace(
                order,
                qty=order.qty if qty is None else qty,
                limit_px=order.limit_px if limit_px is None else limit_px,
                stop_px=order.stop_px if stop_px is None else stop_px,
            )
            self._check_steps(asked)
            if asked.qty <= order.cum_qty:
                raise Refused(Why.BAD_PARAMETER, f"qty={asked.qty}, cum_qty={order.cum_qty}")
            more = self._need(order.account, asked)[1] - self._need(order.account, order)[1]
            if more > self.balances(order.account)[self._need(order.account, asked)[0]].free:
                raise Refused(Why.INSUFFICIENT_FUNDS)
            self._save(asked, Happening.AMENDED)
            self._match(order_id, arriving=True)
            return self._orders[order_id]

    # What is true

    def candles(
        self, symbol: str, interval: timedelta, start: datetime, limit: int
    ) -> list[Candle]:
        """Up to `limit` candles that opened at or after `start`, the running one included."""
        step = self.instrument(symbol).px_step
        return candles(self.price(symbol), step, interval, start, self.now(), limit)

    def balances(self, key: str) -> dict[str, Balance]:
        """Every currency the account has or could have, free and locked by open orders."""
        with self.lock:
            locked: dict[str, dict[str, Decimal]] = {}
            for order in self.open_orders(key):
                ccy, amount = self._need(key, order)
                # The legs of a group share one lock: only one of them can ever fill.
                group = locked.setdefault(ccy, {})
                slot = order.group_id or order.order_id
                group[slot] = max(amount, group.get(slot, ZERO))
            known = {ccy for i in self.instruments.values() for ccy in (i.base, i.quote)}
            balances = {}
            for ccy in sorted(known | self._totals[key].keys()):
                total, kept = self._totals[key].get(ccy, ZERO), sum(locked.get(ccy, {}).values())
                balances[ccy] = Balance(free=total - kept, locked=Decimal(kept))
            return balances

    def open_orders(self, key: str, symbol: str | None = None) -> list[Order]:
        """What may still fill, oldest first; held legs are not among it."""
        with self.lock:
            self._expire_old()
            mine = [self._orders[i] for i in self._open if self._orders[i].account == key]
            return [o for o in mine if not o.held and symbol in (None, o.symbol)]

    def state(self) -> dict[str, object]:
        """Everything, as plain values: for the control API."""
        with self.lock:
            return {
                "orders": [asdict(order) for order in self._orders.values()],
                "fills": [asdict(fill) for fill in self._fills],
                "transfers": [asdict(done) for done in self._transfers],
                "balances": {
                    key: {ccy: asdict(have) for ccy, have in self.balances(key).items()}
                    for key in self._totals
                },
                "prices": dict(self._prices),
            }

    # Checks

    def _known(self, key: str, asked: NewOrder) -> list[Order]:
        return self.by_client_id(key, asked.client_id) if asked.client_id else []

    def _checked(self, key: str, asked: NewOrder) -> NewOrder:
        """Fill in what a venue derives, and refuse what it refuses, funds aside."""
        for_ever = self.rules.dedupe is Dedupe.FOREVER
        if any(for_ever or order.open for order in self._known(key, asked)):
            raise Refused(Why.DUPLICATE_CLIENT_ID, str(asked.client_id))
        last = self.price(asked.symbol)
        if asked.quote_qty is not None:
            step = self.instrument(asked.symbol).qty_step
            asked = replace(asked, qty=round_down(asked.quote_qty / last, step))
        buy = asked.side is OrderSide.BUY
        if asked.trigger is None:
            asked = replace(asked, trigger=Trigger.ABOVE if buy else Trigger.BELOW)
        if asked.trails:
            asked = replace(asked, stop_px=self._trailed(asked))
        self._check_steps(asked)
        if _hit(asked, last) and not self.rules.stops_may_trigger_at_once:
            raise Refused(Why.WOULD_TRIGGER)
        takes = asked.stop_px is None and _crossed(asked, last)
        if asked.post_only and takes and not self.rules.post_only_cancels:
            raise Refused(Why.WOULD_TAKE)
        if asked.reduce_only:
            held = self._totals[key].get(self.instrument(asked.symbol).base, ZERO)
            if buy or asked.qty > held:
                raise Refused(Why.REDUCE_ONLY)
        return asked

    def _check_steps(self, asked: NewOrder) -> None:
        instrument = self.instrument(asked.symbol)
        if asked.qty < max(instrument.qty_min, instrument.qty_step):
            raise Refused(Why.QTY_TOO_SMALL)
        if asked.qty % instrument.qty_step:
            raise Refused(Why.QTY_STEP)
        for px in (asked.limit_px, asked.stop_px):
            if px is not None and (px <= 0 or px % instrument.px_step):
                raise Refused(Why.PX_STEP)
        px = asked.limit_px or asked.stop_px or self.price(asked.symbol)
        if asked.qty * px < instrument.notional_min:
            raise Refused(Why.NOTIONAL_TOO_SMALL)

    def _require_funds(self, key: str, asked: Sequence[NewOrder]) -> None:
        have = self.balances(key)
        for ccy, amount in (self._need(key, order) for order in asked):
            if amount > have[ccy].free:
                raise Refused(Why.INSUFFICIENT_FUNDS, ccy)

    def _need(self, key: str, asked: NewOrder) -> tuple[str, Decimal]:
        """What an order locks: base when it sells, quote with the fee when it buys."""
        instrument = self.instrument(asked.symbol)
        leaves = asked.leaves_qty if isinstance(asked, Order) else asked.qty
        if asked.side is OrderSide.SELL:
            return instrument.base, leaves
        px = asked.limit_px or asked.stop_px or self.price(asked.symbol)
        fees = self._policies[key]
        rate = fees.rate if fees.fee_in is FeeIn.QUOTE else ZERO
        return instrument.quote, leaves * px * (1 + rate)

    def _require_open(self, order_id: str) -> Order:
        order = self._orders.get(order_id)
        if order is None:
            raise Refused(Why.UNKNOWN_ORDER, order_id)
        if not order.open:
            raise Refused(Why.NOT_OPEN, order_id)
        return order

    # Matching

    def _trail(self, order_id: str) -> None:
        order = self._orders[order_id]
        if order.trails and order.waits and order.open and not order.held:
            best = max if order.side is OrderSide.SELL else min
            behind = self._trailed(order)
            stop_px = best(order.stop_px or behind, behind)
            self._orders[order_id] = replace(order, stop_px=stop_px)

    def _trailed(self, asked: NewOrder) -> Decimal:
        """Where a trailing stop stands at the price of now."""
        last = self.price(asked.symbol)
        distance = asked.trail if asked.trail is not None else last * (asked.trail_rate or ZERO)
        return floor_to(last + asked.side.sign * distance, self.instrument(asked.symbol).px_step)

    def _match(self, order_id: str, *, arriving: bool = False) -> None:
        """Trigger and fill what the price allows; what rests fills at its own limit."""
        order = self._orders[order_id]
        if not order.open or order.held:
            return
        if order.waits:
            if not _hit(order, self.price(order.symbol)):
                return
            order, arriving = replace(order, triggered=True), True
            self._save(order, Happening.TRIGGERED)
            self._cancel_siblings(order)
        market = order.type in MARKET_ONCE_TRIGGERED
        if market or _crossed(order, self.price(order.symbol)):
            self._take(order, arriving=arriving or market)
        self._expire_remainder(order_id, market=market)

    def _take(self, order: Order, *, arriving: bool) -> None:
        """Fill what can be filled of an order whose price is met, or close it."""
        size = self._available(order)
        px = self.price(order.symbol) if arriving else order.limit_px
        assert px is not None
        if arriving and order.post_only:
            self._close(order.order_id, OrderStatus.CANCELED, "post-only would take")
        elif order.tif is TimeInForce.FOK and size < order.leaves_qty:
            self._close(order.order_id, OrderStatus.EXPIRED, "fill or kill")
        elif not self._affords(order, size, px):
            self._close(order.order_id, OrderStatus.EXPIRED, "insufficient funds")
        elif size:
            self._fill(order.order_id, size, px, maker=not arriving)

    def _expire_remainder(self, order_id: str, *, market: bool) -> None:
        order = self._orders[order_id]
        rests = self.rules.market_rests if market else order.tif not in IMMEDIATE
        if order.open and not rests:
            self._close(order_id, OrderStatus.EXPIRED, "the rest found no match")

    def _available(self, order: Order) -> Decimal:
        """How much of an order can fill now, in whole steps; at least one where any can."""
        step = self.instrument(order.symbol).qty_step
        share = max(round_down(order.leaves_qty * order.fill_fraction, step), step)
        return min(share, order.leaves_qty, self._liquidity.get(order.symbol, share))

    def _affords(self, order: Order, qty: Decimal, px: Decimal) -> bool:
        """Whether the money is there at this price, which may be worse than what was locked."""
        instrument, have = self.instrument(order.symbol), self._totals[order.account]
        if order.side is OrderSide.SELL:
            return have.get(instrument.base, ZERO) >= qty
        fee_ccy, fee = self._fee(order, qty, px)
        cost = qty * px + (fee if fee_ccy == instrument.quote else ZERO)
        return have.get(instrument.quote, ZERO) >= cost

    def _fill(self, order_id: str, qty: Decimal, px: Decimal, *, maker: bool) -> Fill:
        order = self._orders[order_id]
        instrument = self.instrument(order.symbol)
        fee_ccy, fee = self._fee(order, qty, px)
        number = next(self._numbers)
        fill = Fill(
            trade_id=self.rules.trade_id(number),
            order_id=order_id,
            client_id=order.client_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            px=px,
            fee=fee,
            fee_ccy=fee_ccy,
            maker=maker,
            liquidation=order.liquidation,
            at=self.now(),
        )
        self._fills.append(fill)
        self._pay(order.account, instrument.base, order.side.sign * qty)
        self._pay(order.account, instrument.quote, -order.side.sign * fill.notional)
        self._pay(order.account, fee_ccy, -fee)
        if order.symbol in self._liquidity:  # a forced fill may take more than there is
            self._liquidity[order.symbol] = max(ZERO, self._liquidity[order.symbol] - qty)
        done = order.cum_qty + qty >= order.qty
        order = replace(
            order,
            cum_qty=order.cum_qty + qty,
            cum_quote=order.cum_quote + fill.notional,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
        )
        self._save(order, Happening.TRADE, fill)
        self._cancel_siblings(order)
        if done and "bracket" in order.memo:
            self._release(order.memo["bracket"], order.cum_qty)
        return fill

    # Groups

    def _siblings(self, order: Order) -> list[str]:
        """The other open orders of the same group."""
        if order.group_id is None:
            return []
        return [i for i in self._legs(order.group_id) if i != order.order_id]

    def _cancel_siblings(self, order: Order) -> None:
        for sibling in self._siblings(order):
            self._close(sibling, OrderStatus.CANCELED, "the other of its group was done")

    def _legs(self, group_id: str) -> list[str]:
        return [i for i in self._open if self._orders[i].group_id == group_id]

    def _release(self, group_id: str, qty: Decimal) -> None:
        """Make the held legs of a bracket live, for as much as its entry has filled."""
        legs = self._legs(group_id)
        for order_id in legs:
            self._save(replace(self._orders[order_id], held=False, qty=qty), Happening.NEW)
        for order_id in legs:
            self._match(order_id, arriving=True)

    # Keeping

    def _close(self, order_id: str, status: OrderStatus, reason: str) -> None:
        happening = Happening.EXPIRED if status is OrderStatus.EXPIRED else Happening.CANCELED
        order = self._orders[order_id]
        self._save(replace(order, status=status, reason=reason), happening)
        if "bracket" not in order.memo:
            return
        if order.cum_qty:
            self._release(order.memo["bracket"], order.cum_qty)
            return
        for leg in self._legs(order.memo["bracket"]):
            self._close(leg, OrderStatus.CANCELED, "its entry never filled")

    def _expire_old(self) -> None:
        now = self.now()
        for order_id in list(self._open):
            expires_at = self._orders[order_id].expires_at
            if order_id in self._open and expires_at is not None and expires_at <= now:
                self._close(order_id, OrderStatus.EXPIRED, "good till date")


def _crossed(asked: NewOrder, last: Decimal) -> bool:
    """Whether a limit order could fill at this price."""
    if asked.limit_px is None:
        return False
    return last <= asked.limit_px if asked.side is OrderSide.BUY else last >= asked.limit_px


def _hit(asked: NewOrder, last: Decimal) -> bool:
    """Whether the stop price is crossed."""
    if asked.stop_px is None:
        return False
    above = asked.trigger is Trigger.ABOVE
    return last >= asked.stop_px if above else last <= asked.stop_px
