"""Binance spot, as ccxt speaks to it: `/binance/api/v3`, a little `/sapi`, and its stream.

Orders are matched honestly by the engine; refusals carry Binance's own codes. An id may be
used again as soon as its order is closed, which is what makes a blind resend dangerous here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.lying_exchange import binance_orders as orders
from tests.venues.lying_exchange import binance_queries as queries
from tests.venues.lying_exchange.binance_stream import stream_of
from tests.venues.lying_exchange.binance_words import ms, refuse, require_in_time
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import Kind
from tests.venues.lying_exchange.records import Dedupe, Instrument, Rules
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call, LyingExchange

NAME = "binance"
FIRST_ID = 4_000_000_000
__all__ = ["api_key", "make_engine", "refuse", "routes"]


def make_engine(clock: Callable[[], datetime]) -> Engine:
    """BTC/USDT at 50000 and ETH/USDT at 2500, with Binance's steps."""
    instruments = [
        Instrument(
            symbol=symbol,
            px_step=Decimal("0.01"),
            qty_step=Decimal(qty_step),
            qty_min=Decimal(qty_step),
            notional_min=Decimal(5),
        )
        for symbol, qty_step in (("BTC/USDT", "0.00001"), ("ETH/USDT", "0.0001"))
    ]
    rules = Rules(
        dedupe=Dedupe.WHILE_OPEN,
        order_id=lambda number: str(FIRST_ID + number),
    )
    engine = Engine(instruments, rules, clock)
    engine.set_price("BTC/USDT", 50_000)
    engine.set_price("ETH/USDT", 2_500)
    return engine


def api_key(headers: Mapping[str, str], params: Mapping[str, Any]) -> str | None:
    """Find the key: a header, or a parameter on the stream."""
    return headers.get("X-MBX-APIKEY") or params.get("apiKey")


def routes(exchange: LyingExchange) -> list[web.RouteDef]:
    """Every route under `/binance`."""

    def open_(method: str, path: str, handler: Callable[[Call], Reply]) -> web.RouteDef:
        return exchange.route(NAME, method, path, Kind.QUERY, handler)

    def signed(
        method: str, path: str, kind: Kind, handler: Callable[[Call], Reply]
    ) -> web.RouteDef:
        return exchange.route(NAME, method, path, kind, lambda call: handler(_in_time(call)))

    v3, sapi = "/api/v3", "/sapi/v1"
    return [
        open_("GET", f"{v3}/ping", lambda call: Reply({})),
        open_("GET", f"{v3}/time", lambda call: Reply({"serverTime": ms(call.engine.now())})),
        open_("GET", f"{v3}/exchangeInfo", queries.exchange_info),
        open_("GET", f"{v3}/klines", queries.klines),
        open_("GET", f"{v3}/ticker/24hr", queries.ticker),
        open_("GET", "/fapi/v1/exchangeInfo", lambda call: Reply({"symbols": []})),
        open_("GET", "/dapi/v1/exchangeInfo", lambda call: Reply({"symbols": []})),
        open_("GET", f"{sapi}/margin/allPairs", lambda call: Reply([])),
        open_("GET", f"{sapi}/margin/isolated/allPairs", lambda call: Reply([])),
        signed("GET", f"{sapi}/capital/config/getall", Kind.QUERY, queries.coins),
        signed("GET", f"{sapi}/capital/deposit/hisrec", Kind.QUERY, queries.deposits),
        signed("GET", f"{sapi}/capital/withdraw/history", Kind.QUERY, queries.withdrawals),
        signed("GET", f"{sapi}/account/apiRestrictions", Kind.QUERY, queries.api_restrictions),
        signed("GET", f"{v3}/account", Kind.QUERY, queries.account),
        signed("POST", f"{v3}/order", Kind.SUBMIT, orders.submit),
        signed("GET", f"{v3}/order", Kind.LOOKUP, orders.lookup),
        signed("DELETE", f"{v3}/order", Kind.CANCEL, orders.cancel),
        signed("POST", f"{v3}/order/cancelReplace", Kind.AMEND, orders.cancel_replace),
        signed("GET", f"{v3}/openOrders", Kind.OPEN_ORDERS, orders.open_orders),
        signed("DELETE", f"{v3}/openOrders", Kind.CANCEL, orders.cancel_all),
        signed("GET", f"{v3}/allOrders", Kind.LOOKUP, orders.all_orders),
        signed("GET", f"{v3}/myTrades", Kind.FILLS, orders.my_trades),
        signed("POST", f"{v3}/orderList/oco", Kind.SUBMIT, orders.oco),
        signed("GET", f"{v3}/orderList", Kind.LOOKUP, orders.order_list),
        signed("DELETE", f"{v3}/orderList", Kind.CANCEL, orders.cancel_list),
        web.get(f"/{NAME}/ws-api/v3", stream_of(exchange)),
    ]


def _in_time(call: Call) -> Call:
    """Refuse a key that is not known, and a request from another time."""
    _ = call.account
    require_in_time(call.params, call.engine.now())
    return call
