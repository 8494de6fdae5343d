"""Binance's user data stream, over its WebSocket API and signed, as ccxt.pro subscribes to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.lying_exchange.binance_words import (
    EXECUTIONS,
    eight,
    ms,
    refuse,
    report_json,
    require_in_time,
)
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.records import Event, Refused, Why

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import LyingExchange

NAME = "binance"
SUBSCRIPTION = 0
Serving = Callable[[web.Request], Awaitable[web.WebSocketResponse]]


def stream_of(exchange: LyingExchange) -> Serving:
    """The handler of the WebSocket: it knows one method, the subscription."""

    async def serve(http: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(http)
        pumps: list[asyncio.Task[None]] = []
        try:
            async for message in socket:
                asked = json.loads(message.data)
                answer, events = _subscribe(exchange, asked)
                await socket.send_json(answer)
                if events is not None:
                    pump = _pump(socket, exchange.engine(NAME), events)
                    pumps.append(asyncio.create_task(pump))
        finally:
            for pumping in pumps:
                pumping.cancel()
                with suppress(asyncio.CancelledError):
                    await pumping
        return socket

    return serve


def _subscribe(
    exchange: LyingExchange, asked: dict[str, Any]
) -> tuple[dict[str, Any], AsyncGenerator[Event, None] | None]:
    engine, params = exchange.engine(NAME), asked.get("params", {})
    try:
        if asked["method"] != "userDataStream.subscribe.signature":
            raise Refused(Why.BAD_PARAMETER)
        if not engine.has_account(params.get("apiKey")):
            raise Refused(Why.UNKNOWN_KEY)
        require_in_time(params, engine.now())
    except Refused as refused:
        reply = refuse(refused)
        return {"id": asked["id"], "status": reply.status, "error": reply.body}, None
    result = {"subscriptionId": SUBSCRIPTION}
    answer = {"id": asked["id"], "status": 200, "result": result, "rateLimits": []}
    return answer, exchange.stream(NAME, params["apiKey"])


async def _pump(
    socket: web.WebSocketResponse, engine: Engine, events: AsyncGenerator[Event, None]
) -> None:
    """Send every event of an order, and the balances as they are then."""
    try:
        async for event in events:
            if event.happening in EXECUTIONS:
                await _send(socket, report_json(event))
                await _send(socket, _balances_json(engine, event))
    finally:
        await events.aclose()


async def _send(socket: web.WebSocketResponse, event: dict[str, Any]) -> None:
    await socket.send_json({"subscriptionId": SUBSCRIPTION, "event": event})


def _balances_json(engine: Engine, event: Event) -> dict[str, Any]:
    symbol = engine.instrument(event.order.symbol)
    have = engine.balances(event.order.account)
    return {
        "e": "outboundAccountPosition",
        "E": ms(event.at),
        "u": ms(event.at),
        "B": [
            {"a": ccy, "f": eight(have[ccy].free), "l": eight(have[ccy].locked)}
            for ccy in (symbol.base, symbol.quote)
        ],
    }
