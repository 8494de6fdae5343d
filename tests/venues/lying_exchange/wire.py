"""What a handler answers, and the ways of not quite putting that on the wire."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.venues.lying_exchange.lies import Fault, Lie

PAGE = "<html><head><title>Just a moment</title></head><body>Checking your browser</body></html>"
TRICKLE_CHUNKS = 10
RESET = struct.pack("ii", 1, 0)  # lingering for no time at all: closing sends a reset


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's answer; `body` is turned into JSON, with every Decimal as a string."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return json.dumps(self.body, default=plain)

    def response(self) -> web.Response:
        """The honest answer."""
        return web.Response(
            text=self.text,
            status=self.status,
            headers=self.headers,
            content_type="application/json",
        )


def plain(value: object) -> str:
    """Decimals without an exponent, as venues write them; anything else as it says itself."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


async def put(http: web.Request, lie: Lie | None, reply: Reply) -> web.StreamResponse:
    """Answer with `reply`, the way `lie` wants it."""
    fault = lie.fault if lie else None
    if lie is None or fault in (Fault.REJECTED_THEN_FILLED, Fault.TOO_MANY_REQUESTS):
        return reply.response()
    if fault in (Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER):
        await asyncio.sleep(lie.delay_s)
        return _hang_up(http)
    if fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER):
        return _hang_up(http, reset=True)
    if fault in (Fault.ERROR_BEFORE, Fault.ERROR_AFTER):
        return web.Response(status=lie.status, text=PAGE, content_type="text/html")
    if fault in (Fault.HTML_BEFORE, Fault.HTML_AFTER):
        return web.Response(text=PAGE, content_type="text/html")
    if fault in (Fault.EMPTY_BEFORE, Fault.EMPTY_AFTER):
        return web.Response(text="", content_type="application/json")
    if fault is Fault.CUT_JSON_AFTER:
        text = reply.text
        return web.Response(text=text[: len(text) // 2], content_type="application/json")
    return await _in_parts(http, lie, reply)


def retry_after(lie: Lie) -> str:
    """The header's value: whole seconds, as venues send it."""
    return str(math.ceil(lie.delay_s))


async def _in_parts(http: web.Request, lie: Lie, reply: Reply) -> web.StreamResponse:
    """Announce the whole body, and send it slowly, or half of it and no more."""
    body = reply.text.encode()
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = "application/json"
    response.content_length = len(body)
    await response.prepare(http)
    if lie.fault is Fault.BROKEN_BODY_AFTER:
        await response.write(body[: len(body) // 2])
        return _hang_up(http)
    size = -(-len(body) // TRICKLE_CHUNKS)
    for start in range(0, len(body), size):
        await asyncio.sleep(lie.delay_s / TRICKLE_CHUNKS)
        await response.write(body[start : start + size])
    await response.write_eof()
    return response


def _hang_up(http: web.Request, *, reset: bool = False) -> web.Response:
    """End the connection without an answer; what is returned never gets out."""
    if http.transport is not None:
        if reset:
            connection = http.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        http.transport.abort() if reset else http.transport.close()
    return web.Response()
