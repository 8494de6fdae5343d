import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from execution.errors import ConfigInvalid, VenueUnavailable
from execution.model.enums import AssetClass
from execution.model.identifiers import VenueOrderId
from execution.venues.alpaca import asking
from execution.venues.alpaca.facts import LIMIT
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.base import LookupOutcome, SubmitOutcome, Venue
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter
from tests.execution.venues.alpaca.examples import (
    AAPL,
    ACCOUNT,
    CLIENT_ORDER_ID,
    INSTRUMENTS,
    KEYS,
    NOW,
    account_json,
    ask,
    clock_json,
    fill_json,
    intent,
    order,
    order_json,
    venue,
)
from tests.execution.venues.alpaca.servers import RawServer, Request, http, reply

Serve = Callable[[Request], bytes]


class Serving(RawServer):
    """Answers by what `serve` makes of the request."""

    def __init__(self) -> None:
        self.serve: Serve = lambda _: reply(404, {"code": 40410000, "message": "not found"})
        super().__init__(self._answer)

    def _answer(self, connection: socket.socket, request: Request) -> None:
        connection.sendall(self.serve(request))


@pytest.fixture
def server() -> Iterator[Serving]:
    server = Serving()
    yield server
    server.close()


def fills_of(count: int) -> list[dict[str, object]]:
    """So many fills, a second apart, oldest first."""
    return [
        fill_json(
            id=f"{number:017}::f",
            transaction_time=(NOW + timedelta(seconds=number)).isoformat(),
            qty="1",
        )
        for number in range(count)
    ]


def paged(entries: list[dict[str, object]], cap: int = 100) -> Serve:
    """Alpaca's paging of activities, in pages of at most `cap`."""

    def serve(request: Request) -> bytes:
        token = request.query.get("page_token", "")
        rest = [entry for entry in entries if str(entry["id"]) > token]
        return reply(200, rest[: min(cap, int(request.query["page_size"]))])

    return serve


def test_it_is_a_venue(tmp_path: Path, server: Serving):
    async def is_one(opened: AlpacaVenue) -> bool:
        return isinstance(opened, Venue)

    assert ask(server.url, tmp_path, is_one)


@pytest.mark.parametrize(("count", "cap"), [(0, 100), (1, 100), (100, 100), (250, 100), (7, 3)])
def test_fills_are_paged_to_the_end(server: Serving, tmp_path: Path, count: int, cap: int):
    """A page may be short for any reason: only one that brings nothing new is the end."""
    server.serve = paged(fills_of(count), cap)

    fills = ask(server.url, tmp_path, lambda opened: opened.fills(NOW))

    assert [f"{number:017}::f" for number in range(count)] == [fill.trade_id for fill in fills]
    assert {"asc"} == {request.query["direction"] for request in server.requests}
    assert {"2024-03-04T14:59:59Z"} == {request.query["after"] for request in server.requests}


def test_a_number_without_its_quotes_is_exact_too(server: Serving, tmp_path: Path):
    """As a float the price would have lost its last digits."""
    (entry,) = fills_of(1)
    bare = json.dumps(entry).replace('"100.25"', "43210.98765432109876")
    server.serve = lambda r: http(200, "[]" if "page_token" in r.query else f"[{bare}]")

    (fill,) = ask(server.url, tmp_path, lambda opened: opened.fills(NOW))

    assert Decimal("43210.98765432109876") == fill.last_px


def test_fills_before_since_are_left_out_and_one_at_since_is_not(server: Serving, tmp_path: Path):
    server.serve = paged(fills_of(3))

    fills = ask(server.url, tmp_path, lambda opened: opened.fills(NOW + timedelta(seconds=1)))

    assert [NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)] == [f.ts_event for f in fills]


def test_fills_out_of_order_come_oldest_first(server: Serving, tmp_path: Path):
    first, second = fills_of(2)
    first["transaction_time"], second["transaction_time"] = (
        second["transaction_time"],
        first["transaction_time"],
    )
    server.serve = paged([first, second])

    fills = ask(server.url, tmp_path, lambda opened: opened.fills(NOW))

    assert [f"{1:017}::f", f"{0:017}::f"] == [fill.trade_id for fill in fills]


def test_a_venue_that_pages_in_a_circle_has_not_told_everything(server: Serving, tmp_path: Path):
    """Half the fills, taken for all, would be books that are wrong."""
    server.serve = lambda _: reply(200, fills_of(100))

    with pytest.raises(VenueUnavailable, match="a full page brings nothing new"):
        ask(server.url, tmp_path, lambda opened: opened.fills(NOW))


def test_a_failure_on_the_second_page_is_a_failure_of_all(server: Serving, tmp_path: Path):
    first_page = paged(fills_of(150))
    server.serve = lambda r: reply(500, {}) if "page_token" in r.query else first_page(r)

    with pytest.raises(VenueUnavailable, match="GET /account/activities/FILL: HTTP 500"):
        ask(server.url, tmp_path, lambda opened: opened.fills(NOW))


def test_pages_without_end_end_at_a_deadline(
    server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asking, "PAGED_DEADLINES", 0.05)
    server.serve = lambda r: reply(
        200, [fill_json(id=f"{int(r.query.get('page_token', '0')) + 1}")]
    )

    with pytest.raises(VenueUnavailable, match="no end after"):
        ask(server.url, tmp_path, lambda opened: opened.fills(NOW), deadline_s=2.0)


def test_open_orders_are_paged_though_many_have_one_time(server: Serving, tmp_path: Path):
    entries = [
        order_json(id=f"order-{n:04}", submitted_at=f"2024-03-04T14:00:{n // 400:02}.123456789Z")
        for n in range(1001)
    ]

    def serve(request: Request) -> bytes:
        after = datetime.fromisoformat(request.query.get("after", "1970-01-01T00:00:00Z"))
        rest = [
            entry for entry in entries if datetime.fromisoformat(str(entry["submitted_at"])) > after
        ]
        return reply(200, rest[:500])

    server.serve = serve

    reports = ask(server.url, tmp_path, lambda opened: opened.open_orders())

    assert [f"order-{n:04}" for n in range(1001)] == [r.venue_order_id for r in reports]
    assert {("open", "500")} == {(r.query["status"], r.query["limit"]) for r in server.requests}


def test_transfers_are_asked_for_from_before_their_day(server: Serving, tmp_path: Path):
    entry = {"activity_type": "DIV", "date": "2024-03-04", "net_amount": "1.02"}
    entries = [{**entry, "id": "1::a", "date": "2024-03-02"}, {**entry, "id": "2::b"}]
    server.serve = paged(entries)

    (only,) = ask(server.url, tmp_path, lambda opened: opened.transfers(NOW))

    assert ("2::b", Decimal("1.02")) == (only.transfer_id, only.amount)
    asked = server.requests[0]
    assert (asked.path, asked.query["category"]) == ("/v2/account/activities", "non_trade_activity")
    assert asked.query["after"] == "2024-03-02T15:00:00Z"


QUERIES = {
    "account_uid": lambda opened: opened.account_uid(),
    "open_orders": lambda opened: opened.open_orders(),
    "fills": lambda opened: opened.fills(NOW),
    "transfers": lambda opened: opened.transfers(NOW),
    "balances": lambda opened: opened.balances(),
    "account_blocks": lambda opened: opened.account_blocks(),
    "positions": lambda opened: opened.positions(),
    "server_time": lambda opened: opened.server_time(),
    "market_open": lambda opened: opened.market_open(AssetClass.EQUITY),
}
NO_ANSWERS = {
    "500": reply(500, {"code": 50010000, "message": "oops"}),
    "401": reply(401, {"code": 40110000, "message": "request is not authorized"}),
    "429": reply(429, {"message": "too many"}),
    "404": reply(404, {"code": 40410000, "message": "not found"}),
    "HTML": http(200, "<html></html>"),
    "nothing": http(200),
    "null": http(200, "null"),
    "a number": http(200, "7"),
    "a list": http(200, "[7]"),
    "an object": http(200, '{"id": 7, "timestamp": 7, "is_open": 7, "cash": []}'),
    "a redirect": http(302, "[]", "Location: /v2/elsewhere"),
}


# What an account does not say is a block, which is tested by itself.
FAILING = [pair for pair in product(QUERIES, NO_ANSWERS) if pair != ("account_blocks", "an object")]


@pytest.mark.parametrize(("query", "answer"), FAILING)
def test_a_failed_query_is_never_read_as_nothing_there(
    server: Serving, tmp_path: Path, query: str, answer: str
):
    server.serve = lambda _: NO_ANSWERS[answer]

    with pytest.raises(VenueUnavailable, match="alpaca: GET /"):
        ask(server.url, tmp_path, QUERIES[query])

    assert len(server.requests) == 1


def test_an_account_of_unknown_words_is_blocked(server: Serving, tmp_path: Path):
    server.serve = lambda _: reply(200, {"id": "x"})

    blocks = ask(server.url, tmp_path, lambda opened: opened.account_blocks())

    assert len(blocks) == 5


def test_the_account_is_named_by_alpacas_id_and_asked_for_once(server: Serving, tmp_path: Path):
    server.serve = lambda _: reply(200, account_json())

    async def twice(opened: AlpacaVenue) -> set[str]:
        return {await opened.account_uid(), await opened.account_uid()}

    assert {"904837e3-3b76-47ec-b432-046db621571b"} == ask(server.url, tmp_path, twice)
    assert len(server.requests) == 1
    sent = server.requests[0].headers
    assert (KEYS.api_key, KEYS.secret) == (sent["apca-api-key-id"], sent["apca-api-secret-key"])


def test_the_clock_is_alpacas_in_utc(server: Serving, tmp_path: Path):
    server.serve = lambda _: reply(200, clock_json(is_open=True))

    assert datetime(2024, 3, 4, 15, 0, 0, 123456, tzinfo=UTC) == ask(
        server.url, tmp_path, lambda opened: opened.server_time()
    )


def test_coins_trade_always(server: Serving, tmp_path: Path):
    assert ask(server.url, tmp_path, lambda opened: opened.market_open(AssetClass.CRYPTO))
    assert server.requests == []


def test_a_lookup_finds_by_our_id(server: Serving, tmp_path: Path):
    server.serve = lambda _: reply(200, order_json(status="filled", filled_qty="10"))

    found = ask(server.url, tmp_path, lambda opened: opened.lookup(order(), NOW))

    assert LookupOutcome.FOUND is found.outcome
    assert (AAPL, Decimal(10)) == (found.report.instrument_id, found.report.cum_qty)
    asked = server.requests[0]
    assert asked.path == "/v2/orders:by_client_order_id"
    assert asked.query == {"client_order_id": CLIENT_ORDER_ID}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (reply(404, {"code": 40410000, "message": "order not found"}), LookupOutcome.ABSENT),
        (reply(404, {"message": "not found"}), LookupOutcome.UNKNOWN),
        (http(404, "<html>"), LookupOutcome.UNKNOWN),
        (reply(500, {}), LookupOutcome.UNKNOWN),
        (reply(200, order_json(client_order_id="z" * 18)), LookupOutcome.UNKNOWN),
        (reply(200, order_json(qty="ten")), LookupOutcome.UNKNOWN),
        (reply(200, []), LookupOutcome.UNKNOWN),
    ],
)
def test_only_alpacas_own_no_is_an_absence(
    server: Serving, tmp_path: Path, answer: bytes, outcome: LookupOutcome
):
    server.serve = lambda _: answer

    found = ask(server.url, tmp_path, lambda opened: opened.lookup(order(), NOW))

    assert outcome is found.outcome
    assert found.report is None


def test_an_order_is_canceled_by_alpacas_id(server: Serving, tmp_path: Path):
    server.serve = lambda _: http(204)
    known = order(venue_order_id=VenueOrderId("61e69015-8549"))

    result = ask(server.url, tmp_path, lambda opened: opened.cancel(known, NOW))

    assert SubmitOutcome.ACCEPTED is result.outcome
    assert [(r.method, r.path) for r in server.requests] == [("DELETE", "/v2/orders/61e69015-8549")]


def test_an_order_without_alpacas_id_is_looked_up_to_be_canceled(server: Serving, tmp_path: Path):
    server.serve = lambda r: http(204) if r.method == "DELETE" else reply(200, order_json())

    result = ask(server.url, tmp_path, lambda opened: opened.cancel(order(), NOW))

    assert SubmitOutcome.ACCEPTED is result.outcome
    assert server.requests[-1].path == "/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (reply(404, {"code": 40410000, "message": "order not found"}), SubmitOutcome.REJECTED),
        (reply(500, {}), SubmitOutcome.NOT_SENT),
    ],
)
def test_what_cannot_be_found_is_not_canceled(
    server: Serving, tmp_path: Path, answer: bytes, outcome: SubmitOutcome
):
    server.serve = lambda _: answer

    result = ask(server.url, tmp_path, lambda opened: opened.cancel(order(), NOW))

    assert outcome is result.outcome
    assert server.count("DELETE") == 0


def test_an_order_is_not_amended_and_nothing_is_sent(server: Serving, tmp_path: Path):
    result = ask(
        server.url, tmp_path, lambda opened: opened.amend(order(), Decimal(5), Decimal(99), NOW)
    )

    assert (
        result.outcome,
        result.reason,
    ) == (SubmitOutcome.REJECTED, "Alpaca gives a replaced order a new id")
    assert server.requests == []


def test_when_the_limit_is_used_up_what_protects_still_goes(server: Serving, tmp_path: Path):
    """A fifth of the requests is kept for cancels, closing orders and lookups."""
    server.serve = lambda r: http(204) if r.method == "DELETE" else reply(200, order_json())
    limiter = RateLimiter(tmp_path / "rates.sqlite")
    while not limiter.acquire_now(f"alpaca/{ACCOUNT}", LIMIT):
        pass
    entry = intent(limit_px=Decimal(100))
    leaving = intent(limit_px=Decimal(100), reduce_only=True)
    known = order(venue_order_id=VenueOrderId("61e69015-8549"))

    async def all_of_them(opened: AlpacaVenue) -> list[str]:
        return [
            (await opened.submit(entry, NOW)).outcome,
            (await opened.submit(leaving, NOW)).outcome,
            (await opened.cancel(known, NOW)).outcome,
            (await opened.lookup(order(), NOW)).outcome,
        ]

    outcomes = ask(server.url, tmp_path, all_of_them, deadline_s=1.0)
    limiter.close()

    assert outcomes == ["not_sent", "accepted", "accepted", "found"]
    assert [request.method for request in server.requests] == ["POST", "DELETE", "GET"]


def test_without_keys_there_is_no_venue(tmp_path: Path):
    limiter = RateLimiter(tmp_path / "rates.sqlite")
    with pytest.raises(ConfigInvalid, match="api key or secret missing"):
        AlpacaVenue(INSTRUMENTS, ACCOUNT, Keys(api_key="k", secret=""), limiter, lambda: NOW)


@pytest.mark.parametrize(
    ("testnet", "host"),
    [(True, "https://paper-api.alpaca.markets"), (False, "https://api.alpaca.markets")],
)
def test_play_money_and_real_money_are_two_hosts(tmp_path: Path, *, testnet: bool, host: str):
    keys = Keys(api_key="k", secret="s", testnet=testnet)
    limiter = RateLimiter(tmp_path / "rates.sqlite")

    opened = AlpacaVenue(INSTRUMENTS, ACCOUNT, keys, limiter, lambda: NOW)

    assert host == opened._base_url == opened._client._rest._base_url


def test_no_secret_is_in_what_can_be_printed(tmp_path: Path):
    opened = venue("http://127.0.0.1:9", tmp_path)

    printed = repr(opened) + repr(opened._client) + repr(opened._asking) + repr(KEYS)

    assert KEYS.secret not in printed
    assert KEYS.api_key not in printed
