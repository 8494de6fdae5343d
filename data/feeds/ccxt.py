"""Public candles and prices of an exchange through ccxt: no key, nothing is ever sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeVar

import ccxt
import pandas as pd

from data.feeds.base import closed_bars
from data.schemas.bars import BarFrame, validate_bars
from execution.errors import ConfigInvalid, InputInvalid, VenueUnavailable
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.symbols import resolve
from execution.venues.ccxt.exchange import per_ms
from execution.venues.rate_limit import RateLimiter

PAGE = 300  # candles a request where the exchange does not say what it gives at most
REASON_LENGTH = 160
PYTHONS_OWN = (TypeError, ValueError, KeyError, AttributeError, ArithmeticError)

T = TypeVar("T")


class CcxtFeed:
    """Candles of some spot symbols of one exchange, such as `binance`, at one timeframe.

    The exchange is first asked when something is first wanted of it. `venue` is the
    instruments' venue: the exchange itself, or the simulated venue of a dry run. With a
    `limiter` all processes together ask no more often than the exchange allows.
    """

    live = True
    adjusted = False

    def __init__(
        self,
        exchange_name: str,
        symbols: Sequence[str],
        timeframe: str = "1h",
        venue: VenueId | None = None,
        *,
        timeout_s: int = 10,
        limiter: RateLimiter | None = None,
    ) -> None:
        if exchange_name not in ccxt.exchanges:
            near = ", ".join(get_close_matches(exchange_name, ccxt.exchanges))
            hint = f"; did you mean {near}?" if near else ""
            raise ConfigInvalid(f"exchange {exchange_name!r} is unknown{hint}")
        if not symbols:
            raise ConfigInvalid(f"which symbols of {exchange_name}? for example BTC/USDT")
        # maxRetriesOnFailure stays 0: ccxt would repeat any request, whatever it does.
        self.exchange: Any = getattr(ccxt, exchange_name)(
            {
                "timeout": timeout_s * 1000,
                "enableRateLimit": True,
                "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
            }
        )
        if limiter is not None:
            # ccxt counts for one object alone; the exchange counts for all of us.
            key, limit = f"{exchange_name}/public", per_ms(float(self.exchange.rateLimit))
            self.exchange.throttle = lambda cost=None: limiter.wait(key, limit, float(cost or 1))
        self.exchange.number = str  # increments come out exactly as the exchange wrote them
        timeframes = list(self.exchange.timeframes or {})
        if timeframe not in timeframes:
            raise ConfigInvalid(
                f"timeframe {timeframe!r} is not one of {exchange_name}'s: {', '.join(timeframes)}"
            )
        self._timeframe = timeframe
        self._venue = venue or VenueId(exchange_name)
        self._wanted = tuple(symbols)
        self._found: dict[InstrumentId, Instrument] = {}

    @property
    def interval(self) -> timedelta:
        """The timeframe's length."""
        return timedelta(seconds=self.exchange.parse_timeframe(self._timeframe))

    def instruments(self) -> tuple[Instrument, ...]:
        """The wanted symbols with the exchange's own steps and minima."""
        if not self._found:
            markets = self._ask(self.exchange.load_markets)
            spot = [
                _instrument(market, self.exchange.precisionMode, self._venue)
                for market in markets.values()
                if market["spot"] and market["active"] is not False
            ]
            by_id = {instrument.instrument_id: instrument for instrument in spot}
            ids = [resolve(symbol, spot) for symbol in self._wanted]
            self._found = {instrument_id: by_id[instrument_id] for instrument_id in ids}
        return tuple(self._found.values())

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        """Fetch up to `limit` candles closed at or before `as_of` (None: now).

        Fewer where the exchange was down or does not keep that much history.
        """
        self._require_wanted(instrument_id)
        end = as_of or datetime.now(UTC)
        start = end - (limit + 1) * self.interval
        return closed_bars(self._read(instrument_id, start, end), instrument_id, end, limit)

    def history(self, instrument_id: InstrumentId, start: datetime, end: datetime) -> BarFrame:
        """Page through the candles with `start <= ts_open < end`, the running one included."""
        self._require_wanted(instrument_id)
        return self._read(instrument_id, start, end)

    def last_price(self, instrument_id: InstrumentId) -> tuple[Decimal, datetime]:
        """Fetch the ticker's price; raise VenueUnavailable for one without a price or a time."""
        self._require_wanted(instrument_id)
        return self._ask(self._price_and_time, instrument_id)

    def _price_and_time(self, instrument_id: InstrumentId) -> tuple[Decimal, datetime]:
        ticker = self.exchange.fetch_ticker(instrument_id.symbol)
        px, ts_ms = ticker["last"], ticker["timestamp"]
        if px is None or ts_ms is None or not Decimal(px) > 0:
            raise VenueUnavailable(
                f"{self.exchange.id} gives no price with its time for {instrument_id}: "
                f"last={px} timestamp={ts_ms}"
            )
        return Decimal(px), datetime.fromtimestamp(ts_ms / 1000, UTC)

    def _require_wanted(self, instrument_id: InstrumentId) -> None:
        self.instruments()
        if instrument_id not in self._found:
            raise InputInvalid(f"{instrument_id} is not among the symbols of this feed")

    def _read(self, instrument_id: InstrumentId, start: datetime, end: datetime) -> BarFrame:
        candles = self._candles(instrument_id.symbol, start, end)
        bars = pd.DataFrame(
            candles, columns=["ts_open", "open", "high", "low", "close", "volume"]
        ).astype(dict.fromkeys(("open", "high", "low", "close", "volume"), float))
        # The same candle twice says nothing new; two that differ are refused below.
        bars = bars.drop_duplicates(ignore_index=True)
        ts_open = pd.to_datetime(bars["ts_open"], unit="ms", utc=True).dt.as_unit("us")
        bars["ts_open"] = ts_open
        bars.insert(1, "ts_close", ts_open + self.interval)
        return validate_bars(bars, f"{self.exchange.id} {instrument_id.symbol} {self._timeframe}")

    def _candles(self, symbol: str, start: datetime, end: datetime) -> list[list[Any]]:
        """Page forward from `start` to `end`."""
        page = self.exchange.feature_value(symbol, "fetchOHLCV", "limit", PAGE)
        since, until = (int(t.timestamp() * 1000) for t in (start, end))
        step = self.interval // timedelta(milliseconds=1)
        candles: list[list[Any]] = []
        while since < until:
            batch = self._ask(
                self.exchange.fetch_ohlcv, symbol, self._timeframe, since=since, limit=page
            )
            fresh = [candle for candle in batch if since <= candle[0] < until]
            candles += fresh
            # An empty page is a time before the listing, or an outage: look behind it.
            since = fresh[-1][0] + step if fresh else since + page * step
        return candles

    def _ask(self, query: Callable[..., T], *args: object, **options: object) -> T:
        """Ask the exchange; whatever goes wrong, nothing was sent and asking again is safe."""
        try:
            return query(*args, **options)
        # A page of HTML under status 200 surfaces as one of Python's own errors.
        except (ccxt.BaseError, *PYTHONS_OWN) as error:
            reason = " ".join(str(error).split())[:REASON_LENGTH] or type(error).__name__
            raise VenueUnavailable(
                f"{self.exchange.id} cannot be reached: {reason}; try again; "
                "a dry run can take --bars FILE or the sample, too"
            ) from error


def _instrument(market: dict[str, Any], precision_mode: int, venue: VenueId) -> Instrument:
    """Read the steps and minima of a market, exactly."""
    limits = market["limits"]
    return Instrument(
        instrument_id=InstrumentId(market["symbol"], venue),
        asset_class=AssetClass.CRYPTO,
        base=market["base"],
        quote=market["quote"],
        px_increment=_increment(market["precision"]["price"], precision_mode),
        qty_increment=_increment(market["precision"]["amount"], precision_mode),
        qty_min=Decimal(str(limits["amount"]["min"] or 0)),
        notional_min=Decimal(str(limits["cost"]["min"] or 0)),
    )


def _increment(precision: object, mode: int) -> Decimal:
    """The smallest step: given as such, or as a number of decimal places."""
    if precision is None:
        return Decimal("0.00000001")
    if mode == ccxt.DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(str(precision)))
    return Decimal(str(precision))
