"""Alpaca, as alpaca-py speaks to it: `/alpaca/v2`, its data under `/v1beta3`, and `/stream`.

One base URL serves the trading and the data clients (`url_override=f"{exchange.url}/alpaca"`).
Client order ids are taken once and for ever, an order gets one of Alpaca's own without, and a
replaced order has a new id. A test sets the market's hours and an account's blocks on the
engine, or, where the exchange is a process of its own, with

    POST /alpaca/_control/market    {"open": true}
    POST /alpaca/_control/blocks    {"key", "flags": ["trading_blocked"]}
    POST /alpaca/_control/activity  {"key", "type": "DIV", "net": "1.25", "symbol": "AAPL"}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.lying_exchange import alpaca_account as accounts
from tests.venues.lying_exchange import alpaca_market as market
from tests.venues.lying_exchange import alpaca_orders as orders
from tests.venues.lying_exchange.alpaca_engine import AlpacaEngine, make_engine
from tests.venues.lying_exchange.alpaca_stream import NAME, stream_of
from tests.venues.lying_exchange.alpaca_words import refuse
from tests.venues.lying_exchange.lies import Kind

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import LyingExchange

Act = Callable[[AlpacaEngine, dict[str, Any]], object]
ACTS: dict[str, Act] = {
    "market": lambda engine, body: engine.open_market() if body["open"] else engine.close_market(),
    "blocks": lambda engine, body: engine.block(body["key"], *body["flags"]),
    "activity": lambda engine, body: engine.activity(
        body["key"], body["type"], body["net"], body.get("symbol")
    ),
}
__all__ = ["api_key", "make_engine", "refuse", "routes"]


def api_key(headers: Mapping[str, str], params: Mapping[str, Any]) -> str | None:
    """The key is a header of its own."""
    return headers.get("APCA-API-KEY-ID")


def routes(exchange: LyingExchange) -> list[web.RouteDef]:
    """Every route under `/alpaca`."""
    v2, stocks, coins = "/v2", "/v2/stocks", "/v1beta3/crypto/{feed}"
    table = [
        ("POST", f"{v2}/orders", Kind.SUBMIT, orders.submit),
        ("GET", f"{v2}/orders", _kind_of_listing, orders.listing),
        ("DELETE", f"{v2}/orders", Kind.CANCEL, orders.cancel_all),
        ("GET", f"{v2}/orders:by_client_order_id", Kind.LOOKUP, orders.by_client_id),
        ("GET", v2 + "/orders/{order_id}", Kind.LOOKUP, orders.by_id),
        ("PATCH", v2 + "/orders/{order_id}", Kind.AMEND, orders.amend),
        ("DELETE", v2 + "/orders/{order_id}", Kind.CANCEL, orders.cancel),
        ("GET", f"{v2}/account", Kind.QUERY, accounts.account),
        ("GET", f"{v2}/positions", Kind.QUERY, accounts.positions),
        ("GET", v2 + "/positions/{symbol:.+}", Kind.QUERY, accounts.position),
        ("DELETE", v2 + "/positions/{symbol:.+}", Kind.SUBMIT, orders.close_position),
        ("GET", f"{v2}/account/activities", Kind.FILLS, accounts.activities),
        ("GET", v2 + "/account/activities/{type}", _kind_of_activities, accounts.activities),
        ("GET", f"{v2}/clock", Kind.QUERY, market.clock),
        ("GET", f"{v2}/calendar", Kind.QUERY, market.calendar),
        ("GET", f"{v2}/assets", Kind.QUERY, market.assets),
        ("GET", v2 + "/assets/{symbol:.+}", Kind.QUERY, market.asset),
        ("GET", f"{stocks}/bars", Kind.QUERY, market.bars),
        ("GET", f"{stocks}/trades/latest", Kind.QUERY, market.latest_trades),
        ("GET", f"{stocks}/quotes/latest", Kind.QUERY, market.latest_quotes),
        ("GET", f"{coins}/bars", Kind.QUERY, market.bars),
        ("GET", f"{coins}/latest/trades", Kind.QUERY, market.latest_trades),
        ("GET", f"{coins}/latest/quotes", Kind.QUERY, market.latest_quotes),
    ]
    return [
        *(exchange.route(NAME, *row) for row in table),
        *(web.post(f"/{NAME}/_control/{name}", _acting(exchange, a)) for name, a in ACTS.items()),
        web.get(f"/{NAME}/stream", stream_of(exchange)),
    ]


def _kind_of_listing(params: Mapping[str, Any]) -> Kind:
    return Kind.OPEN_ORDERS if params.get("status", "open") == "open" else Kind.LOOKUP


def _kind_of_activities(params: Mapping[str, Any]) -> Kind:
    return Kind.FILLS if params["type"] == accounts.TRADES else Kind.QUERY


def _acting(exchange: LyingExchange, act: Act) -> Callable[[web.Request], Any]:
    async def handler(http: web.Request) -> web.Response:
        engine = exchange.engine(NAME)
        assert isinstance(engine, AlpacaEngine)
        act(engine, await http.json())
        return web.json_response({})

    return handler
