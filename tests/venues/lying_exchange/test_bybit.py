"""The unmodified ccxt client trades at the lying exchange as it would at Bybit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import ccxt.async_support as ccxt
import pytest

from execution.model.enums import OrderStatus
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import LIES
from tests.venues.lying_exchange.server import LyingExchange, point_ccxt

SYMBOL = "BTC/USDT"
CID = "6r5zjq2mxw7tkahf3c"
Client = ccxt.bybit
T = TypeVar("T")


class Clock:
    """Now, and as much later as a test wants."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def exchange(clock: Clock) -> Iterator[LyingExchange]:
    with LyingExchange("bybit", clock=clock) as exchange:
        exchange.engine("bybit").open_account("key", {"USDT": "10000", "BTC": "1"})
        yield exchange


@pytest.fixture
def engine(exchange: LyingExchange) -> Engine:
    return exchange.engine("bybit")


@asynccontextmanager
async def connected(exchange: LyingExchange, **config: str) -> AsyncIterator[Client]:
    keys = {"apiKey": "key", "secret": "secret", "enableRateLimit": False, "timeout": 2000}
    client = ccxt.bybit(keys | config)
    client.number = str
    client.timeout_on_exit = 0  # nothing to wait for: there is no TLS
    point_ccxt(client, exchange.url)
    try:
        yield client
    finally:
        await client.close()


def ask(exchange: LyingExchange, act: Callable[[Client], Awaitable[T]], **config: str) -> T:
    """Do something with a client of its own."""

    async def run() -> T:
        async with connected(exchange, **config) as client:
            return await act(client)

    return asyncio.run(run())


def create(client: Client, type_: str, side: str, amount: str, **fields: object) -> Awaitable[Any]:
    """Create an order under our id, unless `fields` has another; `px` is its limit."""
    px = fields.pop("px", None)
    return client.create_order(SYMBOL, type_, side, amount, px, {"clientOrderId": CID} | fields)


def find(client: Client, client_id: str = CID) -> Awaitable[list[Any]]:
    return client.fetch_open_orders(SYMBOL, params={"orderLinkId": client_id})


def test_markets_prices_and_times_come_from_the_exchange(exchange: LyingExchange, engine: Engine):
    async def look(client: Client):
        markets = await client.load_markets()
        candles = await client.fetch_ohlcv(SYMBOL, "1h", limit=3)
        return markets, await client.fetch_ticker(SYMBOL), candles, await client.fetch_time()

    markets, ticker, candles, now = ask(exchange, look)

    assert list(markets) == ["BTC/USDT", "ETH/USDT"]
    assert markets[SYMBOL]["precision"] == {"amount": "0.000001", "price": "0.1"}
    assert tuple(markets[SYMBOL]["limits"][n]["min"] for n in ("amount", "cost")) == (
        "0.000011",
        "5",
    )
    assert "50000" == ticker["last"] == candles[-1][4]
    assert len(candles) == 3
    assert abs(engine.now().timestamp() * 1000 - now) < 5000


def test_a_market_order_is_acknowledged_and_then_found_closed_by_its_client_id(
    exchange: LyingExchange, engine: Engine
):
    """The answer to a create holds two ids and nothing of what became of the order."""

    async def buy(client: Client):
        sent = await create(client, "market", "buy", "0.1")
        return sent, await find(client), await client.fetch_my_trades(SYMBOL)

    sent, (found,), (fill,) = ask(exchange, buy)

    assert (sent["status"], sent["filled"]) == (None, None)
    assert sent["id"] == found["id"] == fill["order"] == engine.orders("key")[0].order_id
    assert (found["status"], found["filled"]) == ("closed", "0.100000")
    assert (fill["fee"]["currency"], fill["fee"]["cost"]) == ("USDT", "5.00000000")
    assert fill["info"]["orderLinkId"] == CID


def test_a_limit_order_rests_locks_its_money_and_is_canceled(exchange: LyingExchange):
    async def rest(client: Client):
        await create(client, "limit", "sell", "0.4", px="60000")
        (resting,) = await client.fetch_open_orders(SYMBOL)
        balance = await client.fetch_balance()
        await client.cancel_order(None, SYMBOL, {"orderLinkId": CID})
        history = await client.fetch_canceled_and_closed_orders(SYMBOL)
        return resting, balance, history, await client.fetch_open_orders(SYMBOL)

    resting, balance, (canceled,), left = ask(exchange, rest)

    assert (resting["clientOrderId"], resting["status"], resting["price"]) == (CID, "open", "60000")
    assert (balance["BTC"]["free"], balance["BTC"]["used"]) == ("0.6", "0.4")
    assert (canceled["status"], canceled["clientOrderId"], left) == ("canceled", CID, [])


@pytest.mark.parametrize(
    ("fields", "filter_", "px"),
    [
        ({"triggerPrice": "45000"}, "StopOrder", 44_000),
        ({"triggerPrice": "55000"}, "StopOrder", 56_000),
        ({"stopLossPrice": "45000"}, "tpslOrder", 44_000),
    ],
)
def test_a_stop_waits_for_its_price_and_is_canceled_only_as_a_stop(
    exchange: LyingExchange, engine: Engine, fields: dict[str, str], filter_: str, px: int
):
    async def protect(client: Client):
        await create(client, "market", "sell", "0.5", **fields)
        ours = {"orderLinkId": CID}
        with pytest.raises(ccxt.OrderNotFound, match="170213"):
            await client.cancel_order(None, SYMBOL, ours)
        await client.cancel_order(None, SYMBOL, ours | {"orderFilter": filter_})
        await create(client, "market", "sell", "0.5", clientOrderId="second", **fields)
        (waiting,) = await find(client, "second")
        engine.set_price(SYMBOL, px)
        return (await find(client))[0], waiting, (await find(client, "second"))[0]

    canceled, waiting, done = ask(exchange, protect)

    assert tuple(order["info"]["orderStatus"] for order in (canceled, waiting)) == (
        "Deactivated",
        "Untriggered",
    )
    assert ("closed", Decimal(px)) == (done["status"], Decimal(done["average"]))


def test_exits_that_are_attached_to_an_order_live_from_its_fill_on(
    exchange: LyingExchange, engine: Engine
):
    exits = {"stopLoss": {"triggerPrice": "45000"}, "takeProfit": {"triggerPrice": "60000"}}

    async def protect(client: Client):
        await create(client, "limit", "buy", "0.1", px="49000", **exits)
        before = await client.fetch_open_orders(SYMBOL)
        engine.set_price(SYMBOL, 48_000)
        return before, await client.fetch_open_orders(SYMBOL)

    before, after = ask(exchange, protect)

    assert [order["clientOrderId"] for order in before] == [CID]
    assert {"45000", "60000"} == {order["triggerPrice"] for order in after}
    assert {"sell"} == {order["side"] for order in after}


def test_a_taking_post_only_order_is_accepted_and_canceled_at_once(exchange: LyingExchange):
    async def send(client: Client):
        await create(client, "limit", "buy", "0.1", px="51000", postOnly=True)
        return await find(client)

    (order,) = ask(exchange, send)

    assert (order["status"], order["filled"]) == ("canceled", "0")
    assert order["info"]["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"


def test_a_canceled_rest_is_called_closed_and_is_not_among_the_closed_orders(
    exchange: LyingExchange, engine: Engine
):
    """Ccxt asks for `orderStatus=Filled`: what filled in part and was canceled is not there."""
    engine.set_liquidity(SYMBOL, "0.02")

    async def buy(client: Client):
        await create(client, "limit", "buy", "0.1", px="50000", timeInForce="IOC")
        (found,) = await find(client)
        every = await client.fetch_canceled_and_closed_orders(SYMBOL)
        return found, await client.fetch_closed_orders(SYMBOL), every

    found, closed, every = ask(exchange, buy)

    assert (
        found["status"],
        found["filled"],
        found["info"]["orderStatus"],
    ) == ("closed", "0.02", "PartiallyFilledCanceled")
    assert (closed, len(every)) == ([], 1)


@pytest.mark.parametrize(
    ("amount", "error", "code"),
    [
        ("1", ccxt.InsufficientFunds, "170131"),
        ("0.0001", ccxt.InvalidOrder, "170140"),
    ],
)
def test_a_refusal_has_bybits_own_code(
    exchange: LyingExchange, engine: Engine, amount: str, error: type[Exception], code: str
):
    with pytest.raises(error, match=code):
        ask(exchange, lambda client: create(client, "limit", "buy", amount, px="40000"))
    assert engine.orders() == []


def test_an_id_is_unique_for_ever(exchange: LyingExchange, engine: Engine):
    async def twice(client: Client):
        await create(client, "market", "buy", "0.01")
        with pytest.raises(ccxt.InvalidOrder, match="170141"):
            await create(client, "market", "buy", "0.01")

    ask(exchange, twice)

    assert len(engine.orders()) == 1


def test_what_is_not_there_is_an_empty_list(exchange: LyingExchange):
    async def miss(client: Client):
        with pytest.raises(ccxt.OrderNotFound, match="170213"):
            await client.cancel_order("77", SYMBOL)
        history = await client.fetch_canceled_and_closed_orders(SYMBOL, params={"orderLinkId": CID})
        return await find(client), history

    assert ask(exchange, miss) == ([], [])


def test_an_order_that_was_canceled_unfilled_is_forgotten_after_a_day(
    exchange: LyingExchange, engine: Engine, clock: Clock
):
    async def look(client: Client):
        await create(client, "market", "buy", "0.01", clientOrderId="filled")
        await create(client, "limit", "buy", "0.01", px="40000")
        await client.cancel_order(None, SYMBOL, {"orderLinkId": CID})
        before = await client.fetch_canceled_and_closed_orders(SYMBOL)
        clock.ahead = timedelta(days=1)
        client.options["timeDifference"] = -86_400_000
        return before, await client.fetch_canceled_and_closed_orders(SYMBOL)

    before, after = ask(exchange, look)

    assert {"filled", CID} == {order["clientOrderId"] for order in before}
    assert [order["clientOrderId"] for order in after] == ["filled"]


def test_an_order_is_amended_in_place(exchange: LyingExchange):
    async def change(client: Client):
        sent = await create(client, "limit", "buy", "0.1", px="40000")
        await client.edit_order(sent["id"], SYMBOL, "limit", "buy", "0.05", "41000")
        return sent, (await find(client))[0]

    sent, found = ask(exchange, change)

    assert (sent["id"], "41000", "0.05") == (found["id"], found["price"], found["amount"])


def test_a_liquidation_shows_only_where_one_asks_for_it(exchange: LyingExchange, engine: Engine):
    """Ccxt's fetch_my_trades asks for `execType=Trade` and never sees a `BustTrade`."""
    engine.liquidate("key", SYMBOL)

    async def look(client: Client):
        busts = await client.fetch_my_trades(SYMBOL, params={"execType": "BustTrade"})
        return await client.fetch_my_trades(SYMBOL), busts

    usual, (bust,) = ask(exchange, look)

    assert usual == []
    assert (bust["side"], bust["amount"], bust["info"]["orderLinkId"]) == ("sell", "1.000000", "")


def test_money_that_came_and_went_is_listed(exchange: LyingExchange, engine: Engine):
    engine.transfer("key", "USDT", "500")
    engine.transfer("key", "USDT", "-200")

    async def look(client: Client):
        return await client.fetch_deposits("USDT"), await client.fetch_withdrawals("USDT")

    (came,), (went,) = ask(exchange, look)

    assert (came["amount"], came["status"], came["type"]) == ("500", "ok", "deposit")
    assert (went["amount"], went["status"], went["type"]) == ("200", "ok", "withdrawal")


def test_listings_come_in_pages_with_a_cursor(exchange: LyingExchange, engine: Engine):
    async def page(client: Client):
        for number in range(3):
            await create(client, "market", "buy", "0.001", clientOrderId=str(number))
        asked = {"category": "spot", "limit": "2"}
        first = (await client.private_get_v5_execution_list(asked))["result"]
        more = {"cursor": first["nextPageCursor"]}
        return first, (await client.private_get_v5_execution_list(asked | more))["result"]

    first, second = ask(exchange, page)

    listed = [*first["list"], *second["list"]]
    assert [fill.trade_id for fill in reversed(engine.fills())] == [x["execId"] for x in listed]
    assert (len(first["list"]), second["nextPageCursor"]) == (2, "")


def test_an_unknown_key_a_wrong_clock_and_haste_are_refused(exchange: LyingExchange):
    with pytest.raises(ccxt.AuthenticationError, match="10003"):
        ask(exchange, lambda client: client.fetch_balance(), apiKey="another")

    async def late(client: Client):
        await client.load_markets()
        client.options["timeDifference"] = 60_000
        return await client.fetch_balance()

    with pytest.raises(ccxt.InvalidNonce, match="10002"):
        ask(exchange, late)
    exchange.lie(LIES["too_many_requests"])
    with pytest.raises(ccxt.RateLimitExceeded, match="10006"):
        ask(exchange, lambda client: client.fetch_balance())


def test_a_timed_out_order_is_there_under_its_client_id(exchange: LyingExchange, engine: Engine):
    exchange.lie(LIES["timeout_after"])

    async def send(client: Client):
        await client.load_markets()
        await client.is_unified_enabled()
        client.timeout = 100
        with pytest.raises(ccxt.RequestTimeout):
            await create(client, "market", "buy", "0.1")
        client.timeout = 2000
        return await find(client)

    (found,) = ask(exchange, send)

    assert engine.orders()[0].order_id == found["id"]
    assert OrderStatus.FILLED is engine.orders()[0].status
