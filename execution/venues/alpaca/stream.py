"""Alpaca's push of order changes, as hints; it fills no gaps, so asking gives the truth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from execution.errors import VenueUnavailable
from execution.model.identifiers import ClientOrderId, VenueOrderId
from execution.venues.alpaca.reading import OURS, moment, text
from execution.venues.base import OrderHint
from execution.venues.keys import Keys

PING_S = 10.0  # a silent connection is found dead after twice that
CLOSE_S = 2.0
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)


class _Direct(connect):
    """Never follows a redirect: the keys are for one host."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def hints(
    base_url: str, keys: Keys, clock: Callable[[], datetime], deadline_s: float
) -> AsyncIterator[OrderHint]:
    """Yield a hint for every push; end when the connection breaks or speaks no sense.

    Raises VenueUnavailable when it cannot be opened within `deadline_s`.
    """
    url = "ws" + base_url.removeprefix("http") + "/stream"
    opening = _Direct(
        url,
        open_timeout=None,  # the deadline is of the whole opening
        ping_interval=PING_S,
        ping_timeout=PING_S,
        close_timeout=CLOSE_S,
    )
    connection: ClientConnection | None = None
    try:
        try:
            async with asyncio.timeout(deadline_s):
                connection = await opening
                await _listen(connection, keys)
        except (OSError, WebSocketException, *UNREADABLE) as error:
            # Only the class: the text may hold what was sent.
            raise VenueUnavailable(
                f"alpaca: the stream of orders cannot be opened: {type(error).__name__}"
            ) from None
        async for message in connection:
            try:
                hint = _hint(json.loads(message), clock)
            except UNREADABLE:
                return
            if hint is not None:
                yield hint
    except ConnectionClosed:
        return
    finally:
        if connection is not None:
            await connection.close()


async def _listen(connection: ClientConnection, keys: Keys) -> None:
    """Sign in and ask for the changes; raises ValueError where either is refused."""
    signing_in = {"key_id": keys.api_key, "secret_key": keys.secret}
    await connection.send(json.dumps({"action": "authenticate", "data": signing_in}))
    if (await _answer(connection, "authorization"))["status"] != "authorized":
        raise ValueError("not authorized")
    asked = {"streams": ["trade_updates"]}
    await connection.send(json.dumps({"action": "listen", "data": asked}))
    if "trade_updates" not in (await _answer(connection, "listening"))["streams"]:
        raise ValueError("no stream of that name")


async def _answer(connection: ClientConnection, stream: str) -> dict[str, Any]:
    message = json.loads(await connection.recv())
    if message["stream"] != stream:
        raise ValueError(f"no answer of {stream}")
    data: dict[str, Any] = message["data"]
    return data


def _hint(message: dict[str, Any], clock: Callable[[], datetime]) -> OrderHint | None:
    if message["stream"] != "trade_updates":
        return None
    data = message["data"]
    client_order_id = text(data["order"]["client_order_id"])
    return OrderHint(
        client_order_id=ClientOrderId(client_order_id) if OURS.fullmatch(client_order_id) else None,
        venue_order_id=VenueOrderId(text(data["order"]["id"])),
        ts_event=moment(data["timestamp"]) if data.get("timestamp") else clock(),
    )
