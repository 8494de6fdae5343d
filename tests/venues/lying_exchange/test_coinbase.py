"""The unmodified ccxt client trades at the lying exchange as it would at Coinbase Advanced."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

import ccxt.async_support as ccxt
import pytest

from execution.model.enums import OrderStatus
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import Fault, Kind, Lie
from tests.venues.lying_exchange.server import LyingExchange, point_ccxt

SYMBOL = "BTC/USD"
Client = ccxt.coinbase
T = TypeVar("T")
ID = "6r5zjq2mxw7tkahf3c"


@pytest.fixture
def exchange() -> Iterator[LyingExchange]:
    with LyingExchange("coinbase") as exchange:
        exchange.engine("coinbase").open_account("key", {"USD": "100000", "BTC": "1"})
        yield exchange


@pytest.fixture
def engine(exchange: LyingExchange) -> Engine:
    return exchange.engine("coinbase")


@asynccontextmanager
async def connected(exchange: LyingExchange, **config: str) -> AsyncIterator[Client]:
    keys = {"apiKey": "key", "secret": "secret", "enableRateLimit": False, "timeout": 2000}
    client = ccxt.coinbase(keys | config)
    client.number = str
    client.timeout_on_exit = 0  # nothing to wait for: there is no TLS
    point_ccxt(client, exchange.url)
    try:
        yield client
    finally:
        await client.close()


def ask(exchange: LyingExchange, act: Callable[[Client], Awaitable[T]]) -> T:
    """Do something with a client of its own."""

    async def run() -> T:
        async with connected(exchange) as client:
            return await act(client)

    return asyncio.run(run())


def test_markets_times_and_prices_come_from_the_exchange(exchange: LyingExchange, engine: Engine):
    async def look(client: Client):
        markets = await client.load_markets()
        ticker = await client.fetch_ticker(SYMBOL)
        candles = await client.fetch_ohlcv(SYMBOL, "1h", limit=3)
        return markets[SYMBOL], ticker, candles, await client.fetch_time()

    market, ticker, candles, now = ask(exchange, look)

    assert (market["precision"]["amount"], market["precision"]["price"]) == ("0.00000001", "0.01")
    assert market["taker"] == "0.001"
    assert ticker["last"] == "50000"
    assert len(candles) == 3
    assert [a for a, b in pairwise(candles) if a[0] + 3_600_000 != b[0]] == []
    assert abs(engine.now().timestamp() * 1000 - now) < 5000


def test_a_market_buy_spends_the_quote_size_with_its_fee(exchange: LyingExchange, engine: Engine):
    async def buy(client: Client):
        sent = await client.create_order(
            SYMBOL, "market", "buy", "0.1", "50000", {"client_order_id": ID}
        )
        return sent, await client.fetch_order(sent["id"], SYMBOL)

    sent, order = ask(exchange, buy)

    assert (sent["clientOrderId"], sent["status"]) == (ID, None)
    assert (order["status"], order["average"]) == ("closed", "50000")
    assert Decimal("0.09990009") == Decimal(order["filled"])
    (fill,) = engine.fills("key")
    assert Decimal("5000") >= fill.notional + fill.fee > Decimal("4999.99")


def test_a_resting_order_is_found_in_the_listings_by_its_client_id(exchange: LyingExchange):
    async def rest_and_list(client: Client):
        await client.create_order(SYMBOL, "limit", "buy", "0.1", "40000", {"client_order_id": ID})
        return await client.fetch_open_orders(SYMBOL), await client.fetch_orders(SYMBOL)

    open_orders, orders = ask(exchange, rest_and_list)

    assert [order["clientOrderId"] for order in open_orders] == [ID]
    assert [order["clientOrderId"] for order in orders] == [ID]
    (order,) = open_orders
    assert (order["status"], order["type"], order["amount"]) == ("open", "limit", "0.1")
    assert (order["price"], order["filled"], order["timeInForce"]) == ("40000", "0", "GTC")


def test_the_same_client_id_returns_the_order_that_has_it(exchange: LyingExchange, engine: Engine):
    async def twice(client: Client):
        asked = (SYMBOL, "limit", "buy", "0.1", "40000", {"client_order_id": ID})
        return [await client.create_order(*asked) for _ in range(2)]

    first, second = ask(exchange, twice)

    assert first["id"] == second["id"]
    assert len(engine.orders("key")) == 1
    assert exchange.count(Kind.SUBMIT) == 2


def test_a_stop_limit_waits_for_its_price_and_then_fills(exchange: LyingExchange, engine: Engine):
    async def protect(client: Client):
        params = {"client_order_id": ID, "stopLossPrice": "45000"}
        await client.create_order(SYMBOL, "limit", "sell", "0.5", "44000", params)
        (order,) = await client.fetch_open_orders(SYMBOL)
        return order

    order = ask(exchange, protect)
    waiting = engine.orders("key")[0]
    engine.set_price(SYMBOL, "44900")

    assert (order["triggerPrice"], order["price"]) == ("45000", "44000")
    assert order["info"]["trigger_status"] == "STOP_PENDING"
    assert OrderStatus.ACCEPTED is waiting.status
    assert OrderStatus.FILLED is engine.order(waiting.order_id).status


def test_a_stop_that_the_price_has_passed_is_refused(exchange: LyingExchange, engine: Engine):
    params = {"client_order_id": ID, "stopLossPrice": "51000"}

    with pytest.raises(ccxt.InvalidOrder, match="PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"):
        ask(exchange, lambda c: c.create_order(SYMBOL, "limit", "sell", "0.5", "50900", params))

    assert engine.orders("key") == []


def test_an_order_without_money_is_refused(exchange: LyingExchange, engine: Engine):
    params = {"client_order_id": ID}

    with pytest.raises(ccxt.InsufficientFunds, match="PREVIEW_INSUFFICIENT_FUND"):
        ask(exchange, lambda c: c.create_order(SYMBOL, "limit", "buy", "9", "40000", params))

    assert engine.orders("key") == []


@pytest.mark.parametrize(("tif", "status"), [("IOC", "canceled"), ("FOK", "canceled")])
def test_what_cannot_fill_at_once_does_not_rest(exchange: LyingExchange, tif: str, status: str):
    async def send(client: Client):
        params = {"client_order_id": ID, "timeInForce": tif}
        sent = await client.create_order(SYMBOL, "limit", "buy", "0.1", "40000", params)
        return await client.fetch_order(sent["id"], SYMBOL)

    assert status == ask(exchange, send)["status"]


def test_a_post_only_order_that_would_take_is_refused(exchange: LyingExchange):
    params = {"client_order_id": ID, "postOnly": True}

    with pytest.raises(ccxt.ExchangeError, match="INVALID_LIMIT_PRICE_POST_ONLY"):
        ask(exchange, lambda c: c.create_order(SYMBOL, "limit", "buy", "0.1", "60000", params))


def test_cancel_ends_an_order_and_a_second_one_is_refused(exchange: LyingExchange, engine: Engine):
    async def cancel_twice(client: Client):
        params = {"client_order_id": ID}
        sent = await client.create_order(SYMBOL, "limit", "buy", "0.1", "40000", params)
        await client.cancel_order(sent["id"], SYMBOL)
        with pytest.raises(ccxt.BadRequest):
            await client.cancel_order(sent["id"], SYMBOL)
        return await client.fetch_order(sent["id"], SYMBOL)

    assert ask(exchange, cancel_twice)["status"] == "canceled"
    assert exchange.count(Kind.CANCEL) == 2
    assert Decimal(100000) == engine.balances("key")["USD"].free


def test_an_edit_moves_a_resting_order_and_its_refusal_looks_like_an_order_without_id(
    exchange: LyingExchange, engine: Engine
):
    """Ccxt raises nothing for `success: false` here: only the reply's `info` tells."""

    async def edit(client: Client):
        params = {"client_order_id": ID}
        sent = await client.create_order(SYMBOL, "limit", "buy", "0.1", "40000", params)
        await client.edit_order(sent["id"], SYMBOL, "limit", "buy", "0.2", "41000")
        (moved,) = await client.fetch_open_orders(SYMBOL)
        await client.cancel_order(sent["id"], SYMBOL)
        return moved, await client.edit_order(sent["id"], SYMBOL, "limit", "buy", "0.3", "42000")

    moved, refused = ask(exchange, edit)

    (order,) = engine.orders("key")
    assert (order.qty, order.limit_px) == (Decimal("0.2"), Decimal(41000))
    assert (moved["amount"], moved["price"]) == ("0.2", "41000")
    assert (refused["id"], refused["info"]["success"]) == (None, False)


def test_fills_carry_the_order_the_price_and_the_fee_in_quote(
    exchange: LyingExchange, engine: Engine
):
    engine.set_liquidity(SYMBOL, "0.2")

    async def sell(client: Client):
        params = {"client_order_id": ID}
        sent = await client.create_order(SYMBOL, "limit", "sell", "0.5", "50000", params)
        engine.set_liquidity(SYMBOL, None)
        engine.set_price(SYMBOL, "50001")
        return sent, await client.fetch_my_trades(SYMBOL)

    sent, trades = ask(exchange, sell)

    assert {("taker", Decimal("0.2"), Decimal(10)), ("maker", Decimal("0.3"), Decimal(15))} == {
        (t["takerOrMaker"], Decimal(t["amount"]), Decimal(t["fee"]["cost"])) for t in trades
    }
    assert {(sent["id"], "50000", "USD")} == {
        (t["order"], t["price"], t["fee"]["currency"]) for t in trades
    }


def test_only_the_newer_balance_call_tells_what_is_locked(exchange: LyingExchange):
    async def lock(client: Client):
        params = {"client_order_id": ID}
        await client.create_order(SYMBOL, "limit", "sell", "0.4", "60000", params)
        return await client.fetch_balance(), await client.fetch_balance({"v3": True})

    old, new = ask(exchange, lock)

    assert (old["BTC"]["free"], old["BTC"]["total"]) == ("1.0", "1.0")
    assert (new["BTC"]["free"], new["BTC"]["used"], new["BTC"]["total"]) == ("0.6", "0.4", "1")


def test_money_that_came_and_went_is_listed(exchange: LyingExchange, engine: Engine):
    engine.transfer("key", "USD", "500")
    engine.transfer("key", "USD", "-200")
    engine.transfer("key", "BTC", "0.25")

    async def look(client: Client):
        fiat_in = await client.fetch_deposits("USD")
        fiat_out = await client.fetch_withdrawals("USD")
        return (
            fiat_in
            + fiat_out
            + await client.fetch_deposits("BTC", params={"currencyType": "crypto"})
        )

    listed = ask(exchange, look)

    assert [(row["type"], row["amount"]) for row in listed] == [
        ("deposit", "500"),
        ("withdrawal", "200"),
        ("deposit", "0.25"),
    ]
    assert {"ok"} == {row["status"] for row in listed}


def test_listings_come_in_pages_with_a_cursor(exchange: LyingExchange):
    async def page(client: Client):
        for number in range(3):
            params = {"client_order_id": f"{ID}{number}"}
            await client.create_order(SYMBOL, "limit", "buy", "0.1", "40000", params)
        first = await client.fetch_orders(SYMBOL, limit=2)
        cursor = next(order["info"]["cursor"] for order in first if "cursor" in order["info"])
        return first, await client.fetch_orders(SYMBOL, limit=2, params={"cursor": cursor})

    first, second = ask(exchange, page)

    assert {f"{ID}2", f"{ID}1"} == {order["clientOrderId"] for order in first}
    assert [f"{ID}0"] == [order["clientOrderId"] for order in second]


def test_an_order_nobody_has_heard_of_is_not_called_order_not_found(exchange: LyingExchange):
    """Ccxt looks for other words than the exchange's, so a bare ExchangeError comes out."""
    with pytest.raises(ccxt.ExchangeError) as caught:
        ask(exchange, lambda client: client.fetch_order("nobody", SYMBOL))

    assert ccxt.ExchangeError is type(caught.value)


def test_an_unknown_key_is_refused(exchange: LyingExchange):
    async def stranger():
        async with connected(exchange, apiKey="other") as client:
            await client.fetch_balance()

    with pytest.raises(ccxt.AuthenticationError):
        asyncio.run(stranger())


def test_a_cdp_key_is_known_by_the_subject_of_its_token(exchange: LyingExchange, engine: Engine):
    engine.open_account("organizations-key", {"USD": "7"})

    async def with_token():
        seed = base64.b64encode(bytes(range(64))).decode()
        async with connected(exchange, apiKey="organizations-key", secret=seed) as client:
            return await client.fetch_balance()

    assert asyncio.run(with_token())["USD"]["total"] == "7"


def test_an_order_behind_a_timeout_is_there_under_its_client_id(
    exchange: LyingExchange, engine: Engine
):
    """The listing is the only lookup: a timed-out submit is adopted from it."""
    exchange.lie(Lie(Fault.TIMEOUT_AFTER, dialect="coinbase"))

    async def send(client: Client):
        params = {"client_order_id": ID}
        with pytest.raises(ccxt.NetworkError):
            await client.create_order(SYMBOL, "limit", "buy", "0.1", "40000", params)
        return await client.fetch_orders(SYMBOL)

    assert [order["clientOrderId"] for order in ask(exchange, send)] == [ID]
    assert len(engine.orders("key")) == 1


def test_too_many_requests_is_a_rate_limit(exchange: LyingExchange):
    async def in_haste(client: Client):
        await client.load_markets()
        exchange.lie(Lie(Fault.TOO_MANY_REQUESTS, frozenset({Kind.QUERY})))
        with pytest.raises(ccxt.RateLimitExceeded):
            await client.fetch_balance()
        return client.last_response_headers

    assert ask(exchange, in_haste)["Retry-After"] == "1"
