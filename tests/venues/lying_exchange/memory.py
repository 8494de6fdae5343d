"""What one venue of the lying exchange remembers: accounts, orders, fills, and every change."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from execution.model.enums import OrderSide
from execution.model.money import ZERO
from tests.venues.lying_exchange.records import (
    Event,
    FeeIn,
    FeePolicy,
    Fill,
    Happening,
    Instrument,
    NewOrder,
    Order,
    Refused,
    Rules,
    Transfer,
    Why,
)

FEE_STEP = Decimal("0.00000001")
Number = Decimal | str | int


class Memory:
    """Accounts by API key and all that happened to them; nothing is ever forgotten."""

    def __init__(
        self, instruments: Sequence[Instrument], rules: Rules, clock: Callable[[], datetime]
    ) -> None:
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        self.rules = rules
        self.now = clock
        self.lock = threading.RLock()
        self.events: list[Event] = []
        self._prices: dict[str, Decimal] = {}
        self._totals: dict[str, dict[str, Decimal]] = {}
        self._policies: dict[str, FeePolicy] = {}
        self._orders: dict[str, Order] = {}
        self._past: dict[str, list[Order]] = {}  # every state an order was in
        self._open: dict[str, None] = {}  # ids, oldest first
        self._fills: list[Fill] = []
        self._transfers: list[Transfer] = []
        self._subscribers: list[Callable[[Event], None]] = []
        self._numbers = itertools.count(1)
        self._stamp: dict[str, object] = {}

    def open_account(
        self, key: str, balances: Mapping[str, Number], fees: FeePolicy | None = None
    ) -> None:
        """Make an account under an API key with some money; its opening is no deposit."""
        with self.lock:
            self._totals[key] = {ccy: Decimal(amount) for ccy, amount in balances.items()}
            self._policies[key] = fees or FeePolicy()

    def transfer(self, key: str, ccy: str, amount: Number) -> Transfer:
        """Deposit (`amount` > 0) or withdraw (`amount` < 0)."""
        with self.lock:
            done = Transfer(
                transfer_id=f"transfer-{next(self._numbers)}",
                account=key,
                ccy=ccy,
                amount=Decimal(amount),
                at=self.now(),
            )
            self._pay(key, ccy, done.amount)
            self._transfers.append(done)
            return done

    @contextmanager
    def stamping(self, **fields: object) -> Iterator[None]:
        """Give orders placed inside these fields of `Order`, by whoever holds the lock."""
        self._stamp = fields
        try:
            yield
        finally:
            self._stamp = {}

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event, in the thread that caused it; returns the undo."""
        with self.lock:
            self._subscribers.append(listener)
        return lambda: self._subscribers.remove(listener)

    def instrument(self, symbol: str) -> Instrument:
        """Find an instrument by its symbol, with or without the slash; raises Refused."""
        for instrument in self.instruments.values():
            if symbol in (instrument.symbol, instrument.joined):
                return instrument
        raise Refused(Why.UNKNOWN_SYMBOL, symbol)

    def price(self, symbol: str) -> Decimal:
        """The last price; raises Refused before there is one."""
        if symbol not in self._prices:
            raise Refused(Why.NO_PRICE, symbol)
        return self._prices[symbol]

    def has_account(self, key: str | None) -> bool:
        """Whether there is an account under this key."""
        return key in self._totals

    def fees(self, key: str) -> FeePolicy:
        """What the account pays."""
        return self._policies[key]

    def order(self, order_id: str) -> Order | None:
        """The order as it is now; None for an id that never was."""
        return self._orders.get(order_id)

    def order_at(self, order_id: str, at: datetime) -> Order | None:
        """The order as it was at a time; None before it was placed."""
        with self.lock:
            past = [state for state in self._past[order_id] if state.updated <= at]
            return past[-1] if past else None

    def by_client_id(self, key: str, client_id: str) -> list[Order]:
        """Every order that ever had this id, oldest first."""
        return [order for order in self.orders(key) if order.client_id == client_id]

    def orders(self, key: str | None = None) -> list[Order]:
        """Every order of an account (or of all) that ever was, oldest first."""
        with self.lock:
            return [o for o in self._orders.values() if key in (None, o.account)]

    def fills(self, key: str | None = None) -> list[Fill]:
        """Every execution of an account (or of all), oldest first."""
        with self.lock:
            return [fill for fill in self._fills if key in (None, fill.account)]

    def transfers(self, key: str | None = None) -> list[Transfer]:
        """Every deposit and withdrawal of an account (or of all), oldest first."""
        with self.lock:
            return [done for done in self._transfers if key in (None, done.account)]

    # For the engine

    def _add(self, key: str, asked: NewOrder, **fields: object) -> str:
        fixed = {name: getattr(asked, name) for name in NewOrder.__dataclass_fields__}
        order_id, now = self.rules.order_id(next(self._numbers)), self.now()
        own = {"order_id": order_id, "account": key, "created": now, "updated": now}
        order = Order(**{**fixed, **own, **self._stamp, **fields})
        self._open[order_id] = None
        self._save(order, Happening.NEW)
        return order_id

    def _save(self, order: Order, happening: Happening, fill: Fill | None = None) -> None:
        order = replace(order, updated=self.now())
        self._orders[order.order_id] = order
        self._past.setdefault(order.order_id, []).append(order)
        if not order.open:
            self._open.pop(order.order_id, None)
        if happening is Happening.NEW and order.held:
            return  # nobody is told of a leg before it is live
        event = Event(
            event_id=next(self._numbers), happening=happening, order=order, fill=fill, at=self.now()
        )
        self.events.append(event)
        for listener in list(self._subscribers):
            listener(event)

    def _pay(self, key: str, ccy: str, amount: Decimal) -> None:
        totals = self._totals[key]
        totals[ccy] = totals.get(ccy, ZERO) + amount

    def _fee(self, order: Order, qty: Decimal, px: Decimal) -> tuple[str, Decimal]:
        """Which currency a fill's fee is taken from, and how much."""
        instrument, fees = self.instrument(order.symbol), self._policies[order.account]
        fee_in = order.fee_in or fees.fee_in
        if fee_in is FeeIn.THIRD:
            fee = (qty * px * fees.rate / fees.third_px).quantize(FEE_STEP)
            if fee <= self._totals[order.account].get(fees.third, ZERO):
                return fees.third, fee
            fee_in = FeeIn.RECEIVED  # as venues do once the third currency has run out
        if fee_in is FeeIn.RECEIVED and order.side is OrderSide.BUY:
            return instrument.base, (qty * fees.rate).quantize(FEE_STEP)
        return instrument.quote, (qty * px * fees.rate).quantize(FEE_STEP)
