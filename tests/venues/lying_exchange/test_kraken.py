"""The unmodified ccxt client trades at the lying exchange as it would at Kraken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

import ccxt.async_support as ccxt
import pytest

from execution.model.enums import OrderStatus
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import Fault, Kind, Lie
from tests.venues.lying_exchange.records import FeeIn, FeePolicy
from tests.venues.lying_exchange.server import LyingExchange, point_ccxt

SYMBOL = "BTC/USD"
Client = ccxt.kraken
T = TypeVar("T")
ID = "6r5zjq2mxw7tkahf3c"
NAMED = {"clientOrderId": ID}


@pytest.fixture
def exchange() -> Iterator[LyingExchange]:
    with LyingExchange("kraken") as exchange:
        exchange.engine("kraken").open_account("key", {"USD": "100000", "BTC": "1"})
        yield exchange


@pytest.fixture
def engine(exchange: LyingExchange) -> Engine:
    return exchange.engine("kraken")


@asynccontextmanager
async def connected(exchange: LyingExchange, key: str = "key") -> AsyncIterator[Client]:
    client = Client({"apiKey": key, "secret": "c2VjcmV0", "enableRateLimit": False})
    client.timeout = 2000
    client.timeout_on_exit = 0  # nothing to wait for: there is no TLS
    client.number = str
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


async def rest(client: Client, px: str = "40000", **params: str) -> dict[str, object]:
    """Place a buy that stays on the book."""
    return await client.create_order(SYMBOL, "limit", "buy", "0.1", px, NAMED | params)


async def look_up(client: Client) -> list[dict[str, object]]:
    """Find by client id, as the venue can: among the open orders, then the closed ones."""
    found = await client.fetch_open_orders(SYMBOL, params=NAMED)
    return found or await client.fetch_closed_orders(SYMBOL, params=NAMED)


def test_markets_times_and_prices_come_from_the_exchange(exchange: LyingExchange, engine: Engine):
    async def look(client: Client):
        markets = await client.load_markets()
        ticker = await client.fetch_ticker(SYMBOL)
        candles = await client.fetch_ohlcv(SYMBOL, "1h")
        return markets, ticker, candles, await client.fetch_time()

    markets, ticker, candles, now = ask(exchange, look)

    assert sorted(markets) == ["BTC/USD", "BTC/USDT", "ETH/USD", "ETH/USDT"]
    assert [markets[symbol]["id"] for symbol in ("BTC/USD", "BTC/USDT")] == ["XXBTZUSD", "XBTUSDT"]
    assert markets[SYMBOL]["precision"] == {"amount": "0.00000001", "price": "0.1"}
    assert ticker["last"] == "50000"
    assert len(candles) == 720
    assert {b[0] - a[0] for a, b in pairwise(candles)} == {3_600_000}
    assert abs(engine.now().timestamp() * 1000 - now) < 5000


def test_a_market_order_fills_and_is_found_by_its_client_id(
    exchange: LyingExchange, engine: Engine
):
    async def buy(client: Client):
        sent = await client.create_order(SYMBOL, "market", "buy", "0.1", None, NAMED)
        return sent, await look_up(client)

    sent, (order,) = ask(exchange, buy)

    assert (sent["id"], None) == (order["id"], sent["status"])
    assert (order["clientOrderId"], order["status"], order["type"]) == (ID, "closed", "market")
    assert Decimal(order["filled"]) == Decimal("0.1")
    assert (order["average"], order["fee"]["currency"]) == ("50000", "USD")
    assert Decimal(order["fee"]["cost"]) == Decimal(5)
    assert engine.balances("key")["BTC"].total == Decimal("1.1")


def test_a_resting_order_is_found_by_its_client_id_and_by_its_own(exchange: LyingExchange):
    async def find(client: Client):
        sent = await rest(client)
        return await look_up(client), await client.fetch_order(sent["id"], SYMBOL)

    (by_client_id,), by_id = ask(exchange, find)

    for order in (by_client_id, by_id):
        assert (order["clientOrderId"], order["status"], order["price"]) == (ID, "open", "40000")
        assert (order["symbol"], order["amount"], order["filled"]) == (SYMBOL, "0.1", "0")


def test_a_client_id_is_refused_while_it_is_open_and_free_again_after(
    exchange: LyingExchange, engine: Engine
):
    """So a second submit of a filled order would be a second order: look it up before."""

    async def reuse(client: Client):
        sent = await rest(client)
        with pytest.raises(ccxt.ExchangeError, match="cl_ord_id"):
            await rest(client)
        await client.cancel_order(sent["id"])
        await rest(client)

    ask(exchange, reuse)

    assert [order.client_id for order in engine.orders("key")] == [ID, ID]


@pytest.mark.parametrize(
    ("type_", "limit", "params", "word"),
    [
        ("market", None, {"stopLossPrice": "45000"}, "stop-loss"),
        ("limit", "44000", {"stopLossPrice": "45000"}, "stop-loss-limit"),
        ("market", None, {"trailingPercent": "10"}, "trailing-stop"),
        ("market", None, {"trailingAmount": "5000"}, "trailing-stop"),
    ],
)
def test_a_stop_waits_for_its_price_and_then_fills(
    exchange: LyingExchange,
    engine: Engine,
    type_: str,
    limit: str | None,
    params: dict[str, str],
    word: str,
):
    async def protect(client: Client):
        await client.create_order(SYMBOL, type_, "sell", "0.5", limit, NAMED | params)
        return await look_up(client)

    (order,) = ask(exchange, protect)
    waiting = engine.orders("key")[0]
    engine.set_price(SYMBOL, "44900")

    assert (order["info"]["descr"]["ordertype"], order["status"]) == (word, "open")
    assert waiting.status is OrderStatus.ACCEPTED
    assert engine.order(waiting.order_id).status is OrderStatus.FILLED


def test_a_take_profit_waits_for_the_other_side(exchange: LyingExchange, engine: Engine):
    async def aim(client: Client):
        params = NAMED | {"takeProfitPrice": "55000"}
        return await client.create_order(SYMBOL, "limit", "sell", "0.5", "54900", params)

    ask(exchange, aim)
    engine.set_price(SYMBOL, "54000")
    before = engine.orders("key")[0].status
    engine.set_price(SYMBOL, "55000")

    assert (before, engine.orders("key")[0].status) == (OrderStatus.ACCEPTED, OrderStatus.FILLED)


def test_a_trigger_price_is_ignored_and_the_order_is_plain(exchange: LyingExchange, engine: Engine):
    """The trap: the name means nothing to Kraken, so what was meant as a stop fills at once."""

    async def mistake(client: Client):
        params = NAMED | {"triggerPrice": "45000"}
        await client.create_order(SYMBOL, "market", "sell", "0.5", None, params)

    ask(exchange, mistake)

    assert engine.orders("key")[0].status is OrderStatus.FILLED


def test_an_order_without_money_is_refused(exchange: LyingExchange, engine: Engine):
    with pytest.raises(ccxt.InsufficientFunds, match="EOrder:Insufficient funds"):
        ask(exchange, lambda c: c.create_order(SYMBOL, "limit", "buy", "9", "40000", NAMED))

    assert engine.orders("key") == []


def test_an_order_below_the_minimum_is_refused(exchange: LyingExchange):
    with pytest.raises(ccxt.ExchangeError, match="volume minimum not met"):
        ask(exchange, lambda c: c.create_order(SYMBOL, "limit", "buy", "0.00004", "40000", NAMED))


def test_a_post_only_order_that_would_take_is_refused(exchange: LyingExchange):
    params = NAMED | {"postOnly": True}

    with pytest.raises(ccxt.ExchangeError, match="EOrder:Post only order"):
        ask(exchange, lambda c: c.create_order(SYMBOL, "limit", "buy", "0.1", "60000", params))


def test_an_order_that_arrives_after_its_deadline_is_refused(
    exchange: LyingExchange, engine: Engine
):
    """A deadline is what makes a submit whose answer was lost surely dead in the end."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()

    with pytest.raises(ccxt.ExchangeError, match="EService:Deadline elapsed"):
        ask(exchange, lambda client: rest(client, deadline=past))

    assert engine.orders("key") == []


def test_an_order_is_canceled_by_its_client_id_once(exchange: LyingExchange, engine: Engine):
    async def cancel_twice(client: Client):
        await rest(client)
        await client.cancel_order("", SYMBOL, NAMED)
        with pytest.raises(ccxt.OrderNotFound, match="EOrder:Unknown order"):
            await client.cancel_order("", SYMBOL, NAMED)
        return await look_up(client)

    (order,) = ask(exchange, cancel_twice)

    assert (order["status"], order["filled"]) == ("canceled", "0")
    assert engine.balances("key")["USD"].free == Decimal(100000)


def test_an_amend_keeps_the_order_and_moves_it(exchange: LyingExchange, engine: Engine):
    async def amend(client: Client):
        sent = await rest(client)
        await client.edit_order(sent["id"], SYMBOL, "limit", "buy", "0.2", "41000")
        with pytest.raises(ccxt.InvalidOrder, match="EOrder:Unknown order"):
            await client.edit_order("ONOBODY", SYMBOL, "limit", "buy", "0.2", "41000")
        return sent["id"]

    order_id = ask(exchange, amend)

    (order,) = engine.orders("key")
    assert (order.order_id, order.qty, order.limit_px) == (order_id, Decimal("0.2"), Decimal(41000))


def test_fills_carry_the_order_the_price_and_the_fee(exchange: LyingExchange, engine: Engine):
    engine.set_liquidity(SYMBOL, "0.2")

    async def sell(client: Client):
        sent = await client.create_order(SYMBOL, "limit", "sell", "0.5", "50000", NAMED)
        engine.set_liquidity(SYMBOL, None)
        engine.set_price(SYMBOL, "50001")
        return sent["id"], await client.fetch_my_trades(SYMBOL)

    order_id, trades = ask(exchange, sell)

    assert {
        (t["takerOrMaker"], Decimal(t["amount"]), Decimal(t["fee"]["cost"])) for t in trades
    } == {
        ("taker", Decimal("0.2"), Decimal(10)),
        ("maker", Decimal("0.3"), Decimal(15)),
    }
    assert {(t["order"], t["price"], t["symbol"]) for t in trades} == {(order_id, "50000", SYMBOL)}


def test_only_the_order_tells_that_a_fee_was_taken_in_base(exchange: LyingExchange, engine: Engine):
    """The trade's fee has no currency of its own, and the client takes it to be the quote's."""
    engine.open_account("key", {"USD": "100000"}, FeePolicy(fee_in=FeeIn.RECEIVED))

    async def buy(client: Client):
        await client.create_order(SYMBOL, "market", "buy", "0.1", None, NAMED)
        return await client.fetch_my_trades(SYMBOL), await look_up(client)

    (trade,), (order,) = ask(exchange, buy)

    assert Decimal(trade["fee"]["cost"]) == Decimal("0.0001")
    assert (trade["fee"]["currency"], order["fee"]["currency"]) == ("USD", "BTC")
    assert engine.balances("key")["BTC"].total == Decimal("0.0999")


def test_what_is_locked_is_part_of_the_balance(exchange: LyingExchange):
    async def lock(client: Client):
        await client.create_order(SYMBOL, "limit", "sell", "0.4", "60000", NAMED)
        return (await client.fetch_balance())["BTC"]

    assert ask(exchange, lock) == {"free": "0.6", "used": "0.4", "total": "1.0"}


def test_money_that_came_and_went_is_listed(exchange: LyingExchange, engine: Engine):
    engine.transfer("key", "USD", "500")
    engine.transfer("key", "BTC", "-0.25")

    async def look(client: Client):
        moved = await client.fetch_deposits("USD") + await client.fetch_withdrawals("BTC")
        return moved, await client.fetch_ledger()

    moved, ledger = ask(exchange, look)

    assert [(m["type"], m["currency"], m["amount"], m["status"]) for m in moved] == [
        ("deposit", "USD", "500", "ok"),
        ("withdrawal", "BTC", "0.25", "ok"),
    ]
    assert {(row["currency"], row["direction"], row["amount"]) for row in ledger} == {
        ("USD", "in", "500"),
        ("BTC", "out", "0.25"),
    }


def test_closed_orders_and_trades_come_fifty_at_a_time(exchange: LyingExchange):
    async def trade(client: Client):
        for _ in range(51):
            await client.create_order(SYMBOL, "market", "buy", "0.001", None)
        return [
            len(page)
            for offset in (0, 50)
            for page in (
                await client.fetch_closed_orders(SYMBOL, params={"ofs": offset}),
                await client.fetch_my_trades(SYMBOL, params={"ofs": offset}),
            )
        ]

    assert ask(exchange, trade) == [50, 50, 1, 1]


def test_a_key_shared_by_two_clients_meets_an_old_nonce(exchange: LyingExchange):
    """Kraken wants one key per process: the slower clock of the two is refused."""

    async def share():
        async with connected(exchange) as one, connected(exchange) as other:
            await one.load_markets()
            await other.load_markets()
            other.options["timeDifference"] = 60_000
            await one.fetch_balance()
            await other.fetch_balance()

    with pytest.raises(ccxt.InvalidNonce, match="EAPI:Invalid nonce"):
        asyncio.run(share())


def test_an_unknown_key_is_refused(exchange: LyingExchange):
    async def stranger():
        async with connected(exchange, key="other") as client:
            await client.fetch_balance()

    with pytest.raises(ccxt.AuthenticationError, match="EAPI:Invalid key"):
        asyncio.run(stranger())


def test_an_order_behind_a_timeout_is_there_under_its_client_id(
    exchange: LyingExchange, engine: Engine
):
    exchange.lie(Lie(Fault.TIMEOUT_AFTER))

    async def send(client: Client):
        with pytest.raises(ccxt.NetworkError):
            await rest(client)
        return await look_up(client)

    assert [order["clientOrderId"] for order in ask(exchange, send)] == [ID]
    assert len(engine.orders("key")) == 1


def test_an_order_may_be_invisible_at_first(exchange: LyingExchange):
    """Neither listing has it: two looks that find nothing are not enough to send again."""
    lookups = frozenset({Kind.LOOKUP, Kind.OPEN_ORDERS})
    exchange.lie(Lie(Fault.NOT_FOUND_AT_FIRST, lookups, times=None, duration_s=0.3, delay_s=9))

    async def send(client: Client):
        await rest(client)
        early = await look_up(client)
        await asyncio.sleep(0.3)
        return early, await look_up(client)

    early, late = ask(exchange, send)

    assert (early, len(late)) == ([], 1)


def test_too_many_requests_is_a_rate_limit(exchange: LyingExchange):
    exchange.lie(Lie(Fault.TOO_MANY_REQUESTS))

    with pytest.raises(ccxt.DDoSProtection, match="EAPI:Rate limit exceeded"):
        ask(exchange, rest)
