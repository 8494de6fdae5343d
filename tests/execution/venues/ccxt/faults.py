"""44 ways in which a request can go wrong between us and a venue, on a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.execution.venues.ccxt.places import opening

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]

HTML = b"<html><body><h1>Something is wrong</h1></body></html>"
# These never had a connection, so the order cannot have landed.
UNCONNECTED = ("refused", "unknown host", "connect timeout", "no tls")


def reply(status: str, body: bytes = b"", kind: str = "application/json", *headers: str) -> Fault:
    """A whole reply, well-formed as far as HTTP goes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, *headers, "Connection: close", "", ""]).encode()

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(head + body)

    return send


def raw(*pieces: bytes, every_s: float = 0.0) -> Fault:
    """These bytes, and then the end of the connection."""

    async def send(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_s)

    return send


async def reset(writer: asyncio.StreamWriter) -> None:
    """Drop the connection so that the other side is told of it."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def close(writer: asyncio.StreamWriter) -> None:
    """Say nothing and go."""


async def silence(writer: asyncio.StreamWriter) -> None:
    """Say nothing and stay."""
    await asyncio.sleep(60)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

# Before the request is read, and after it.
UNREAD: dict[str, Fault] = {"reset unread": reset, "closed unread": close}
READ: dict[str, Fault] = {
    "reset": reset,
    "closed": close,
    "silence": silence,
    "truncated headers": raw(OK + b"Content-Le"),
    "truncated body": raw(OK + b'Content-Length: 900\r\n\r\n{"a'),
    "broken chunk": raw(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "endless chunks": raw(CHUNKED + b"2\r\n{}\r\n"),
    "trickle": raw(*[OK[i : i + 1] for i in range(len(OK))], every_s=0.05),
    "trickled body": raw(OK + b"Content-Length: 90\r\n\r\n", *[b" "] * 60, every_s=0.05),
    "not http": raw(b"SSH-2.0-nothing of the kind\r\n\r\n"),
    "500": reply("500 Internal Server Error", HTML, "text/html"),
    "502": reply("502 Bad Gateway", HTML, "text/html"),
    "503": reply("503 Service Unavailable", HTML, "text/html", "Retry-After: 3"),
    "504": reply("504 Gateway Timeout", HTML, "text/html"),
    "520": reply("520 Unknown", HTML, "text/html"),
    "524": reply("524 A Timeout Occurred", HTML, "text/html"),
    "529": reply("529 Overloaded", HTML, "text/html"),
    "599": reply("599 Odd", b"{}"),
    "400": reply("400 Bad Request", HTML, "text/html"),
    "401": reply("401 Unauthorized", HTML, "text/html"),
    "403": reply("403 Forbidden", HTML, "text/html"),
    "404": reply("404 Not Found", HTML, "text/html"),
    "408": reply("408 Request Timeout", HTML, "text/html"),
    "418": reply("418 I am a teapot", HTML, "text/html", "Retry-After: 5"),
    "429": reply("429 Too Many Requests", b"{}", "application/json", "Retry-After: 7"),
    "302": reply("302 Found", b"", "text/html", "Location: /elsewhere"),
    "307": reply("307 Temporary Redirect", b"", "text/html", "Location: /elsewhere"),
    "308": reply("308 Permanent Redirect", b"", "text/html", "Location: /elsewhere"),
    "204": raw(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    "html": reply("200 OK", HTML, "text/html"),
    "empty": reply("200 OK"),
    "{}": reply("200 OK", b"{}"),
    "null": reply("200 OK", b"null"),
    "[]": reply("200 OK", b"[]"),
    "cut json": reply("200 OK", b'{"orderId": "12'),
    "a number": reply("200 OK", b"12345678"),
    "garbage gzip": reply("200 OK", b"\x00\x01\x02", "application/json", "Content-Encoding: gzip"),
    "wrong shape": reply("200 OK", b'{"id": {"a": 1}, "data": "<p>", "result": [[]]}'),
}
FAULTS = (*UNCONNECTED, *UNREAD, *READ)


@dataclass(slots=True)
class FaultyExchange:
    """Its questions are answered; what changes something meets the fault named in the path."""

    name: str
    port: int = 0
    met: list[str] = field(default_factory=list)
    elsewhere: int = 0  # requests that followed a redirect

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = (await reader.readuntil(b"\r\n")).decode()
            method, target, _ = line.split(" ", 2)
            fault, _, path = target[1:].partition("/")
            if fault == "elsewhere":
                self.elsewhere += 1
            if method == "GET":
                await _rest(reader)
                body = json.dumps(opening(self.name, path.partition("?")[0])).encode()
                await reply("200 OK", body)(writer)
            else:
                named = FAULTS[int(fault)]
                self.met.append(named)
                if named in READ:
                    await _rest(reader)
                await (READ.get(named) or UNREAD[named])(writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            writer.close()


async def _rest(reader: asyncio.StreamReader) -> None:
    """Read what is left of a request."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, length = head.partition(b"content-length: ")
    if found:
        await reader.readexactly(int(length.split(b"\r\n", 1)[0]))


@asynccontextmanager
async def faulty(name: str) -> AsyncIterator[FaultyExchange]:
    """Serve one faulty exchange on loopback for as long as the block runs."""
    exchange = FaultyExchange(name)
    server = await asyncio.start_server(exchange.handle, "127.0.0.1", 0)
    exchange.port = server.sockets[0].getsockname()[1]
    try:
        yield exchange
    finally:
        server.close()


@asynccontextmanager
async def deaf_port() -> AsyncIterator[int]:
    """A port whose line is full: whoever calls is neither taken nor turned away."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for caller in callers:
                caller.close()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        return int(gone.getsockname()[1])
