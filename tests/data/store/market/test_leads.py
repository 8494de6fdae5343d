"""What a source did not give before a series' first bar."""

from datetime import UTC, datetime, timedelta

import pytest

from data.store.market.chunks import Span
from data.store.market.leads import before, first_expected
from tests.data.feeds.candle_exchange import Exchange
from tests.data.feeds.test_calendar import COIN, STOCK
from tests.data.store.market.conftest import HOUR, HOURS, NOW, SINCE, Fetch, hour_of

HIDDEN = 900  # hours, over two chunks
LISTED = SINCE + HIDDEN * HOUR
LEAD = set(range(hour_of(SINCE), hour_of(LISTED)))


@pytest.mark.parametrize("hidden", [HIDDEN, HOURS], ids=["the first months", "everything"])
def test_history_that_was_not_given_once_is_fetched_by_the_next_download(
    fetch: Fetch, exchange: Exchange, hidden: int
):
    """An exchange that is not well answers as one that has nothing: it is asked again."""
    exchange.missing = set(range(hour_of(SINCE), hour_of(SINCE) + hidden))
    found = fetch()
    assert found.bars == HOURS - hidden
    assert found.lead
    assert found.lead.since == SINCE
    exchange.missing.clear()

    healed = fetch(NOW + 2 * HOUR)

    assert (healed.bars, healed.lead, healed.gaps) == (HOURS + 2, None, ())


def test_what_came_of_it_leaves_the_rest_to_be_asked_for_as_often(fetch: Fetch, exchange: Exchange):
    """Another first bar: what is before that one was asked for once, whatever was before."""
    exchange.missing = set(LEAD)
    fetch()
    exchange.missing = set(sorted(LEAD)[:300])

    found = fetch(NOW + 2 * HOUR)

    assert found.lead
    assert (found.lead.first, found.lead.asked) == (SINCE + 300 * HOUR, 1)


def test_a_market_that_was_not_listed_is_asked_three_times_and_then_believed(
    fetch: Fetch, exchange: Exchange
):
    """It is told since when it was asked, and when its bars begin; it lacks no bar."""
    exchange.missing = set(LEAD)
    asked, told = [], []
    for day in range(5):
        exchange.asked.clear()
        found = fetch(NOW + timedelta(days=day))
        asked.append(hour_of(SINCE) in exchange.asked)
        told.append(str(found.lead))

    assert asked == [True, True, True, False, False]
    since = (
        "BTC/USDT 1h of ccxt:binance: first bar 2024-05-27 17:00Z, asked since 2024-04-20 05:00Z"
    )
    assert told[1] == f"{since}: asked 2 of 3 times, the next download asks again"
    assert told[4] == f"{since}: the source has none before"
    assert found.gaps == ()


def test_asking_again_at_once_does_not_count(fetch: Fetch, exchange: Exchange):
    """A retry a second later must not make of an exchange that is down one that has nothing."""
    exchange.missing = set(LEAD)

    for minute in range(5):
        found = fetch(NOW + timedelta(minutes=minute), again=minute % 2 == 1)

    assert found.lead
    assert found.lead.asked == 1


def test_an_earlier_start_is_another_stretch(fetch: Fetch, exchange: Exchange):
    """Believed of one year, nothing is known of the year before."""
    exchange.missing = set(LEAD)
    for day in range(3):
        fetch(NOW + timedelta(days=day))
    earlier = SINCE - 100 * HOUR
    exchange.missing |= set(range(hour_of(earlier), hour_of(SINCE)))

    found = fetch(NOW + timedelta(days=3), since=earlier)

    assert found.lead
    assert (found.lead.since, found.lead.asked, found.lead.confirmed) == (earlier, 1, False)


def test_a_start_on_a_weekend_lacks_nothing():
    """A stock's first bar is Monday's, and nobody asks for its Saturday again."""
    saturday, monday = datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 6, 3, 13, 30, tzinfo=UTC)
    spans = before(monday, [Span(saturday, monday + timedelta(days=30))])

    assert first_expected(STOCK, timedelta(days=1), spans) is None
    assert first_expected(COIN, timedelta(days=1), spans) == saturday


def test_a_start_before_any_calendar_is_no_fault():
    """Nobody knows the sessions of 1960, and somebody asks for all there is."""
    span = Span(datetime(1960, 1, 1, tzinfo=UTC), datetime(1990, 1, 1, tzinfo=UTC))

    since = first_expected(STOCK, timedelta(days=1), [span])

    assert since
    assert since.year == 1970
