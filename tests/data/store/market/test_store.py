from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.feeds.files import FilesFeed
from data.store.connection import Ledger
from data.store.market.chunks import Span, chunk_at, to_ask
from data.store.market.download import download
from data.store.market.resampled import remake, resample_stored
from data.store.market.series import Series
from data.store.market.store import MarketStore
from execution.errors import InputInvalid, LedgerUnavailable
from execution.model.timeframe import parse_timeframe
from tests.data.store.market.conftest import NOW, Fetch

FILE = """time,open,high,low,close,volume
2024-01-01T00:00Z,10,12,9,11,100
2024-01-01T01:00Z,11,13,10,12,200
2024-01-01T03:00Z,12,14,11,13,300
"""


def write(folder: Path, content: str = FILE) -> FilesFeed:
    path = folder / "BTC-USD.csv"
    path.write_text(content)
    return FilesFeed([path])


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path):
    """Nothing in it is precious: all of it can be fetched again."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(b"not a database, but a long line of text" * 500)

    with pytest.raises(LedgerUnavailable) as error, MarketStore(path).reading():
        pass

    assert str(path) in str(error.value)
    assert "if it is damaged, delete the file and download anew" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_ledger_is_not_taken_for_a_market_store_nor_the_other_way(tmp_path: Path):
    """They are files of one make; writing bars into the books would be the end of both."""
    ledger, market = Ledger(tmp_path / "ledger.duckdb"), MarketStore(tmp_path / "market.duckdb")
    for made in (ledger, market):
        with made.transaction():
            pass

    for wrong in (MarketStore(ledger.path), Ledger(market.path)):
        with pytest.raises(LedgerUnavailable, match=r"was changed after it was applied|knows only"):
            wrong.transaction().__enter__()


def test_a_store_that_is_not_there_names_the_command_that_makes_it(tmp_path: Path):
    with (
        pytest.raises(LedgerUnavailable, match=r"no market store at .*`regent bars download`"),
        MarketStore(tmp_path / "market.duckdb").reading(),
    ):
        pass


def test_a_file_is_kept_whole_and_what_it_lacks_is_known_at_once(
    store: MarketStore, tmp_path: Path
):
    """There is nobody to ask again."""
    feed = write(tmp_path)
    (instrument,) = feed.instruments()

    found = download(store, "files", feed, instrument, NOW)

    (gap,) = found.gaps
    assert (found.bars, gap.bars, gap.confirmed) == (3, 1, True)
    with store.reading() as archive:
        kept = archive.series.instrument("files", "BTC/USD", instrument.instrument_id.venue)
        assert kept == instrument
        assert archive.bars.all(1).equals(feed.bars(instrument.instrument_id, None, 10))


def test_a_file_that_was_corrected_restates_its_bars(store: MarketStore, tmp_path: Path):
    feed = write(tmp_path)
    (instrument,) = feed.instruments()
    download(store, "files", feed, instrument, NOW)
    corrected = write(tmp_path, FILE.replace("12,9,11,100", "12,9,11.5,100"))

    (restated,) = download(store, "files", corrected, instrument, NOW).restated

    assert restated.bars == 1


def test_longer_bars_follow_what_they_are_made_of_through_every_length(
    store: MarketStore, fetch: Fetch
):
    """Days made of four hours made of hours: none stays behind when the hours go on."""
    series = fetch().series
    resample_stored(store, series, "4h", NOW)
    four_hours = Series(series.source, series.symbol, "4h")
    resample_stored(store, four_hours, "1d", NOW)
    later = NOW + timedelta(days=2)
    fetch(later)

    made = remake(store, series.source, series.symbol, later)

    assert [(m.series.timeframe, m.bars_new) for m in made] == [("4h", 12), ("1d", 2)]
    assert remake(store, series.source, "ETH/USDT", later) == ()


def test_downloaded_bars_and_resampled_ones_are_never_mixed(store: MarketStore, fetch: Fetch):
    series = fetch().series
    resample_stored(store, series, "4h", NOW)
    made = Series(series.source, series.symbol, "4h")

    with store.reading() as archive:
        instrument = archive.series.instrument(series.source, series.symbol, "x")
    with (
        pytest.raises(InputInvalid, match="resampled from 1h: it cannot be downloaded"),
        store.transaction() as archive,
    ):
        archive.series.open(made, instrument)


@pytest.mark.parametrize(
    ("timeframe", "start", "end"),
    [
        ("1w", "2024-01-01", "2025-01-01"),
        ("1d", "2024-01-01", "2025-01-01"),
        ("1h", "2024-12-01", "2025-01-01"),
        ("15m", "2024-12-01", "2025-01-01"),
        ("1m", "2024-12-31", "2025-01-01"),
    ],
)
def test_a_chunk_is_a_year_a_month_or_a_day(timeframe: str, start: str, end: str):
    chunk = chunk_at(datetime(2024, 12, 31, 23, 59, tzinfo=UTC), parse_timeframe(timeframe))

    assert (f"{chunk.start:%F}", f"{chunk.end:%F}") == (start, end)


def test_what_was_asked_for_is_not_asked_again_and_leaves_no_hole():
    day = [datetime(2024, 1, n, tzinfo=UTC) for n in range(1, 32)]
    asked = {day[0]: Span(day[9], day[19])}
    hour = parse_timeframe("1h")

    assert to_ask(asked, Span(day[12], day[15]), hour) == []
    assert to_ask(asked, Span(day[4], day[25]), hour) == [
        Span(day[4], day[9]),
        Span(day[19], day[25]),
    ]
    assert to_ask(asked, Span(day[24], day[25]), hour) == [Span(day[19], day[25])]
    assert to_ask(asked, Span(day[1], day[2]), hour) == [Span(day[1], day[9])]
