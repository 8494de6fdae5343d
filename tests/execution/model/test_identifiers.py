import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.errors import InputInvalid
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    StrategyId,
    VenueId,
    client_order_id,
)

TIME = datetime(2024, 3, 1, 21, tzinfo=UTC)
BTC = InstrumentId("BTC/USDT", VenueId("binance"))


def make_id(
    account: str = "main",
    strategy: str = "donchian",
    instrument: InstrumentId = BTC,
    signal_time: datetime = TIME,
    leg: str = "entry",
    attempt: int = 0,
) -> ClientOrderId:
    return client_order_id(
        AccountId(account), StrategyId(strategy), instrument, signal_time, leg, attempt
    )


def test_the_id_of_a_wish_never_changes():
    """It is the idempotency key: a release that derived it otherwise could send twice."""
    assert make_id() == "66gkf6jppnbcf4ndhc"


def test_the_id_suits_every_venue():
    assert re.fullmatch("[a-z2-7]{18}", make_id())


def test_each_part_of_the_wish_makes_another_id():
    ids = {
        make_id(),
        make_id(account="other"),
        make_id(strategy="ma_cross"),
        make_id(instrument=InstrumentId("BTC/USDT", VenueId("kraken"))),
        make_id(signal_time=TIME + timedelta(microseconds=1)),
        make_id(leg="exit"),
        make_id(attempt=1),
    }
    assert len(ids) == 7


def test_parts_cannot_run_into_each_other():
    assert make_id(account="ab", strategy="c") != make_id(account="a", strategy="bc")


@given(hours=st.integers(-12, 14))
def test_the_same_moment_in_any_time_zone_is_the_same_id(hours: int):
    there = TIME.astimezone(timezone(timedelta(hours=hours)))

    assert make_id(signal_time=there) == make_id()


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InputInvalid, match="has no time zone"):
        make_id(signal_time=TIME.replace(tzinfo=None))


@pytest.mark.parametrize("text", ["AAPL.SIMULATED", "BTC/USDT.BINANCE", "BRK.B.ALPACA"])
def test_an_instrument_id_reads_what_it_wrote(text: str):
    assert str(InstrumentId.parse(text)) == text


def test_the_venue_is_what_follows_the_last_dot():
    assert InstrumentId.parse("BRK.B.Alpaca") == InstrumentId("BRK.B", VenueId("alpaca"))


@pytest.mark.parametrize("text", ["", "AAPL", ".X", "AAPL.", "."])
def test_what_is_not_symbol_dot_venue_is_refused(text: str):
    with pytest.raises(InputInvalid, match=f"instrument id {text!r} is not of the form"):
        InstrumentId.parse(text)
