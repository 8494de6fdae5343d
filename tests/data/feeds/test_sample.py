import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from data.feeds.base import DAY, Feed
from data.feeds.sample import SYMBOLS, SampleFeed
from execution.errors import ConfigInvalid, InputInvalid
from execution.model.identifiers import InstrumentId, VenueId

AAPL = InstrumentId("AAPL", VenueId("simulated"))


def test_the_sample_is_a_feed_of_five_stocks_in_whole_shares():
    feed = SampleFeed()

    assert isinstance(feed, Feed)
    assert (feed.interval, feed.live) == (DAY, False)
    assert list(SYMBOLS) == [i.base for i in feed.instruments()]
    assert {Decimal(1)} == {i.qty_increment for i in feed.instruments()}


def test_the_sample_has_no_price_of_now():
    assert SampleFeed().last_price(AAPL) is None


def test_the_venue_is_the_one_that_was_asked_for():
    assert {"elsewhere"} == {
        i.instrument_id.venue for i in SampleFeed(VenueId("elsewhere")).instruments()
    }


def test_the_last_bar_is_the_price_that_was_traded_that_day():
    bars = SampleFeed().bars(AAPL, None, 5)
    last = bars.iloc[-1]

    assert tuple(last[["open", "high", "low", "close"]]) == (438.0, 438.1799, 429.98, 430.47)
    assert datetime(2013, 3, 1, 21, tzinfo=UTC) == last["ts_close"]
    assert last["volume"] == 19730300.0


def test_a_split_leaves_no_jump():
    """AAPL split 2:1 on 2005-02-28: unadjusted, the close would halve overnight."""
    bars = SampleFeed().bars(AAPL, datetime(2005, 3, 4, 22, tzinfo=UTC), 20)

    assert bars["close"].pct_change().abs().max() < 0.06
    assert bars["close"].iloc[-1] == 42.81


def test_what_was_adjusted_up_to_a_day_knows_no_later_dividend():
    """The price of that day is the one on the tape, whatever was paid out afterwards."""
    bars = SampleFeed().bars(AAPL, datetime(2005, 2, 25, 22, tzinfo=UTC), 3)

    assert bars["close"].iloc[-1] == 88.99


def test_before_the_first_day_there_is_nothing():
    with pytest.raises(InputInvalid, match=r"no bar of AAPL.SIMULATED had closed by 1999"):
        SampleFeed().bars(AAPL, datetime(1999, 1, 1, tzinfo=UTC), 3)


def test_an_instrument_that_is_not_there_is_refused():
    with pytest.raises(InputInvalid, match=r"no bars of TSLA.SIMULATED"):
        SampleFeed().bars(InstrumentId("TSLA", VenueId("simulated")), None, 3)


def test_a_missing_package_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "bokeh_sampledata.stocks", None)

    with pytest.raises(ConfigInvalid, match=r"pip install regent\[demo\]"):
        SampleFeed()
