"""The unmodified ccxt client trades at the lying exchange as it would at Binance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import ccxt.async_support as ccxt
import ccxt.pro as ccxt_pro
import pytest

from data.feeds.ccxt import CcxtFeed
from execution.model.enums import OrderStatus
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import Kind
from tests.venues.lying_exchange.records import FeeIn, FeePolicy
from tests.venues.lying_exchange.server import LyingExchange, point_ccxt

SYMBOL = "BTC/USDT"
CID = "6r5zjq2mxw7tkahf3c"
Client = ccxt.binance
T = TypeVar("T")
SEEN_WITHIN_S = 3


@pytest.fixture
def exchange() -> Iterator[LyingExchange]:
    with LyingExchange("binance") as exchange:
        exchange.engine("binance").open_account("key", {"USDT": "10000", "BTC": "1"})
        yield exchange


@pytest.fixture
def engine(exchange: LyingExchange) -> Engine:
    return exchange.engine("binance")


@asynccontextmanager
async def connected(
    exchange: LyingExchange, of: type[Client] = ccxt.binance, **config: str
) -> AsyncIterator[Client]:
    keys = {"apiKey": "key", "secret": "secret", "enableRateLimit": False, "timeout": 2000}
    client = of(keys | config)
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


def create(client: Client, type_: str, side: str, amount: str, **fields: str) -> Awaitable[Any]:
    """Create an order under our id, unless `fields` has another; `px` is its limit."""
    px = fields.pop("px", None)
    return client.create_order(SYMBOL, type_, side, amount, px, {"clientOrderId": CID} | fields)


def find(client: Client, client_id: str = CID) -> Awaitable[Any]:
    return client.fetch_order(None, SYMBOL, {"clientOrderId": client_id})


def test_markets_prices_and_times_come_from_the_exchange(exchange: LyingExchange, engine: Engine):
    engine.set_price(SYMBOL, "51234.56")

    async def look(client: Client):
        markets = await client.load_markets()
        return markets, await client.fetch_ticker(SYMBOL), await client.fetch_time()

    markets, ticker, now = ask(exchange, look)

    assert list(markets) == ["BTC/USDT", "ETH/USDT"]
    market = markets[SYMBOL]
    assert {"amount": "0.00001000", "price": "0.01000000"}.items() <= market["precision"].items()
    assert market["limits"]["cost"]["min"] == "5.00000000"
    assert ticker["last"] == "51234.56000000"
    assert abs(engine.now().timestamp() * 1000 - now) < 5000


def test_our_own_feed_of_candles_works_against_it(exchange: LyingExchange):
    feed = CcxtFeed("binance", ["BTC/USDT"], "1h")
    point_ccxt(feed.exchange, exchange.url)

    (instrument,) = feed.instruments()
    bars = feed.bars(instrument.instrument_id, None, 30)

    assert len(bars) == 30
    assert Decimal("0.01") == instrument.px_increment
    assert Decimal(50_000) == feed.last_price(instrument.instrument_id)[0]


def test_a_market_order_fills_and_is_found_by_its_client_id(
    exchange: LyingExchange, engine: Engine
):
    async def buy(client: Client):
        sent = await create(client, "market", "buy", "0.1")
        return sent, await find(client), await client.fetch_my_trades(SYMBOL)

    sent, found, (fill,) = ask(exchange, buy)

    assert sent["id"] == found["id"] == fill["order"] == engine.orders("key")[0].order_id
    assert (
        found["clientOrderId"],
        found["status"],
        found["filled"],
    ) == (CID, "closed", "0.10000000")
    assert {"currency": "USDT", "cost": "5.00000000"} == fill["fee"] == sent["fees"][0]
    assert "clientOrderId" not in fill["info"]
    assert exchange.count(Kind.SUBMIT) == 1


def test_a_limit_order_rests_locks_its_money_and_is_canceled(exchange: LyingExchange):
    async def rest(client: Client):
        await create(client, "limit", "buy", "0.1", px="40000")
        (resting,) = await client.fetch_open_orders(SYMBOL)
        balance = await client.fetch_balance()
        canceled = await client.cancel_order(None, SYMBOL, {"clientOrderId": CID})
        return resting, balance, canceled, await client.fetch_open_orders(SYMBOL)

    resting, balance, canceled, left = ask(exchange, rest)

    assert (
        resting["clientOrderId"],
        resting["status"],
        resting["price"],
    ) == (CID, "open", "40000.00000000")
    assert (balance["USDT"]["free"], balance["USDT"]["used"]) == ("5996.00000000", "4004.00000000")
    assert (canceled["status"], left) == ("canceled", [])
    assert CID == canceled["info"]["origClientOrderId"] != canceled["info"]["clientOrderId"]


@pytest.mark.parametrize(
    ("type_", "fields", "wire", "px"),
    [
        ("market", {"stopLossPrice": "45000"}, "STOP_LOSS", 44_000),
        ("limit", {"stopLossPrice": "45000", "px": "44000"}, "STOP_LOSS_LIMIT", 44_500),
        ("market", {"takeProfitPrice": "55000"}, "TAKE_PROFIT", 56_000),
        (
            "market",
            {"trailingPercent": "5", "stopLossOrTakeProfit": "stopLoss"},
            "STOP_LOSS",
            47_000,
        ),
    ],
)
def test_a_stop_waits_for_its_price(
    exchange: LyingExchange,
    engine: Engine,
    type_: str,
    fields: dict[str, str],
    wire: str,
    px: int,
):
    async def protect(client: Client):
        await create(client, type_, "sell", "0.5", **fields)
        waiting = await find(client)
        engine.set_price(SYMBOL, px)
        return waiting, await find(client)

    waiting, done = ask(exchange, protect)

    assert ("open", wire) == (waiting["status"], waiting["info"]["type"])
    assert ("closed", Decimal(px)) == (done["status"], Decimal(done["average"]))


def test_a_post_only_order_that_would_take_is_refused(exchange: LyingExchange):
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        ask(exchange, lambda c: create(c, "limit", "buy", "0.1", px="51000", timeInForce="PO"))


def test_a_market_order_may_say_how_much_to_spend(exchange: LyingExchange):
    order = ask(exchange, lambda client: create(client, "market", "buy", "0", cost="1000"))

    assert (order["filled"], order["cost"]) == ("0.02000000", "1000.00000000")


@pytest.mark.parametrize(
    ("amount", "px", "error", "code"),
    [
        ("1", "40000", ccxt.InsufficientFunds, "insufficient balance"),
        ("0.0001", "40000", ccxt.BadRequest, "-1013"),
    ],
)
def test_a_refusal_is_in_binances_own_words(
    exchange: LyingExchange, engine: Engine, amount: str, px: str, error: type[Exception], code: str
):
    with pytest.raises(error, match=code):
        ask(exchange, lambda client: create(client, "limit", "buy", amount, px=px))
    assert engine.orders() == []


def test_an_id_is_unique_only_while_its_order_is_open(exchange: LyingExchange, engine: Engine):
    """Which is why a blind resend of a filled market order buys a second time."""

    async def twice(client: Client):
        await create(client, "limit", "buy", "0.01", px="40000")
        with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
            await create(client, "limit", "buy", "0.01", px="40000")
        await client.cancel_order(None, SYMBOL, {"clientOrderId": CID})
        for _ in range(2):
            await create(client, "market", "buy", "0.01")
        return await find(client)

    newest = ask(exchange, twice)

    assert len(engine.by_client_id("key", CID)) == 3
    assert engine.orders()[-1].order_id == newest["id"]


def test_what_is_not_there_is_not_found(exchange: LyingExchange):
    async def miss(client: Client):
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await find(client)
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await client.cancel_order("77", SYMBOL)

    ask(exchange, miss)


def test_an_unknown_key_and_a_wrong_clock_are_refused(exchange: LyingExchange):
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        ask(exchange, lambda client: client.fetch_balance(), apiKey="another")

    async def late(client: Client):
        await client.load_markets()
        client.options["timeDifference"] = 60_000
        return await client.fetch_balance()

    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        ask(exchange, late)


def test_an_order_is_replaced_by_a_new_one(exchange: LyingExchange, engine: Engine):
    async def change(client: Client):
        first = await create(client, "limit", "buy", "0.1", px="40000")
        await client.edit_order(
            first["id"], SYMBOL, "limit", "buy", "0.1", "41000", {"clientOrderId": "second"}
        )
        return first, await find(client, "second")

    first, second = ask(exchange, change)

    assert OrderStatus.CANCELED is engine.order(first["id"]).status
    assert (second["price"], second["amount"]) == ("41000.00000000", "0.10000000")


def test_a_replacement_may_cancel_and_then_fail(exchange: LyingExchange, engine: Engine):
    """The old order is gone, the new one never was: -2021 says half of it was done."""

    async def change(client: Client):
        first = await create(client, "limit", "buy", "0.1", px="40000")
        with pytest.raises(ccxt.ExchangeError, match="-2021"):
            await client.edit_order(first["id"], SYMBOL, "limit", "buy", "9", "40000")

    ask(exchange, change)

    assert [order.status for order in engine.orders()] == [OrderStatus.CANCELED]


def test_the_legs_of_an_oco_have_their_own_ids(exchange: LyingExchange, engine: Engine):
    asked = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.5",
        "listClientOrderId": "pair",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "60000",
        "aboveClientOrderId": "above",
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": "45000",
        "belowPrice": "44000",
        "belowTimeInForce": "GTC",
        "belowClientOrderId": "below",
    }

    async def protect(client: Client):
        listed = await client.private_post_orderlist_oco(asked)
        found = await client.private_get_orderlist({"origClientOrderId": "pair"})
        engine.set_price(SYMBOL, 60_000)
        return listed, found, await find(client, "above"), await find(client, "below")

    listed, found, above, below = ask(exchange, protect)

    assert ("EXECUTING", listed["orderListId"]) == (found["listOrderStatus"], found["orderListId"])
    assert [leg["clientOrderId"] for leg in listed["orders"]] == ["above", "below"]
    assert (above["status"], below["status"]) == ("closed", "canceled")


def test_an_oco_is_canceled_as_one(exchange: LyingExchange, engine: Engine):
    asked = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.5",
        "listClientOrderId": "pair",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "60000",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "45000",
    }

    async def protect(client: Client):
        await client.private_post_orderlist_oco(asked)
        ours = {"symbol": "BTCUSDT", "listClientOrderId": "pair"}
        return await client.private_delete_orderlist(ours)

    assert ask(exchange, protect)["listOrderStatus"] == "ALL_DONE"
    assert [order.status for order in engine.orders()] == [OrderStatus.CANCELED] * 2


def test_a_liquidation_is_among_the_fills_and_its_order_is_marked(
    exchange: LyingExchange, engine: Engine
):
    engine.liquidate("key", SYMBOL)

    async def look(client: Client):
        return await client.fetch_my_trades(SYMBOL), await client.fetch_orders(SYMBOL)

    (fill,), (order,) = ask(exchange, look)

    assert (fill["side"], fill["amount"]) == ("sell", "1.00000000")
    assert order["clientOrderId"].startswith("autoclose-")


def test_money_that_came_and_went_is_listed(exchange: LyingExchange, engine: Engine):
    engine.transfer("key", "USDT", "500")
    engine.transfer("key", "USDT", "-200")

    async def look(client: Client):
        return await client.fetch_deposits("USDT"), await client.fetch_withdrawals("USDT")

    (came,), (went,) = ask(exchange, look)

    assert (came["amount"], came["status"], came["type"]) == ("500.00000000", "ok", "deposit")
    assert (went["amount"], went["status"], went["type"]) == ("200.00000000", "ok", "withdrawal")


def test_fills_are_paged_from_a_time_or_an_id_on(exchange: LyingExchange, engine: Engine):
    async def trade(client: Client):
        for number in range(5):
            await create(client, "market", "buy", "0.001", clientOrderId=str(number))
        newest = await client.fetch_my_trades(SYMBOL, limit=2)
        oldest = await client.fetch_my_trades(SYMBOL, 1, 2)
        first_id = engine.fills()[2].trade_id
        rest = await client.fetch_my_trades(SYMBOL, params={"fromId": first_id})
        return [[fill["id"] for fill in page] for page in (newest, oldest, rest)]

    newest, oldest, rest = ask(exchange, trade)

    ids = [fill.trade_id for fill in engine.fills()]
    assert (ids[-2:], ids[:2], ids[2:]) == (newest, oldest, rest)


def test_the_stream_tells_of_an_order_and_of_its_fill_and_fee(
    exchange: LyingExchange, engine: Engine
):
    engine.open_account("key", {"USDT": "10000"}, FeePolicy(fee_in=FeeIn.RECEIVED))

    async def watch():
        async with (
            connected(exchange, ccxt_pro.binance) as streaming,
            connected(exchange) as client,
        ):
            await streaming.load_markets()
            orders = asyncio.create_task(streaming.watch_orders(SYMBOL))
            fills = asyncio.create_task(streaming.watch_my_trades(SYMBOL))
            balances = asyncio.create_task(streaming.watch_balance())
            await asyncio.sleep(0.2)
            await create(client, "market", "buy", "0.1")
            seen = [await asyncio.wait_for(orders, SEEN_WITHIN_S)]
            if seen[0][-1]["status"] == "open":
                seen.append(await asyncio.wait_for(streaming.watch_orders(SYMBOL), SEEN_WITHIN_S))
            (fill,) = await asyncio.wait_for(fills, SEEN_WITHIN_S)
            return seen[-1][-1], fill, await asyncio.wait_for(balances, SEEN_WITHIN_S)

    order, fill, balance = asyncio.run(watch())

    assert (
        order["clientOrderId"],
        order["status"],
        order["filled"],
    ) == (CID, "closed", "0.10000000")
    assert (order["id"], engine.fills()[0].trade_id) == (fill["order"], fill["id"])
    assert fill["fee"]["currency"] == "BTC"
    assert balance["BTC"]["free"] == "0.09990000"
