"""How fast bars go into the market store and come out of it.

One process, one store on a local disk. Written is a file of hourly bars, chunk by chunk with
every chunk compared, as a download writes; read are 100 instruments of ten years of daily
bars, each in a transaction of its own, as a run reads them.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.feeds.calendar import expected_opens
from data.feeds.files import FilesFeed
from data.feeds.stored import StoreFeed
from data.schemas.bars import BarFrame, validate_bars
from data.store.market.chunks import Span, by_chunk
from data.store.market.download import download
from data.store.market.series import Series
from data.store.market.store import MarketStore
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument

VENUE = VenueId("simulated")
NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def coin(symbol: str) -> Instrument:
    return Instrument(
        instrument_id=InstrumentId(symbol, VENUE),
        asset_class=AssetClass.CRYPTO,
        base=symbol.partition("/")[0],
        quote="USD",
        px_increment=Decimal("0.01"),
        qty_increment=Decimal("0.01"),
    )


def walk(instrument: Instrument, interval: timedelta, days: int, seed: int) -> BarFrame:
    opens = expected_opens(instrument, interval, NOW - days * DAY, NOW)
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, len(opens))))
    prices = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}
    bars = pd.DataFrame({"ts_open": opens, "ts_close": opens + interval, **prices, "volume": 1.0})
    return validate_bars(bars, "walk")


@pytest.mark.bench
def test_bars_go_in(tmp_path: Path):
    bars = walk(coin("BTC/USD"), HOUR, 5 * 365, seed=1)
    path = tmp_path / "BTC-USD_1h.parquet"
    bars.drop(columns="ts_close").to_parquet(path)
    store, feed = MarketStore(tmp_path / "market.duckdb"), FilesFeed([path])

    started = time.perf_counter()
    found = download(store, "files", feed, feed.instruments()[0], NOW)
    first_s = time.perf_counter() - started
    started = time.perf_counter()
    download(store, "files", feed, feed.instruments()[0], NOW)
    again_s = time.perf_counter() - started

    print(
        f"\nimport of {len(bars):,} hourly bars in {5 * 12} chunks: {len(bars) / first_s:,.0f} "
        f"rows/s; compared again: {len(bars) / again_s:,.0f} rows/s"
    )
    assert found.bars_new == len(bars)


@pytest.mark.bench
def test_bars_come_out(tmp_path: Path):
    store = MarketStore(tmp_path / "market.duckdb")
    coins = [coin(f"C{number:02}/USD") for number in range(100)]
    started = time.perf_counter()
    for number, instrument in enumerate(coins):
        bars = walk(instrument, DAY, 3_650, seed=number)
        series = Series("bench", instrument.instrument_id.symbol, "1d")
        with store.transaction() as archive:
            key = archive.series.open(series, instrument)
            for span in by_chunk(Span(NOW - 3_650 * DAY, NOW), DAY):
                part = bars[(bars["ts_open"] >= span.start) & (bars["ts_open"] < span.end)]
                archive.bars.write(series, key, span, part, NOW)
    written_s = time.perf_counter() - started

    feed = StoreFeed(store, "bench", "1d", VENUE)
    started = time.perf_counter()
    rows = sum(len(feed.bars(i.instrument_id, None, 10_000)) for i in feed.instruments())
    read_s = time.perf_counter() - started

    print(
        f"\n100 instruments x 10 years daily, {rows:,} rows, {store.path.stat().st_size / 1e6:.1f} "
        f"MB: written in {written_s:.1f} s, read and validated in {read_s:.2f} s, "
        f"{rows / read_s:,.0f} rows/s"
    )
    assert rows == 365_000
