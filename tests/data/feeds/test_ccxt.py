from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data.feeds.base import Feed
from data.feeds.ccxt import CcxtFeed
from execution.errors import ConfigInvalid, InputInvalid, VenueUnavailable
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.venues.ccxt.exchange import per_ms
from execution.venues.rate_limit import RateLimiter
from tests.data.feeds.candle_exchange import Exchange, serving

BTC = InstrumentId("BTC/USDT", VenueId("binance"))


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with serving() as server:
        yield server


def test_instruments_carry_the_exchanges_own_steps_exactly(exchange: Exchange):
    feed = exchange.feed()

    (instrument,) = feed.instruments()

    assert isinstance(feed, Feed)
    assert (timedelta(hours=1), True) == (feed.interval, feed.live)
    assert (instrument.instrument_id, instrument.asset_class) == (BTC, AssetClass.CRYPTO)
    assert (instrument.base, instrument.quote) == ("BTC", "USDT")
    assert (Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal(5)) == (
        instrument.px_increment,
        instrument.qty_increment,
        instrument.qty_min,
        instrument.notional_min,
    )


def test_pages_are_joined_up_to_the_limit(exchange: Exchange):
    """Binance gives a thousand candles at most: 1,500 take two requests."""
    bars = exchange.feed().bars(BTC, None, 1_500)

    assert len(bars) == 1_500
    assert {timedelta(hours=1)} == set(bars["ts_open"].diff().dropna())
    assert exchange.requests.count("/api/v3/klines") == 2


def test_the_candle_still_open_is_dropped(exchange: Exchange):
    now = datetime.now(UTC)

    bars = exchange.feed().bars(BTC, None, 3)

    assert bars["ts_close"].iloc[-1] <= now < bars["ts_close"].iloc[-1] + timedelta(hours=1)


def test_a_past_moment_sees_nothing_later(exchange: Exchange):
    as_of = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)

    bars = exchange.feed().bars(BTC, as_of, 5)

    assert datetime(2024, 5, 1, 12, tzinfo=UTC) == bars["ts_close"].iloc[-1]
    assert len(bars) == 5


def test_an_outage_gives_fewer_bars_and_no_endless_loop(exchange: Exchange):
    as_of = datetime(2024, 5, 1, 12, tzinfo=UTC)
    hour = int(as_of.timestamp()) // 3600
    exchange.missing = set(range(hour - 10, hour - 4))

    bars = exchange.feed().bars(BTC, as_of, 20)

    assert len(bars) == 15  # of the 21 hours asked for, lest one is still open
    assert datetime(2024, 5, 1, 12, tzinfo=UTC) == bars["ts_close"].iloc[-1]


@pytest.mark.parametrize(
    "content", ["<html>sorry</html>", "", "{}", "null", "[[1]]", '{"code":-1}']
)
def test_a_reply_that_makes_no_sense_is_an_exchange_that_cannot_be_reached(
    exchange: Exchange, content: str
):
    feed = exchange.feed()
    feed.instruments()
    exchange.body = content

    with pytest.raises((VenueUnavailable, InputInvalid)) as error:
        feed.bars(BTC, None, 5)

    assert "\n" not in str(error.value)


def test_the_last_price_is_the_tickers_own_digits_and_time(exchange: Exchange):
    """As a float, this price would come out as another one."""
    exchange.ticker |= {"lastPrice": "118449.030000000001", "closeTime": 1_753_787_874_013}

    price = exchange.feed().last_price(BTC)

    at = datetime(2025, 7, 29, 11, 17, 54, 13_000, tzinfo=UTC)
    assert price == (Decimal("118449.030000000001"), at)
    assert exchange.requests.count("/api/v3/klines") == 0


@pytest.mark.parametrize(
    ("ticker", "names"),
    [
        ({"closeTime": 1_753_787_874_013, "lastPrice": None}, "last=None"),
        ({"closeTime": 1_753_787_874_013, "lastPrice": "0.00"}, "last=None"),
        ({"closeTime": 1_753_787_874_013, "lastPrice": "-1"}, "last=-1"),
        ({"closeTime": 1_753_787_874_013, "lastPrice": "soon"}, "cannot be reached"),
        ({"closeTime": None}, "timestamp=None"),
        ({"closeTime": 10**18}, "cannot be reached"),
    ],
)
def test_a_ticker_without_a_price_or_its_time_is_no_price(
    exchange: Exchange, ticker: dict[str, object], names: str
):
    """A price of an unknown time could be of any age."""
    exchange.ticker |= ticker

    with pytest.raises(VenueUnavailable, match=names) as error:
        exchange.feed().last_price(BTC)

    assert "\n" not in str(error.value)


def test_an_exchange_that_goes_away_has_no_last_price(exchange: Exchange):
    feed = exchange.feed()
    feed.instruments()
    feed.exchange.urls["api"] = dict.fromkeys(feed.exchange.urls["api"], "http://127.0.0.1:9/x")

    with pytest.raises(VenueUnavailable, match=r"^binance cannot be reached"):
        feed.last_price(BTC)


def test_an_exchange_that_is_not_there_is_told_in_one_line(exchange: Exchange):
    feed = exchange.feed()
    feed.exchange.urls["api"] = dict.fromkeys(feed.exchange.urls["api"], "http://127.0.0.1:9/x")

    with pytest.raises(
        VenueUnavailable, match=r"^binance cannot be reached: .*--bars FILE"
    ) as error:
        feed.instruments()

    assert "\n" not in str(error.value)


def test_an_unknown_symbol_names_the_nearest(exchange: Exchange):
    with pytest.raises(InputInvalid, match=r"'X:BTCUSD' is unknown; did you mean BTC/USDT"):
        exchange.feed("X:BTCUSD").instruments()


def test_an_instrument_that_was_not_asked_for_is_refused(exchange: Exchange):
    with pytest.raises(InputInvalid, match="not among the symbols"):
        exchange.feed().bars(InstrumentId("ETH/USDT", VenueId("binance")), None, 5)
    with pytest.raises(InputInvalid, match="not among the symbols"):
        exchange.feed().last_price(InstrumentId("ETH/USDT", VenueId("binance")))


def test_the_venue_may_be_the_simulated_one(exchange: Exchange):
    feed = CcxtFeed("binance", ["BTC/USDT"], "1h", VenueId("simulated"))
    feed.exchange.urls["api"] = dict.fromkeys(feed.exchange.urls["api"], exchange.url)

    assert str(feed.instruments()[0].instrument_id) == "BTC/USDT.SIMULATED"


def test_wrong_settings_are_refused_before_anything_is_asked():
    with pytest.raises(ConfigInvalid, match="'binnance' is unknown; did you mean binance"):
        CcxtFeed("binnance", ["BTC/USDT"])
    with pytest.raises(ConfigInvalid, match="timeframe '7h' is not one of binance's: 1s, 1m"):
        CcxtFeed("binance", ["BTC/USDT"], "7h")
    with pytest.raises(ConfigInvalid, match="which symbols of binance"):
        CcxtFeed("binance", [])


def test_requests_are_never_repeated_by_the_library():
    """Set, ccxt would repeat any request, and one day that may be an order."""
    assert not CcxtFeed("binance", ["BTC/USDT"]).exchange.options.get("maxRetriesOnFailure")


def test_two_feeds_together_keep_the_exchanges_rate(tmp_path: Path):
    """Each object of ccxt counts for itself; the exchange counts for the whole installation."""
    limiter = RateLimiter(tmp_path / "rates.sqlite", clock=lambda: 0.0)
    feeds = [CcxtFeed("kraken", ["BTC/USD"], limiter=limiter) for _ in range(2)]
    limit = per_ms(feeds[0].exchange.rateLimit)
    ordinary = int(limit.budget * 0.8)  # the rest is kept for what is urgent

    for number in range(ordinary):
        feeds[number % 2].exchange.throttle(1)

    assert ordinary > 2
    assert limiter.acquire_now("kraken/public", limit, 1) > 0


def test_history_is_the_same_however_the_exchange_orders_its_rows(exchange: Exchange):
    """Rows twice, pages that overlap, newest first: the same candles."""
    start = datetime(2024, 5, 1, tzinfo=UTC)
    end = start + timedelta(hours=95)
    exchange.page_max = 20
    plain = exchange.feed().history(BTC, start, end)
    exchange.doubled = exchange.shuffled = True

    lied = exchange.feed().history(BTC, start, end)

    assert len(plain) == 95
    assert plain.equals(lied)


def test_two_candles_of_one_time_that_differ_are_refused(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
):
    """Nobody can tell which of them is true."""
    feed = exchange.feed()
    hour = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp()) * 1000
    rows = [[hour, 10, 12, 9, 10.25, 3], [hour, 10, 12, 9, 10.5, 3]]
    monkeypatch.setattr(feed.exchange, "fetch_ohlcv", lambda *_, **__: rows)

    with pytest.raises(InputInvalid, match="one row a time"):
        feed.history(BTC, datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 1, 1, tzinfo=UTC))
