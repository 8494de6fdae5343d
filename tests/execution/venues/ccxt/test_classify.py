"""What a venue's error means, where its class alone would mislead."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from aiohttp import web

from execution.errors import VenueUnavailable
from execution.venues.base import SubmitOutcome, SubmitResult
from execution.venues.ccxt.classify import accepted, at, refused
from execution.venues.ccxt.facts import FACTS
from execution.venues.ccxt.wire import Call
from tests.execution.venues.ccxt.places import CID, NOW, FreeLimiter, intent, make_venue
from tests.execution.venues.ccxt.scripted import scripted
from tests.execution.venues.ccxt.shapes import SHAPES

UNKNOWN, REJECTED = SubmitOutcome.UNKNOWN, SubmitOutcome.REJECTED
NOT_SENT = SubmitOutcome.NOT_SENT
ORDER = {"binance": "/api/v3/order", "bybit": "/order/create", "coinbase": "/brokerage/orders"}
ORDER |= {"kraken": "/AddOrder"} | {name: shapes.create[0] for name, shapes in SHAPES.items()}


def coinbase(error: str, preview: str = "UNKNOWN_PREVIEW_FAILURE_REASON") -> dict[str, Any]:
    told = {"error": error, "message": "", "preview_failure_reason": preview}
    return {"success": False, "order_id": "", "error_response": told}


@pytest.mark.parametrize(
    ("name", "status", "reply", "outcome"),
    [
        # ccxt: InvalidOrder. The first send may be what it is a duplicate of.
        ("binance", 400, {"code": -2010, "msg": "Duplicate order sent."}, UNKNOWN),
        ("binance", 400, {"code": -2010, "msg": "Account has insufficient balance"}, REJECTED),
        ("binance", 400, {"code": -1013, "msg": "Filter failure: NOTIONAL"}, REJECTED),
        ("binance", 400, {"code": -1021, "msg": "Timestamp outside of recvWindow"}, NOT_SENT),
        # The venue itself does not know what became of it.
        ("binance", 400, {"code": -1006, "msg": "Execution status unknown."}, UNKNOWN),
        ("binance", 408, {"code": -1007, "msg": "Timeout waiting for backend."}, UNKNOWN),
        ("binance", 429, {"code": -1015, "msg": "Too many new orders."}, UNKNOWN),
        ("binance", 200, {"code": -2013, "msg": "Order does not exist."}, UNKNOWN),
        # ccxt: InvalidOrder, though it is a timeout.
        ("bybit", 200, {"retCode": 170146, "retMsg": "Order creation timeout"}, UNKNOWN),
        ("bybit", 200, {"retCode": 170147, "retMsg": "Order cancel timeout"}, UNKNOWN),
        ("bybit", 200, {"retCode": 10000, "retMsg": "Server Timeout"}, UNKNOWN),
        ("bybit", 200, {"retCode": 10016, "retMsg": "Server error"}, UNKNOWN),
        ("bybit", 200, {"retCode": 170141, "retMsg": "Duplicate clientOrderId"}, UNKNOWN),
        ("bybit", 200, {"retCode": 170131, "retMsg": "Balance insufficient"}, REJECTED),
        # ccxt: AuthenticationError, though it is a timeout.
        ("bitget", 200, {"code": "40010", "msg": "Request timed out"}, UNKNOWN),
        ("bitget", 400, {"code": "43012", "msg": "Insufficient balance"}, REJECTED),
        ("bitget", 400, {"code": "40786", "msg": "Duplicate clientOid"}, UNKNOWN),
        ("coinbase", 200, coinbase("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND"), REJECTED),
        # ccxt: a bare ExchangeError, which says nothing.
        ("coinbase", 200, coinbase("INSUFFICIENT_FUND"), UNKNOWN),
        ("okx", 200, {"code": "50004", "data": [], "msg": "Endpoint request timeout"}, UNKNOWN),
        (
            "okx",
            200,
            {"code": "1", "data": [{"sCode": "51008", "sMsg": "Insufficient balance"}]},
            REJECTED,
        ),
        (
            "okx",
            200,
            {"code": "1", "data": [{"sCode": "51016", "sMsg": "Duplicated client order ID"}]},
            UNKNOWN,
        ),
        ("kucoin", 200, {"code": "408000", "msg": "Network timeout"}, UNKNOWN),
        ("kucoin", 200, {"code": "200004", "msg": "Balance insufficient!"}, REJECTED),
        ("kraken", 200, {"error": ["EOrder:Insufficient funds"]}, REJECTED),
        ("kraken", 200, {"error": ["EGeneral:Internal error"]}, UNKNOWN),
        ("kraken", 200, {"error": ["EService:Unavailable"]}, UNKNOWN),
        ("gate", 400, {"label": "BALANCE_NOT_ENOUGH", "message": "no"}, REJECTED),
        ("gate", 500, {"label": "SERVER_ERROR", "message": "no"}, UNKNOWN),
        ("mexc", 400, {"code": 30004, "msg": "Insufficient position"}, REJECTED),
        ("mexc", 400, {"code": 504, "msg": "Gateway Time-out"}, UNKNOWN),
        (
            "htx",
            200,
            {"status": "error", "err-code": "account-frozen-balance-insufficient-error"},
            REJECTED,
        ),
        ("htx", 200, {"status": "error", "err-code": "timeout", "err-msg": "Timeout"}, UNKNOWN),
        ("bitfinex", 500, ["error", 10000, "something odd"], UNKNOWN),
        ("bitfinex", 500, ["error", 10001, "not enough exchange balance"], REJECTED),
        ("cryptocom", 200, {"code": 40801, "message": "REQUEST_TIMEOUT"}, UNKNOWN),
        ("cryptocom", 200, {"code": 306, "message": "INSUFFICIENT_AVAILABLE_BALANCE"}, REJECTED),
    ],
)
def test_a_reply_means_what_it_says(name: str, status: int, reply: object, outcome: SubmitOutcome):
    result = submitted(name, web.json_response(reply, status=status))
    assert result.outcome is outcome, result
    assert "http" not in result.reason


def test_an_order_of_another_id_is_not_taken_for_ours():
    """A proxy that mixes replies up would otherwise book somebody else's order."""
    theirs = {"symbol": "BTCUSDT", "orderId": 5, "clientOrderId": "another", "status": "NEW"}
    theirs |= {"type": "LIMIT", "side": "BUY", "origQty": "1", "executedQty": "0", "price": "1"}
    result = submitted("binance", web.json_response(theirs))
    assert (result.outcome, result.venue_order_id) == (UNKNOWN, None)
    assert result.reason == "the reply is another order's"


def test_a_page_under_a_refusing_status_proves_nothing():
    """It is the gateway's; the order may have gone through before it."""
    for status in (400, 401, 403):
        assert submitted("binance", web.Response(text="<html>", status=status)).outcome is UNKNOWN


def test_a_request_that_found_no_room_within_the_limit_was_not_sent():
    class FullLimiter(FreeLimiter):
        full = False

        async def acquire(self, key: str, *rest: object, **more: object) -> None:
            if self.full:
                raise VenueUnavailable(f"{key}: no room")

    limiter = FullLimiter()

    async def run() -> tuple[SubmitResult, int]:
        async with scripted("binance") as exchange:
            venue = make_venue("binance", exchange.url, limiter)
            await venue.server_time()
            limiter.full = True
            result = await venue.submit(intent("binance"), NOW)
            await venue.close()
            return result, len(exchange.writes)

    result, writes = asyncio.run(run())
    assert (result.outcome, writes) == (SubmitOutcome.NOT_SENT, 0)


def test_a_venue_that_cannot_be_opened_was_sent_nothing():
    async def run() -> SubmitResult:
        async with scripted("binance", **{"/time": web.Response(status=500)}) as exchange:
            venue = make_venue("binance", exchange.url)
            try:
                return await venue.submit(intent("binance"), NOW)
            finally:
                await venue.close()

    assert asyncio.run(run()).outcome is SubmitOutcome.NOT_SENT


def test_before_a_connection_everything_is_unsent_and_after_it_nothing_is():
    facts = FACTS["binance"]
    for error in (ccxt.NetworkError("x"), ValueError("x"), TimeoutError(), ccxt.InvalidOrder("x")):
        assert refused(error, Call(), facts).outcome is SubmitOutcome.NOT_SENT
        left = Call(left=True)
        assert refused(error, left, facts).outcome is UNKNOWN  # no reply with a code


def test_a_refusal_with_a_cause_came_from_the_network():
    error = ccxt.InvalidOrder("x")
    error.__cause__ = ConnectionResetError()
    call = Call(left=True, replies=[{"code": -1013}])
    assert refused(error, call, FACTS["binance"]).outcome is UNKNOWN


@pytest.mark.parametrize(
    "order",
    [
        None,
        [],
        {"id": None, "info": {}},
        {"id": "", "info": {}},
        {"id": 12, "info": {}},
        {"id": "<html>", "info": {}},
        {"id": "x" * 65, "info": {}},
        {"id": "9", "info": "text"},
    ],
)
def test_nothing_is_accepted_without_a_well_formed_id(order: object):
    call = Call(left=True, replies=[{"orderId": 9}])
    assert accepted(order, CID, call).outcome is UNKNOWN


def test_krakens_zero_is_not_an_id():
    """It names `userref: 0` on every order that has none."""
    call = Call(left=True, replies=[{}])
    order = {"id": "O-1", "clientOrderId": "0", "info": {}}
    assert accepted(order, CID, call).outcome is SubmitOutcome.ACCEPTED


def test_a_path_into_a_reply_ends_where_the_reply_does():
    reply = {"a": [{"b": 1}]}
    assert at(reply, ("a", 0, "b")) == 1
    assert at(reply, ("a", 1, "b")) is None
    assert at(reply, ("a", "b")) is None
    assert at("text", (0,)) is None


def submitted(name: str, reply: web.Response) -> SubmitResult:
    async def run() -> SubmitResult:
        async with scripted(name, **{ORDER[name]: reply}) as exchange:
            venue = make_venue(name, exchange.url)
            try:
                return await venue.submit(intent(name, limit_px=Decimal(49000)), NOW)
            finally:
                await venue.close()

    return asyncio.run(run())
