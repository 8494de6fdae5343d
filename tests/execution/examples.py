"""Orders, fills and bars with sensible values, for tests that care about one of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from execution.model.enums import AssetClass, OrderSide, OrderType, TimeInForce, TransferKind
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    StrategyId,
    TradeId,
    VenueId,
    VenueOrderId,
)
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.order import Order, OrderEvent, OrderIntent
from execution.model.transfer import Transfer

NOW = datetime(2024, 3, 1, 21, 5, tzinfo=UTC)
ACCOUNT = AccountId("test")
OTHER = AccountId("other")
VENUE = VenueId("scripted")
AAPL = InstrumentId("AAPL", VENUE)
MSFT = InstrumentId("MSFT", VENUE)


def make_instrument(instrument_id: InstrumentId = AAPL, **changes: object) -> Instrument:
    values: dict[str, Any] = {
        "instrument_id": instrument_id,
        "asset_class": AssetClass.EQUITY,
        "base": instrument_id.symbol,
        "quote": "USD",
        "px_increment": Decimal("0.01"),
        "qty_increment": Decimal(1),
    }
    return Instrument(**(values | changes))


def make_intent(client_order_id: str = "order-a", **changes: object) -> OrderIntent:
    values: dict[str, Any] = {
        "client_order_id": ClientOrderId(client_order_id),
        "account": ACCOUNT,
        "instrument_id": AAPL,
        "strategy": StrategyId("donchian"),
        "signal_time": datetime(2024, 3, 1, 21, 0, tzinfo=UTC),
        "leg": "entry",
        "side": OrderSide.BUY,
        "order_qty": Decimal(10),
        "order_type": OrderType.LIMIT if changes.get("limit_px") else OrderType.MARKET,
        "time_in_force": TimeInForce.GTC,
        "reduce_only": False,
        "px_ref": Decimal(100),
        "confidence": Decimal("0.8"),
        "reason": "test",
    }
    return OrderIntent(**(values | changes))


def make_order(
    client_order_id: str = "order-a", *, intent: dict[str, Any] | None = None, **changes: object
) -> Order:
    return Order(intent=make_intent(client_order_id, **(intent or {})), **changes)


def make_event(client_order_id: str = "order-a", **changes: object) -> OrderEvent:
    values: dict[str, Any] = {
        "client_order_id": ClientOrderId(client_order_id),
        "event_key": f"{client_order_id}:{changes['status']}",
        "ts_event": NOW,
        "ts_init": NOW,
    }
    return OrderEvent(**(values | changes))


def make_fill(trade_id: str = "T-1", **changes: object) -> Fill:
    values: dict[str, Any] = {
        "trade_id": TradeId(trade_id),
        "account": ACCOUNT,
        "instrument_id": AAPL,
        "client_order_id": ClientOrderId("order-a"),
        "venue_order_id": VenueOrderId("V-1"),
        "side": OrderSide.BUY,
        "last_qty": Decimal(10),
        "last_px": Decimal(100),
        "commission": Decimal(0),
        "commission_ccy": "USD",
        "ts_event": NOW,
        "ts_init": NOW,
    }
    return Fill(**(values | changes))


def make_bar(ts_open: datetime, ts_event: datetime, **changes: object) -> MarketSnapshot:
    values: dict[str, Any] = {
        "instrument_id": AAPL,
        "last_px": Decimal(100),
        "high": Decimal(101),
        "low": Decimal(99),
        "volume": Decimal(1_000),
        "ts_open": ts_open,
        "ts_event": ts_event,
        "adv": Decimal(10_000),
        "volatility_day": Decimal("0.02"),
    }
    return MarketSnapshot(**(values | changes))


class ListLedger:
    """The books as a list: what `record` and `book_fill` promise, and nothing else."""

    def __init__(self, *orders: Order) -> None:
        self._intents = [order.intent for order in orders]
        self.story: list[OrderEvent | Fill] = []

    def record(self, event: OrderEvent) -> Order | None:
        if event.event_key in {e.event_key for e in self.story if isinstance(e, OrderEvent)}:
            return None
        self.story.append(event)
        return self.orders[event.client_order_id]

    def book_fill(self, fill: Fill) -> bool:
        if fill.trade_id in {f.trade_id for f in self.story if isinstance(f, Fill)}:
            return False
        self.story.append(fill)
        return True

    @property
    def orders(self) -> dict[ClientOrderId, Order]:
        """Every order, folded from the story."""
        orders = {intent.client_order_id: Order(intent=intent) for intent in self._intents}
        for item in self.story:
            if item.client_order_id is not None:
                order = orders[item.client_order_id]
                folded = order.apply(item) if isinstance(item, OrderEvent) else order.fill(item)
                orders[item.client_order_id] = folded
        return orders

    @property
    def sends(self) -> dict[ClientOrderId, int]:
        """How often each order was sent, that is: written as SUBMITTED."""
        sent = [e.client_order_id for e in self.story if getattr(e, "status", None) == "submitted"]
        return {key: sent.count(key) for key in self.orders}

    def keys(self) -> list[str]:
        return [event.event_key for event in self.story if isinstance(event, OrderEvent)]


def make_transfer(
    account: AccountId,
    transfer_id: str,
    kind: TransferKind,
    currency: str,
    amount: Decimal,
    now: datetime,
) -> Transfer:
    return Transfer(
        transfer_id=transfer_id,
        account=account,
        kind=kind,
        currency=currency,
        amount=amount,
        ts_event=now,
    )
