"""A venue's push of order changes, kept open and collected; it is never more than a hint."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from execution.model.identifiers import ClientOrderId, VenueOrderId
from execution.venues.base import OrderHint, Venue

Key = tuple[ClientOrderId | None, VenueOrderId | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When a stream is given up, and how soon it is opened again; all > 0."""

    silence_s: float = 120.0  # without a push for so long it may be dead
    reconnect_min_s: float = 0.5
    reconnect_max_s: float = 30.0

    def delay_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row: anything up to a growing limit.

        At random, or all who lost the same venue would come back to it at the same moment.
        """
        limit = min(self.reconnect_min_s * 2 ** min(failures, 32), self.reconnect_max_s)
        return random.uniform(0, limit)  # noqa: S311 - not a secret


class Hints:
    """What a stream has pushed and nobody has taken yet; several of one order are one.

    `breaks` counts how often a stream that worked ended, failed or fell silent: pushes may
    have been missed each time.
    """

    def __init__(self, venue: Venue, patience: Patience) -> None:
        self.breaks = 0
        self._venue = venue
        self._patience = patience
        self._waiting: dict[Key, OrderHint] = {}
        self._news = asyncio.Event()

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._waiting)

    def take(self) -> tuple[OrderHint, ...]:
        """All that has come since the last time, each order's earliest push."""
        taken = tuple(self._waiting.values())
        self._waiting.clear()
        self._news.clear()
        return taken

    async def wait(self, timeout_s: float | None = None) -> None:
        """Wait for a push, a break or `wake`, or until the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._news.set()

    async def listen(self) -> None:
        """Read the stream, and open it again whenever it breaks, until canceled."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            opened_at, worked = loop.time(), False
            # Whatever a library raises: without a stream there is asking, so the watch goes on.
            with suppress(Exception):
                async for hint in self._pushed():
                    worked = True
                    self._keep(hint)
            # It was open for long, though nothing happened.
            worked = worked or loop.time() - opened_at > self._patience.reconnect_max_s
            if worked:
                failures = 0
                self.breaks += 1
                self.wake()
            await asyncio.sleep(self._patience.delay_s(failures))
            failures += 1

    async def _pushed(self) -> AsyncIterator[OrderHint]:
        """One stream's pushes; TimeoutError when it is silent for too long."""
        stream = self._venue.hints()
        try:
            while True:
                async with asyncio.timeout(self._patience.silence_s):
                    try:
                        hint = await anext(stream)
                    except StopAsyncIteration:
                        return
                yield hint
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()  # it lets go of its connection now, not some time

    def _keep(self, hint: OrderHint) -> None:
        key = (hint.client_order_id, hint.venue_order_id)
        known = self._waiting.get(key)
        if known is None or hint.ts_event < known.ts_event:
            self._waiting[key] = hint
        self.wake()


@asynccontextmanager
async def open_hints(venue: Venue, patience: Patience) -> AsyncIterator[Hints]:
    """The venue's pushes, collected in the background for as long as they are wanted."""
    hints = Hints(venue, patience)
    listening = asyncio.create_task(hints.listen())
    try:
        yield hints
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
