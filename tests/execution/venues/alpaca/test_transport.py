import asyncio
import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from urllib3.connection import HTTPConnection

from execution.errors import ConfigInvalid, VenueUnavailable
from execution.model.identifiers import VenueOrderId
from execution.venues.alpaca.client import Client, NoReply
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.base import SubmitOutcome, SubmitResult
from tests.execution.venues.alpaca.examples import KEYS, NOW, ask, intent, order, order_json
from tests.execution.venues.alpaca.servers import (
    RawServer,
    Request,
    Script,
    always,
    http,
    reply,
    reset,
    then_close,
    trickle,
)

DEADLINE_S = 0.6
HTML = "<html><body>Service temporarily unavailable</body></html>"
OK = json.dumps(order_json())
CUT = OK[: len(OK) // 2]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ENDLESS = HEAD + b"Content-Length: 1000000\r\n\r\n"

# After each of these the order may rest at the venue: the server has read it whole.
FAULTS: dict[str, Script] = {
    "closed without a word": then_close(b""),
    "reset without a word": reset(),
    "closed in the status line": then_close(b"HTTP/1.1 20"),
    "reset in the headers": reset(HEAD),
    "closed in the headers": then_close(HEAD),
    "closed in the body": then_close(HEAD + b"Content-Length: 900\r\n\r\n" + CUT.encode()),
    "reset in the body": reset(HEAD + b"Content-Length: 900\r\n\r\n" + CUT.encode()),
    "broken chunks": then_close(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n"),
    "cut chunks": then_close(HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{"),
    "broken gzip": always(http(200, b"not gzip", "Content-Encoding: gzip")),
    "cut gzip": always(http(200, gzip.compress(OK.encode())[:-60], "Content-Encoding: gzip")),
    "no HTTP": then_close(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "a status of letters": then_close(b"HTTP/1.1 ABC Odd\r\nContent-Length: 0\r\n\r\n"),
    "200 with HTML": always(http(200, HTML, "Content-Type: text/html")),
    "200 with nothing": always(http(200)),
    "200 with {}": always(http(200, "{}")),
    "200 with null": always(http(200, "null")),
    "200 with a list": always(http(200, f"[{OK}]")),
    "200 with cut JSON": always(http(200, CUT)),
    "200 with bytes of no text": always(http(200, b"\xff\xfe\x00\xd8")),
    "200 without an id": always(reply(200, order_json(id=None))),
    "200 with an empty id": always(reply(200, order_json(id=""))),
    "200 with a number as id": always(reply(200, order_json(id=7))),
    "200 with HTML as id": always(reply(200, order_json(id=HTML))),
    "200 with another's order": always(reply(200, order_json(client_order_id="z" * 18))),
    "200 without our id": always(reply(200, {"id": "61e69015-8549-4bfd-b9c3-01e75843f47d"})),
    "202 taken": always(http(202, OK)),
    "204 no content": always(http(204)),
    "301 moved": always(http(301, "", "Location: /v2/orders")),
    "302 found": always(http(302, "", "Location: http://127.0.0.1:9/login")),
    "307 again": always(http(307, "", "Location: /v2/orders")),
    "308 for ever": always(http(308, OK, "Location: /v2/orders")),
    "403 of a wall": always(http(403, HTML, "Content-Type: text/html")),
    "403 without a code": always(reply(403, {"message": "forbidden."})),
    "422 with an odd code": always(reply(422, {"code": "42210000", "message": "no"})),
    "408 too slow": always(reply(408, {"code": 40810000, "message": "request timed out"})),
    "409 conflict": always(reply(409, {"code": 40910000, "message": "conflict"})),
    "422 the id is taken": always(
        reply(422, {"code": 40010001, "message": "client_order_id must be unique"})
    ),
    "429 too many": always(reply(429, {"code": 42910000, "message": "rate limit exceeded"})),
    "500 in JSON": always(reply(500, {"code": 50010000, "message": "internal server error"})),
    "502 in HTML": always(http(502, HTML)),
    "503 with nothing": always(http(503)),
    "504 in JSON": always(reply(504, {"code": 50410000, "message": "timeout"})),
    "599 with the order": always(http(599, OK)),
}
TRICKLES = {
    "silence": (b"", b""),
    "trickling status": (b"", b"H"),
    "trickling headers": (HEAD, b"X-More: and more\r\n"),
    "trickling body": (ENDLESS, b" "),
    "trickling chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "100-continue for ever": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


TAKEN = {
    "422 the id is taken": FAULTS["422 the id is taken"],
    "422 in other words": always(
        reply(422, {"code": 42210000, "message": "Client Order ID already used"})
    ),
}


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer(always(b""))
    yield server
    server.close()


def submit(url: str, folder: Path, **options: object) -> SubmitResult:
    """Send one limit order, which needs no look at the market's clock."""
    wish = intent(limit_px=Decimal(100))
    return ask(
        url, folder, lambda venue: venue.submit(wish, NOW), **({"deadline_s": DEADLINE_S} | options)
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_have_landed_is_unknown_and_sent_once(
    server: RawServer, tmp_path: Path, fault: str
):
    """The server has the whole order: to call it rejected or not sent would lose or double it."""
    server.script = FAULTS[fault]

    result = submit(server.url, tmp_path)

    assert SubmitOutcome.UNKNOWN is result.outcome, result
    assert result.venue_order_id is None
    assert 1 == server.count("POST") == len(server.requests)


@pytest.mark.parametrize("name", TRICKLES)
def test_a_trickle_ends_at_the_deadline_and_its_thread_with_it(
    server: RawServer, tmp_path: Path, name: str
):
    """Every byte comes in time, so no timeout of a socket would ever end it."""
    head, drop = TRICKLES[name]
    server.script = trickle(server.over, head, drop)

    started = time.monotonic()
    result = submit(server.url, tmp_path)
    took_s = time.monotonic() - started

    assert SubmitOutcome.UNKNOWN is result.outcome
    assert result.reason == "no whole answer by the deadline; it may have arrived"
    assert DEADLINE_S * 0.9 < took_s < DEADLINE_S + 0.5
    assert server.count("POST") == 1
    assert no_thread_is_left()


def no_thread_is_left() -> bool:
    until = time.monotonic() + 2
    while any(thread.name == "alpaca-request" for thread in threading.enumerate()):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_a_good_answer_is_accepted_with_alpacas_id(server: RawServer, tmp_path: Path):
    server.script = always(reply(200, order_json()))

    result = submit(server.url, tmp_path)

    assert SubmitOutcome.ACCEPTED is result.outcome
    assert result.venue_order_id == "61e69015-8549-4bfd-b9c3-01e75843f47d"
    assert server.count("POST") == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 40010001), (401, 40110000), (403, 40310000), (404, 40410000), (422, 42210000)],
)
def test_alpacas_own_no_is_rejected(server: RawServer, tmp_path: Path, status: int, code: int):
    server.script = always(reply(status, {"code": code, "message": "insufficient buying power"}))

    result = submit(server.url, tmp_path)

    assert SubmitOutcome.REJECTED is result.outcome
    assert f"HTTP {status} code {code}" == result.reason


@pytest.mark.parametrize("name", TAKEN)
def test_an_id_that_is_taken_may_be_ours_and_is_looked_up(
    server: RawServer, tmp_path: Path, name: str
):
    server.script = TAKEN[name]

    assert SubmitOutcome.UNKNOWN is submit(server.url, tmp_path).outcome


def test_a_refused_connection_sent_nothing(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

    result = submit(url, tmp_path)

    assert SubmitOutcome.NOT_SENT is result.outcome
    assert result.reason == "ConnectionError; nothing was sent"


def test_a_name_that_nobody_knows_sent_nothing(tmp_path: Path):
    result = submit("https://alpaca.invalid", tmp_path, deadline_s=5.0)

    assert SubmitOutcome.NOT_SENT is result.outcome


def test_a_failed_handshake_sent_nothing(server: RawServer, tmp_path: Path):
    """Before TLS stands no byte of the order is written, whatever the server does."""
    plain = f"https://127.0.0.1:{server.port}"

    assert SubmitOutcome.NOT_SENT is submit(plain, tmp_path).outcome
    assert server.requests == []


def test_a_handshake_that_never_ends_sent_nothing_and_never_will(tmp_path: Path):
    """Given up at the deadline, the request must not leave after it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = submit(f"https://127.0.0.1:{silent.getsockname()[1]}", tmp_path)

        assert SubmitOutcome.NOT_SENT is result.outcome
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(5)
            hello = connection.recv(65536)
            assert b"POST" not in hello
            assert no_thread_is_left()


def test_an_order_that_was_given_up_never_leaves(
    server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Called not sent, it may be sent again: the first must not follow when the way opens."""
    server.script = always(reply(200, order_json()))
    connect = HTTPConnection.connect

    def slowly(connection: HTTPConnection) -> None:
        time.sleep(DEADLINE_S + 0.3)
        connect(connection)

    monkeypatch.setattr(HTTPConnection, "connect", slowly)

    result = submit(server.url, tmp_path)

    assert SubmitOutcome.NOT_SENT is result.outcome
    assert no_thread_is_left()
    assert server.requests == []


def test_what_goes_through_a_proxy_is_noted_too(
    server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A proxy's connections are of another kind: an order sent by one may have landed."""
    server.script = then_close(b"")
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    # Where no request would arrive by itself.
    monkeypatch.setattr("execution.venues.alpaca.client.LOOPBACK", ("alpaca.invalid",))

    result = submit("http://alpaca.invalid", tmp_path)

    assert SubmitOutcome.UNKNOWN is result.outcome
    assert server.count("POST") == 1


def test_a_connection_that_the_server_closed_is_opened_again(server: RawServer, tmp_path: Path):
    """Kept open too long, it is dead: the next order must not be lost on it."""

    def once_each(connection: socket.socket, _: Request) -> None:
        connection.sendall(reply(200, order_json()))
        connection.shutdown(socket.SHUT_RDWR)

    server.script = once_each

    async def twice(venue: AlpacaVenue) -> list[SubmitResult]:
        wish = intent(limit_px=Decimal(100))
        first = await venue.submit(wish, NOW)
        await asyncio.sleep(0.1)
        return [first, await venue.submit(wish, NOW)]

    results = ask(server.url, tmp_path, twice)

    assert [result.outcome for result in results] == [SubmitOutcome.ACCEPTED] * 2
    assert server.count("POST") == 2


def test_who_is_canceled_while_waiting_gives_the_request_up(server: RawServer, tmp_path: Path):
    server.script = trickle(server.over, b"", b"")

    async def cut_short(venue: AlpacaVenue) -> None:
        task = asyncio.create_task(venue.submit(intent(limit_px=Decimal(100)), NOW))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    ask(server.url, tmp_path, cut_short)

    assert server.count("POST") == 1
    assert no_thread_is_left()


def test_the_event_loop_runs_on_while_a_request_hangs(server: RawServer, tmp_path: Path):
    server.script = trickle(server.over, b"", b"")
    ticks = []

    async def tick(venue: AlpacaVenue) -> None:
        task = asyncio.create_task(venue.submit(intent(limit_px=Decimal(100)), NOW))
        while not task.done():
            ticks.append(1)
            await asyncio.sleep(0.02)

    ask(server.url, tmp_path, tick, deadline_s=DEADLINE_S)

    assert len(ticks) > 10


def test_a_hanging_request_does_not_keep_the_interpreter_from_its_end(server: RawServer):
    server.script = trickle(server.over, b"", b"")
    program = (
        "import threading\n"
        "from execution.venues.alpaca.client import Client\n"
        "from execution.venues.keys import Keys\n"
        f"client = Client({server.url!r}, Keys(api_key='k', secret='s'), 60.0)\n"
        "threading.Thread(target=lambda: client.ask_now('GET', '/clock'), daemon=True).start()\n"
        "import time; time.sleep(0.5)\n"
    )

    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], timeout=20, check=False)

    assert done.returncode == 0
    assert server.count("GET") == 1
    assert time.monotonic() - started < 15


def test_the_code_that_is_not_async_has_the_same_deadline(server: RawServer):
    server.script = trickle(server.over, ENDLESS, b" ")
    client = Client(server.url, KEYS, DEADLINE_S)

    started = time.monotonic()
    with pytest.raises(NoReply, match="no whole answer by the deadline"):
        client.ask_now("GET", "/clock")

    assert time.monotonic() - started < DEADLINE_S + 0.5
    client.close()


def test_a_429_holds_back_every_request_of_the_account(server: RawServer, tmp_path: Path):
    """Who was told to wait, and asks again, is told to wait longer."""
    server.script = always(reply(429, {"message": "too many"}, "Retry-After: 30"))

    async def twice(venue: AlpacaVenue) -> SubmitResult:
        await venue.submit(intent(limit_px=Decimal(100)), NOW)
        return await venue.submit(intent(limit_px=Decimal(100)), NOW)

    second = ask(server.url, tmp_path, twice, deadline_s=DEADLINE_S)

    assert SubmitOutcome.NOT_SENT is second.outcome
    assert "no room" in second.reason
    assert server.count("POST") == 1


@pytest.mark.parametrize("fault", ["429 too many", "504 in JSON", "reset without a word"])
def test_a_cancel_is_sent_once_and_may_have_landed(server: RawServer, tmp_path: Path, fault: str):
    server.script = FAULTS[fault]
    open_order = order(venue_order_id=VenueOrderId("61e69015-8549"))

    result = ask(server.url, tmp_path, lambda venue: venue.cancel(open_order, NOW))

    assert SubmitOutcome.UNKNOWN is result.outcome
    assert 1 == server.count("DELETE") == len(server.requests)


def test_no_secret_is_in_an_error_that_quotes_the_request(server: RawServer, tmp_path: Path):
    def quoting(connection: socket.socket, request: Request) -> None:
        message = {"code": 40310000, "message": f"forbidden: {request.headers}", "id": KEYS.secret}
        connection.sendall(reply(403, message))

    server.script = quoting

    result = submit(server.url, tmp_path)
    with pytest.raises(VenueUnavailable) as raised:
        ask(server.url, tmp_path, lambda venue: venue.balances())

    told = f"{result!r} {raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"
    assert KEYS.secret in str(server.requests[0].headers)  # it was there to be quoted
    assert KEYS.secret not in told
    assert KEYS.api_key not in told


@pytest.mark.parametrize(
    "url",
    ["http://api.alpaca.markets", "ftp://127.0.0.1", "api.alpaca.markets", "", "https://"],
)
def test_keys_go_to_nobody_in_the_clear(url: str):
    with pytest.raises(ConfigInvalid, match="breaks https://HOST"):
        Client(url, KEYS)


def test_a_password_in_the_endpoint_is_not_told():
    with pytest.raises(ConfigInvalid) as raised:
        Client("http://me:hunter2@api.alpaca.markets", KEYS)

    assert "hunter2" not in str(raised.value)
