"""The twelve exchanges as the tests meet them: one market each, and a clock that answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from execution.model.enums import AssetClass
from execution.model.identifiers import AccountId, InstrumentId, VenueId, VenueOrderId
from execution.model.instrument import Instrument
from execution.model.order import Order, OrderIntent
from execution.venues.ccxt.client import MARKETS
from execution.venues.ccxt.facts import FACTS
from execution.venues.ccxt.venue import CcxtVenue
from execution.venues.keys import Keys
from execution.venues.rate_limit import Limit
from tests.execution.examples import make_instrument, make_intent

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACCOUNT = AccountId("main")
CID = "abcdefgh234567abcd"  # as the domain makes them: 18 of [a-z2-7]

# The market's id at the venue, and its symbol.
MARKET_IDS = {
    "binance": ("BTCUSDT", "BTC/USDT"),
    "bybit": ("BTCUSDT", "BTC/USDT"),
    "coinbase": ("BTC-USD", "BTC/USD"),
    "okx": ("BTC-USDT", "BTC/USDT"),
    "kucoin": ("BTC-USDT", "BTC/USDT"),
    "kraken": ("XXBTZUSD", "BTC/USD"),
    "gate": ("BTC_USDT", "BTC/USDT"),
    "bitget": ("BTCUSDT", "BTC/USDT"),
    "mexc": ("BTCUSDT", "BTC/USDT"),
    "htx": ("btcusdt", "BTC/USDT"),
    "bitfinex": ("tBTCUSD", "BTC/USD"),
    "cryptocom": ("BTC_USD", "BTC/USD"),
}
VENUES = tuple(MARKET_IDS)


class FreeLimiter:
    """No limit at all; it remembers who was told to wait."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, float]] = []
        self.taken: list[tuple[str, float]] = []

    async def acquire(
        self, key: str, limit: Limit, cost: float = 1, *, timeout_s: float | None = None
    ) -> None:
        self.taken.append((key, cost))

    def block(self, key: str, seconds: float) -> None:
        self.blocks.append((key, seconds))


def instrument_id(name: str) -> InstrumentId:
    return InstrumentId(MARKET_IDS[name][1], VenueId(name))


def instrument(name: str, **changes: object) -> Instrument:
    values: dict[str, Any] = {
        "asset_class": AssetClass.CRYPTO,
        "base": "BTC",
        "quote": MARKET_IDS[name][1].partition("/")[2],
        "px_increment": Decimal("0.1"),
        "qty_increment": Decimal("0.00001"),
    }
    return make_instrument(instrument_id(name), **(values | changes))


def intent(name: str, client_order_id: str = CID, **changes: object) -> OrderIntent:
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "instrument_id": instrument_id(name),
        "order_qty": Decimal("0.01234"),
        "px_ref": Decimal("50000"),
        "signal_time": NOW,
    }
    return make_intent(client_order_id, **(values | changes))


def order(name: str, venue_order_id: str | None = "V-1", **changes: object) -> Order:
    named = VenueOrderId(venue_order_id) if venue_order_id is not None else None
    return Order(intent=intent(name, **changes), venue_order_id=named)


def make_venue(
    name: str,
    endpoint: str,
    limiter: FreeLimiter | None = None,
    deadline_s: float = 5.0,
    clock: Callable[[], datetime] = lambda: NOW,
) -> CcxtVenue:
    """A venue whose market is known already; keys in the forms that all of them can sign with."""
    know_market(name, endpoint)
    return CcxtVenue(
        name,
        {instrument_id(name): instrument(name)},
        ACCOUNT,
        Keys(api_key="key", secret="c2VjcmV0", passphrase="words"),
        limiter or FreeLimiter(),  # type: ignore[arg-type]
        clock,
        endpoint=endpoint,
        deadline_s=deadline_s,
    )


def know_market(name: str, endpoint: str) -> None:
    """Put the one market where a client looks before it asks the venue."""
    market_id, symbol = MARKET_IDS[name]
    base, _, quote = symbol.partition("/")
    significant = FACTS[name].px_digits is not None
    market = {
        "id": market_id,
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "baseId": base,
        "quoteId": quote,
        "type": "spot",
        "spot": True,
        "swap": False,
        "future": False,
        "option": False,
        "margin": False,
        "contract": False,
        "linear": None,
        "inverse": None,
        "active": True,
        "precision": {"amount": 8, "price": 5}
        if significant
        else {"amount": "0.00001", "price": "0.1"},
        "limits": {"amount": {}, "price": {}, "cost": {}, "leverage": {}},
        "info": {"orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"]},
    }
    MARKETS.put(f"{name} {endpoint}", {symbol: market}, {})


def opening(name: str, path: str) -> object:
    """What a healthy venue answers while a client opens: its clock, and htx its accounts."""
    if name == "htx" and path.endswith("/account/accounts"):
        return {"status": "ok", "data": [{"id": 4711, "type": "spot", "state": "working"}]}
    return clock(name)


def clock(name: str, at: datetime | None = None) -> object:
    """The reply to what the time is, in the venue's own shape."""
    seconds = at.timestamp() if at else time.time()
    ms, whole = int(seconds * 1000), int(seconds)
    replies: dict[str, object] = {
        "binance": {"serverTime": ms},
        "bybit": {
            "retCode": 0,
            "result": {"timeSecond": str(whole), "timeNano": f"{ms}000000"},
            "time": ms,
        },
        "coinbase": {"data": {"iso": "", "epoch": whole}},
        "okx": {"code": "0", "data": [{"ts": str(ms)}]},
        "kucoin": {"code": "200000", "data": ms},
        "kraken": {"error": [], "result": {"unixtime": whole, "rfc1123": ""}},
        "gate": {"server_time": ms},
        "bitget": {"code": "00000", "msg": "success", "data": {"serverTime": str(ms)}},
        "mexc": {"serverTime": ms},
        "htx": {"status": "ok", "data": ms},
        # These two say it in the date of any reply.
        "bitfinex": [1],
        "cryptocom": {"code": 0, "result": {}},
    }
    return replies[name]
