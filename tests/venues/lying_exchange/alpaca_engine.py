"""Alpaca's side of the engine: market hours, blocks, replacements, activities, no stock fees."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from execution.model.enums import OrderStatus, OrderType
from execution.model.money import ZERO
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.memory import Number
from tests.venues.lying_exchange.records import (
    Dedupe,
    FeePolicy,
    Instrument,
    NewOrder,
    Order,
    Refused,
    Rules,
    Why,
)

NEW_YORK = ZoneInfo("America/New_York")
OPENS, CLOSES = time(9, 30), time(16)
STOCKS = {"AAPL": "200", "MSFT": "400", "SPY": "600"}
COINS = {"BTC": "50000", "ETH": "3000"}
REPLACED = "replaced"
FREE = FeePolicy(rate=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Money or shares that moved without a trade; `net` is in dollars."""

    activity_id: str
    type: str  # CSD, CSW, DIV, FEE, CFEE, INT …
    net: Decimal
    at: datetime
    symbol: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


class AlpacaEngine(Engine):
    """Stocks are `AAPL/USD` in here; they trade while `market_open` is set."""

    def __init__(
        self, instruments: Sequence[Instrument], rules: Rules, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(instruments, rules, clock)
        self.market_open = True
        self.last_equity: dict[str, Decimal] = {}
        self.blocks: dict[str, frozenset[str]] = {}
        self.replaced_by: dict[str, str] = {}
        self.activities: list[tuple[str, Activity]] = []

    def open_account(
        self, key: str, balances: Mapping[str, Number], fees: FeePolicy | None = None
    ) -> None:
        """Make a paper account; `fees` are for coins only, and none by default."""
        super().open_account(key, balances, fees or FREE)
        self.blocks[key] = frozenset()
        self.last_equity[key] = self.equity(key)

    def open_market(self) -> None:
        """Let stocks trade: what was queued fills at the price of now."""
        with self.lock:
            self.market_open = True
            for symbol in self._stocks():
                self.set_liquidity(symbol, None)
                self.set_price(symbol, self.price(symbol))

    def close_market(self) -> None:
        """Queue orders for stocks until the market opens."""
        with self.lock:
            self.market_open = False
            for symbol in self._stocks():
                self.set_liquidity(symbol, 0)

    def block(self, key: str, *flags: str) -> None:
        """Set exactly these of `trading_blocked`, `account_blocked`, `trade_suspended_by_user`."""
        self.blocks[key] = frozenset(flags)

    def activity(
        self,
        key: str,
        type_: str,
        net: Number,
        symbol: str | None = None,
        **fields: Any,  # noqa: ANN401 - whatever the venue says of this type
    ) -> Activity:
        """Let something happen to the account that is no trade, such as a dividend."""
        with self.lock:
            done = Activity(
                activity_id=_uuid("activity", len(self.activities)),
                type=type_,
                net=Decimal(net),
                at=self.now(),
                symbol=symbol,
                fields=fields,
            )
            self._pay(key, "USD", done.net)
            self.activities.append((key, done))
            return done

    def equity(self, key: str) -> Decimal:
        """What the account is worth in dollars."""
        with self.lock:
            have = self.balances(key)
            held = (have[i.base].total * self.price(s) for s, i in self.instruments.items())
            return have["USD"].total + sum(held, ZERO)

    def replace_order(self, order_id: str, client_id: str, **changes: Any) -> Order:  # noqa: ANN401
        """Close an open order as replaced, and open a new one for what is left of it.

        `changes` are of the fields of `NewOrder`; raises Refused, and then nothing changed.
        """
        with self.lock:
            old = self._require_open(order_id)
            if "bracket" in old.memo:
                raise Refused(Why.NOT_OPEN, order_id)
            kept = {name: getattr(old, name) for name in NewOrder.__dataclass_fields__}
            memo = {**old.memo, "replaces": order_id}
            qty = changes.pop("qty", old.qty) - old.cum_qty
            wanted = NewOrder(
                **{**kept, **changes, "qty": qty, "client_id": client_id, "memo": memo}
            )
            if wanted.type is not OrderType.TRAILING_STOP:
                self._check_steps(wanted)
            new = self._checked(old.account, wanted)
            ccy, amount = self._need(old.account, new)
            if amount - self._need(old.account, old)[1] > self.balances(old.account)[ccy].free:
                raise Refused(Why.INSUFFICIENT_FUNDS, ccy)
            self._close(order_id, OrderStatus.CANCELED, REPLACED)
            new_id = self._add(old.account, new, group_id=old.group_id, held=old.held)
            self.replaced_by[order_id] = new_id
            self._match(new_id, arriving=True)
            return self._orders[new_id]

    def next_close(self, after: datetime) -> datetime:
        """When the market closes next."""
        return self._next(CLOSES, after)

    def next_open(self, after: datetime) -> datetime:
        """When the market opens next."""
        return self._next(OPENS, after)

    def _next(self, at: time, after: datetime) -> datetime:
        today = after.astimezone(NEW_YORK).date()
        days = (today + timedelta(days=days) for days in itertools.count())
        hits = (datetime.combine(day, at, NEW_YORK) for day in days if is_session(day))
        return next(hit for hit in hits if hit > after)

    def _stocks(self) -> list[str]:
        return [symbol for symbol, i in self.instruments.items() if i.base in STOCKS]

    def _fee(self, order: Order, qty: Decimal, px: Decimal) -> tuple[str, Decimal]:
        instrument = self.instrument(order.symbol)
        if instrument.base in STOCKS:
            return instrument.quote, ZERO
        return super()._fee(order, qty, px)


def make_engine(clock: Callable[[], datetime]) -> AlpacaEngine:
    """Three stocks and two coins, each with a price."""
    tiny, cent = Decimal("0.000000001"), Decimal("0.01")
    fine = {"px_step": cent, "qty_step": tiny, "qty_min": tiny}
    stock = Instrument(symbol="", notional_min=Decimal(1), **fine)
    coin = replace(stock, notional_min=Decimal(10))
    prices = {f"{base}/USD": px for base, px in (STOCKS | COINS).items()}
    instruments = [
        replace(stock if symbol.split("/")[0] in STOCKS else coin, symbol=symbol)
        for symbol in prices
    ]
    rules = Rules(
        dedupe=Dedupe.FOREVER,
        order_id=lambda number: _uuid("order", number),
        # They sort in the order in which they were made, as page tokens do.
        trade_id=lambda number: str(uuid.UUID(int=(number << 64) | 0x4000_8000_0000_0000_0000)),
        market_rests=True,
        stops_may_trigger_at_once=True,
    )
    engine = AlpacaEngine(instruments, rules, clock)
    for symbol, px in prices.items():
        engine.set_price(symbol, px)
    return engine


def is_session(day: date) -> bool:
    """Whether stocks trade on that day: holidays are not known here."""
    return day.weekday() < 5


def _uuid(*parts: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(["alpaca", *map(str, parts)])))
