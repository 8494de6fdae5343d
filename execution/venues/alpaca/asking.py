"""Questions to one account at Alpaca, within its rate limit, paged to the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from execution.errors import VenueUnavailable
from execution.venues.alpaca.classify import OK, Answer
from execution.venues.alpaca.client import Body, Client, NoReply, Reply
from execution.venues.alpaca.facts import LIMIT
from execution.venues.alpaca.reading import moment, text
from execution.venues.rate_limit import RateLimiter

TOO_MANY_REQUESTS = 429
ACTIVITIES_PAGE = 100  # Alpaca's most
ORDERS_PAGE = 500  # Alpaca's most
PAGED_DEADLINES = 6  # how much longer than one request a paged question may take
TICK = timedelta(microseconds=1)
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)

Json = dict[str, Any]
T = TypeVar("T")


class Asking:
    """One account's way to Alpaca; `key` is what its rate limit is counted under.

    A request ends within `deadline_s`, its wait for room in the limit included.
    """

    def __init__(self, client: Client, limiter: RateLimiter, key: str, deadline_s: float) -> None:
        self._client = client
        self._limiter = limiter
        self._key = key
        self._deadline_s = deadline_s

    async def answer(
        self, method: str, path: str, body: Body | None = None, *, urgent: bool = False
    ) -> Answer:
        """Send one request, once; whatever comes of it is returned, not raised."""
        until = time.monotonic() + self._deadline_s
        try:
            await self._limiter.acquire(
                self._key, LIMIT, urgent=urgent, timeout_s=self._deadline_s / 2
            )
        except VenueUnavailable as no_room:
            return NoReply(str(no_room), sent=False)
        try:
            reply = await self._client.ask(method, path, body, until - time.monotonic())
        except NoReply as no_reply:
            return no_reply
        if reply.status == TOO_MANY_REQUESTS:
            with suppress(VenueUnavailable):  # the answer counts, whatever becomes of the file
                self._limiter.block(self._key, reply.retry_after_s)
        return reply

    async def query(
        self, path: str, read: Callable[[Any], T], params: Mapping[str, str] | None = None
    ) -> T:
        """Ask and read the JSON; raises VenueUnavailable for anything but a whole answer."""
        answer = await self.answer("GET", path, params)
        if not isinstance(answer, Reply) or answer.status != OK or answer.body is None:
            raise VenueUnavailable(f"alpaca: GET {path}: {answer}")
        return readable(path, lambda: read(answer.body))

    async def open_orders(self) -> list[Json]:
        """Every order that may still fill; the legs of a bracket each by itself."""
        params = {"status": "open", "direction": "asc", "nested": "false"}
        return await self._paged(
            "/orders", params | {"limit": str(ORDERS_PAGE)}, ORDERS_PAGE, _orders_after
        )

    async def activities(self, path: str, after: datetime, params: dict[str, str]) -> list[Json]:
        """Every activity after a moment, oldest first."""
        asked = {"after": _stamp(after), "direction": "asc", "page_size": str(ACTIVITIES_PAGE)}
        return await self._paged(
            path, asked | params, ACTIVITIES_PAGE, lambda last: {"page_token": text(last["id"])}
        )

    async def _paged(
        self,
        path: str,
        params: dict[str, str],
        size: int,
        next_page: Callable[[Json], dict[str, str]],
    ) -> list[Json]:
        """Ask page after page until one brings nothing new: a short one proves no end."""
        found: dict[str, Json] = {}
        until = time.monotonic() + PAGED_DEADLINES * self._deadline_s
        while True:
            page = await self.query(path, _by_id, params)
            if page.keys() <= found.keys():
                break
            if time.monotonic() > until:
                raise VenueUnavailable(f"alpaca: GET {path}: no end after {len(found)} entries")
            found |= page
            params = params | readable(path, partial(next_page, [*page.values()][-1]))
        if len(page) >= size:
            raise VenueUnavailable(f"alpaca: GET {path}: a full page brings nothing new")
        return list(found.values())


def readable(path: str, read: Callable[[], T]) -> T:
    """What `read` reads; raises VenueUnavailable where the answer is not of the known shape."""
    try:
        return read()
    except UNREADABLE as error:
        # Only the class: the text quotes the answer, and that may quote what was asked.
        raise VenueUnavailable(
            f"alpaca: GET {path}: an answer of unknown shape: {type(error).__name__}"
        ) from None


def _by_id(body: object) -> dict[str, Json]:
    if not isinstance(body, list):
        raise TypeError("not a list")
    return {text(entry["id"]): entry for entry in body}


def _orders_after(last: Json) -> dict[str, str]:
    """From the last order's moment on: others may have the same."""
    return {"after": _stamp(moment(last.get("submitted_at") or last["created_at"]) - TICK)}


def _stamp(moment_utc: datetime) -> str:
    return moment_utc.astimezone(UTC).isoformat().replace("+00:00", "Z")
