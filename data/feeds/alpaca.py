"""Bars and prices of stocks and crypto from Alpaca; nothing is ever sent there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pandas as pd

from data.feeds.base import NEW_YORK, between, closed_bars, session_times
from data.feeds.calendar import expected_opens
from data.schemas.bars import BarFrame, validate_bars
from execution.errors import ConfigInvalid, InputInvalid, VenueUnavailable
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.symbols import canonical
from execution.venues.alpaca.client import DATA, LIVE, PAPER, Client, NoReply, Reply
from execution.venues.alpaca.facts import ALPACA, LIMIT
from execution.venues.alpaca.orders import CENT, CENTS_FROM, ONE_SHARE, SUBPENNY
from execution.venues.alpaca.reading import moment, number, text
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter

DAY = timedelta(days=1)
TIMEFRAMES = {
    "1m": ("1Min", timedelta(minutes=1)),
    "5m": ("5Min", timedelta(minutes=5)),
    "15m": ("15Min", timedelta(minutes=15)),
    "30m": ("30Min", timedelta(minutes=30)),
    "1h": ("1Hour", timedelta(hours=1)),
    "4h": ("4Hour", timedelta(hours=4)),
    "1d": ("1Day", DAY),
}
PAGE = 10_000  # bars a request, Alpaca's most
# How much longer than its bars a stretch of calendar is: nights, weekends, holidays.
STRETCH, STRETCH_DAILY = 6, 1.6
SLACK = timedelta(days=7)
STOCK_FEED = "iex"  # the one that is free; prices of one exchange alone
SYMBOL = re.compile(r"[A-Z0-9]+(\.[A-Z0-9]+)?(/[A-Z0-9]+)?")
NOT_FOUND = 404
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)

T = TypeVar("T")


class AlpacaFeed:
    """Bars of some stocks and coin pairs at one timeframe; history adjusted for splits.

    `venue` is the instruments' venue: Alpaca, or the simulated venue of a dry run.
    `endpoint` stands in for all of Alpaca's hosts; with a `limiter` all processes together
    ask no more often than Alpaca allows.
    """

    live = True
    adjusted = True

    def __init__(
        self,
        symbols: Sequence[str],
        timeframe: str,
        venue: VenueId | None,
        keys: Keys | None,
        endpoint: str | None = None,
        *,
        deadline_s: float = 10.0,
        limiter: RateLimiter | None = None,
    ) -> None:
        if not symbols:
            raise ConfigInvalid("which symbols of alpaca? for example AAPL or BTC/USD")
        if timeframe not in TIMEFRAMES:
            raise ConfigInvalid(f"timeframe {timeframe!r} is not one of {', '.join(TIMEFRAMES)}")
        if keys is None or not (keys.api_key and keys.secret):
            raise ConfigInvalid(
                "feed alpaca: api key or secret missing; set both; "
                "a dry run can take --bars FILE or the sample instead"
            )
        self._timeframe = timeframe
        self._limiter = limiter
        self._venue = venue or ALPACA
        self._wanted = tuple(symbols)
        self._found: dict[InstrumentId, Instrument] = {}
        trading = endpoint or (PAPER if keys.testnet else LIVE)
        self._trading = Client(trading, keys, deadline_s)
        self._stocks = Client(endpoint or DATA, keys, deadline_s)
        self._crypto = Client(endpoint or DATA, keys, deadline_s, api_version="v1beta3")

    @property
    def interval(self) -> timedelta:
        """The timeframe's length."""
        return TIMEFRAMES[self._timeframe][1]

    def instruments(self) -> tuple[Instrument, ...]:
        """The wanted symbols with Alpaca's own steps and minima."""
        if not self._found:
            found = [self._asset(symbol) for symbol in self._wanted]
            self._found = {instrument.instrument_id: instrument for instrument in found}
        return tuple(self._found.values())

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        """Fetch up to `limit` bars closed at or before `as_of` (None: now).

        A stock's day is its regular session; of its shorter bars those that touch it are given,
        and not what IEX trades in the night.
        """
        instrument = self._require_wanted(instrument_id)
        end = as_of or datetime.now(UTC)
        stock = instrument.asset_class is AssetClass.EQUITY
        stretch = (STRETCH_DAILY if self.interval == DAY else STRETCH) if stock else 1
        start = end - limit * stretch * self.interval - SLACK
        rows = self._rows(instrument, start, end, newest=limit)
        return closed_bars(self._frame(instrument, rows), instrument_id, end, limit)

    def history(self, instrument_id: InstrumentId, start: datetime, end: datetime) -> BarFrame:
        """Page through the bars with `start <= ts_open < end`, as they were traded.

        Not adjusted for splits, unlike `bars`: what is kept must not change with every split.
        """
        instrument = self._require_wanted(instrument_id)
        # A stock's day is stamped with New York's midnight, before it opens.
        rows = self._rows(instrument, start - DAY, end, newest=None)
        return between(self._frame(instrument, rows), start, end)

    def last_price(self, instrument_id: InstrumentId) -> tuple[Decimal, datetime]:
        """Fetch the last trade; raise VenueUnavailable where there is none with a time."""
        instrument = self._require_wanted(instrument_id)
        return self._last_trade(instrument_id.symbol, instrument.asset_class)

    def _frame(self, instrument: Instrument, rows: Sequence[Mapping[str, Any]]) -> BarFrame:
        columns = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
        bars = pd.DataFrame(
            {name: [float(row[key]) for row in rows] for name, key in columns.items()}, dtype=float
        )
        opens = pd.Series([moment(row["t"]) for row in rows], dtype="datetime64[us, UTC]")
        if instrument.asset_class is AssetClass.EQUITY and self.interval == DAY:
            dates = opens.dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.normalize()
            times = session_times(dates)
        else:
            times = pd.DataFrame({"ts_open": opens, "ts_close": opens + self.interval})
        bars = pd.concat([times, bars], axis="columns")
        # The same bar twice says nothing new; two that differ are refused.
        bars = bars.drop_duplicates(ignore_index=True)
        symbol = instrument.instrument_id.symbol
        return validate_bars(bars, f"alpaca {symbol} {self._timeframe}")

    def _require_wanted(self, instrument_id: InstrumentId) -> Instrument:
        self.instruments()
        if instrument_id not in self._found:
            raise InputInvalid(f"{instrument_id} is not among the symbols of this feed")
        return self._found[instrument_id]

    def _asset(self, wanted: str) -> Instrument:
        symbol = canonical(wanted.strip().upper().removesuffix(f".{self._venue.upper()}"))
        # A slash has no place in a path.
        path = f"/assets/{symbol.replace('/', '')}"
        answer = self._answer(self._trading, path, {}) if SYMBOL.fullmatch(symbol) else None
        if answer is None or answer.status == NOT_FOUND:
            raise InputInvalid(f"symbol {wanted!r} is unknown to Alpaca")
        asset = _body(path, answer)
        instrument = _read(path, lambda: self._instrument(asset))
        if asset.get("tradable") is not True:
            raise InputInvalid(f"symbol {wanted!r} is not tradable at Alpaca now")
        return instrument

    def _instrument(self, asset: Mapping[str, Any]) -> Instrument:
        symbol = text(asset["symbol"])
        instrument_id = InstrumentId(symbol, self._venue)
        if asset["class"] == "crypto":
            base, _, quote = symbol.partition("/")
            return Instrument(
                instrument_id=instrument_id,
                asset_class=AssetClass.CRYPTO,
                base=text(base),
                quote=text(quote),
                px_increment=number(asset["price_increment"]),
                qty_increment=number(asset["min_trade_increment"]),
                qty_min=number(asset["min_order_size"]),
            )
        if asset["class"] != "us_equity":
            raise ValueError("neither a stock nor crypto")
        px, _ = self._last_trade(symbol, AssetClass.EQUITY)
        return Instrument(
            instrument_id=instrument_id,
            asset_class=AssetClass.EQUITY,
            base=symbol,
            quote="USD",
            px_increment=CENT if px >= CENTS_FROM else SUBPENNY,
            # Never a part of one: no stop at Alpaca could rest for it.
            qty_increment=ONE_SHARE,
        )

    def _last_trade(self, symbol: str, asset_class: AssetClass) -> tuple[Decimal, datetime]:
        query = {"symbols": symbol}
        if asset_class is AssetClass.EQUITY:
            client, path = self._stocks, "/stocks/trades/latest"
            query["feed"] = STOCK_FEED
        else:
            client, path = self._crypto, "/crypto/us/latest/trades"
        body = _body(path, self._answer(client, path, query))
        px, ts_event = _read(path, lambda: _px_and_time(body["trades"][symbol]))
        if px <= 0:
            raise VenueUnavailable(f"alpaca: GET {path}: the last price of {symbol} is {px}")
        return px, ts_event

    def _answer(self, client: Client, path: str, query: Mapping[str, str]) -> Reply:
        """Ask Alpaca; whatever goes wrong, nothing was sent and asking again is safe."""
        if self._limiter is not None:
            self._limiter.wait(f"{ALPACA}/data", LIMIT)
        try:
            return client.ask_now("GET", path, query)
        except NoReply as error:
            raise VenueUnavailable(_unreachable(path, error)) from None

    def _rows(
        self, instrument: Instrument, start: datetime, end: datetime, newest: int | None
    ) -> list[dict[str, Any]]:
        """Page through a stretch, oldest first; back from its end if `newest` are enough."""
        symbol, name = instrument.instrument_id.symbol, TIMEFRAMES[self._timeframe][0]
        stock = instrument.asset_class is AssetClass.EQUITY
        query = {
            "symbols": symbol,
            "timeframe": name,
            "start": _stamp(start),
            "end": _stamp(end),
            # One more of the newest: the last of them may not be closed.
            "limit": str(PAGE if newest is None else min(newest + 1, PAGE)),
            "sort": "asc" if newest is None else "desc",
        }
        if stock:
            query |= {"adjustment": "raw" if newest is None else "split", "feed": STOCK_FEED}
        expected = None
        if stock and self.interval < DAY:
            expected = set(expected_opens(instrument, self.interval, start, end))
        client = self._stocks if stock else self._crypto
        path = "/stocks/bars" if stock else "/crypto/us/bars"
        rows: list[dict[str, Any]] = []
        while True:
            body = _body(path, self._answer(client, path, query))
            page, token = _read(path, lambda: _page(body, symbol))  # noqa: B023 - called at once
            rows += [row for row in page if expected is None or moment(row["t"]) in expected]
            if not token or (newest is not None and len(rows) > newest):
                return rows if newest is None else rows[::-1]
            if query.get("page_token") == token:
                raise VenueUnavailable(f"alpaca: GET {path}: the same page comes again")
            query["page_token"] = token


def _page(body: Mapping[str, Any], symbol: str) -> tuple[list[dict[str, Any]], str | None]:
    """The bars of one page, and where the next one is."""
    rows = (body["bars"] or {}).get(symbol) or []
    for row in rows:
        moment(row["t"])
        for key in "ohlcv":
            number(row[key])
    return rows, body.get("next_page_token")


def _px_and_time(trade: Mapping[str, Any]) -> tuple[Decimal, datetime]:
    return number(trade["p"]), moment(trade["t"])


def _body(path: str, reply: Reply) -> Any:  # noqa: ANN401 - JSON
    if reply.status != 200 or not isinstance(reply.body, dict):
        raise VenueUnavailable(_unreachable(path, reply))
    return reply.body


def _read(path: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except UNREADABLE as error:
        what = f"an answer of unknown shape: {type(error).__name__}"
        raise VenueUnavailable(_unreachable(path, what)) from None


def _unreachable(path: str, why: object) -> str:
    return (
        f"alpaca: GET {path}: {why}; try again; a dry run can take --bars FILE or the sample, too"
    )


def _stamp(ts: datetime) -> str:
    return ts.astimezone(UTC).isoformat().replace("+00:00", "Z")
