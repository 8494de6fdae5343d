"""What an exchange pushes of our orders, as hints to ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from execution.errors import VenueUnavailable
from execution.model.identifiers import ClientOrderId, VenueOrderId
from execution.venues.base import OrderHint
from execution.venues.ccxt.client import Client


async def order_hints(
    client: Client,
    our_id: Callable[[Mapping[str, Any]], ClientOrderId | None],
    clock: Callable[[], datetime],
) -> AsyncIterator[OrderHint]:
    """Yield a hint for each push; raise VenueUnavailable when the stream breaks.

    Silence is not noticed here: a stream may have nothing to say.
    """
    try:
        exchange = await client.open()
        while True:
            for order in await exchange.watch_orders():
                stamp = order.get("lastUpdateTimestamp") or order.get("timestamp")
                named = order.get("id")
                yield OrderHint(
                    client_order_id=our_id(order),
                    venue_order_id=VenueOrderId(str(named)) if named else None,
                    ts_event=datetime.fromtimestamp(stamp / 1000, UTC) if stamp else clock(),
                )
    except VenueUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, the stream is gone
        raise VenueUnavailable(
            f"{client.facts.name}: the stream broke: {type(error).__name__}"
        ) from None
