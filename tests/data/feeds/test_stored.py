from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from data.feeds.base import AdjustsSome, Feed, NoBarYet
from data.feeds.factors import adjusted, read_factors
from data.feeds.files import FilesFeed
from data.feeds.resample import resample
from data.feeds.stored import StoreFeed
from data.store.market.download import download
from data.store.market.resampled import resample_stored
from data.store.market.store import MarketStore
from execution.errors import InputInvalid
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.timeframe import WEEK
from tests.data.store.market.conftest import NOW

VENUE = VenueId("simulated")
AAPL = InstrumentId("AAPL", VENUE)
DAYS = """date,open,high,low,close,volume
2024-01-02,20,20,20,20,100
2024-01-03,10,10,10,10,100
2024-01-04,10,10,10,10,100
"""


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    """Three days of AAPL from a file, split two for one after the first."""
    path = tmp_path / "AAPL.csv"
    path.write_text(DAYS)
    feed = FilesFeed([path])
    store = MarketStore(tmp_path / "market.duckdb")
    download(store, "files", feed, feed.instruments()[0], NOW)
    return store


def test_bars_come_back_as_they_were_downloaded(store: MarketStore, tmp_path: Path):
    feed = StoreFeed(store, "files", "1d", VENUE)

    assert isinstance(feed, Feed)
    assert (feed.live, feed.adjusted, feed.interval) == (False, False, timedelta(days=1))
    assert feed.instruments() == FilesFeed([tmp_path / "AAPL.csv"]).instruments()
    assert feed.bars(AAPL, None, 10).equals(FilesFeed([tmp_path / "AAPL.csv"]).bars(AAPL, None, 10))
    assert feed.last_price(AAPL) is None


def test_a_hole_of_a_file_is_no_gap_that_is_known(tmp_path: Path):
    """Nobody has asked whether the file should have it: a run is to stop there."""
    path = tmp_path / "IBM.csv"
    path.write_text(DAYS.replace("2024-01-03,10,10,10,10,100\n", ""))
    feed, store = FilesFeed([path]), MarketStore(tmp_path / "market.duckdb")
    (gap,) = download(store, "files", feed, feed.instruments()[0], NOW).gaps

    absent = StoreFeed(store, "files", "1d", VENUE).absent(InstrumentId("IBM", VENUE))

    assert (gap.confirmed, len(absent)) == (True, 0)


def test_a_moment_sees_nothing_later_and_before_the_first_bar_there_is_none(store: MarketStore):
    feed = StoreFeed(store, "files", "1d", VENUE)
    first_close = feed.bars(AAPL, None, 10)["ts_close"].iloc[0].to_pydatetime()

    assert len(feed.bars(AAPL, first_close, 10)) == 1
    assert list(feed.bars(AAPL, None, 1)["close"]) == [10]
    with pytest.raises(NoBarYet):
        feed.bars(AAPL, first_close - timedelta(seconds=1), 10)


def test_with_factors_the_split_is_taken_out_up_to_the_last_bar(store: MarketStore, tmp_path: Path):
    """On the day before, nobody knew of it; the price to trade at is the one that was traded."""
    path = tmp_path / "AAPL_factors.csv"
    path.write_text("20240102,1,0.5,20\n20501231,1,1,0\n")
    with store.transaction() as archive:
        archive.factors.save("files", "AAPL", read_factors(path))
    feed = StoreFeed(store, "files", "1d", VENUE)
    first_close = feed.bars(AAPL, None, 10)["ts_close"].iloc[0].to_pydatetime()

    assert feed.adjusted
    assert list(feed.bars(AAPL, None, 10)["close"]) == [10, 10, 10]
    assert list(feed.bars(AAPL, first_close, 10)["close"]) == [20]


def test_the_factors_of_one_stock_say_nothing_of_another(store: MarketStore, tmp_path: Path):
    """What is not adjusted is on the tick, and history of it that changes is told."""
    (tmp_path / "IBM.csv").write_text(DAYS)
    files = FilesFeed([tmp_path / "IBM.csv"])
    download(store, "files", files, files.instruments()[0], NOW)
    factors = tmp_path / "AAPL_factors.csv"
    factors.write_text("20240102,1,0.5,20\n20501231,1,1,0\n")
    with store.transaction() as archive:
        archive.factors.save("files", "AAPL", read_factors(factors))
    feed = StoreFeed(store, "files", "1d", VENUE)

    assert isinstance(feed, AdjustsSome)
    assert feed.adjusted  # some are
    assert (feed.adjusts(AAPL), feed.adjusts(InstrumentId("IBM", VENUE))) == (True, False)


REAL_BARS = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(not REAL_BARS.is_dir(), reason="real bars are not part of the project")
@pytest.mark.parametrize("until", ["2000-06-23", "2021-03-26"])
def test_weeks_made_of_a_stock_are_those_of_its_adjusted_days(tmp_path: Path, until: str):
    """Two for one on Wednesday, 2000-06-21: that week ends at the price that was traded."""
    days = FilesFeed([REAL_BARS / "us_AAPL_1d_unadjusted.parquet"])
    (stock,) = days.instruments()
    store = MarketStore(tmp_path / "market.duckdb")
    series = download(store, "lean", days, stock, NOW).series
    factors = read_factors(REAL_BARS / "us_AAPL_factors.csv")
    with store.transaction() as archive:
        archive.factors.save("lean", "AAPL", factors)
    resample_stored(store, series, "1w", NOW)
    evening = datetime.fromisoformat(f"{until}T21:00Z")

    weeks = StoreFeed(store, "lean", "1w", VENUE).bars(AAPL, evening, 10_000)

    daily = adjusted(days.bars(stock.instrument_id, evening, 10_000), factors)
    wanted = resample(daily, stock, series.interval, WEEK)
    pd.testing.assert_frame_equal(weeks, wanted.tail(len(weeks)), rtol=1e-12)
    assert weeks["close"].iloc[-1] == days.bars(stock.instrument_id, evening, 1)["close"].iloc[-1]


def test_what_is_not_there_is_told_with_what_there_is(store: MarketStore):
    with pytest.raises(InputInvalid, match="no 1h bars of files; it has AAPL 1d of files: `regent"):
        StoreFeed(store, "files", "1h", VENUE)
    with pytest.raises(InputInvalid, match="no IBM 1d of files"):
        StoreFeed(store, "files", "1d", VENUE).bars(InstrumentId("IBM", VENUE), None, 1)


def test_the_only_source_there_is_need_not_be_named(store: MarketStore, tmp_path: Path):
    assert StoreFeed(store, None, "1d", VENUE).instruments()

    feed = FilesFeed([tmp_path / "AAPL.csv"])
    download(store, "other", feed, feed.instruments()[0], NOW)
    with pytest.raises(InputInvalid, match=r"which of those in the store\? files, other"):
        StoreFeed(store, None, "1d", VENUE)
