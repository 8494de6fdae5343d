from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.store.market.download import Downloaded, download
from data.store.market.store import MarketStore
from tests.data.feeds.candle_exchange import Exchange, serving

SINCE = datetime(2024, 4, 20, 5, tzinfo=UTC)
NOW = datetime(2024, 6, 2, 11, 30, tzinfo=UTC)  # in the middle of an hour
HOUR = timedelta(hours=1)
HOURS = int((NOW - SINCE) / HOUR)

Fetch = Callable[..., Downloaded]


def hour_of(moment: datetime) -> int:
    """Hours since the epoch: the candle that holds a moment."""
    return int(moment.timestamp()) // 3600


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "market.duckdb", timeout_s=5)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with serving() as server:
        yield server


@pytest.fixture
def fetch(store: MarketStore, exchange: Exchange) -> Fetch:
    """Download BTC/USDT from the exchange since SINCE, as of NOW if nothing else is said."""

    def run(now: datetime = NOW, since: datetime | None = SINCE, **options: bool) -> Downloaded:
        feed = exchange.feed()
        (instrument,) = feed.instruments()
        return download(store, "ccxt:binance", feed, instrument, now, since=since, **options)

    return run
