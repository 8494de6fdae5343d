from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.feeds.base import SIMULATED, KnowsGaps
from data.feeds.files import FilesFeed
from data.feeds.stored import StoreFeed
from data.store.market.download import download
from data.store.market.gaps import CONFIRMED
from data.store.market.resampled import resample_stored
from data.store.market.series import Series
from data.store.market.store import MarketStore
from execution.model.identifiers import VenueId
from tests.data.feeds.candle_exchange import Exchange
from tests.data.store.market.conftest import HOUR, HOURS, NOW, SINCE, Fetch, hour_of

OUTAGE = range(hour_of(SINCE) + 100, hour_of(SINCE) + 104)


def test_what_the_calendar_expects_and_nobody_gave_is_a_gap(fetch: Fetch, exchange: Exchange):
    exchange.missing = {*OUTAGE, hour_of(SINCE) + 300}

    first, second = fetch().gaps

    assert (first.bars, second.bars) == (4, 1)
    assert first.first == SINCE + 100 * HOUR
    assert first.last == SINCE + 103 * HOUR
    assert (first.asked, first.confirmed) == (1, False)


def test_a_gap_is_filled_when_the_exchange_has_the_bars_after_all(fetch: Fetch, exchange: Exchange):
    exchange.missing = set(OUTAGE)
    fetch()
    exchange.missing.clear()

    found = fetch(NOW + 2 * HOUR)

    assert (found.gaps, found.bars, found.restated) == ((), HOURS + 2, ())


def test_a_gap_is_asked_for_three_times_and_then_believed(fetch: Fetch, exchange: Exchange):
    exchange.missing = set(OUTAGE)
    asked = []
    for day in range(5):
        exchange.asked.clear()
        (gap,) = fetch(NOW + timedelta(days=day)).gaps
        asked.append(OUTAGE.start in exchange.asked)
        assert gap.confirmed == (gap.asked >= CONFIRMED)

    # The first time it is the download itself that asks, in a larger stretch, and once more.
    assert asked == [True, True, True, False, False]
    assert gap.confirmed


def test_a_feed_knows_of_a_believed_gap_and_not_of_a_fresh_one(
    store: MarketStore, fetch: Fetch, exchange: Exchange
):
    """A run goes on over the one, and stops at the other."""
    exchange.missing = set(OUTAGE)
    known = []
    for day in range(3):
        fetch(NOW + timedelta(days=day))
        feed = StoreFeed(store, "ccxt:binance", "1h", VenueId("simulated"))
        (instrument,) = feed.instruments()
        known.append(len(feed.absent(instrument.instrument_id)))

    assert isinstance(feed, KnowsGaps)
    assert known == [0, 0, len(OUTAGE)]


def test_asking_again_at_once_does_not_count(fetch: Fetch, exchange: Exchange):
    """A retry a second later must not make of an exchange that is late one that has nothing."""
    exchange.missing = set(OUTAGE)

    for minute in range(5):
        (gap,) = fetch(NOW + timedelta(minutes=minute), again=minute % 2 == 1).gaps

    assert gap.asked == 1


def test_asking_for_all_again_asks_for_what_was_believed_missing_too(
    fetch: Fetch, exchange: Exchange
):
    exchange.missing = set(OUTAGE)
    for day in range(4):
        fetch(NOW + timedelta(days=day))
    exchange.missing.clear()

    assert fetch(NOW + timedelta(days=5), again=True).gaps == ()


def test_before_the_first_bar_nothing_is_missing(fetch: Fetch, exchange: Exchange):
    """It was not listed yet."""
    exchange.missing = set(range(hour_of(SINCE), hour_of(SINCE) + 200))

    found = fetch()

    assert (found.gaps, found.bars) == ((), HOURS - 200)


def test_longer_bars_count_a_believed_gap_as_nothing_traded_and_wait_for_any_other(
    store: MarketStore, fetch: Fetch, exchange: Exchange
):
    """Only then is a day with an outage whole."""
    exchange.missing = set(OUTAGE)
    series = Series("ccxt:binance", "BTC/USDT", "1h")
    fetch()
    unsure = resample_stored(store, series, "1d", NOW)
    for day in range(1, 3):
        fetch(NOW + timedelta(days=day))

    sure = resample_stored(store, series, "1d", NOW + timedelta(days=3))

    outage_day = (SINCE + 100 * HOUR).replace(hour=0)
    assert unsure.bars == 41  # of 2024-04-21 to 06-01, but the one with the outage
    assert (sure.bars, sure.restated) == (44, ())
    with store.reading() as archive:
        number = archive.series.number(sure.series)
        day = archive.bars.all(number).set_index("ts_open").loc[outage_day]
        assert archive.series.instrument("ccxt:binance", "BTC/USDT", SIMULATED)
    assert day["volume"] == 20 * 3


def test_a_longer_bar_without_any_part_is_known_to_be_nowhere(
    store: MarketStore, fetch: Fetch, exchange: Exchange
):
    """Four hours of an outage are one bar of four: a run on those goes on over it, too."""
    start = hour_of(SINCE) - hour_of(SINCE) % 4 + 100
    exchange.missing = set(range(start, start + 5))  # one bar wholly, a part of the next
    series = Series("ccxt:binance", "BTC/USDT", "1h")
    known = []
    for day in range(3):
        fetch(NOW + timedelta(days=day))
        resample_stored(store, series, "4h", NOW + timedelta(days=day))
        feed = StoreFeed(store, "ccxt:binance", "4h", VenueId("simulated"))
        known.append(list(feed.absent(feed.instruments()[0].instrument_id)))

    assert known == [[], [], [datetime.fromtimestamp(start * 3600, UTC)]]


def test_a_longer_bar_that_a_file_lacks_is_not_known_to_be_nowhere(
    store: MarketStore, tmp_path: Path
):
    """Nobody has asked: a run is to stop there, as it does on the file's own bars."""
    path = tmp_path / "BTC-USD_1h.csv"
    times = [f"2024-01-01T{hour:02}:00Z" for hour in (*range(4), *range(8, 12))]
    path.write_text(
        "time,open,high,low,close,volume\n" + "".join(f"{t},9,9,9,9,1\n" for t in times)
    )
    files = FilesFeed([path])
    series = download(store, "files", files, files.instruments()[0], NOW).series

    made = resample_stored(store, series, "4h", NOW)

    feed = StoreFeed(store, "files", "4h", VenueId("simulated"))
    assert made.bars == 2
    assert feed.absent(feed.instruments()[0].instrument_id).empty
