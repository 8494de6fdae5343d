"""What a world is made of: its clock, its ledger, its adapter, and what is traded there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd

from data.store.books import Books
from data.store.connection import Ledger
from execution.model.enums import AssetClass
from execution.model.identifiers import AccountId, InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.base import Venue
from execution.venues.capabilities import Capabilities
from execution.venues.ccxt.venue import CcxtVenue
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter
from tasks.market_data import Market
from tests.venues.lying_exchange.engine import Engine

SECRET = "c2VjcmV0"  # base64, as Kraken wants it
PASSPHRASE = "pass-phrase"
WINDOW_S = 2.0  # longer than a request may be under way, and what lies hide stays hidden
DEADLINE_S = 0.4  # of one request, while there are lies
PATIENCE_S = 10.0  # and once there are none
HURRY = 10_000  # so much faster passes the time in which a rate limit counts


class Death(BaseException):
    """The process dies here: nothing catches it, nothing is written after it."""


class Clock:
    """UTC for everybody; it goes on by itself, and leaps when told to."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def now_ms(self) -> int:
        """As ccxt asks for it."""
        return int(self.now().timestamp() * 1000)

    def leap(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


class WatchedLedger(Ledger):
    """The real ledger; `meet` is called right before and right after every commit."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.meet: Callable[[], None] = lambda: None
        self.changes = 0

    @contextmanager
    def transaction(self) -> Iterator[Books]:
        self.meet()
        with super().transaction() as books:
            yield books
        self.changes += 1
        self.meet()


class HastyCcxt(CcxtVenue):
    """The real adapter, in a test's time."""

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        return _hasty(super().capabilities(instrument_id))


class HastyAlpaca(AlpacaVenue):
    """The real adapter, in a test's time."""

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        return _hasty(super().capabilities(instrument_id))


def _hasty(capabilities: Capabilities) -> Capabilities:
    return replace(capabilities, validity_window_s=WINDOW_S, lookup_waits_s=(0.0, 0.001))


def open_adapter(
    url: str,
    dialect: str,
    key: str,
    account: AccountId,
    instruments: Mapping[InstrumentId, Instrument],
    clock: Clock,
    home: Path,
    deadline_s: float,
) -> Venue:
    """The real adapter of a dialect at the exchange, for the account of an API key."""
    limiter = RateLimiter(
        home / "rates.sqlite",
        clock=lambda: time.monotonic() * HURRY,
        sleep=lambda seconds: asyncio.sleep(seconds / HURRY),
    )
    keys = Keys(api_key=key, secret=SECRET, passphrase=PASSPHRASE, testnet=True)
    given = (account, keys, limiter, clock.now, f"{url}/{dialect}", deadline_s)
    if dialect == "alpaca":
        return HastyAlpaca(instruments, *given)
    return HastyCcxt(dialect, instruments, *given)


def instruments_of(engine: Engine, dialect: str) -> dict[InstrumentId, Instrument]:
    """Two coins that the engine trades, for the first currency that each is quoted in."""
    found = (_instrument(engine, dialect, base) for base in ("BTC", "ETH"))
    return {instrument.instrument_id: instrument for instrument in found}


def market_of(
    engine: Engine, instruments: Mapping[InstrumentId, Instrument], now: datetime
) -> Market:
    """The instruments, the prices of now, and a month of quiet days before them."""
    prices = {i: engine.price(i.symbol) for i in instruments}
    return Market(
        instruments=instruments,
        bars={i: _quiet_days(float(px), now) for i, px in prices.items()},
        snapshots=snapshots_of(engine, instruments, now),
        price_age_max={i: timedelta(days=1) for i in instruments},
        replayed=False,
    )


def snapshots_of(
    engine: Engine, instruments: Iterable[InstrumentId], now: datetime
) -> dict[InstrumentId, MarketSnapshot]:
    """The prices of now."""
    return {i: _snapshot(i, engine.price(i.symbol), now) for i in instruments}


def _quiet_days(px: float, now: datetime) -> pd.DataFrame:
    """Days that went up and down by a percent: what is usual, so that the breaker knows it."""
    closes = pd.Series([px, px * 1.01] * 15 + [px])
    ts_close = pd.date_range(end=now, periods=len(closes), freq="D")
    return pd.DataFrame(
        {
            "ts_open": ts_close - pd.Timedelta(days=1),
            "ts_close": ts_close,
            **dict.fromkeys(("open", "high", "low", "close"), closes),
            "volume": 1.0,
        }
    )


def _snapshot(instrument_id: InstrumentId, px: Decimal, now: datetime) -> MarketSnapshot:
    some = Decimal(1)
    return MarketSnapshot(
        instrument_id=instrument_id,
        last_px=px,
        high=px,
        low=px,
        volume=some,
        ts_open=now,
        ts_event=now,
        adv=some,
        volatility_day=some,
    )


def _instrument(engine: Engine, dialect: str, base: str) -> Instrument:
    traded = next(i for i in engine.instruments.values() if i.base == base)
    return Instrument(
        instrument_id=InstrumentId(traded.symbol, VenueId(dialect)),
        asset_class=AssetClass.CRYPTO,
        base=traded.base,
        quote=traded.quote,
        px_increment=traded.px_step,
        qty_increment=traded.qty_step,
        qty_min=traded.qty_min,
        notional_min=traded.notional_min,
    )
