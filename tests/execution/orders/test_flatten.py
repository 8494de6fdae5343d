"""Closing a position: one order at a time, under ids that anybody can derive again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from execution.model.enums import AssetClass, OrderSide, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId
from execution.model.order import Order, OrderIntent
from execution.model.position import Position
from execution.orders.flatten import agreed, closing
from tests.execution.examples import AAPL, NOW, make_instrument

HELD = Position(account=AccountId("paper"), instrument_id=AAPL, net_qty=Decimal(7))


def order(position: Position = HELD, *earlier: Order, asset: AssetClass = AssetClass.EQUITY):
    instrument = replace(make_instrument(AAPL), asset_class=asset)
    return closing(position, instrument, earlier, NOW, Decimal(100), "a test")


def sent(status: S, *earlier: Order) -> Order:
    intent = order(HELD, *earlier)
    assert isinstance(intent, OrderIntent)
    return Order(intent=intent, status=status, cum_qty=Decimal(2))


@pytest.mark.parametrize(("net_qty", "side"), [("7", OrderSide.SELL), ("-7", OrderSide.BUY)])
def test_it_closes_all_of_a_position_and_only_reduces(net_qty: str, side: OrderSide):
    intent = order(replace(HELD, net_qty=Decimal(net_qty)))

    assert (intent.side, intent.order_qty, intent.reduce_only) == (side, 7, True)
    assert intent.flattens


def test_its_id_is_the_same_for_whoever_goes_on_and_another_for_another_emergency():
    assert order().client_order_id == order().client_order_id
    instrument = make_instrument(AAPL)
    later = closing(HELD, instrument, (), NOW + timedelta(seconds=1), Decimal(100), "a test")
    assert later.client_order_id != order().client_order_id


@pytest.mark.parametrize("status", [S.INITIALIZED, S.HELD])
def test_what_was_written_and_never_left_is_the_same_order_still(status: S):
    assert order(HELD, sent(status)).leg == "flatten"


@pytest.mark.parametrize("status", [S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED])
def test_what_an_ended_one_left_is_the_next_order_s(status: S):
    first = sent(status)
    second = sent(S.CANCELED, first)

    assert order(HELD, first).leg == "flatten 2"
    assert order(HELD, first, second).leg == "flatten 3"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (S.SUBMITTED, "nobody knows whether the venue has"),
        (S.UNKNOWN, "nobody knows whether the venue has"),
        (S.ACCEPTED, "is at the venue with 5 of 7 still to fill"),
        (S.PARTIALLY_FILLED, "is at the venue with 5 of 7 still to fill"),
    ],
)
def test_while_one_is_under_way_there_is_no_other(status: S, why: str):
    assert why in order(HELD, sent(status))


def test_a_stock_is_sold_for_the_day_as_a_part_of_a_share_has_to_be():
    assert order().time_in_force is TimeInForce.DAY
    assert order(asset=AssetClass.CRYPTO).time_in_force is TimeInForce.GTC


@pytest.mark.parametrize(
    ("ours", "there", "both"),
    [
        ("7", "7", "7"),
        ("7", "6.5", "6.5"),
        ("7", "9", "7"),
        ("-7", "-3", "-3"),
        ("7", "0", None),
        ("7", None, None),
        ("7", "-7", None),
    ],
)
def test_only_what_both_sides_hold_is_surely_there(ours: str, there: str | None, both: str | None):
    held = replace(HELD, net_qty=Decimal(ours))

    found = agreed(held, None if there is None else Decimal(there))

    assert (found and found.net_qty) == (None if both is None else Decimal(both))
