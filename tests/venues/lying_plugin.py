"""What REGENT_PLUGINS=tests.venues.lying_plugin enters: our real adapters at the lying exchange.

LYING_EXCHANGE_URL says where it listens, LYING_KEY which account is traded. The venues are
those of production but for their address and their patience, which is a test's: what takes a
real venue fifteen seconds takes this one a fraction of one. The feed's bars are made up; its
price of now is where the exchange's engine starts.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module

import numpy as np
import pandas as pd

from data.feeds.base import closed_bars
from data.schemas.bars import BarFrame, validate_bars
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.base import Venue
from execution.venues.capabilities import Capabilities
from execution.venues.ccxt.venue import CcxtVenue
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter
from tasks import wiring
from tasks.config import RunConfig
from tasks.wiring import FEEDS, VENUES
from tests.sessions import last_sessions

DIALECTS = ("binance", "bybit", "coinbase", "kraken", "alpaca")
SYMBOLS = {
    "binance": "BTC/USDT",
    "bybit": "BTC/USDT",
    "coinbase": "BTC/USD",
    "kraken": "BTC/USD",
    "alpaca": "BTC/USD",
}
WINDOW_S = 0.6  # longer than anything a lie of the tests delays
WAITS_S = (0.0, 0.05, 0.1, 0.2)
DEADLINE_S = float(os.environ.get("LYING_DEADLINE_S", "1"))
# So much faster passes the time in which a rate limit counts.
HURRY = float(os.environ.get("LYING_HURRY", "10000"))


def keys() -> Keys:
    """Of the account that LYING_KEY names."""
    key = os.environ.get("LYING_KEY", "key")
    return Keys(api_key=key, secret="c2VjcmV0", passphrase="p", testnet=True)


def hasty_limiter() -> RateLimiter:
    """The shared limits where they are in production, on a clock that races."""

    async def nap(seconds: float) -> None:
        await asyncio.sleep(seconds / HURRY)

    path = wiring.settings().home.absolute() / "locks" / "rates.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    return RateLimiter(path, clock=lambda: time.monotonic() * HURRY, sleep=nap)


class HastyCcxt(CcxtVenue):
    """The real adapter, in a test's time."""

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        return _hasty(super().capabilities(instrument_id))


class HastyAlpaca(AlpacaVenue):
    """The real adapter, in a test's time."""

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        return _hasty(super().capabilities(instrument_id))


def _hasty(capabilities: Capabilities) -> Capabilities:
    return replace(capabilities, validity_window_s=WINDOW_S, lookup_waits_s=WAITS_S)


def lying_venue(config: RunConfig, instruments: Mapping[InstrumentId, Instrument]) -> Venue:
    """The adapter of the venue that a config names, at the lying exchange."""
    url = f"{os.environ['LYING_EXCHANGE_URL']}/{config.venue}"
    given = (keys(), hasty_limiter(), wiring.wall_clock, url, DEADLINE_S)
    if config.venue == "alpaca":
        return HastyAlpaca(instruments, config.account_id, *given)
    return HastyCcxt(config.venue, instruments, config.account_id, *given)


class LyingFeed:
    """Made-up daily bars of what an engine trades, up to last midnight or the last session."""

    live = True
    adjusted = False
    interval = timedelta(days=1)

    def __init__(self, config: RunConfig) -> None:
        module = import_module(f"tests.venues.lying_exchange.{config.venue}")
        self._engine = module.make_engine(lambda: datetime.now(UTC))
        stocks = config.venue == "alpaca"
        self._instruments = {}
        for traded in self._engine.instruments.values():
            stock = stocks and traded.base not in ("BTC", "ETH")
            symbol = traded.base if stock else traded.symbol
            instrument = Instrument(
                instrument_id=InstrumentId(symbol, config.venue_id),
                asset_class=AssetClass.EQUITY if stock else AssetClass.CRYPTO,
                base=traded.base,
                quote=traded.quote,
                px_increment=traded.px_step,
                qty_increment=traded.qty_step,
                qty_min=traded.qty_min,
                notional_min=traded.notional_min,
            )
            self._instruments[instrument.instrument_id] = instrument

    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(self._instruments.values())

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        px = float(self._px(instrument_id)) * np.exp(0.01 * np.sin(np.arange(300)))
        stock = self._instruments[instrument_id].asset_class is AssetClass.EQUITY
        values = {"open": px, "high": px * 1.01, "low": px * 0.99, "close": px, "volume": 1e6}
        bars = (last_sessions(300) if stock else self._days()).assign(**values)
        return closed_bars(validate_bars(bars, "made up"), instrument_id, datetime.now(UTC), limit)

    def _days(self) -> pd.DataFrame:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        opens = pd.date_range(end=midnight - self.interval, periods=300, freq="D", unit="us")
        return pd.DataFrame({"ts_open": opens, "ts_close": opens + self.interval})

    def last_price(self, instrument_id: InstrumentId) -> tuple[Decimal, datetime]:
        return self._px(instrument_id), datetime.now(UTC)

    def _px(self, instrument_id: InstrumentId) -> Decimal:
        instrument = self._instruments[instrument_id]
        return Decimal(self._engine.price(f"{instrument.base}/{instrument.quote}"))


FEEDS["lying"] = LyingFeed
VENUES |= dict.fromkeys(DIALECTS, lying_venue)
