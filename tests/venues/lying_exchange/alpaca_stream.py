"""Alpaca's `trade_updates`: authenticate, listen, and be told; in binary frames, as on paper."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.lying_exchange.alpaca_engine import REPLACED, AlpacaEngine
from tests.venues.lying_exchange.alpaca_words import iso, order_json, trimmed
from tests.venues.lying_exchange.records import Event, Happening
from tests.venues.lying_exchange.wire import plain

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import LyingExchange

NAME = "alpaca"
STREAM = "trade_updates"
WORDS = {
    Happening.NEW: "new",
    Happening.CANCELED: "canceled",
    Happening.EXPIRED: "expired",
}
Serving = Callable[[web.Request], Awaitable[web.WebSocketResponse]]


def stream_of(exchange: LyingExchange) -> Serving:
    """The handler of the WebSocket."""

    async def serve(http: web.Request) -> web.WebSocketResponse:
        socket, engine = web.WebSocketResponse(), exchange.engine(NAME)
        assert isinstance(engine, AlpacaEngine)
        await socket.prepare(http)
        key, pump = None, None
        try:
            async for message in socket:
                asked = json.loads(message.data)
                data = asked.get("data", {})
                if asked.get("action") in ("authenticate", "auth"):
                    known = engine.has_account(data.get("key_id"))
                    key = data["key_id"] if known else None
                    status = "authorized" if known else "unauthorized"
                    answer = {"status": status, "action": "authenticate"}
                    await _send(socket, "authorization", answer)
                elif asked.get("action") == "listen" and key and pump is None:
                    events = exchange.stream(NAME, key)
                    await _send(socket, "listening", {"streams": data.get("streams", [])})
                    pump = asyncio.create_task(_pump(socket, engine, events))
        finally:
            if pump is not None:
                pump.cancel()
                with suppress(asyncio.CancelledError):
                    await pump
        return socket

    return serve


async def _pump(
    socket: web.WebSocketResponse, engine: AlpacaEngine, events: AsyncGenerator[Event, None]
) -> None:
    try:
        async for event in events:
            told = update_json(engine, event)
            if told is not None:
                await _send(socket, STREAM, told)
    finally:
        await events.aclose()


def update_json(engine: AlpacaEngine, event: Event) -> dict[str, Any] | None:
    """One update; None for what Alpaca does not tell."""
    order, fill = event.order, event.fill
    word = WORDS.get(event.happening)
    if event.happening is Happening.TRADE:
        word = "partial_fill" if order.open else "fill"
    if order.reason == REPLACED:
        word = "replaced"
    if word is None:
        return None
    told: dict[str, Any] = {
        "event": word,
        "timestamp": iso(event.at),
        "order": order_json(engine, order, nested=False),
        "event_id": str(event.event_id),
    }
    if fill is not None:
        held = engine.balances(order.account)[engine.instrument(order.symbol).base]
        told |= {"execution_id": fill.trade_id, "price": fill.px, "qty": fill.qty}
        told |= {"position_qty": held.total}
    return trimmed(told)


async def _send(socket: web.WebSocketResponse, stream: str, data: dict[str, Any]) -> None:
    message = {"stream": stream, "data": data}
    await socket.send_bytes(json.dumps(message, default=plain).encode())
