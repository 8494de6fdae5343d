import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
from websockets.asyncio.server import ServerConnection, serve

from execution.errors import VenueUnavailable
from execution.venues.alpaca import stream
from execution.venues.base import OrderHint
from tests.execution.venues.alpaca.examples import CLIENT_ORDER_ID, KEYS, NOW, order_json

Play = Callable[[ServerConnection], Awaitable[None]]
AUTHORIZED = {"stream": "authorization", "data": {"status": "authorized"}}
LISTENING = {"stream": "listening", "data": {"streams": ["trade_updates"]}}


def update(**changes: object) -> dict[str, object]:
    data = {"event": "fill", "timestamp": "2024-03-04T15:00:01.5Z", "order": order_json()}
    return {"stream": "trade_updates", "data": {**data, **changes}}


async def greet(socket: ServerConnection) -> list[dict[str, object]]:
    heard = [json.loads(await socket.recv())]
    await socket.send(json.dumps(AUTHORIZED).encode())
    heard.append(json.loads(await socket.recv()))
    await socket.send(json.dumps(LISTENING).encode())
    return heard


@contextlib.asynccontextmanager
async def listening(play: Play, deadline_s: float = 2.0) -> AsyncIterator[AsyncIterator[OrderHint]]:
    async with serve(play, "127.0.0.1", 0, close_timeout=0.2) as server:
        port = server.sockets[0].getsockname()[1]
        hints = stream.hints(f"http://127.0.0.1:{port}", KEYS, lambda: NOW, deadline_s)
        try:
            yield hints
        finally:
            await hints.aclose()


def heard(play: Play, deadline_s: float = 2.0) -> list[OrderHint]:
    """Every hint until the stream ends by itself."""

    async def run() -> list[OrderHint]:
        async with listening(play, deadline_s) as hints, asyncio.timeout(10):
            return [hint async for hint in hints]

    return asyncio.run(run())


def test_a_push_is_a_hint_with_both_ids_and_the_venues_time():
    asked = []

    async def play(socket: ServerConnection) -> None:
        asked.extend(await greet(socket))
        await socket.send(json.dumps(update()).encode())  # in binary frames, as on paper
        await socket.send(json.dumps(update(order=order_json(client_order_id="a-person's"))))

    first, second = heard(play)

    signing_in = {"key_id": KEYS.api_key, "secret_key": KEYS.secret}
    assert [
        {"action": "authenticate", "data": signing_in},
        {"action": "listen", "data": {"streams": ["trade_updates"]}},
    ] == asked
    assert first.client_order_id == CLIENT_ORDER_ID
    assert first.venue_order_id == "61e69015-8549-4bfd-b9c3-01e75843f47d"
    assert datetime(2024, 3, 4, 15, 0, 1, 500000, tzinfo=UTC) == first.ts_event
    assert second.client_order_id is None


def test_other_messages_are_no_hints():
    async def play(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.send(json.dumps({"stream": "account_updates", "data": {}}))
        await socket.send(json.dumps(update(timestamp=None)))

    (hint,) = heard(play)

    assert hint.ts_event == NOW


@pytest.mark.parametrize("nonsense", [b"\xff\xfe", "not json", "[]", '{"stream": "trade_updates"}'])
def test_nonsense_ends_the_stream(nonsense: bytes | str):
    """Who cannot read a push knows no longer what it missed: asking gives the truth."""

    async def play(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.send(nonsense)
        await socket.send(json.dumps(update()))
        await socket.wait_closed()

    assert heard(play) == []


def test_a_broken_connection_ends_the_stream_without_an_error():
    async def play(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.send(json.dumps(update()))
        await asyncio.sleep(0.1)
        socket.transport.abort()

    assert len(heard(play)) == 1


def test_a_dead_connection_is_found_out(monkeypatch: pytest.MonkeyPatch):
    """No packet says that the other end is gone: only an unanswered ping does."""
    monkeypatch.setattr(stream, "PING_S", 0.2)
    monkeypatch.setattr(stream, "CLOSE_S", 0.1)

    async def run() -> None:
        over = asyncio.Event()

        async def play(socket: ServerConnection) -> None:
            await greet(socket)
            socket.transport.pause_reading()
            await over.wait()

        async with listening(play) as hints:
            try:
                async with asyncio.timeout(3):
                    assert [hint async for hint in hints] == []
            finally:
                over.set()

    asyncio.run(run())


async def refuse(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.send(json.dumps({"stream": "authorization", "data": {"status": "unauthorized"}}))
    await socket.wait_closed()


async def be_deaf(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.send(json.dumps(AUTHORIZED))
    await socket.recv()
    await socket.send(json.dumps({"stream": "listening", "data": {"streams": []}}))
    await socket.wait_closed()


async def hang_up(socket: ServerConnection) -> None:
    await socket.recv()


async def say_nothing(socket: ServerConnection) -> None:
    await socket.wait_closed()


async def echo(socket: ServerConnection) -> None:
    await socket.send(await socket.recv())
    await socket.wait_closed()


@pytest.mark.parametrize("play", [refuse, be_deaf, hang_up, say_nothing, echo])
def test_what_cannot_be_opened_is_unavailable_and_tells_no_secret(play: Play):
    with pytest.raises(VenueUnavailable, match="cannot be opened") as raised:
        heard(play, deadline_s=0.4)

    told = f"{raised.value!r} {raised.value.__cause__!r}"
    assert KEYS.secret not in told
    assert KEYS.api_key not in told


def test_nobody_there_is_unavailable():
    async def run() -> None:
        async with contextlib.aclosing(
            stream.hints("http://127.0.0.1:9", KEYS, lambda: NOW, 1.0)
        ) as hints:
            await anext(hints)

    with pytest.raises(VenueUnavailable, match="cannot be opened: ConnectionRefusedError"):
        asyncio.run(run())


def test_a_redirect_does_not_get_the_keys():
    async def run() -> list[bytes]:
        got = []

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.append(await reader.readuntil(b"\r\n\r\n"))
            port = writer.get_extra_info("sockname")[1]
            location = f"Location: ws://127.0.0.1:{port}/elsewhere\r\n"
            writer.write(f"HTTP/1.1 302 Found\r\n{location}Content-Length: 0\r\n\r\n".encode())
            writer.close()

        server = await asyncio.start_server(redirect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            hints = stream.hints(f"http://127.0.0.1:{port}", KEYS, lambda: NOW, 1.0)
            with pytest.raises(VenueUnavailable):
                await anext(hints)
        return got

    (asked,) = asyncio.run(run())
    assert b"GET /stream HTTP/1.1" in asked
    assert KEYS.secret.encode() not in asked
