import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import ccxt
import pytest

from tests.venues.lying_exchange import binance, bybit
from tests.venues.lying_exchange.lies import LIES, Kind
from tests.venues.lying_exchange.records import Refused, Why
from tests.venues.lying_exchange.server import Dialect, LyingExchange, point_ccxt

SYMBOL = "BTC/USDT"
ROOT = Path(__file__).parents[3]


def client_of(url: str, name: str = "binance") -> ccxt.Exchange:
    client = getattr(ccxt, name)({"apiKey": "key", "secret": "secret", "enableRateLimit": False})
    point_ccxt(client, url)
    return client


def control(url: str, act: str, **body: object) -> dict:
    """Ask the control API; without a body it is a GET."""
    data = json.dumps(body).encode() if body or act == "honest" else None
    with urllib.request.urlopen(f"{url}/_control/{act}", data) as reply:  # noqa: S310
        return json.load(reply)


@contextmanager
def own_process() -> Iterator[str]:
    """The exchange as a process of its own; gives its address."""
    command = [sys.executable, "-m", "tests.venues.lying_exchange", "binance", "--life-s", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def test_every_address_of_a_client_becomes_this_one():
    client = client_of("http://127.0.0.1:1")

    def strings(there: object) -> list[str]:
        if isinstance(there, dict):
            return [text for value in there.values() for text in strings(value)]
        return [there] if isinstance(there, str) else []

    found = strings(client.urls["api"])
    assert len(found) > 20
    assert all(text.split("://")[1].startswith("127.0.0.1:1/binance") for text in found)
    assert client.urls["api"]["private"] == "http://127.0.0.1:1/binance/api/v3"


def test_each_dialect_has_an_engine_and_accounts_of_its_own():
    with LyingExchange("binance", "bybit") as exchange:
        for name in ("binance", "bybit"):
            exchange.engine(name).open_account("key", {"USDT": "1000"})
            client_of(exchange.url, name).create_order(SYMBOL, "market", "buy", 0.01)

        assert [len(engine.orders()) for engine in exchange.engines.values()] == [1, 1]
        assert (exchange.count(Kind.SUBMIT), exchange.count(Kind.SUBMIT, "bybit")) == (2, 1)
    (sent,) = (x for x in exchange.requests if x.kind is Kind.SUBMIT and x.dialect == "binance")
    assert (sent.method, sent.path) == ("POST", "/binance/api/v3/order")
    assert (sent.params["symbol"], sent.params["quantity"]) == ("BTCUSDT", "0.01")


@pytest.mark.parametrize("dialect", [binance, bybit])
def test_a_dialect_has_words_for_every_refusal(dialect: Dialect):
    replies = [dialect.refuse(Refused(why)) for why in Why]

    assert all(reply.body for reply in replies)
    assert dialect.refuse(Refused(Why.TOO_MANY_REQUESTS)).status == 429


def test_a_request_that_a_dialect_did_not_foresee_is_told_at_the_end():
    """It gets out as a 500, which a good client survives: nobody would hear of it."""
    with (
        pytest.raises(RuntimeError, match="binance could not serve 1 requests") as caught,
        LyingExchange("binance") as exchange,
        pytest.raises(HTTPError, match="500"),
    ):
        urllib.request.urlopen(f"{exchange.url}/binance/api/v3/klines?interval=soon")  # noqa: S310
    assert isinstance(caught.value.__cause__, ValueError)


def test_it_lives_in_its_own_process_and_is_told_what_to_do_over_http():
    """A test that kills the trading process keeps the exchange, with all its orders."""
    with own_process() as url:
        control(url, "account", dialect="binance", key="key", balances={"USDT": "1000"})
        control(url, "price", dialect="binance", symbol=SYMBOL, px="40000")
        control(url, "deposit", dialect="binance", key="key", ccy="USDT", amount="500")
        control(url, "lie", fault="error_after", kinds=["submit"], status=502)
        with pytest.raises(ccxt.ExchangeNotAvailable):
            client_of(url).create_order(SYMBOL, "market", "buy", 0.01)
        control(url, "lie", fault="reset_before", times=None)
        control(url, "honest")
        client_of(url).create_order(SYMBOL, "market", "buy", 0.01)
        with pytest.raises(HTTPError, match="400"):
            control(url, "lie", fault="no such fault")

        state = control(url, "state")["binance"]

    assert [order["status"] for order in state["orders"]] == ["filled", "filled"]
    assert [(fill["px"], fill["qty"]) for fill in state["fills"]] == [("40000", "0.01000")] * 2
    assert (state["requests"]["submit"], state["crashes"]) == (2, [])
    assert state["balances"]["key"]["USDT"]["free"] == "699.20000000"


def test_the_control_api_can_tell_every_lie():
    with LyingExchange("binance") as exchange:
        exchange.engine("binance").open_account("key", {})
        for name in LIES:
            control(exchange.url, "lie", fault=name, delay_s=0.5, dialect="bybit")
        assert client_of(exchange.url).fetch_ticker(SYMBOL)["last"] == 50_000
