"""Each order type at each kind of venue: native, held by us, or refused, never something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.errors import InputInvalid
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.identifiers import ClientOrderId
from execution.orders.placement import Place, as_placed, place, quantized
from execution.venues.capabilities import Capabilities
from tests.execution.examples import NOW, make_instrument, make_intent

PLAIN = Capabilities(
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.GTC, TimeInForce.DAY}),
)
FULL = Capabilities(
    order_types=frozenset(OrderType),
    time_in_force=frozenset(TimeInForce),
    post_only=True,
    iceberg=True,
)
TYPES: dict[OrderType, dict[str, Any]] = {
    OrderType.MARKET: {},
    OrderType.LIMIT: {"limit_px": Decimal(99)},
    OrderType.STOP: {"stop_px": Decimal(95)},
    OrderType.STOP_LIMIT: {"stop_px": Decimal(95), "limit_px": Decimal(94)},
    OrderType.TRAILING_STOP: {"trail_pct": Decimal("0.05")},
}
GTD = {"time_in_force": TimeInForce.GTD, "expire_at": NOW + timedelta(hours=1)}


def of(order_type: OrderType, **changes: object):
    return make_intent(**({"order_type": order_type} | TYPES[order_type] | changes))


@pytest.mark.parametrize("order_type", OrderType)
def test_a_venue_that_does_everything_gets_everything_as_it_is(order_type: OrderType):
    intent = of(order_type)

    assert place(intent, FULL, NOW).place is Place.NATIVE
    assert as_placed(intent, FULL) == intent


@pytest.mark.parametrize("order_type", OrderType)
def test_stops_that_a_venue_does_not_do_are_held_by_us(order_type: OrderType):
    """Several venues take an unknown stop for a plain order, and execute it at once."""
    plain = order_type in PLAIN.order_types

    placement = place(of(order_type), PLAIN, NOW)

    assert placement.place is (Place.NATIVE if plain else Place.HELD)
    assert plain or placement.reason == f"the venue does no {order_type} orders: we watch its price"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time_in_force": TimeInForce.IOC}, "does not know time in force ioc"),
        ({"time_in_force": TimeInForce.FOK}, "does not know time in force fok"),
        ({"post_only": True}, "takes no post-only orders"),
        ({"display_qty": Decimal(1)}, "does no icebergs"),
    ],
)
def test_what_nobody_can_emulate_is_refused(changes: dict[str, Any], reason: str):
    intent = of(OrderType.LIMIT, **changes)

    refused = place(intent, PLAIN, NOW)

    assert refused.place is Place.REFUSED
    assert reason in refused.reason
    assert place(intent, FULL, NOW).place is Place.NATIVE


def test_a_day_order_where_there_are_no_days_is_refused():
    crypto = replace(PLAIN, time_in_force=frozenset({TimeInForce.GTC}))

    assert place(of(OrderType.MARKET, time_in_force=TimeInForce.DAY), crypto, NOW).place is (
        Place.REFUSED
    )
    assert "cannot end with the venue's day" in (
        place(of(OrderType.STOP, time_in_force=TimeInForce.DAY), PLAIN, NOW).reason
    )


def test_a_stop_cannot_be_held_where_it_could_not_go_out():
    """A market with limit orders alone: our stop would have nothing to turn into."""
    limits = replace(PLAIN, order_types=frozenset({OrderType.LIMIT}))

    assert place(of(OrderType.STOP), limits, NOW).reason == "the venue takes no market orders"
    assert place(of(OrderType.STOP_LIMIT), limits, NOW).place is Place.HELD


def test_a_date_that_the_venue_does_not_know_is_kept_by_us_and_said():
    intent = of(OrderType.LIMIT, **GTD)

    placement = place(intent, PLAIN, NOW)

    assert placement.place is Place.NATIVE
    assert placement.reason.startswith("the venue knows no gtd: sent as gtc, canceled by us at")
    assert as_placed(intent, PLAIN) == replace(intent, time_in_force=TimeInForce.GTC)
    assert (place(intent, FULL, NOW).reason, as_placed(intent, FULL)) == ("", intent)
    days = replace(PLAIN, time_in_force=frozenset({TimeInForce.DAY}))
    assert place(intent, days, NOW).place is Place.REFUSED


def test_children_slices_and_targets_are_held_whatever_the_venue_does():
    later = NOW + timedelta(minutes=1)
    stop = of(OrderType.STOP, side=OrderSide.SELL, reduce_only=True, group_id="g")
    target = replace(of(OrderType.LIMIT), reduce_only=True, group_id="g")

    assert place(of(OrderType.MARKET, not_before=later), FULL, NOW).place is Place.HELD
    assert place(of(OrderType.MARKET, not_before=NOW), FULL, NOW).place is Place.NATIVE
    assert place(target, FULL, NOW).reason == "waits for limit_px=99 to be reached"
    assert place(stop, FULL, NOW).place is Place.NATIVE
    child = replace(stop, parent_id=ClientOrderId("entry"))
    assert place(child, FULL, NOW).reason == "waits for its parent entry to fill"


@pytest.mark.parametrize(
    ("order_type", "changes"),
    [
        (OrderType.MARKET, {"limit_px": Decimal(1)}),
        (OrderType.LIMIT, {"limit_px": None}),
        (OrderType.LIMIT, {"stop_px": Decimal(1)}),
        (OrderType.STOP, {"stop_px": None}),
        (OrderType.STOP_LIMIT, {"limit_px": None}),
        (OrderType.TRAILING_STOP, {"trail_pct": None}),
        (OrderType.TRAILING_STOP, {"trail_pct": Decimal(5)}),
        (OrderType.LIMIT, {"time_in_force": TimeInForce.GTD}),
        (OrderType.LIMIT, {"expire_at": NOW}),
        (OrderType.MARKET, {"post_only": True}),
    ],
)
def test_terms_that_do_not_go_together_are_refused_everywhere(
    order_type: OrderType, changes: dict[str, Any]
):
    assert place(of(order_type, **changes), FULL, NOW).place is Place.REFUSED


def test_steps_are_taken_to_the_safe_side():
    """Never larger, a limit never worse, a stop never later."""
    instrument = make_instrument(qty_increment=Decimal("0.1"), px_increment=Decimal("0.5"))
    terms = {"order_qty": Decimal("1.19"), "stop_px": Decimal("95.2"), "limit_px": Decimal("94.7")}
    sell = quantized(of(OrderType.STOP_LIMIT, side=OrderSide.SELL, **terms), instrument)
    buy = quantized(of(OrderType.STOP_LIMIT, **terms), instrument)

    assert sell.order_qty == buy.order_qty == Decimal("1.1")
    assert (sell.stop_px, sell.limit_px) == (Decimal("95.5"), Decimal("95.0"))
    assert (buy.stop_px, buy.limit_px) == (Decimal("95.0"), Decimal("94.5"))


@pytest.mark.parametrize(
    ("changes", "instrument", "says"),
    [
        ({"order_qty": Decimal("0.9")}, {}, "order_qty=0.9 is below the venue's least 1"),
        ({"order_qty": Decimal(2)}, {"qty_min": Decimal(3)}, "below the venue's least 3"),
        ({"order_qty": Decimal(2)}, {"notional_min": Decimal(200)}, "at 99 is worth less than"),
        ({"limit_px": Decimal("0.001")}, {}, "limit_px=0.001 is below the venue's least step"),
    ],
)
def test_what_is_too_small_names_the_minimum(
    changes: dict[str, Any], instrument: dict[str, Any], says: str
):
    with pytest.raises(InputInvalid, match=says):
        quantized(of(OrderType.LIMIT, **changes), make_instrument(**instrument))
