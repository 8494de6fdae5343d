"""Requests to Alpaca: never repeated, never redirected, each with a total deadline.

The library's client builds and signs a request. What it would do around that is replaced: it
has no timeout, and it repeats orders.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from alpaca.common.rest import RESTClient

from execution.errors import ConfigInvalid
from execution.venues.alpaca.wire import Adapter, Wire, start
from execution.venues.keys import Keys

PAPER = "https://paper-api.alpaca.markets"
LIVE = "https://api.alpaca.markets"
DATA = "https://data.alpaca.markets"
RETRY_AFTER_S = 1.0  # of a 429 that does not say
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What Alpaca, or something on the way, answered."""

    status: int
    body: Any  # parsed JSON, its fractions Decimal; None where there is none
    retry_after_s: float = RETRY_AFTER_S  # of a 429

    @property
    def code(self) -> int | None:
        """Alpaca's own number for what is wrong, such as 40310000; None where it gives none."""
        code = self.body.get("code") if isinstance(self.body, dict) else None
        return code if type(code) is int else None

    def __str__(self) -> str:
        # Never the text: it may quote what was asked.
        return f"HTTP {self.status}" + ("" if self.code is None else f" code {self.code}")


class NoReply(Exception):
    """There is no whole answer; `sent` says whether the request may have arrived."""

    def __init__(self, what: str, *, sent: bool) -> None:
        super().__init__(f"{what}; {'it may have arrived' if sent else 'nothing was sent'}")
        self.sent = sent


class _Rest(RESTClient):
    """Alpaca's client, with one plain request in place of its repeating one."""

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Reply:  # type: ignore[override]
        response = self._session.request(method, url, **opts)
        try:
            body = json.loads(response.content, parse_float=Decimal)
        except ValueError:
            body = None
        wait_s = _seconds(response.headers.get("Retry-After"))
        return Reply(status=response.status_code, body=body, retry_after_s=wait_s)


class Client:
    """One host of Alpaca's, asked with one account's keys; any thread may ask."""

    def __init__(
        self, base_url: str, keys: Keys, deadline_s: float = 10.0, api_version: str = "v2"
    ) -> None:
        self._deadline_s = deadline_s
        self._rest = _Rest(
            base_url=checked_url(base_url),
            api_key=keys.api_key,
            secret_key=keys.secret,
            api_version=api_version,
            raw_data=True,
        )
        for scheme in ("http://", "https://"):
            self._rest._session.mount(scheme, Adapter(deadline_s))

    async def ask(
        self, method: str, path: str, body: Body | None = None, within_s: float | None = None
    ) -> Reply:
        """Send one request; `body` is the query of a GET or DELETE. Raises NoReply alone.

        It ends within `within_s`, or the client's own deadline.
        """
        wire = Wire()
        future = asyncio.wrap_future(self._start(wire, method, path, body))
        try:
            return await asyncio.wait_for(
                future, self._deadline_s if within_s is None else within_s
            )
        except asyncio.CancelledError:
            wire.end()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, it may have been sent
            raise self._no_reply(error, wire) from None

    def ask_now(self, method: str, path: str, body: Body | None = None) -> Reply:
        """Do what `ask` does, for code that is not async."""
        wire = Wire()
        try:
            return self._start(wire, method, path, body).result(self._deadline_s)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._no_reply(error, wire) from None

    def close(self) -> None:
        """Close the connections that no request is using."""
        self._rest._session.close()

    def _start(self, wire: Wire, method: str, path: str, body: Body | None) -> Future[Reply]:
        def work() -> Reply:
            reply: Any = self._rest._request(method, path, dict(body or {}))
            return reply  # type: ignore[no-any-return]

        return start(work, wire)

    @staticmethod
    def _no_reply(error: Exception, wire: Wire) -> NoReply:
        """Give the request up; of the error only the class: its text may hold keys."""
        late = isinstance(error, TimeoutError)
        what = "no whole answer by the deadline" if late else type(error).__name__
        return NoReply(what, sent=wire.end())


def checked_url(url: str) -> str:
    """The url of a host, without a last slash; raises ConfigInvalid for one that leaks keys."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not (plain or (parts.scheme == "https" and parts.hostname)):
        place = f"{parts.scheme}://{parts.hostname}"  # no more of it: it may hold a password
        raise ConfigInvalid(f"endpoint {place} breaks https://HOST (http only to this machine)")
    return url.rstrip("/")


def _seconds(retry_after: str | None) -> float:
    try:
        return max(float(retry_after or 0), RETRY_AFTER_S)
    except ValueError:  # a date
        return RETRY_AFTER_S
