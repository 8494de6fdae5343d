import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from execution.errors import InputInvalid
from execution.model.enums import AssetClass, OrderSide, OrderType, TimeInForce
from execution.model.identifiers import InstrumentId
from execution.model.order import OrderIntent
from execution.venues.alpaca.facts import ALPACA, CRYPTO, STOCKS
from execution.venues.alpaca.orders import payload, plain, quantize, waits_safely
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.base import SubmitOutcome, SubmitResult
from execution.venues.capabilities import CAPABILITIES, Capabilities
from tests.execution.venues.alpaca.examples import (
    AAPL,
    BTC,
    CLIENT_ORDER_ID,
    INSTRUMENTS,
    NOW,
    ask,
    intent,
    trading,
)
from tests.execution.venues.alpaca.servers import RawServer, always, reply

T, F = OrderType, TimeInForce
D = Decimal
PRICES = {
    T.MARKET: {},
    T.LIMIT: {"limit_px": D("100.50")},
    T.STOP: {"stop_px": D("95.10")},
    T.STOP_LIMIT: {"limit_px": D("94.9"), "stop_px": D("95.10")},
    T.TRAILING_STOP: {"trail_pct": D("0.025")},
}
WORDS = {
    T.MARKET: {},
    T.LIMIT: {"limit_price": "100.5"},
    T.STOP: {"stop_price": "95.1"},
    T.STOP_LIMIT: {"limit_price": "94.9", "stop_price": "95.1"},
    T.TRAILING_STOP: {"trail_percent": "2.5"},
}
WHOLE, PART, COINS = D("10"), D("10.5"), D("0.0123")
# Everything that is sent; whatever is not here is refused.
SENT = {
    *product([AAPL], [WHOLE], [T.MARKET, T.LIMIT], [F.DAY, F.GTC, F.IOC, F.FOK]),
    *product([AAPL], [WHOLE], [T.STOP, T.STOP_LIMIT, T.TRAILING_STOP], [F.DAY, F.GTC]),
    *product([AAPL], [PART], [T.MARKET, T.LIMIT, T.STOP, T.STOP_LIMIT], [F.DAY]),
    *product([BTC], [COINS], [T.MARKET, T.LIMIT, T.STOP_LIMIT], [F.GTC, F.IOC]),
}
ALL = [*product([AAPL], [WHOLE, PART], T, F), *product([BTC], [COINS], T, F)]


def wish(instrument_id: InstrumentId, qty: Decimal, order_type: T, tif: F) -> OrderIntent:
    return intent(
        instrument_id=instrument_id,
        order_qty=qty,
        order_type=order_type,
        time_in_force=tif,
        expire_at=NOW + timedelta(days=1) if tif is F.GTD else None,
        **PRICES[order_type],
    )


def entry(**changes: object) -> OrderIntent:
    values = {"time_in_force": F.DAY, "stop_loss": D("95"), "take_profit": D("110")}
    return intent(**(values | changes))


def sent_words(changed: OrderIntent, can: Capabilities = STOCKS) -> dict[str, object]:
    return payload(changed, INSTRUMENTS[changed.instrument_id], can)


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer(trading(is_open=True))
    yield server
    server.close()


@pytest.mark.parametrize(("instrument_id", "qty", "order_type", "tif"), ALL)
@pytest.mark.parametrize("side", OrderSide)
def test_every_order_is_sent_in_exactly_these_bytes_or_not_at_all(
    server: RawServer,
    tmp_path: Path,
    instrument_id: InstrumentId,
    qty: Decimal,
    order_type: T,
    tif: F,
    side: OrderSide,
):
    """No order type is ever silently sent as another."""
    wanted = replace(wish(instrument_id, qty, order_type, tif), side=side)

    result = ask(server.url, tmp_path, lambda venue: venue.submit(wanted, NOW))

    posts = [request for request in server.requests if request.method == "POST"]
    if (instrument_id, qty, order_type, tif) not in SENT:
        assert SubmitOutcome.REJECTED is result.outcome
        assert "nothing was sent" in result.reason
        assert server.requests == []
        return
    assert SubmitOutcome.ACCEPTED is result.outcome
    expected = {
        "symbol": instrument_id.symbol,
        "qty": {WHOLE: "10", PART: "10.5", COINS: "0.0123"}[qty],
        "side": side.value,
        "type": order_type.value,
        "time_in_force": tif.value,
        "client_order_id": CLIENT_ORDER_ID,
        **WORDS[order_type],
    }
    assert [json.dumps(expected).encode()] == [post.body for post in posts]
    assert [post.path for post in posts] == ["/v2/orders"]
    assert posts[0].headers["content-type"] == "application/json"


def test_the_allow_list_says_what_is_sent():
    """Placement decides by the list alone: it must promise no more than is done."""
    for asset_class, can in CAPABILITIES["alpaca"].items():
        instrument_id = AAPL if asset_class is AssetClass.EQUITY else BTC
        sent = {(order_type, tif) for i, _, order_type, tif in SENT if i == instrument_id}
        assert can.order_types == {order_type for order_type, _ in sent}
        assert can.time_in_force == {tif for _, tif in sent}


def test_a_bracket_is_one_order_with_its_stop_and_target():
    expected = {
        "symbol": "AAPL",
        "qty": "10",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": CLIENT_ORDER_ID,
        "order_class": "bracket",
        "take_profit": {"limit_price": "110"},
        "stop_loss": {"stop_price": "95"},
    }
    assert expected == sent_words(entry())


def test_an_oco_is_an_exit_at_its_target_with_a_stop():
    leaving = entry(reduce_only=True, side=OrderSide.SELL, limit_px=D("110"), time_in_force=F.GTC)

    expected = {
        "symbol": "AAPL",
        "qty": "10",
        "side": "sell",
        "type": "limit",
        "time_in_force": "gtc",
        "client_order_id": CLIENT_ORDER_ID,
        "limit_price": "110",
        "order_class": "oco",
        "take_profit": {"limit_price": "110"},
        "stop_loss": {"stop_price": "95"},
    }
    assert expected == sent_words(leaving)


def test_where_we_work_the_groups_nothing_is_bound_at_the_venue(tmp_path: Path, server: RawServer):
    """A stop of ours beside the venue's own would sell twice."""
    ask(server.url, tmp_path, lambda venue: venue.submit(entry(), NOW))
    ask(server.url, tmp_path, lambda venue: venue.submit(entry(), NOW), native_groups=True)

    bodies = [json.loads(request.body) for request in server.requests if request.body]
    assert [body.get("order_class") for body in bodies] == [None, "bracket"]


def test_what_is_said_of_groups_is_what_is_done(tmp_path: Path, server: RawServer):
    async def said(venue: AlpacaVenue) -> tuple[bool, bool]:
        can = venue.capabilities(AAPL)
        return can.bracket, can.oco

    assert ask(server.url, tmp_path, said) == (False, False)
    assert ask(server.url, tmp_path, said, native_groups=True) == (True, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"stop_loss": None},
        {"take_profit": None},
        {"instrument_id": BTC, "time_in_force": F.GTC},
        {"reduce_only": True, "side": OrderSide.SELL},
        {"reduce_only": True, "side": OrderSide.SELL, "limit_px": D("109")},
    ],
    ids=["no stop", "no target", "crypto", "exit at the market", "exit elsewhere"],
)
def test_what_is_no_whole_group_goes_out_plain(changes: dict[str, object]):
    changed = entry(**changes)
    can = CRYPTO if changed.instrument_id == BTC else STOCKS

    assert not {"order_class", "stop_loss", "take_profit"} & sent_words(changed, can).keys()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time_in_force": F.IOC}, "bracket starts with"),
        ({"order_type": T.STOP, "stop_px": D("99")}, "bracket starts with"),
        ({"order_qty": D("1.5")}, "part of a share"),
        ({"post_only": True, "limit_px": D("99")}, "post-only"),
        ({"display_qty": D("1"), "limit_px": D("99")}, "iceberg"),
        ({"order_qty": D("0")}, "breaks > 0"),
        ({"client_order_id": ""}, "characters breaks 1 to 48"),
        ({"client_order_id": "a" * 49}, "characters breaks 1 to 48"),
        ({"order_type": T.LIMIT}, "limit_px=None does not go with a limit order"),
        ({"order_type": T.MARKET, "limit_px": D("1")}, "limit_px=1 does not go with a market"),
        ({"order_type": T.STOP}, "stop_px=None does not go with a stop order"),
        ({"order_type": T.TRAILING_STOP}, "trail_pct=None does not go"),
        ({"order_type": T.TRAILING_STOP, "trail_pct": D("1")}, "trail_pct=1 breaks < 1"),
        ({"order_type": T.LIMIT, "limit_px": D("0")}, "limit_px=0 does not go"),
    ],
)
def test_what_alpaca_would_take_for_something_else_is_refused(
    changes: dict[str, object], reason: str
):
    with pytest.raises(InputInvalid, match=reason):
        sent_words(replace(entry(), **changes))


def test_an_instrument_we_do_not_trade_is_refused_unsent(server: RawServer, tmp_path: Path):
    other = intent(instrument_id=InstrumentId("MSFT", ALPACA))

    result = ask(server.url, tmp_path, lambda venue: venue.submit(other, NOW))

    assert SubmitOutcome.REJECTED is result.outcome
    assert server.requests == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"limit_px": D("100.509")}, {"limit_px": D("100.50")}),
        ({"limit_px": D("100.501"), "side": OrderSide.SELL}, {"limit_px": D("100.51")}),
        ({"limit_px": D("0.12349"), "order_qty": D("20")}, {"limit_px": D("0.1234")}),
        (
            {"order_type": T.STOP_LIMIT, "limit_px": D("1.0049"), "stop_px": D("0.9949")},
            {"limit_px": D("1.00"), "stop_px": D("0.99")},
        ),
        ({"order_qty": D("1.23456789012")}, {"order_qty": D("1.234567890")}),
        ({"order_qty": D("1.9"), "time_in_force": F.GTC}, {"order_qty": D("1")}),
        (
            {"order_qty": D("1.9"), "order_type": T.TRAILING_STOP, "trail_pct": D("0.1")},
            {"order_qty": D("1")},
        ),
        (
            {"order_qty": D("1.9"), "stop_loss": D("95.001"), "take_profit": D("110.001")},
            {"order_qty": D("1"), "stop_loss": D("95.01"), "take_profit": D("110.01")},
        ),
        (
            {"instrument_id": BTC, "order_qty": D("0.00129"), "time_in_force": F.GTC},
            {"order_qty": D("0.0012")},
        ),
    ],
    ids=[
        "a buy no dearer", "a sale no cheaper", "four places below a dollar",
        "cents for both where one is above", "parts of a share for a day", "whole shares for gtc",
        "whole shares for a trailing stop", "whole shares and cents for a bracket", "coins",
    ],
)  # fmt: skip
def test_what_is_rounded_is_never_worse_or_larger(
    changes: dict[str, object], expected: dict[str, Decimal]
):
    wanted = intent(**({"time_in_force": F.DAY} | changes))
    can = CRYPTO if wanted.instrument_id == BTC else STOCKS

    rounded = quantize(wanted, INSTRUMENTS[wanted.instrument_id], can)

    assert expected == {name: getattr(rounded, name) for name in expected}


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({"order_qty": D("0.9"), "time_in_force": F.GTC}, "least 1"),
        ({"order_qty": D("0.001"), "time_in_force": F.DAY}, "least 1"),  # 10 cents' worth
        ({"instrument_id": BTC, "order_qty": D("0.00009")}, "least 0.0001"),
        ({"limit_px": D("0.00001"), "order_qty": D("1")}, "least step 0.0001"),
    ],
)
def test_what_is_too_small_is_refused_with_the_minimum(changes: dict[str, object], least: str):
    wanted = intent(**changes)
    can = CRYPTO if wanted.instrument_id == BTC else STOCKS

    with pytest.raises(InputInvalid, match=least):
        quantize(wanted, INSTRUMENTS[wanted.instrument_id], can)


CLOSED = [
    # order type, time in force, closes a position → sent while the market is closed
    (T.MARKET, F.DAY, False, False),
    (T.MARKET, F.DAY, True, True),
    (T.MARKET, F.IOC, True, False),
    (T.LIMIT, F.DAY, False, True),
    (T.LIMIT, F.FOK, False, False),
    (T.STOP, F.GTC, False, False),
    (T.STOP, F.GTC, True, True),
    (T.STOP_LIMIT, F.GTC, False, True),
    (T.TRAILING_STOP, F.DAY, False, False),
    (T.TRAILING_STOP, F.GTC, True, True),
]


@pytest.mark.parametrize(("order_type", "tif", "reduce_only", "is_sent"), CLOSED)
def test_while_the_market_is_closed_only_what_may_wait_is_sent(
    tmp_path: Path, order_type: T, tif: F, *, reduce_only: bool, is_sent: bool
):
    """A queued market order would fill at an opening price nobody saw when it was sized."""
    changed = intent(
        order_type=order_type, time_in_force=tif, reduce_only=reduce_only, **PRICES[order_type]
    )
    assert is_sent == waits_safely(changed)

    server = RawServer(trading(is_open=False))
    result = ask(server.url, tmp_path, lambda venue: venue.submit(changed, NOW))
    server.close()

    assert (SubmitOutcome.ACCEPTED if is_sent else SubmitOutcome.REJECTED) is result.outcome
    assert int(is_sent) == server.count("POST")
    if not is_sent:
        assert "the market is closed" in result.reason


@pytest.mark.parametrize("answer", [reply(500, {}), reply(200, {}), reply(200, {"is_open": "no"})])
def test_an_unknown_clock_sends_nothing_and_may_be_asked_again(tmp_path: Path, answer: bytes):
    server = RawServer(always(answer))
    result: SubmitResult = ask(server.url, tmp_path, lambda venue: venue.submit(intent(), NOW))
    server.close()

    assert SubmitOutcome.NOT_SENT is result.outcome
    assert "is the market open?" in result.reason
    assert server.count("POST") == 0


def test_crypto_is_sent_at_any_hour_without_a_look_at_the_clock(server: RawServer, tmp_path: Path):
    coins = wish(BTC, COINS, T.MARKET, F.GTC)

    ask(server.url, tmp_path, lambda venue: venue.submit(coins, NOW))

    assert [request.method for request in server.requests] == ["POST"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("10", "10"),
        ("10.500", "10.5"),
        ("1E+3", "1000"),
        ("1E-9", "0.000000001"),
        ("0.00012345", "0.00012345"),
        ("12345678901234567890123456.123456789012", "12345678901234567890123456.123456789012"),
    ],
)
def test_a_number_is_written_exactly(value: str, text: str):
    assert text == plain(D(value))
