"""What happens between ccxt and the network: watched, limited, and never repeated.

`Wire` is mixed into ccxt's own class of an exchange. It takes each request's cost from the
limit that all processes share, keeps what came back, and notes when a request of ours may
have left. That is known from the connection itself: before there is one, nothing can leave.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
import certifi

from execution.venues.rate_limit import Limit, RateLimiter

TOO_MANY = (418, 429)
NONCES: dict[str, float] = {}  # the last one of each key; clients come and go


@dataclass(slots=True)
class Call:
    """One call of ours, which may be several requests."""

    marker: str = ""  # the request that counts carries this; "": any that changes something
    left: bool = False  # it had a connection to leave by
    replies: list[object] = field(default_factory=list)  # as JSON; None: it was none
    date: datetime | None = None  # the venue's clock, to the second, from the last reply
    leaving: bool = False  # the request that counts is under way


_call: ContextVar[Call | None] = ContextVar("call", default=None)


class Redirected(aiohttp.ClientError):
    """The venue sent us elsewhere; a request with our signature is not taken there."""


@contextmanager
def watched(marker: str = "") -> Iterator[Call]:
    """Note what all requests inside do, those of tasks that are started there as well."""
    call = Call(marker)
    token = _call.set(call)
    try:
        yield call
    finally:
        _call.reset(token)


def session() -> aiohttp.ClientSession:
    """A session of the running loop that tells when a request has left."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_connected)
    trace.on_connection_reuseconn.append(_connected)
    trace.on_request_redirect.append(_redirected)
    context = ssl.create_default_context(cafile=certifi.where())
    connector = aiohttp.TCPConnector(ssl=context, enable_cleanup_closed=True)
    return aiohttp.ClientSession(connector=connector, trace_configs=[trace])


class Wire:
    """Mixed into a class of ccxt, before it; `limiter`, `key` and `limit` are set once."""

    limiter: RateLimiter
    key: str
    limit: Limit
    wait_s: float  # for room within the limit
    turn: AbstractAsyncContextManager[object]  # a lock where requests go one at a time
    apiKey: str  # noqa: N815 - as ccxt calls it
    rateLimit: float  # noqa: N815 - ccxt's own: ms for a request of cost 1

    async def throttle(self, cost: float | None = None) -> None:
        """Wait for room; ccxt signs the request afterwards, so no signature grows old."""
        units = min(self._units(float(cost or 1)), float(self.limit.budget))
        await self.limiter.acquire(self.key, self.limit, units, timeout_s=self.wait_s)

    def _units(self, cost: float) -> float:
        """What a request of this cost takes of the limit.

        ccxt counts in steps of its own rate for the venue; where ours is stricter, each
        request takes a whole unit, and a dear one as long as there.
        """
        seconds = cost * float(self.rateLimit) / 1000
        return max(min(cost, 1.0), seconds * float(self.limit.budget) / self.limit.window_s)

    async def fetch2(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - ccxt's own
        """One request from its signature to its answer; in turn, where nonces have to rise."""
        async with self.turn:
            return await super().fetch2(*args, **options)  # type: ignore[misc]

    def nonce(self) -> float:
        """The library's own, but never one that this process has used with the key."""
        wanted = super().nonce()  # type: ignore[misc]
        if isinstance(self.turn, asyncio.Lock):
            wanted = max(wanted, NONCES.get(self.apiKey, 0) + 1)
            NONCES[self.apiKey] = wanted
        return wanted  # type: ignore[no-any-return]

    async def fetch(
        self, url: str, method: str = "GET", headers: object = None, body: object = None
    ) -> Any:  # noqa: ANN401 - whatever the venue says
        """Send one request, and note it."""
        call = _call.get()
        if call is not None:
            call.leaving = method != "GET" and call.marker in f"{url} {body}"
            if call.leaving:
                call.replies.clear()  # what others were answered is no answer to this one
        try:
            return await super().fetch(url, method, headers, body)  # type: ignore[misc]
        finally:
            if call is not None:
                call.leaving = False

    def parse_json(self, text: str) -> Any:  # noqa: ANN401 - whatever the venue says
        """Read a reply, its decimals as text: a float would not be what the venue wrote."""
        try:
            reply = json.loads(text, parse_float=str) if text[:1] in ("{", "[") else None
        except ValueError:
            reply = None
        call = _call.get()
        if call is not None:
            call.replies.append(reply)
        return reply

    def on_rest_response(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        response_headers: dict[str, str],
        response_body: str,
        *rest: object,
    ) -> str:
        """Let nobody ask before the venue wants to be asked again."""
        headers = {name.lower(): value for name, value in response_headers.items()}
        call = _call.get()
        if call is not None:
            call.date = _date(headers.get("date", ""))
        if code in TOO_MANY:
            self.limiter.block(self.key, retry_after_s(headers.get("retry-after", "")))
        return response_body.strip()


def retry_after_s(text: str, now: datetime | None = None) -> float:
    """Seconds that a Retry-After asks for, given as such or as a date; 1 when it is neither."""
    if text.strip().isdigit():
        return float(text)
    until = _date(text)
    wait_s = (until - (now or datetime.now(UTC))).total_seconds() if until else 1.0
    return max(wait_s, 1.0)


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None


async def _connected(_session: object, _context: SimpleNamespace, _params: object) -> None:
    call = _call.get()
    if call is not None and call.leaving:
        call.left = True


async def _redirected(_session: object, _context: SimpleNamespace, _params: object) -> None:
    raise Redirected("redirects are not followed")
