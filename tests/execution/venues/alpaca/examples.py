"""Made-up JSON in the shapes that Alpaca documents, and instruments to trade there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from execution.model.enums import AssetClass
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId
from execution.model.order import Order, OrderIntent
from execution.venues.alpaca.facts import ALPACA
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter
from tests.execution.examples import make_instrument, make_intent
from tests.execution.venues.alpaca.servers import Request, Script, reply

T = TypeVar("T")

NOW = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)
ACCOUNT = AccountId("main")
KEYS = Keys(api_key="PKTESTKEY", secret="very-secret-word")
CLIENT_ORDER_ID = ClientOrderId("abcdefghijklmnop23")
AAPL = InstrumentId("AAPL", ALPACA)
BTC = InstrumentId("BTC/USD", ALPACA)
INSTRUMENTS = {
    AAPL: make_instrument(AAPL, qty_increment=Decimal("0.000000001"), notional_min=Decimal(1)),
    BTC: make_instrument(
        BTC,
        asset_class=AssetClass.CRYPTO,
        base="BTC",
        px_increment=Decimal("0.01"),
        qty_increment=Decimal("0.0001"),
        qty_min=Decimal("0.0001"),
    ),
}


def intent(**changes: object) -> OrderIntent:
    return make_intent(CLIENT_ORDER_ID, **{"instrument_id": AAPL, "account": ACCOUNT, **changes})


def order(**changes: object) -> Order:
    return Order(intent=intent(), **changes)


def venue(
    url: str,
    folder: Path,
    *,
    deadline_s: float = 5.0,
    clock: Callable[[], datetime] = lambda: NOW,
    native_groups: bool = False,
) -> AlpacaVenue:
    limiter = RateLimiter(folder / "rates.sqlite")
    return AlpacaVenue(
        INSTRUMENTS, ACCOUNT, KEYS, limiter, clock, url, deadline_s, native_groups=native_groups
    )


def ask(
    url: str, folder: Path, question: Callable[[AlpacaVenue], Awaitable[T]], **options: object
) -> T:
    """Open a venue on that server, ask one thing of it, and close it."""

    async def run() -> T:
        opened = venue(url, folder, **options)
        try:
            return await question(opened)
        finally:
            await opened.close()

    return asyncio.run(run())


def order_json(**changes: object) -> dict[str, object]:
    return {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": CLIENT_ORDER_ID,
        "created_at": "2024-03-04T14:59:58.123456789Z",
        "updated_at": "2024-03-04T14:59:59.987654321Z",
        "submitted_at": "2024-03-04T14:59:58.2Z",
        "filled_at": None,
        "replaced_by": None,
        "asset_class": "us_equity",
        "symbol": "AAPL",
        "notional": None,
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": "buy",
        "time_in_force": "gtc",
        "limit_price": "100.5",
        "stop_price": None,
        "status": "new",
        "extended_hours": False,
        "legs": None,
        **changes,
    }


def fill_json(**changes: object) -> dict[str, object]:
    return {
        "activity_type": "FILL",
        "id": "20240304100001123::8efc7b9a-8b2b-4000-9955-d36e7db0df74",
        "cum_qty": "4",
        "leaves_qty": "6",
        "price": "100.25",
        "qty": "4",
        "side": "buy",
        "symbol": "AAPL",
        "transaction_time": "2024-03-04T15:00:01.123Z",
        "order_id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "type": "partial_fill",
        **changes,
    }


def account_json(**changes: object) -> dict[str, object]:
    return {
        "id": "904837e3-3b76-47ec-b432-046db621571b",
        "account_number": "010203ABCD",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "cash": "100000.12",
        "equity": "103820.56",
        "buying_power": "262113.632",
        "non_marginable_buying_power": "98000.5",
        "trading_blocked": False,
        "account_blocked": False,
        "transfers_blocked": False,
        "trade_suspended_by_user": False,
        **changes,
    }


def clock_json(*, is_open: bool) -> dict[str, object]:
    return {
        "timestamp": "2024-03-04T10:00:00.123456789-05:00",
        "is_open": is_open,
        "next_open": "2024-03-05T09:30:00-05:00",
        "next_close": "2024-03-04T16:00:00-05:00",
    }


def trading(*, is_open: bool) -> Script:
    """A server that takes every order, in a market that is open or closed."""

    def script(connection: socket.socket, request: Request) -> None:
        clock = request.path == "/v2/clock"
        connection.sendall(reply(200, clock_json(is_open=is_open) if clock else order_json()))

    return script
