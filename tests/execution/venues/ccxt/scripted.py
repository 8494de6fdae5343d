"""A local venue that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.execution.venues.ccxt.places import opening

# What changes from one request to the next, or proves who sent it.
VOLATILE = {
    *("timestamp", "signature", "recvWindow", "nonce", "api_key", "sig", "id"),
    *("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp", "Signature"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; `params` are its query and body together, decoded."""

    method: str
    path: str
    params: Mapping[str, Any]

    @property
    def terms(self) -> dict[str, Any]:
        """The parameters that are ours."""
        return {key: value for key, value in self.params.items() if key not in VOLATILE}


Answer = Callable[[Asked], object] | object  # JSON, or a whole response


@dataclass(slots=True)
class ScriptedExchange:
    """Answers by the end of the path, the longest one first; what is not told is `{}`."""

    name: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    @property
    def writes(self) -> list[Asked]:
        """What would have changed something, but for questions that are POSTs too."""
        return [asked for asked in self.asked if asked.method != "GET"]

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        asked = Asked(request.method, request.path, _params(request.query_string, text))
        self.asked.append(asked)
        for end in sorted(self.answers, key=len, reverse=True):
            if request.path.endswith(end):
                answer = self.answers[end]
                reply = answer(asked) if callable(answer) else answer
                return (
                    _again(reply) if isinstance(reply, web.Response) else web.json_response(reply)
                )
        return web.json_response(opening(self.name, request.path))


@asynccontextmanager
async def scripted(name: str, **answers: Answer) -> AsyncIterator[ScriptedExchange]:
    """Serve one exchange on loopback for as long as the block runs."""
    exchange = ScriptedExchange(name, dict(answers))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", exchange.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        exchange.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield exchange
    finally:
        await runner.cleanup()


def _again(reply: web.Response) -> web.Response:
    """The same response once more: one of aiohttp's can be sent only once."""
    return web.Response(body=reply.body, status=reply.status, headers=reply.headers)


def _params(query: str, body: str) -> dict[str, Any]:
    params: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if body[:1] == "{":
        params |= json.loads(body)
    elif body[:1] == "[":
        params |= {"": json.loads(body)}
    else:
        params |= dict(parse_qsl(body, keep_blank_values=True))
    return params
