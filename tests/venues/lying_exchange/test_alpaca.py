"""The unmodified alpaca-py clients trade at the lying exchange as they would at Alpaca."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import requests

from execution.model.enums import OrderStatus
from tests.venues.lying_exchange.alpaca_engine import AlpacaEngine
from tests.venues.lying_exchange.lies import Fault, Kind, Lie
from tests.venues.lying_exchange.records import FeeIn, FeePolicy
from tests.venues.lying_exchange.server import LyingExchange

with warnings.catch_warnings():
    # alpaca-py still imports the part of websockets that is going away.
    warnings.filterwarnings("ignore", "websockets", DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical.crypto import CryptoHistoricalDataClient
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.data.requests import (
        CryptoBarsRequest,
        CryptoLatestTradeRequest,
        StockBarsRequest,
        StockLatestTradeRequest,
    )
    from alpaca.data.timeframe import TimeFrame
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
    from alpaca.trading.requests import (
        GetCalendarRequest,
        LimitOrderRequest,
        ReplaceOrderRequest,
        StopLossRequest,
        TakeProfitRequest,
        TrailingStopOrderRequest,
    )
    from alpaca.trading.stream import TradingStream

KEYS = ("key", "secret")
ID = "6r5zjq2mxw7tkahf3c"
Row = dict[str, object]


@pytest.fixture
def exchange() -> Iterator[LyingExchange]:
    with LyingExchange("alpaca") as exchange:
        yield exchange


@pytest.fixture
def engine(exchange: LyingExchange) -> AlpacaEngine:
    engine = exchange.engine("alpaca")
    assert isinstance(engine, AlpacaEngine)
    engine.open_account("key", {"USD": "100000", "AAPL": "10"})
    return engine


def trading(exchange: LyingExchange, key: str = "key", *, raw: bool = True) -> TradingClient:
    """A client that asks once: alpaca-py itself would send a refused order four times."""
    client = TradingClient(key, "secret", raw_data=raw, url_override=f"{exchange.url}/alpaca")
    client._retry = 0
    return client


@pytest.fixture
def client(exchange: LyingExchange, engine: AlpacaEngine) -> Iterator[TradingClient]:
    client = trading(exchange)
    yield client
    client._session.close()


def send(client: TradingClient, **fields: object) -> Row:
    """Send an order for one share of Apple, changed by `fields`; None leaves one out."""
    order = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market"}
    order |= {"time_in_force": "day", "client_order_id": ID} | fields
    return client.post("/orders", {name: value for name, value in order.items() if value})


def refusal(client: TradingClient, **fields: object) -> tuple[int, int, str]:
    """The status, the code and the words in which an order is refused."""
    with pytest.raises(APIError) as caught:
        send(client, **fields)
    return caught.value.status_code, caught.value.code, caught.value.message


def by_client_id(client: TradingClient) -> Row:
    return client.get_order_by_client_id(ID)


def test_a_market_order_fills_and_is_found_by_its_client_id(client: TradingClient):
    sent, found = send(client), by_client_id(client)

    assert sent["id"] == found["id"]
    assert (found["status"], found["filled_qty"], found["filled_avg_price"]) == (
        "filled",
        "1",
        "200",
    )
    assert (found["symbol"], found["asset_class"], found["order_class"]) == (
        "AAPL",
        "us_equity",
        "",
    )


@pytest.mark.parametrize(
    ("fields", "px"),
    [
        ({"type": "limit", "limit_price": "190"}, "189"),
        ({"type": "stop", "stop_price": "210"}, "211"),
        ({"type": "stop_limit", "stop_price": "210", "limit_price": "212"}, "211"),
        ({"type": "limit", "limit_price": "190", "time_in_force": "gtc"}, "190"),
        ({"side": "sell", "type": "stop", "stop_price": "190"}, "189"),
        ({"side": "sell", "type": "trailing_stop", "trail_percent": "5"}, "189"),
        ({"side": "sell", "type": "trailing_stop", "trail_price": "10"}, "189"),
    ],
)
def test_a_stock_order_waits_for_its_price_and_then_fills(
    client: TradingClient, engine: AlpacaEngine, fields: Row, px: str
):
    sent = send(client, **fields)
    engine.set_price("AAPL/USD", px)

    assert (sent["status"], sent["type"]) == ("new", fields["type"])
    assert by_client_id(client)["status"] == "filled"


def test_a_trailing_stop_follows_the_price_up(client: TradingClient, engine: AlpacaEngine):
    send(client, side="sell", type="trailing_stop", trail_percent="5")
    engine.set_price("AAPL/USD", "220")
    order = by_client_id(client)

    assert (order["stop_price"], order["hwm"], order["trail_percent"]) == (
        "209",
        "220",
        "5",
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "filled"),
        ({"time_in_force": "ioc"}, "filled"),
        ({"type": "limit", "limit_price": "40000"}, "new"),
        ({"type": "stop_limit", "stop_price": "51000", "limit_price": "51100"}, "new"),
        ({"type": "limit", "limit_price": "40000", "time_in_force": "ioc"}, "expired"),
    ],
)
def test_a_coin_is_traded_in_small_parts(client: TradingClient, fields: Row, status: str):
    bitcoin = {"symbol": "BTC/USD", "qty": "0.00112345", "time_in_force": "gtc"}

    order = send(client, **(bitcoin | fields))

    assert (order["symbol"], order["asset_class"], order["qty"]) == (
        "BTC/USD",
        "crypto",
        "0.00112345",
    )
    assert by_client_id(client)["status"] == status


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "stop", "stop_price": "51000"}, "invalid order type for crypto order"),
        ({"type": "trailing_stop", "trail_percent": "5"}, "invalid order type for crypto order"),
        ({"time_in_force": "day"}, "invalid crypto time_in_force"),
        ({"time_in_force": "fok"}, "invalid crypto time_in_force"),
        ({"order_class": "bracket"}, "crypto orders not allowed for advanced order_class"),
    ],
)
def test_what_a_coin_cannot_have_is_refused(client: TradingClient, fields: Row, words: str):
    bitcoin = {"symbol": "BTC/USD", "qty": "0.001", "time_in_force": "gtc"}

    assert refusal(client, **(bitcoin | fields)) == (422, 42210000, words)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"qty": "9999"}, (403, 40310000, "insufficient buying power")),
        (
            {"side": "sell", "qty": "11"},
            (
                403,
                40310000,
                "insufficient qty available for order (requested: 11, available: 10)",
            ),
        ),
        (
            {"symbol": "ETH/USD", "side": "sell", "time_in_force": "gtc"},
            (403, 40310000, "insufficient balance for ETH (requested: 1, available: 0)"),
        ),
        (
            {"symbol": "BTC/USD", "qty": "0.0001", "time_in_force": "gtc"},
            (403, 40310000, "cost basis must be >= minimal amount of order"),
        ),
        ({"symbol": "NOPE"}, (422, 42210000, 'asset "NOPE" not found')),
        ({"type": "limit"}, (422, 42210000, "limit orders require limit_price")),
        (
            {"type": "limit", "limit_price": "190.001"},
            (422, 42210000, "sub-penny increment does not fulfill minimum pricing criteria"),
        ),
        (
            {"qty": "1.5", "time_in_force": "gtc"},
            (422, 42210000, "fractional orders must be DAY orders"),
        ),
        (
            {"extended_hours": True},
            (422, 42210000, "extended hours order must be DAY or GTC limit orders"),
        ),
    ],
)
def test_an_order_is_refused_in_alpacas_words(
    client: TradingClient, engine: AlpacaEngine, fields: Row, refused: tuple[int, int, str]
):
    assert refusal(client, **fields) == refused
    assert engine.orders("key") == []


def test_a_client_id_is_taken_once_and_for_ever(client: TradingClient, engine: AlpacaEngine):
    """After a lost answer this refusal is the proof that the first one landed."""
    send(client, type="limit", limit_price="190")
    client.cancel_orders()

    assert refusal(client) == (422, 40010001, "client_order_id must be unique")
    assert len(engine.orders("key")) == 1


def test_a_blocked_account_cannot_trade_and_says_so(client: TradingClient, engine: AlpacaEngine):
    engine.block("key", "trading_blocked")

    account = client.get_account()

    assert (account["trading_blocked"], account["account_blocked"]) == (True, False)
    assert refusal(client) == (403, 40310000, "account is blocked: trading_blocked")


def test_an_order_is_queued_while_the_market_is_closed(client: TradingClient, engine: AlpacaEngine):
    engine.close_market()
    sent, clock = send(client), client.get_clock()
    engine.set_price("AAPL/USD", "201")
    still = by_client_id(client)
    engine.open_market()

    assert (sent["status"], still["status"], clock["is_open"]) == ("accepted", "accepted", False)
    assert by_client_id(client)["filled_avg_price"] == "201"
    assert client.get_clock()["is_open"] is True


def test_coins_trade_while_the_market_for_stocks_is_closed(
    client: TradingClient, engine: AlpacaEngine
):
    engine.close_market()

    assert send(client, symbol="BTC/USD", qty="0.01", time_in_force="gtc")["status"] == "filled"


def bracket(client: TradingClient, **fields: object) -> Row:
    exits = {"take_profit": {"limit_price": "220"}, "stop_loss": {"stop_price": "180"}}
    entry = {"type": "limit", "limit_price": "195", "order_class": "bracket"}
    return send(client, **(entry | exits | fields))


def test_the_legs_of_a_bracket_live_when_its_entry_fills(
    client: TradingClient, engine: AlpacaEngine
):
    sent = bracket(client)
    target, stop = sent["legs"]
    engine.set_price("AAPL/USD", "195")
    filled = client.get("/orders", {"nested": "true", "status": "all"})

    assert [(leg["type"], leg["side"], leg["status"]) for leg in (target, stop)] == [
        ("limit", "sell", "held"),
        ("stop", "sell", "held"),
    ]
    assert [(order["id"], order["status"]) for order in filled] == [(sent["id"], "filled")]
    assert [leg["status"] for leg in filled[0]["legs"]] == ["new", "held"]


@pytest.mark.parametrize(
    ("px", "statuses"),
    [("220", ["filled", "canceled"]), ("180", ["canceled", "filled"])],
)
def test_one_exit_of_a_bracket_cancels_the_other(
    client: TradingClient, engine: AlpacaEngine, px: str, statuses: list[str]
):
    sent = bracket(client)
    engine.set_price("AAPL/USD", "195")
    engine.set_price("AAPL/USD", px)

    assert [client.get_order_by_id(leg["id"])["status"] for leg in sent["legs"]] == statuses
    assert engine.balances("key")["AAPL"].total == Decimal(10)


def test_a_bracket_that_is_canceled_takes_its_legs_with_it(
    client: TradingClient, engine: AlpacaEngine
):
    client.cancel_order_by_id(bracket(client)["id"])

    assert {order.status for order in engine.orders("key")} == {OrderStatus.CANCELED}


@pytest.mark.parametrize(
    ("exits", "words"),
    [
        ({"stop_loss": {"stop_price": "195"}}, "stop_loss.stop_price must be <= base_price - 0.01"),
        (
            {"take_profit": {"limit_price": "195"}},
            "take_profit.limit_price must be >= base_price + 0.01",
        ),
        (
            {"stop_loss": None},
            "bracket orders require take_profit.limit_price and stop_loss.stop_price",
        ),
    ],
)
def test_a_bracket_with_exits_on_the_wrong_side_is_refused(
    client: TradingClient, exits: Row, words: str
):
    exits = {"take_profit": {"limit_price": "220"}, "stop_loss": {"stop_price": "180"}} | exits

    assert refusal(client, type="limit", limit_price="195", order_class="bracket", **exits) == (
        422,
        42210000,
        words,
    )


def test_an_oco_leaves_one_of_two_exits(client: TradingClient, engine: AlpacaEngine):
    exits = {"take_profit": {"limit_price": "220"}, "stop_loss": {"stop_price": "180"}}
    sent = send(client, side="sell", qty="10", type="limit", order_class="oco", **exits)
    engine.set_price("AAPL/USD", "179")
    (order,) = client.get("/orders", {"status": "closed", "nested": "true"})

    assert (sent["limit_price"], sent["status"]) == ("220", "new")
    assert [(leg["stop_price"], leg["status"]) for leg in sent["legs"]] == [("180", "held")]
    assert (order["status"], order["legs"][0]["status"]) == ("canceled", "filled")
    assert engine.balances("key")["AAPL"].total == 0


def test_an_oto_protects_what_its_entry_bought(client: TradingClient, engine: AlpacaEngine):
    sent = send(client, order_class="oto", stop_loss={"stop_price": "180"})
    (leg,) = sent["legs"]

    assert (sent["status"], leg["status"], leg["type"]) == ("filled", "new", "stop")


def test_a_replaced_order_is_a_new_order(client: TradingClient, engine: AlpacaEngine):
    old = send(client, type="limit", limit_price="190")
    new = client.patch(f"/orders/{old['id']}", {"limit_price": "191", "client_order_id": f"{ID}2"})
    before = by_client_id(client)

    assert (before["status"], before["replaced_by"]) == ("replaced", new["id"])
    assert (new["replaces"], new["limit_price"], new["status"]) == (old["id"], "191", "new")
    assert [order.order_id for order in engine.open_orders("key")] == [new["id"]]


def test_a_replacement_without_money_leaves_the_order_as_it_was(
    client: TradingClient, engine: AlpacaEngine
):
    old = send(client, type="limit", limit_price="190")
    with pytest.raises(APIError, match="insufficient buying power"):
        client.patch(f"/orders/{old['id']}", {"qty": "9999"})

    assert [order.order_id for order in engine.open_orders("key")] == [old["id"]]


def test_a_canceled_order_cannot_be_canceled_again(client: TradingClient):
    sent = send(client, type="limit", limit_price="190")
    client.cancel_order_by_id(sent["id"])
    with pytest.raises(APIError) as caught:
        client.cancel_order_by_id(sent["id"])

    assert by_client_id(client)["status"] == "canceled"
    assert (caught.value.status_code, caught.value.message) == (422, "order is not cancelable")


def test_an_unknown_client_id_is_not_found(client: TradingClient):
    with pytest.raises(APIError) as caught:
        by_client_id(client)

    assert (caught.value.status_code, caught.value.code) == (404, 40410000)


def test_a_key_nobody_knows_is_not_authorized(exchange: LyingExchange, engine: AlpacaEngine):
    with pytest.raises(APIError) as caught:
        trading(exchange, "other").get_account()

    assert caught.value.status_code == 401


def test_fills_are_activities_that_come_in_pages(client: TradingClient, engine: AlpacaEngine):
    engine.set_liquidity("AAPL/USD", "2")
    sent = send(client, qty="3")
    engine.set_liquidity("AAPL/USD", None)
    engine.set_price("AAPL/USD", "201")
    pages, asked = [], {"direction": "asc", "page_size": 1}
    for _ in range(3):
        pages.append(client.get("/account/activities/FILL", asked))
        asked |= {"page_token": pages[-1][-1]["id"]} if pages[-1] else {}
    one, two, nothing = pages

    assert [(f["type"], f["qty"], f["price"], f["leaves_qty"]) for f in (*one, *two)] == [
        ("partial_fill", "2", "200", "1"),
        ("fill", "1", "201", "0"),
    ]
    assert {fill["order_id"] for fill in (*one, *two)} == {sent["id"]}
    assert nothing == []


def test_a_fill_of_before_a_time_is_not_listed_after_it(client: TradingClient):
    send(client)
    after = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()

    assert client.get("/account/activities/FILL", {"after": after}) == []


def test_money_that_moved_without_a_trade_is_an_activity_too(
    client: TradingClient, engine: AlpacaEngine
):
    engine.transfer("key", "USD", "500")
    engine.transfer("key", "USD", "-200")
    engine.activity("key", "DIV", "1.25", "AAPL", qty="10", per_share_amount="0.125")
    rows = client.get("/account/activities", {"direction": "asc"})
    dividends = client.get("/account/activities/DIV")

    assert {(row["activity_type"], row["net_amount"]) for row in rows} == {
        ("CSD", "500"),
        ("CSW", "-200"),
        ("DIV", "1.25"),
    }
    assert [(row["symbol"], row["per_share_amount"]) for row in dividends] == [("AAPL", "0.125")]
    assert client.get_account()["cash"] == "100301.25"


def test_the_fee_of_a_coin_is_taken_from_it_and_told_apart_from_the_fill(
    exchange: LyingExchange, client: TradingClient, engine: AlpacaEngine
):
    fees = FeePolicy(rate=Decimal("0.0025"), fee_in=FeeIn.RECEIVED)
    engine.open_account("key", {"USD": "100000"}, fees)
    send(client, symbol="BTC/USD", qty="0.1", time_in_force="gtc")
    send(client, client_order_id=f"{ID}2")
    (fee,) = client.get("/account/activities/CFEE")
    fills = client.get("/account/activities/FILL", {"direction": "asc"})

    assert (fee["symbol"], fee["qty"], fee["net_amount"]) == ("BTCUSD", "-0.00025", "0")
    assert [(fill["symbol"], fill["qty"]) for fill in fills] == [("BTC/USD", "0.1"), ("AAPL", "1")]
    assert client.get_open_position("BTCUSD")["qty"] == "0.09975"


def test_positions_and_the_account_are_worth_what_the_price_says(
    client: TradingClient, engine: AlpacaEngine
):
    send(client, symbol="BTC/USD", qty="0.1", time_in_force="gtc")
    send(client, side="sell", qty="4", type="limit", limit_price="300", client_order_id="other")
    engine.set_price("BTC/USD", "60000")
    apple, bitcoin = client.get_all_positions()
    account = client.get_account()

    assert (apple["symbol"], apple["qty"], apple["qty_available"]) == ("AAPL", "10", "6")
    assert (bitcoin["symbol"], bitcoin["avg_entry_price"]) == ("BTCUSD", "50000")
    assert Decimal(bitcoin["unrealized_pl"]) == Decimal(1000)
    assert Decimal(account["equity"]) - Decimal(account["last_equity"]) == Decimal(1000)
    assert Decimal(account["buying_power"]) == Decimal(95000)
    assert not {"pattern_day_trader", "daytrade_count"} & account.keys()


def test_the_client_s_own_models_take_the_replies(exchange: LyingExchange, engine: AlpacaEngine):
    """Its requests are typed, and its replies are validated: floats and enums and all."""
    client = trading(exchange, raw=False)
    asked = {"symbol": "AAPL", "qty": 1, "side": OrderSide.BUY, "time_in_force": TimeInForce.GTC}
    exits = {
        "take_profit": TakeProfitRequest(limit_price=220),
        "stop_loss": StopLossRequest(stop_price=180),
    }
    order = client.submit_order(
        LimitOrderRequest(limit_price=190.5, order_class=OrderClass.BRACKET, **asked, **exits)
    )
    trailing = client.submit_order(
        TrailingStopOrderRequest(trail_percent=5, **(asked | {"side": OrderSide.SELL}))
    )
    moved = client.replace_order_by_id(trailing.id, ReplaceOrderRequest(trail=6))

    assert (order.limit_price, len(order.legs)) == ("190.5", 2)
    assert (moved.replaces, Decimal(moved.trail_percent)) == (trailing.id, Decimal(6))
    assert [p.symbol for p in client.get_all_positions()] == ["AAPL"]
    assert client.get_account().buying_power == "99809.5"
    assert client.get_clock().is_open
    assert {a.symbol for a in client.get_all_assets()} >= {"AAPL", "BTC/USD"}
    assert client.get_asset("BTC/USD").min_trade_increment == 1e-9
    assert {response.status for response in client.cancel_orders()} == {200}


def test_the_calendar_has_the_weekdays(client: TradingClient):
    days = client.get_calendar(GetCalendarRequest(start=date(2026, 1, 2), end=date(2026, 1, 6)))

    assert [(day["date"], day["open"], day["close"]) for day in days] == [
        ("2026-01-02", "09:30", "16:00"),
        ("2026-01-05", "09:30", "16:00"),
        ("2026-01-06", "09:30", "16:00"),
    ]


def test_bars_and_last_prices_come_from_the_data_api(exchange: LyingExchange):
    base = f"{exchange.url}/alpaca"
    stocks = StockHistoricalDataClient(*KEYS, url_override=base)
    coins = CryptoHistoricalDataClient(url_override=base)
    hour, end = timedelta(hours=1), datetime(2026, 1, 9, tzinfo=UTC)
    asked = {"timeframe": TimeFrame.Hour, "end": end}
    bars = coins.get_crypto_bars(
        CryptoBarsRequest(symbol_or_symbols="BTC/USD", start=end - 5 * hour, **asked)
    )
    days = stocks.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols=["AAPL", "SPY"],
            timeframe=TimeFrame.Day,
            start=end - timedelta(days=7),
            end=end,
        )
    )
    apple = stocks.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))
    bitcoin = coins.get_crypto_latest_trade(CryptoLatestTradeRequest(symbol_or_symbols="BTC/USD"))

    assert [bar.timestamp for bar in bars["BTC/USD"]] == [end - n * hour for n in range(5, -1, -1)]
    assert [bar.timestamp.date().day for bar in days["SPY"]] == [2, 5, 6, 7, 8]
    assert {bar.timestamp.hour for bar in days["AAPL"]} == {5}
    assert (apple["AAPL"].price, bitcoin["BTC/USD"].price) == (200, 50000)


def listen(exchange: LyingExchange, act: Iterator[None], wanted: int) -> list[Row]:
    """What the stream tells while `act` goes on step by step."""
    told: list[Row] = []

    async def run() -> None:
        url = f"{exchange.url}/alpaca/stream".replace("http", "ws")
        stream = TradingStream(*KEYS, raw_data=True, url_override=url)

        async def on_update(message: Row) -> None:
            told.append(message["data"])

        stream.subscribe_trade_updates(on_update)
        running = asyncio.create_task(stream._run_forever())
        while not stream._running:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # until it is listening
        for _ in act:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while len(told) < wanted:
                await asyncio.sleep(0.01)
        await stream.stop_ws()
        await stream.close()
        await running

    asyncio.run(run())
    return told


def test_the_stream_tells_of_new_orders_fills_replacements_and_cancels(
    exchange: LyingExchange, client: TradingClient, engine: AlpacaEngine
):
    def act() -> Iterator[None]:
        engine.set_liquidity("AAPL/USD", "1")
        first = send(client, qty="2", type="limit", limit_price="200")
        yield
        engine.set_liquidity("AAPL/USD", None)
        engine.set_price("AAPL/USD", "199")
        yield
        second = send(client, type="limit", limit_price="190", client_order_id="second")
        yield
        third = client.patch(f"/orders/{second['id']}", {"limit_price": "191"})
        client.cancel_order_by_id(third["id"])
        assert first["id"] != second["id"]
        yield

    told = listen(exchange, act(), 7)
    fills = client.get("/account/activities/FILL", {"direction": "asc"})

    assert [update["event"] for update in told] == [
        "new",
        "partial_fill",
        "fill",
        "new",
        "replaced",
        "new",
        "canceled",
    ]
    assert [(u["qty"], u["price"], u["position_qty"]) for u in told[1:3]] == [
        ("1", "200", "11"),
        ("1", "200", "12"),
    ]
    assert told[2]["order"]["client_order_id"] == ID
    assert [u["execution_id"] for u in told[1:3]] == [f["id"].split("::")[1] for f in fills]


def test_a_silent_stream_says_nothing_though_the_order_filled(
    exchange: LyingExchange, client: TradingClient, engine: AlpacaEngine
):
    def act() -> Iterator[None]:
        exchange.lie(Lie(Fault.STREAM_SILENCE, frozenset({Kind.STREAM}), times=None))
        send(client)
        yield

    assert listen(exchange, act(), 0) == []
    assert by_client_id(client)["status"] == "filled"


def test_an_order_behind_a_reset_is_there_under_its_client_id(
    exchange: LyingExchange, client: TradingClient, engine: AlpacaEngine
):
    exchange.lie(Lie(Fault.RESET_AFTER))
    with pytest.raises(OSError, match="Connection"):
        send(client)

    assert by_client_id(client)["status"] == "filled"
    assert exchange.count(Kind.SUBMIT) == 1


def test_too_many_requests_is_a_429_with_the_time_to_wait(
    exchange: LyingExchange, client: TradingClient, engine: AlpacaEngine
):
    exchange.lie(Lie(Fault.TOO_MANY_REQUESTS, delay_s=2))
    with pytest.raises(APIError) as caught:
        send(client)

    assert (caught.value.status_code, caught.value.response.headers["Retry-After"]) == (429, "2")
    assert engine.orders("key") == []


def test_the_market_and_the_blocks_are_set_from_another_process(
    exchange: LyingExchange, client: TradingClient
):
    control = f"{exchange.url}/alpaca/_control"
    blocks = {"key": "key", "flags": ["account_blocked"]}
    dividend = {"key": "key", "type": "DIV", "net": "1.25", "symbol": "AAPL"}
    with requests.Session() as session:
        for name, body in (
            ("market", {"open": False}),
            ("blocks", blocks),
            ("activity", dividend),
        ):
            session.post(f"{control}/{name}", json=body, timeout=2).raise_for_status()

    assert client.get_clock()["is_open"] is False
    assert client.get_account()["account_blocked"] is True
    assert client.get_account()["cash"] == "100001.25"
