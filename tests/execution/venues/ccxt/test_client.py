"""One exchange as we use it: opened once, read in full, and quiet about its keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from aiohttp import web

from execution.errors import ConfigInvalid, VenueUnavailable
from execution.model.identifiers import InstrumentId, VenueId
from execution.venues.ccxt.client import pointed
from execution.venues.ccxt.facts import FACTS
from execution.venues.ccxt.venue import CcxtVenue
from execution.venues.ccxt.wire import retry_after_s
from execution.venues.keys import Keys
from tests.execution.venues.ccxt.places import (
    ACCOUNT,
    MARKET_IDS,
    NOW,
    VENUES,
    FreeLimiter,
    instrument,
    instrument_id,
    intent,
    make_venue,
)
from tests.execution.venues.ccxt.scripted import Asked, ScriptedExchange, scripted
from tests.execution.venues.ccxt.shapes import SHAPES, TRADED

T = TypeVar("T")
SECRETS = Keys(api_key="MY-KEY", secret="TVktU0VDUkVU", passphrase="MY-WORDS")


def ask(
    name: str,
    answers: dict[str, Any],
    question: Callable[[CcxtVenue, ScriptedExchange], Awaitable[T]],
) -> T:
    async def run() -> T:
        async with scripted(name, **answers) as exchange:
            venue = make_venue(name, exchange.url)
            try:
                return await question(venue, exchange)
            finally:
                await venue.close()

    return asyncio.run(run())


def binance_trade(number: int, at_ms: int) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": number,
        "orderId": 1,
        "price": "100",
        "qty": "1",
        "commission": "0",
        "commissionAsset": "BNB",
        "time": at_ms,
        "isBuyer": True,
    }


def test_a_full_page_is_asked_for_again_in_halves_until_none_is_full():
    """Newest first or oldest first: nothing may be lost behind the end of a page."""
    start = int(NOW.timestamp() * 1000) - 3_600_000
    trades = [binance_trade(number, start + number * 1000) for number in range(2500)]

    def answer(asked: Asked) -> object:
        begin, end = int(asked.params["startTime"]), int(asked.params["endTime"])
        assert end - begin <= 86_400_000
        inside = [trade for trade in trades if begin <= trade["time"] <= end]
        return inside[-1000:]

    fills = ask(
        "binance",
        {"/myTrades": answer},
        lambda venue, _: venue.fills(NOW - timedelta(hours=1)),
    )
    assert len(fills) == 2500
    assert [fill.ts_event for fill in fills] == sorted(fill.ts_event for fill in fills)


def test_a_page_that_stays_full_is_no_answer():
    page = [binance_trade(number, TRADED) for number in range(1000)]
    with pytest.raises(VenueUnavailable, match="more than a page"):
        ask("binance", {"/myTrades": page}, lambda venue, _: venue.fills(NOW))


def test_pages_are_followed_by_the_cursor_of_the_reply():
    rows = [bybit_order(number) for number in range(120)]

    def answer(asked: Asked) -> object:
        start = int(asked.params.get("cursor") or 0)
        follows = str(start + 50) if start + 50 < len(rows) else ""
        found = {"list": rows[start : start + 50], "nextPageCursor": follows, "category": "spot"}
        return {"retCode": 0, "retMsg": "OK", "result": found}

    reports = ask("bybit", {"/order/realtime": answer}, lambda venue, _: venue.open_orders())
    assert len({report.venue_order_id for report in reports}) == 120


def test_pages_are_followed_by_their_last_row():
    rows = [{**SHAPES["okx"].order, "ordId": str(1000 - number)} for number in range(230)]

    def answer(asked: Asked) -> object:
        last = int(asked.params.get("after") or 10_000)
        return {"code": "0", "data": [row for row in rows if int(row["ordId"]) < last][:100]}

    reports = ask("okx", {"/orders-pending": answer}, lambda venue, _: venue.open_orders())
    assert len({report.venue_order_id for report in reports}) == 230


def test_pages_are_followed_by_their_number():
    rows = [{**SHAPES["gate"].order, "id": str(number)} for number in range(1, 251)]

    def answer(asked: Asked) -> object:
        number = int(asked.params.get("page") or 1)
        return rows[(number - 1) * 100 : number * 100]

    reports = ask("gate", {"/spot/orders": answer}, lambda venue, _: venue.open_orders())
    assert len({report.venue_order_id for report in reports}) == 250


def test_a_number_is_what_the_venue_wrote_digit_by_digit():
    """Bitfinex writes numbers as such: read as floats they would lose their last places."""
    text = web.Response(
        text='[[7001,"tBTCUSD",1772366401000,9001,-0.12345678901234567890,48999.1,null,1,-1,'
        '-0.00000000123,"USD",5]]',
        content_type="application/json",
    )
    (fill,) = ask("bitfinex", {"/trades/tBTCUSD/hist": text}, lambda venue, _: venue.fills(NOW))
    assert fill.last_qty == Decimal("0.12345678901234567890")
    assert fill.commission == Decimal("0.00000000123")


def test_orders_of_other_symbols_are_not_ours_to_report():
    """Kraken lists all symbols at once."""
    row = {
        "status": "open",
        "opentm": 1772366400.5,
        "vol": "1",
        "vol_exec": "0",
        "descr": {"pair": "XETHZUSD", "type": "buy", "ordertype": "limit", "price": "1"},
    }
    answers = {"/OpenOrders": {"error": [], "result": {"open": {"O-1": row}}}}
    assert ask("kraken", answers, lambda venue, _: venue.open_orders()) == ()


def test_two_venues_of_one_place_load_its_markets_once():
    counted: list[str] = []

    def info(asked: Asked) -> object:
        counted.append(asked.path)
        return {"symbols": [], "timezone": "UTC", "serverTime": 1}

    async def run() -> None:
        async with scripted("binance", **{"/exchangeInfo": info}) as exchange:
            for _ in range(2):
                venue = CcxtVenue(
                    "binance",
                    {},
                    ACCOUNT,
                    SECRETS,
                    FreeLimiter(),  # type: ignore[arg-type]
                    lambda: NOW,
                    endpoint=exchange.url,
                )
                await venue.server_time()
                await venue.close()

    asyncio.run(run())
    assert counted == ["/api/v3/exchangeInfo"]


@pytest.mark.parametrize("name", VENUES)
def test_no_error_quotes_the_keys_or_the_request(name: str):
    """Refused, nonsense, or no answer at all: the text names the venue and what was asked."""
    texts: list[str] = []

    async def run() -> None:
        for reply in (
            web.Response(status=401, text='{"code": 1, "msg": "key MY-KEY is bad"}'),
            web.Response(text="<html>MY-KEY</html>"),
        ):
            async with scripted(name) as exchange:
                venue = make_venue(name, exchange.url)
                venue._client._keys = SECRETS
                await venue._client.open()
                exchange.answers[""] = reply
                for question in (venue.open_orders(), venue.fills(NOW), venue.balances()):
                    with pytest.raises(VenueUnavailable) as raised:
                        await question
                    assert raised.value.__cause__ is None
                    texts.append(str(raised.value))
                result = await venue.submit(intent(name, limit_px=Decimal(49000)), NOW)
                texts.append(result.reason)
                await venue.close()

    asyncio.run(run())
    for text in texts:
        assert not any(secret in text for secret in ("MY-", "TVkt", "http", "127.0.0.1")), text


def test_keys_do_not_print():
    assert "MY-" not in f"{SECRETS!r} {SECRETS}"
    assert "TVkt" not in f"{SECRETS!r} {SECRETS}"


@pytest.mark.parametrize("name", VENUES)
def test_play_money_is_refused_where_there_is_none(name: str):
    keys = Keys(api_key="k", secret="s", passphrase="p")

    def build() -> CcxtVenue:
        limiter: Any = FreeLimiter()
        return CcxtVenue(name, {}, ACCOUNT, keys, limiter, lambda: NOW)

    if FACTS[name].capabilities().testnet:
        assert build().venue_id == name
    else:
        with pytest.raises(ConfigInvalid, match=f"{name} has no testnet"):
            build()


@pytest.mark.parametrize("name", [name for name in VENUES if FACTS[name].capabilities().testnet])
def test_play_money_goes_to_another_place_than_real_money(name: str):
    """A testnet's address, or a header that says so."""

    async def places(*, testnet: bool) -> tuple[str, Any]:
        keys = Keys(api_key="k", secret="s", passphrase="p", testnet=testnet)
        limiter: Any = FreeLimiter()
        venue = CcxtVenue(name, {}, ACCOUNT, keys, limiter, lambda: NOW)
        exchange = venue._client._build()
        told = str(exchange.urls["api"]), exchange.options.get("sandboxMode")
        await venue._client._close(exchange)
        return told

    assert asyncio.run(places(testnet=True)) != asyncio.run(places(testnet=False))


def test_a_passphrase_is_asked_for_where_it_is_needed():
    limiter: Any = FreeLimiter()
    keys = Keys(api_key="k", secret="s")
    with pytest.raises(ConfigInvalid, match="okx wants a passphrase"):
        CcxtVenue("okx", {}, ACCOUNT, keys, limiter, lambda: NOW)


def test_an_exchange_that_is_not_in_the_table_is_not_traded():
    limiter: Any = FreeLimiter()
    with pytest.raises(ConfigInvalid, match="'ftx' is not one of binance, bybit"):
        CcxtVenue("ftx", {}, ACCOUNT, SECRETS, limiter, lambda: NOW)


def test_holdings_that_could_be_two_instruments_are_refused():
    """What is held of BTC could be either's, and what is paid in BTC is no money."""
    limiter: Any = FreeLimiter()
    for symbol, base, quote, why in (
        ("BTC/EUR", "BTC", "EUR", "share the base BTC"),
        ("ETH/BTC", "ETH", "BTC", "paid for in BTC"),
    ):
        other = InstrumentId(symbol, VenueId("binance"))
        known = {
            instrument_id("binance"): instrument("binance"),
            other: replace(instrument("binance"), instrument_id=other, base=base, quote=quote),
        }
        with pytest.raises(ConfigInvalid, match=why):
            CcxtVenue("binance", known, ACCOUNT, SECRETS, limiter, lambda: NOW)


def test_every_address_of_a_venue_is_pointed_elsewhere():
    urls = {
        "public": "https://api.x.com/api/v3",
        "deep": {"ws": "wss://stream.{hostname}:9443/ws", "none": None},
    }
    assert pointed(urls, "http://127.0.0.1:8/x/") == {
        "public": "http://127.0.0.1:8/x/api/v3",
        "deep": {"ws": "ws://127.0.0.1:8/x/ws", "none": None},
    }


def test_a_wait_is_read_as_seconds_or_as_a_date():
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert retry_after_s("7", now) == 7
    assert retry_after_s("Sun, 01 Mar 2026 12:00:30 GMT", now) == 30
    assert retry_after_s("Sun, 01 Mar 2026 11:00:00 GMT", now) == 1
    assert retry_after_s("", now) == 1
    assert retry_after_s("soon", now) == 1


def test_a_stream_that_breaks_says_so():
    async def listen(venue: CcxtVenue, exchange: ScriptedExchange) -> None:
        hints = venue.hints()
        with pytest.raises(VenueUnavailable, match="binance: the stream broke"):
            await asyncio.wait_for(anext(hints), 10)

    ask("binance", {}, listen)


def test_a_venue_is_counted_under_its_account():
    limiter = FreeLimiter()

    async def run() -> None:
        async with scripted("binance") as exchange:
            venue = make_venue("binance", exchange.url, limiter)
            await venue.server_time()
            await venue.close()

    asyncio.run(run())
    assert {key for key, _ in limiter.taken} == {"binance/main"}
    assert len(limiter.taken) == 2  # opening asks for the time once


def bybit_order(number: int) -> dict[str, Any]:
    return {
        "symbol": MARKET_IDS["bybit"][0],
        "orderId": str(number),
        "orderLinkId": "",
        "orderStatus": "New",
        "side": "Buy",
        "orderType": "Limit",
        "price": "1",
        "qty": "1",
        "cumExecQty": "0",
        "createdTime": str(TRADED),
        "updatedTime": str(TRADED),
    }
