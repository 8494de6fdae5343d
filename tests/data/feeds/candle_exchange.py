"""A server that speaks Binance's public words and serves hourly candles, truly or not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from data.feeds.ccxt import CcxtFeed

HOUR_MS = 3_600_000
HANG, TOO_MANY, BROKEN, EMPTY = "hang", "too many", "broken", "empty"


class Exchange(ThreadingHTTPServer):
    """Serves candles without end, or one fixed body; what it lies about is set from outside."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body: str | None = None
        self.missing: set[int] = set()  # hours since the epoch of an outage
        self.restated: dict[int, str] = {}  # hour: its close, after the exchange thought again
        self.window_hours: int | None = None  # some exchanges look no further than a page
        self.page_max = 1_000
        self.doubled = False  # rows twice, and the last of a page again on the next one
        self.shuffled = False  # newest first
        self.script: list[str] = []  # what happens to the next requests for candles
        self.on_page = lambda: None  # called before each page of candles
        self.ticker: dict[str, object] = {"lastPrice": "10.7", "bidQty": "1"}
        self.requests: list[str] = []
        self.asked: list[int] = []  # hours from which candles were asked for
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/v3"

    def feed(self, *symbols: str) -> CcxtFeed:
        return endpoint_feed(self.url, *symbols)


def endpoint_feed(url: str, *symbols: str) -> CcxtFeed:
    """A feed of Binance that asks a stand-in; `btcusdt` if no symbol is named."""
    feed = CcxtFeed("binance", symbols or ("btcusdt",), "1h", timeout_s=2)
    feed.exchange.enableRateLimit = False
    feed.exchange.urls["api"] = dict.fromkeys(feed.exchange.urls["api"], url)
    return feed


class Handler(BaseHTTPRequestHandler):
    server: Exchange

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.requests.append(url.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status = 200
        if self.server.body is not None:
            reply = self.server.body
        elif url.path == "/api/v3/exchangeInfo":
            reply = json.dumps({"symbols": [market("BTC", "USDT"), market("ETH", "USDT")]})
        elif url.path == "/api/v3/ticker/24hr":
            reply = json.dumps({"symbol": query["symbol"]} | self.server.ticker)
        else:
            self.server.on_page()
            act = self.server.script.pop(0) if self.server.script else ""
            if act == HANG:
                self.server.closing.wait(60)
            status = {TOO_MANY: 429, BROKEN: 502}.get(act, 200)
            reply = json.dumps([] if act else self.candles(query))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(reply.encode())

    def candles(self, query: dict[str, str]) -> list[list[object]]:
        first = -(-int(query["startTime"]) // HOUR_MS)
        self.server.asked.append(first)
        last = int(datetime.now(UTC).timestamp() * 1000) // HOUR_MS  # the one still open, too
        if self.server.window_hours:
            last = min(last, first + self.server.window_hours)
        if self.server.doubled:
            first -= 1
        hours = [h for h in range(first, last + 1) if h not in self.server.missing]
        limit = min(int(query["limit"]), self.server.page_max)
        rows = [self.candle(h) for h in hours[:limit]]
        if self.server.doubled:
            rows = [row for row in rows for _ in range(2)]
        return rows[::-1] if self.server.shuffled else rows

    def candle(self, hour: int) -> list[object]:
        close = self.server.restated.get(hour, f"{10 + hour % 2}.25")
        return [hour * HOUR_MS, "10.5", "12", "9", close, "3", 0, "0", 1, "0", "0", "0"]

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


def market(base: str, quote: str) -> dict[str, object]:
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "isSpotTradingAllowed": True,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "orderTypes": ["LIMIT", "MARKET"],
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01000000", "minPrice": "0.01"},
            {"filterType": "LOT_SIZE", "stepSize": "0.00001000", "minQty": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
        ],
    }


@contextmanager
def serving() -> Iterator[Exchange]:
    """An exchange that listens until the end."""
    with Exchange() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
