from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from data.schemas.bars import BarFrame
from data.store.market.download import download
from data.store.market.store import MarketStore
from execution.errors import InputInvalid, VenueUnavailable
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from tests.data.feeds.candle_exchange import BROKEN, EMPTY, HANG, TOO_MANY, Exchange
from tests.data.feeds.test_calendar import STOCK
from tests.data.store.market.conftest import HOUR, HOURS, NOW, SINCE, Fetch, hour_of


def stored(store: MarketStore) -> pd.DataFrame:
    with store.reading() as archive:
        (series,) = archive.series.all()
        return archive.bars.all(archive.series.number(series))


def rows(store: MarketStore, sql: str) -> list[tuple[object, ...]]:
    with store.reading() as archive:
        return archive.session.rows(sql)


def test_everything_since_then_is_fetched_up_to_the_last_closed_bar(
    store: MarketStore, fetch: Fetch
):
    """The exchange gives the running hour too; it would still change."""
    found = fetch()

    bars = stored(store)
    assert found.bars_new == found.bars == len(bars) == HOURS
    assert bars["ts_open"].iloc[0] == SINCE
    assert bars["ts_close"].iloc[-1] == NOW.replace(minute=0)
    assert {HOUR} == set(bars["ts_open"].diff().dropna())
    assert (found.gaps, found.restated) == ((), ())


def test_a_second_download_asks_only_for_what_is_new_and_the_newest_once_more(
    store: MarketStore, fetch: Fetch, exchange: Exchange
):
    fetch()
    exchange.asked.clear()

    found = fetch(NOW + 3 * HOUR, since=None)

    assert found.bars_new == 3
    assert exchange.asked == [hour_of(NOW) - 24]


def test_an_earlier_start_fetches_what_lies_before(store: MarketStore, fetch: Fetch):
    fetch()

    found = fetch(since=SINCE - 50 * HOUR)

    assert (found.bars_new, found.bars, found.gaps) == (50, HOURS + 50, ())
    assert stored(store)["ts_open"].is_monotonic_increasing


def test_a_later_start_leaves_no_hole_in_what_counts_as_asked_for(store: MarketStore, fetch: Fetch):
    """Two stretches of one month, with days between: the days are fetched with the second."""
    fetch(NOW - timedelta(days=25), since=NOW - timedelta(days=30))

    found = fetch(NOW, since=NOW - timedelta(days=6))

    assert found.gaps == ()
    assert {HOUR} == set(stored(store)["ts_open"].diff().dropna())


def test_a_start_is_needed_the_first_time_only(fetch: Fetch):
    with pytest.raises(InputInvalid, match="BTC/USDT 1h of ccxt:binance: since when"):
        fetch(since=None)


@pytest.mark.parametrize("lie", [EMPTY, "doubled", "shuffled", "window"])
def test_the_same_bars_are_kept_however_the_exchange_pages(
    store: MarketStore, fetch: Fetch, exchange: Exchange, lie: str
):
    """Small pages that overlap, come newest first, or end early; one empty with data behind."""
    exchange.page_max = 100
    exchange.doubled, exchange.shuffled = lie == "doubled", lie == "shuffled"
    exchange.window_hours = 60 if lie == "window" else None
    exchange.script = ["", EMPTY] if lie == EMPTY else []

    found = fetch()

    assert len(stored(store)) == found.bars == HOURS
    assert found.gaps == ()


@pytest.mark.parametrize("fault", [HANG, TOO_MANY, BROKEN])
def test_what_came_before_a_fault_is_kept_and_the_next_time_goes_on_from_there(
    store: MarketStore, fetch: Fetch, exchange: Exchange, fault: str
):
    """Retrying is the task's: it begins with the first chunk that was not written."""
    exchange.script = ["", fault]

    with pytest.raises(VenueUnavailable):
        fetch()
    kept = len(stored(store))
    asked = len(exchange.asked)
    found = fetch()

    assert 0 < kept < HOURS
    assert exchange.asked[asked] > hour_of(SINCE) + kept - 25  # only the overlap comes again
    assert found.bars == HOURS
    assert rows(store, "SELECT ended_at IS NULL FROM downloads ORDER BY 1") == [(False,), (True,)]


def test_a_bar_that_the_exchange_changes_is_replaced_and_the_old_one_kept(
    store: MarketStore, fetch: Fetch, exchange: Exchange
):
    """The newest wins; nobody has to guess what was traded on."""
    fetch()
    before = stored(store)
    exchange.restated = {hour_of(NOW) - 3: "11.75", hour_of(NOW) - 2: "11.5"}

    found = fetch(NOW + HOUR)

    after = stored(store)
    (restated,) = found.restated
    changed = before.merge(after, on="ts_open").query("close_x != close_y")
    assert list(changed["close_y"]) == [11.75, 11.5]
    assert (restated.bars, restated.first) == (2, changed["ts_open"].iloc[0])
    assert restated.old_sha256 != restated.new_sha256
    assert rows(store, "SELECT close FROM restatements ORDER BY ts_open") == [
        (close,) for close in changed["close_x"]
    ]
    ((sha256,),) = rows(store, "SELECT sha256 FROM chunks ORDER BY ts_start DESC LIMIT 1")
    assert "restated: bars=2" in str(restated)
    assert sha256 != restated.old_sha256


def test_an_old_bar_that_changed_is_found_by_asking_for_all_again(fetch: Fetch, exchange: Exchange):
    fetch()
    exchange.restated = {hour_of(SINCE) + 10: "11.75"}

    assert fetch(NOW + HOUR).restated == ()
    (restated,) = fetch(NOW + HOUR, again=True).restated
    assert restated.first == SINCE.replace(minute=0) + 10 * HOUR


def test_a_bar_that_the_exchange_no_longer_gives_stays(
    store: MarketStore, fetch: Fetch, exchange: Exchange
):
    """An empty page is no evidence that nothing was traded."""
    fetch()
    exchange.missing = set(range(hour_of(NOW) - 10, hour_of(NOW)))

    found = fetch(again=True)

    assert (found.bars, found.gaps) == (HOURS, ())


class BeforeTheOpen:
    """A source of a stock's hours that also has what is traded before the session."""

    live = True
    adjusted = False
    interval = HOUR

    def __init__(self, late: timedelta = timedelta()) -> None:
        self.late = late  # how long after the full hour its bars open

    def instruments(self) -> tuple[Instrument, ...]:
        return (STOCK,)

    def history(self, _: InstrumentId, start: datetime, end: datetime) -> BarFrame:
        first = pd.Timestamp(start).ceil("h") + self.late
        opens = pd.date_range(first, end, freq="h", inclusive="left").as_unit("us")
        prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 10.0)
        return pd.DataFrame({"ts_open": opens, "ts_close": opens + HOUR, **prices})

    def bars(self, *_: object) -> BarFrame:
        raise AssertionError("only its history is asked for")

    def last_price(self, _: InstrumentId) -> None:
        """Nothing is traded on it."""


def test_a_running_bar_before_the_session_is_dropped_and_comes_when_it_has_closed(
    store: MarketStore,
):
    """The calendar does not know it; its close alone tells that it still changes."""
    early = datetime(2024, 7, 2, 12, 30, tzinfo=UTC)  # an hour before New York opens
    opened = early.replace(minute=0)

    download(store, "alpaca", BeforeTheOpen(), STOCK, early, since=early - 30 * HOUR)
    before = stored(store)
    download(store, "alpaca", BeforeTheOpen(), STOCK, early + HOUR)

    assert before["ts_close"].iloc[-1] == opened
    assert pd.Timestamp(opened) in set(stored(store)["ts_open"])


def test_bars_at_times_of_their_own_have_no_gaps_and_that_is_told(
    store: MarketStore,
):
    """Otherwise every bar that the calendar expects would be asked for again, for ever."""
    feed = BeforeTheOpen(late=timedelta(minutes=7))
    start = datetime(2024, 7, 1, tzinfo=UTC)

    found = download(store, "alpaca", feed, STOCK, start + 20 * HOUR, since=start)

    assert (found.on_calendar, found.gaps) == (False, ())
