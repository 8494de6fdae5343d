"""The control API, for tests whose exchange is a process of its own.

    POST /_control/account  {"dialect", "key", "balances": {"USDT": "10000"}}
    POST /_control/price    {"dialect", "symbol", "px"}
    POST /_control/instrument  {"dialect", "symbol", "px"}: one more, in the steps of the last
    POST /_control/deposit  {"dialect", "key", "ccy", "amount"}
    POST /_control/lie      {"fault", and any other field of `Lie`}
    POST /_control/honest   {}
    GET  /_control/state    everything of every dialect, and how many requests of each kind
                            and lies of each fault there were so far

A wrong body is answered with 400 and what was wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.lying_exchange import kraken_words
from tests.venues.lying_exchange.lies import LIES, Fault, Kind, Lie
from tests.venues.lying_exchange.records import Refused
from tests.venues.lying_exchange.wire import plain

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import LyingExchange

PREFIX = "/_control"
Act = Callable[["LyingExchange", dict[str, Any]], None]


def lie_from(fields: dict[str, Any]) -> Lie:
    """Make a lie of its fault's default in `LIES`, changed by the other fields."""
    changes = {name: value for name, value in fields.items() if name != "fault"}
    if "kinds" in changes:
        changes["kinds"] = frozenset(Kind(kind) for kind in changes["kinds"])
    return replace(LIES[fields["fault"]], **changes)


def _account(exchange: LyingExchange, body: dict[str, Any]) -> None:
    exchange.engine(body["dialect"]).open_account(body["key"], body["balances"])


def _price(exchange: LyingExchange, body: dict[str, Any]) -> None:
    exchange.engine(body["dialect"]).set_price(body["symbol"], body["px"])


def _instrument(exchange: LyingExchange, body: dict[str, Any]) -> None:
    engine, symbol = exchange.engine(body["dialect"]), body["symbol"]
    last = list(engine.instruments.values())[-1]
    kraken_words.ASSETS.setdefault(symbol.split("/")[0], symbol.split("/")[0])
    engine.instruments[symbol] = replace(last, symbol=symbol)
    engine.set_price(symbol, body["px"])


def _deposit(exchange: LyingExchange, body: dict[str, Any]) -> None:
    exchange.engine(body["dialect"]).transfer(body["key"], body["ccy"], body["amount"])


ACTS: dict[str, Act] = {
    "account": _account,
    "price": _price,
    "instrument": _instrument,
    "deposit": _deposit,
    "lie": lambda exchange, body: exchange.lie(lie_from(body)),
    "honest": lambda exchange, body: exchange.honest(),
}


def routes(exchange: LyingExchange) -> list[web.RouteDef]:
    """The routes of the control API."""

    async def state(http: web.Request) -> web.Response:
        return web.Response(
            text=json.dumps(_state(exchange), default=plain), content_type="application/json"
        )

    posts = [web.post(f"{PREFIX}/{name}", _acting(exchange, act)) for name, act in ACTS.items()]
    return [*posts, web.get(f"{PREFIX}/state", state)]


def _acting(exchange: LyingExchange, act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(http: web.Request) -> web.Response:
        try:
            act(exchange, await http.json())
        except (Refused, KeyError, TypeError, ValueError, ArithmeticError) as error:
            return web.json_response({"error": repr(error)}, status=400)
        return web.json_response({})

    return handler


def _state(exchange: LyingExchange) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in exchange.engines}
    for logged in exchange.requests:
        counts[logged.dialect][logged.kind] += 1
    return {
        name: {
            **engine.state(),
            "requests": counts[name],
            "lies": {fault: exchange.lied(fault, name) for fault in Fault},
            "crashes": [repr(error) for crashed, error in exchange.crashes if crashed == name],
        }
        for name, engine in exchange.engines.items()
    }
