"""From an intent to a request: exact, or refused with the reason."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.errors import InputInvalid, VenueRefused
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.order import OrderIntent
from execution.venues.ccxt.facts import FACTS
from execution.venues.ccxt.orders import create_call, fill, plain
from tests.execution.venues.ccxt.places import NOW, intent, make_venue

LIMIT = {"order_type": OrderType.LIMIT, "limit_px": Decimal("49000.5")}
STOP = {"order_type": OrderType.STOP, "stop_px": Decimal(45000), "side": OrderSide.SELL}


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"limit_px": None, "order_type": OrderType.LIMIT}, "limit_px=None does not go"),
        ({"order_type": OrderType.MARKET, "limit_px": Decimal(1)}, "limit_px=1 does not go"),
        ({**STOP, "stop_px": None}, "stop_px=None does not go"),
        ({"order_type": OrderType.TRAILING_STOP}, "trail_pct=None does not go"),
        ({**LIMIT, "expire_at": NOW}, "expire_at=.* does not go"),
        ({"order_type": OrderType.MARKET, "post_only": True}, "post_only does not go"),
        ({**LIMIT, "post_only": True, "time_in_force": TimeInForce.IOC}, "post_only does not"),
        ({**STOP, "time_in_force": TimeInForce.FOK}, "does not know fok for a stop order"),
        ({"time_in_force": TimeInForce.FOK}, "does not know fok for a market order"),
        ({**LIMIT, "time_in_force": TimeInForce.DAY}, "does not know day for a limit order"),
        ({**STOP, "display_qty": Decimal(1)}, "no iceberg of a stop order"),
        (
            {**LIMIT, "display_qty": Decimal(1), "time_in_force": TimeInForce.FOK},
            "no iceberg of a limit order, fok",
        ),
    ],
)
def test_a_term_that_would_be_dropped_is_a_refusal(terms: dict[str, Any], why: str):
    with pytest.raises(VenueRefused, match=why):
        create_call(intent("binance", **terms), FACTS["binance"], NOW)


def test_what_fills_at_once_needs_no_time_in_force():
    for tif in (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC):
        call = create_call(intent("binance", time_in_force=tif), FACTS["binance"], NOW)
        assert call.params == {"clientOrderId": "abcdefgh234567abcd"}


def test_a_time_that_has_passed_is_a_refusal():
    terms = {**LIMIT, "time_in_force": TimeInForce.GTD, "expire_at": NOW - timedelta(seconds=1)}
    with pytest.raises(VenueRefused, match="has passed"):
        create_call(intent("coinbase", **terms), FACTS["coinbase"], NOW)


def test_a_buy_by_its_cost_never_spends_more_than_was_meant():
    call = create_call(
        intent("gate", order_qty=Decimal("0.01234"), px_ref=Decimal("50000.123456789")),
        FACTS["gate"],
        NOW,
    )
    assert call.params["cost"] == "617.00152345"
    assert create_call(intent("gate", side=OrderSide.SELL), FACTS["gate"], NOW).params == {
        "text": "t-abcdefgh234567abcd"
    }


def test_numbers_are_plain_texts():
    assert plain(Decimal("1E-8")) == "0.00000001"
    assert plain(Decimal("1.50")) == "1.5"
    assert plain(Decimal("5E+3")) == "5000"
    assert plain(Decimal(0)) == "0"


def test_a_template_is_filled_at_any_depth_and_keeps_types():
    template = {"a": "{n}", "b": {"c": ["{n}", "x{n}"]}, "d": 5}
    assert fill(template, {"n": 7}) == {"a": 7, "b": {"c": [7, "x{n}"]}, "d": 5}


def quantized(name: str, **terms: object) -> OrderIntent:
    async def run() -> OrderIntent:
        venue = make_venue(name, "http://127.0.0.1:1")
        return await venue.quantize(intent(name, **terms))

    return asyncio.run(run())


def test_a_quantity_is_rounded_down_and_a_limit_never_for_the_worse():
    bought = quantized("binance", order_qty=Decimal("0.012349"), limit_px=Decimal("100.19"))
    assert (bought.order_qty, bought.limit_px) == (Decimal("0.01234"), Decimal("100.1"))
    sold = quantized("binance", side=OrderSide.SELL, limit_px=Decimal("100.11"))
    assert sold.limit_px == Decimal("100.2")


def test_a_price_of_five_digits_is_rounded_as_carefully():
    """Bitfinex counts digits, not steps; its library would round to the nearest."""
    assert quantized("bitfinex", limit_px=Decimal("49000.9")).limit_px == 49000
    sold = quantized("bitfinex", side=OrderSide.SELL, limit_px=Decimal("49000.1"))
    assert sold.limit_px == 49001
    stop = quantized("bitfinex", **{**STOP, "stop_px": Decimal("45000.1")})
    assert stop.stop_px == 45001  # towards the market: reached sooner


def test_too_little_is_told_with_the_least():
    with pytest.raises(InputInvalid, match=r"is below the venue's least 0\.00001"):
        quantized("binance", order_qty=Decimal("0.000001"))
    with pytest.raises(InputInvalid, match="is not an instrument of this venue"):
        quantized("binance", instrument_id=intent("kraken").instrument_id)
