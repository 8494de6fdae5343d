import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from data.feeds.alpaca import TIMEFRAMES, AlpacaFeed
from data.feeds.base import Feed, NoBarYet, Source
from execution.errors import ConfigInvalid, InputInvalid, VenueUnavailable
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.venues.keys import Keys
from tests.venues.lying_exchange.server import LyingExchange

ALPACA = VenueId("alpaca")
KEYS = Keys(api_key="PKTESTKEY", secret="very-secret-word")
AAPL, BTC = InstrumentId("AAPL", ALPACA), InstrumentId("BTC/USD", ALPACA)
AS_OF = datetime(2024, 3, 8, 20, 0, tzinfo=UTC)  # a Friday, an hour before New York closes
STOCK = {
    "class": "us_equity",
    "symbol": "AAPL",
    "status": "active",
    "tradable": True,
    "fractionable": True,
}
COIN = {
    "class": "crypto",
    "symbol": "BTC/USD",
    "status": "active",
    "tradable": True,
    "fractionable": True,
    "min_order_size": "0.000019",
    "min_trade_increment": "0.000000001",
    "price_increment": "0.01",
}


def bar(ts: str, close: float = 10.5) -> dict[str, object]:
    return {"t": ts, "o": 10, "h": 12.25, "l": 9, "c": close, "v": 3, "n": 2, "vw": 10.4}


class Alpaca(ThreadingHTTPServer):
    """Serves assets, last trades and bars in the shapes that Alpaca documents."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.assets = {"AAPL": STOCK, "BTCUSD": COIN}
        self.prices: dict[str, object] = {"AAPL": 170.73, "BTC/USD": 68_000.123456789}
        self.bars: dict[str, list[dict[str, object]]] = {}  # oldest first
        self.page_max = 10_000
        self.body: tuple[int, str] | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, path: str) -> list[dict[str, str]]:
        return [query for asked, query in self.requests if asked == path]

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, object]:
        symbol = query.get("symbols", "")
        if path.startswith("/v2/assets/"):
            asset = self.assets.get(path.removeprefix("/v2/assets/"))
            return (200, asset) if asset else (404, {"code": 40410000, "message": "not found"})
        if path in ("/v2/stocks/trades/latest", "/v1beta3/crypto/us/latest/trades"):
            trade = {"t": "2024-03-08T19:59:58.123456789Z", "p": self.prices.get(symbol), "s": 1}
            return 200, {"trades": {symbol: trade}}
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        rows = [
            row
            for row in self.bars.get(symbol, [])[:: -1 if query["sort"] == "desc" else 1]
            if start <= datetime.fromisoformat(str(row["t"])) <= end
        ]
        first = int(query.get("page_token", 0))
        last = first + min(int(query["limit"]), self.page_max)
        token = str(last) if last < len(rows) else None
        return 200, {"bars": {symbol: rows[first:last]}, "next_page_token": token}


class Handler(BaseHTTPRequestHandler):
    server: Alpaca

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        self.server.requests.append((url.path, query))
        if self.server.body is None:
            status, body = self.server.answer(url.path, query)
            text = json.dumps(body)
        else:
            status, text = self.server.body
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def alpaca() -> Iterator[Alpaca]:
    with Alpaca() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def feed(alpaca: Alpaca, *symbols: str, timeframe: str = "1d") -> AlpacaFeed:
    return AlpacaFeed(symbols or ("AAPL", "BTC/USD"), timeframe, ALPACA, KEYS, alpaca.url)


def test_it_is_a_live_feed(alpaca: Alpaca):
    opened = feed(alpaca)

    assert isinstance(opened, Feed)
    assert opened.live


@pytest.mark.parametrize(("timeframe", "interval"), [(n, i) for n, (_, i) in TIMEFRAMES.items()])
def test_every_timeframe_has_its_length(alpaca: Alpaca, timeframe: str, interval: timedelta):
    assert interval == feed(alpaca, timeframe=timeframe).interval


def test_instruments_come_with_alpacas_own_steps(alpaca: Alpaca):
    apple, bitcoin = feed(alpaca, "aapl", "btc-usd").instruments()

    assert (
        apple.instrument_id,
        apple.asset_class,
        apple.base,
        apple.quote,
    ) == (AAPL, AssetClass.EQUITY, "AAPL", "USD")
    assert Decimal("0.01") == apple.px_increment
    assert (Decimal(1), Decimal(0)) == (apple.qty_increment, apple.notional_min)
    assert (
        bitcoin.instrument_id,
        bitcoin.asset_class,
        bitcoin.base,
        bitcoin.quote,
    ) == (BTC, AssetClass.CRYPTO, "BTC", "USD")
    assert (Decimal("0.01"), Decimal("0.000000001"), Decimal("0.000019")) == (
        bitcoin.px_increment,
        bitcoin.qty_increment,
        bitcoin.qty_min,
    )


def test_a_cheap_share_has_four_places(alpaca: Alpaca):
    alpaca.prices["AAPL"] = 0.9999

    (apple,) = feed(alpaca, "AAPL").instruments()

    assert apple.px_increment == Decimal("0.0001")


def test_the_venue_of_a_dry_run_is_the_instruments(alpaca: Alpaca):
    simulated = VenueId("simulated")
    opened = AlpacaFeed(["AAPL.SIMULATED"], "1d", simulated, KEYS, alpaca.url)

    assert [InstrumentId("AAPL", simulated)] == [i.instrument_id for i in opened.instruments()]


@pytest.mark.parametrize("symbol", ["NOPE", "AA PL", "../account", "", "AAPL?x=1"])
def test_an_unknown_symbol_is_named(alpaca: Alpaca, symbol: str):
    with pytest.raises(InputInvalid, match="is unknown to Alpaca"):
        feed(alpaca, symbol).instruments()

    assert {"/v2/assets/NOPE"} >= {path for path, _ in alpaca.requests}


@pytest.mark.parametrize("tradable", [False, None])
def test_what_may_not_be_traded_is_no_instrument(alpaca: Alpaca, tradable: object):
    alpaca.assets["AAPL"] = STOCK | {"tradable": tradable}

    with pytest.raises(InputInvalid, match="not tradable at Alpaca"):
        feed(alpaca, "AAPL").instruments()


def test_a_stocks_day_is_its_session_and_todays_is_not_closed_yet(alpaca: Alpaca):
    """Alpaca's day starts at New York's midnight; the session ends at 21:00 UTC in winter."""
    alpaca.bars["AAPL"] = [
        bar(f"2024-03-{day:02}T05:00:00Z", 10 + day / 100) for day in (5, 6, 7, 8)
    ]

    bars = feed(alpaca, "AAPL").bars(AAPL, AS_OF, 2)

    assert bars["close"].tolist() == [10.06, 10.07]
    assert [datetime(2024, 3, 6, 14, 30, tzinfo=UTC), datetime(2024, 3, 7, 14, 30, tzinfo=UTC)] == [
        ts.to_pydatetime() for ts in bars["ts_open"]
    ]
    assert datetime(2024, 3, 7, 21, 0, tzinfo=UTC) == bars["ts_close"].iloc[-1].to_pydatetime()
    (asked,) = alpaca.asked("/v2/stocks/bars")
    assert (
        asked["symbols"],
        asked["timeframe"],
        asked["adjustment"],
        asked["feed"],
        asked["sort"],
    ) == ("AAPL", "1Day", "split", "iex", "desc")


def test_a_day_in_summer_time_closes_an_hour_earlier_in_utc(alpaca: Alpaca):
    alpaca.bars["AAPL"] = [bar("2024-06-03T04:00:00Z")]

    bars = feed(alpaca, "AAPL").bars(AAPL, datetime(2024, 6, 4, tzinfo=UTC), 1)

    assert datetime(2024, 6, 3, 20, 0, tzinfo=UTC) == bars["ts_close"].iloc[0].to_pydatetime()


@pytest.mark.parametrize("page_max", [10_000, 7, 1])
def test_hours_are_paged_to_the_last_and_only_closed_ones_are_given(alpaca: Alpaca, page_max: int):
    alpaca.page_max = page_max
    first = datetime(2024, 3, 6, tzinfo=UTC)
    stamps = [(first + timedelta(hours=n)).isoformat() for n in range(69)]  # the last is open
    alpaca.bars["BTC/USD"] = [bar(ts, 9 + n / 100) for n, ts in enumerate(stamps)]
    as_of = datetime.fromisoformat(stamps[-1]) + timedelta(minutes=30)

    bars = feed(alpaca, "BTC/USD", timeframe="1h").bars(BTC, as_of, 20)

    assert [9 + n / 100 for n in range(48, 68)] == bars["close"].tolist()
    assert (bars["ts_close"] - bars["ts_open"] == timedelta(hours=1)).all()
    assert sum(int(q["limit"]) for q in alpaca.asked("/v1beta3/crypto/us/bars")) >= 21


def test_of_a_stocks_hours_those_of_the_session_are_given(alpaca: Alpaca):
    """What is traded in the night is no gap's filling: 09:00 holds the open at 09:30."""
    first = datetime(2024, 3, 7, tzinfo=UTC)  # 19:00 of the day before in New York
    alpaca.bars["AAPL"] = [bar((first + timedelta(hours=n)).isoformat()) for n in range(24)]

    bars = feed(alpaca, "AAPL", timeframe="1h").bars(AAPL, AS_OF, 10)

    assert [ts.hour for ts in bars["ts_open"]] == [14, 15, 16, 17, 18, 19, 20]


def test_less_history_than_asked_for_is_all_there_is(alpaca: Alpaca):
    alpaca.bars["BTC/USD"] = [bar("2024-03-07T00:00:00Z"), bar("2024-03-08T00:00:00Z")]

    bars = feed(alpaca, "BTC/USD").bars(BTC, datetime(2024, 3, 9, tzinfo=UTC), 500)

    assert len(bars) == 2


def test_no_bar_at_all_is_said(alpaca: Alpaca):
    with pytest.raises(NoBarYet, match=r"no bar of AAPL\.ALPACA had closed"):
        feed(alpaca, "AAPL").bars(AAPL, AS_OF, 10)


def test_pages_in_a_circle_are_not_followed(alpaca: Alpaca):
    opened = feed(alpaca, "BTC/USD")
    opened.instruments()
    alpaca.body = (200, '{"bars": {}, "next_page_token": "again"}')

    with pytest.raises(VenueUnavailable, match="the same page comes again"):
        opened.bars(BTC, AS_OF, 10)


def test_the_last_price_is_exact_and_has_its_time(alpaca: Alpaca):
    px, ts = feed(alpaca).last_price(BTC)

    assert (Decimal("68000.123456789"), datetime(2024, 3, 8, 19, 59, 58, 123456, tzinfo=UTC)) == (
        px,
        ts,
    )


@pytest.mark.parametrize("price", [None, 0, -1, "NaN", []])
def test_no_price_is_no_price(alpaca: Alpaca, price: object):
    opened = feed(alpaca, "BTC/USD")
    opened.instruments()
    alpaca.prices["BTC/USD"] = price

    with pytest.raises(VenueUnavailable, match="latest/trades"):
        opened.last_price(BTC)


def test_an_instrument_of_another_feed_is_refused(alpaca: Alpaca):
    with pytest.raises(InputInvalid, match="not among the symbols"):
        feed(alpaca, "AAPL").last_price(BTC)


@pytest.mark.parametrize(
    "body",
    [
        (200, "<html>maintenance</html>"),
        (200, ""),
        (200, "[]"),
        (200, "{}"),
        (200, '{"bars": {"AAPL": [{"t": 7}]}, "trades": 7}'),
        (401, '{"message": "forbidden."}'),
        (403, '{"code": 40310000, "message": "subscription does not permit querying"}'),
        (429, '{"message": "too many requests."}'),
        (500, "PKTESTKEY very-secret-word"),
    ],
)
def test_a_feed_that_makes_no_sense_is_unavailable_and_tells_no_secret(
    alpaca: Alpaca, body: tuple[int, str]
):
    opened = feed(alpaca, "AAPL")
    opened.instruments()
    alpaca.body = body

    for ask in (lambda: opened.bars(AAPL, AS_OF, 5), lambda: opened.last_price(AAPL)):
        with pytest.raises(
            VenueUnavailable, match="a dry run can take --bars FILE or the sample"
        ) as raised:
            ask()
        assert "very-secret-word" not in repr(raised.value)


def test_nobody_there_is_unavailable():
    opened = AlpacaFeed(["AAPL"], "1d", ALPACA, KEYS, "http://127.0.0.1:9")

    with pytest.raises(VenueUnavailable, match="ConnectionError; nothing was sent"):
        opened.instruments()


@pytest.mark.parametrize("keys", [None, Keys(api_key="", secret="s"), Keys(api_key="k", secret="")])
def test_without_keys_there_is_no_feed_and_it_says_what_to_do(keys: Keys | None):
    with pytest.raises(ConfigInvalid, match=r"api key or secret missing.*--bars FILE"):
        AlpacaFeed(["AAPL"], "1d", ALPACA, keys)


def test_a_wrong_timeframe_or_no_symbols_is_said():
    with pytest.raises(ConfigInvalid, match="timeframe '2h' is not one of 1m, 5m"):
        AlpacaFeed(["AAPL"], "2h", ALPACA, KEYS)
    with pytest.raises(ConfigInvalid, match="which symbols of alpaca"):
        AlpacaFeed([], "1d", ALPACA, KEYS)


def test_it_reads_the_exchange_that_lies():
    with LyingExchange("alpaca") as exchange:
        engine = exchange.engine("alpaca")
        engine.open_account("PKTESTKEY", {"USD": "1"})
        opened = AlpacaFeed(["AAPL", "BTC/USD"], "1h", ALPACA, KEYS, f"{exchange.url}/alpaca")
        apple, bitcoin = opened.instruments()
        bars = opened.bars(BTC, None, 30)
        px, ts = opened.last_price(AAPL)

        assert (apple.instrument_id, bitcoin.instrument_id) == (AAPL, BTC)
        assert len(bars) == 30
        assert bars["ts_close"].iloc[-1] <= datetime.now(UTC)
        assert Decimal(200) == px
        assert abs(datetime.now(UTC) - ts) < timedelta(seconds=5)


def test_history_is_paged_forward_and_not_adjusted(alpaca: Alpaca):
    """What is kept must not change with every split; a day is stamped before it opens."""
    days = [f"2024-03-{day:02}T05:00:00Z" for day in (4, 5, 6, 7, 8)]
    alpaca.bars["AAPL"] = [bar(day, close=10 + n / 4) for n, day in enumerate(days)]
    alpaca.page_max = 2
    start, end = datetime(2024, 3, 5, 14, 30, tzinfo=UTC), datetime(2024, 3, 8, tzinfo=UTC)

    found = feed(alpaca).history(AAPL, start, end)

    asked = alpaca.asked("/v2/stocks/bars")
    assert isinstance(feed(alpaca), Source)
    assert list(found["close"]) == [10.25, 10.5, 10.75]
    assert found["ts_open"].iloc[0] == start
    assert {("raw", "asc")} == {(query["adjustment"], query["sort"]) for query in asked}
    assert len(asked) > 1
