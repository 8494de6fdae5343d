import asyncio
import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from execution.model.enums import OrderStatus
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import LIES, Fault, Kind, Lie, Lies
from tests.venues.lying_exchange.records import Order
from tests.venues.lying_exchange.server import LyingExchange

PATIENCE_S = 0.1  # of the client
DELAY_S = 0.6  # of the exchange: whatever it delays comes well after the client's patience
MARKET = {"side": "BUY", "type": "MARKET", "quantity": "0.1"}
RESTING = {"side": "BUY", "type": "LIMIT", "quantity": "0.1", "price": "40000"}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """What came over the wire: an answer, or the error that was there instead."""

    status: int = 0
    headers: Any = None
    body: bytes = b""
    error: BaseException | None = None
    took_s: float = 0.0

    @property
    def json(self):
        return json.loads(self.body)


class Lab:
    """An exchange and a client that adds nothing of its own: no retries, no interpretation."""

    def __init__(self, exchange: LyingExchange) -> None:
        self.exchange = exchange
        self.engine: Engine = exchange.engine("binance")
        self.engine.open_account("key", {"USDT": "20000"})

    def send(self, method: str, path: str, timeout_s: float = 5, **params: str) -> Answer:
        """One request on a connection of its own."""
        stamp = {"timestamp": str(int(time.time() * 1000)), "signature": "any"}
        query = urlencode({"symbol": "BTCUSDT"} | params | stamp)
        host, port = self.exchange.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)
        started = time.monotonic()
        try:
            connection.request(method, f"/binance{path}?{query}", headers={"X-MBX-APIKEY": "key"})
            reply = connection.getresponse()
            body = reply.read()
        except (OSError, http.client.HTTPException) as error:
            return Answer(error=error)
        finally:
            connection.close()
        return Answer(reply.status, reply.headers, body, took_s=time.monotonic() - started)

    def submit(self, timeout_s: float = 5, **params: str) -> Answer:
        return self.send("POST", "/api/v3/order", timeout_s, **(params or RESTING))

    @property
    def orders(self) -> list[Order]:
        return self.engine.orders("key")

    def stream(self, messages: int) -> list[str]:
        """What the order stream says of one market order: so many reports, and any after that."""
        return asyncio.run(self._stream(messages))

    async def _stream(self, messages: int) -> list[str]:
        seen: list[str] = []
        stamp = {"apiKey": "key", "timestamp": str(int(time.time() * 1000)), "signature": "any"}
        method = "userDataStream.subscribe.signature"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.exchange.url}/binance/ws-api/v3") as socket,
        ):
            await socket.send_json({"id": "1", "method": method, "params": stamp})
            assert (await socket.receive_json())["status"] == 200
            await asyncio.to_thread(self.submit, **MARKET)
            while True:
                timeout_s = 5 if len(seen) < messages else PATIENCE_S
                try:
                    message = await socket.receive_json(timeout=timeout_s)
                except TimeoutError:
                    return seen
                if message["event"]["e"] == "executionReport":
                    seen.append(message["event"]["x"])


@pytest.fixture
def lab() -> Iterator[Lab]:
    with LyingExchange("binance") as exchange:
        yield Lab(exchange)


def times_out(lab: Lab) -> None:
    answer = lab.submit(PATIENCE_S)
    assert isinstance(answer.error, TimeoutError)


def resets(lab: Lab) -> None:
    assert type(lab.submit().error) is ConnectionResetError  # and not just a hang-up


def errs(lab: Lab) -> None:
    answer = lab.submit()
    assert (answer.status, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")


def shows_a_page(lab: Lab) -> None:
    answer = lab.submit()
    assert (answer.status, answer.body[:5]) == (200, b"<html")


def says_nothing(lab: Lab) -> None:
    answer = lab.submit()
    assert (answer.status, answer.body) == (200, b"")


def cuts_the_json(lab: Lab) -> None:
    answer = lab.submit()
    assert (answer.status, answer.body[:9]) == (200, b'{"symbol"')
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json


def breaks_the_body(lab: Lab) -> None:
    assert isinstance(lab.submit().error, http.client.IncompleteRead)


def trickles(lab: Lab) -> None:
    answer = lab.submit()
    assert answer.took_s >= DELAY_S
    assert answer.json["orderId"] == int(lab.orders[0].order_id)


def rejects_then_fills(lab: Lab) -> None:
    answer = lab.submit()
    assert (answer.status, answer.json["code"]) == (400, -2010)
    assert lab.orders[0].status is OrderStatus.FILLED


def asks_for_less(lab: Lab) -> None:
    answers = [lab.submit() for _ in range(3)]
    assert [(a.status, a.headers["Retry-After"]) for a in answers] == [(429, "1")] * 3
    assert answers[0].json["code"] == -1003
    assert not lab.orders
    assert lab.submit().status == 200


def hides_an_order_at_first(lab: Lab) -> None:
    lab.submit(**RESTING, newClientOrderId="mine")
    asked = {"origClientOrderId": "mine"}
    assert lab.send("GET", "/api/v3/order", **asked).json["code"] == -2013
    assert lab.send("GET", "/api/v3/openOrders").json == []
    time.sleep(DELAY_S)
    assert lab.send("GET", "/api/v3/order", **asked).json["clientOrderId"] == "mine"


def lists_open_orders_of_the_past(lab: Lab) -> None:
    order_id = lab.submit().json["orderId"]
    assert lab.send("GET", "/api/v3/openOrders").json == []
    time.sleep(DELAY_S)
    lab.engine.cancel(str(order_id))
    (stale,) = lab.send("GET", "/api/v3/openOrders").json
    assert (order_id, "NEW") == (stale["orderId"], stale["status"])


def lists_fills_twice(lab: Lab) -> None:
    lab.submit(**MARKET)
    first, second = lab.send("GET", "/api/v3/myTrades").json
    assert first == second


def lists_fills_late(lab: Lab) -> None:
    lab.submit(**MARKET)
    assert lab.send("GET", "/api/v3/myTrades").json == []
    time.sleep(DELAY_S)
    assert len(lab.send("GET", "/api/v3/myTrades").json) == 1


def lists_fills_backwards(lab: Lab) -> None:
    for _ in range(2):
        lab.submit(**MARKET)
    first, second = (fill["id"] for fill in lab.send("GET", "/api/v3/myTrades").json)
    assert first > second


def is_ahead_of_time(lab: Lab) -> None:
    ahead_s = lab.send("GET", "/api/v3/time").json["serverTime"] / 1000 - time.time()
    assert 59 < ahead_s < 61
    assert lab.submit().json["code"] == -1021


def streams_nothing(lab: Lab) -> None:
    assert lab.stream(0) == []
    assert lab.orders[0].status is OrderStatus.FILLED


def streams_twice(lab: Lab) -> None:
    assert lab.stream(4) == ["NEW", "NEW", "TRADE", "TRADE"]


def fills_half(lab: Lab) -> None:
    answer = lab.submit(**RESTING | {"price": "60000"})
    assert (answer.json["status"], answer.json["executedQty"]) == ("PARTIALLY_FILLED", "0.05000000")
    assert lab.orders[0].open


def takes_its_fee_in_base(lab: Lab) -> None:
    (fill,) = lab.submit(**MARKET).json["fills"]
    assert (fill["commissionAsset"], fill["commission"]) == ("BTC", "0.00010000")


def liquidates(lab: Lab) -> None:
    lab.submit(**MARKET)
    bought, sold = lab.engine.fills("key")
    assert (bought.qty, None, True) == (sold.qty, sold.client_id, sold.liquidation)
    assert lab.engine.balances("key")["BTC"].total == 0


# What a lie looks like from outside, and whether the order is at the exchange in the end.
LOOKS: dict[str, tuple[Callable[[Lab], None], bool]] = {
    "timeout_before": (times_out, False),
    "reset_before": (resets, False),
    "error_before": (errs, False),
    "html_before": (shows_a_page, False),
    "empty_before": (says_nothing, False),
    "too_many_requests": (asks_for_less, True),
    "timeout_after": (times_out, True),
    "reset_after": (resets, True),
    "error_after": (errs, True),
    "html_after": (shows_a_page, True),
    "empty_after": (says_nothing, True),
    "cut_json_after": (cuts_the_json, True),
    "broken_body_after": (breaks_the_body, True),
    "trickled": (trickles, True),
    "rejected_then_filled": (rejects_then_fills, True),
    "not_found_at_first": (hides_an_order_at_first, True),
    "stale_open_orders": (lists_open_orders_of_the_past, True),
    "duplicate_fills": (lists_fills_twice, True),
    "late_fills": (lists_fills_late, True),
    "reordered_fills": (lists_fills_backwards, True),
    "clock_skew": (is_ahead_of_time, False),
    "stream_silence": (streams_nothing, True),
    "stream_duplicates": (streams_twice, True),
    "partial_fills": (fills_half, True),
    "fee_in_base": (takes_its_fee_in_base, True),
    "forced_liquidation": (liquidates, True),
}


@pytest.mark.parametrize("name", LIES)
def test_every_lie_does_on_the_wire_what_it_says(lab: Lab, name: str):
    looks, accepted = LOOKS[name]
    skewed = LIES[name].fault is Fault.CLOCK_SKEW
    lab.exchange.lie(LIES[name] if skewed else replace(LIES[name], delay_s=DELAY_S))

    looks(lab)

    assert accepted == bool(lab.orders)


def test_every_fault_has_a_lie_under_its_name():
    assert {fault.value: fault for fault in Fault} == {n: lie.fault for n, lie in LIES.items()}


def test_a_lie_that_could_never_happen_is_an_error():
    """A test that believes in such a lie would show nothing."""
    with pytest.raises(ValueError, match="late_fills never happens to submit, but to fills"):
        Lie(Fault.LATE_FILLS)


def test_without_a_lie_the_exchange_is_honest(lab: Lab):
    lab.exchange.lie(LIES["reset_before"])
    lab.exchange.honest()

    assert lab.submit(**MARKET).json["status"] == "FILLED"
    assert 1 == lab.exchange.count(Kind.SUBMIT) == lab.exchange.count()


def happened(lies: Lies, requests: int, kind: Kind = Kind.SUBMIT) -> list[bool]:
    return [bool(lies.take(kind, "binance", NOON)) for _ in range(requests)]


def test_a_lie_happens_from_the_nth_request_of_its_kind_on_and_so_many_times():
    lies = Lies()
    lies.tell(Lie(Fault.RESET_AFTER, nth=2, times=2), NOON)

    assert happened(lies, 3, Kind.QUERY) == [False] * 3
    assert happened(lies, 4) == [False, True, True, False]


def test_a_chance_is_the_same_every_time_it_is_seeded_the_same():
    """A failing random walk must fail again when it is run again."""
    runs = []
    for seed in (1, 1, 2):
        lies = Lies()
        lies.tell(Lie(Fault.RESET_AFTER, times=None, probability=0.5, seed=seed), NOON)
        runs.append(happened(lies, 40))

    assert runs[0] == runs[1] != runs[2]
    assert 10 < sum(runs[0]) < 30


def test_a_lie_ends_when_its_time_is_over_and_keeps_to_its_dialect():
    lies = Lies()
    lie = Lie(Fault.CLOCK_SKEW, times=None, duration_s=2, delay_s=-5, dialect="bybit")
    lies.tell(lie, NOON)

    assert timedelta(seconds=-5) == lies.skew("bybit", NOON)
    assert timedelta(0) == lies.skew("binance", NOON)
    assert timedelta(0) == lies.skew("bybit", NOON + timedelta(seconds=2))


def test_several_lies_happen_to_one_request(lab: Lab):
    lab.exchange.lie(LIES["fee_in_base"])
    lab.exchange.lie(replace(LIES["error_after"], status=502))

    assert lab.submit(**MARKET).status == 502
    assert lab.engine.fills("key")[0].fee_ccy == "BTC"
