"""Slices are the order again, cut: nothing is lost, nothing is sent that a venue refuses."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.errors import InputInvalid
from execution.model.enums import OrderSide, OrderType
from execution.orders.bracket import legs
from execution.orders.splitting import twap
from tests.execution.examples import NOW, make_instrument, make_intent


def test_an_order_is_cut_into_equal_slices_over_time():
    intent = make_intent(order_qty=Decimal(13), limit_px=Decimal(99))

    slices = twap(intent, 5, 60, NOW, make_instrument())

    assert [s.leg for s in slices] == [f"entry {n}/5" for n in range(1, 6)]
    assert [s.order_qty for s in slices] == [2, 2, 2, 2, 5]
    assert [s.not_before for s in slices] == [NOW + timedelta(minutes=n) for n in range(5)]
    assert len({s.client_order_id for s in slices} | {intent.client_order_id}) == 6
    assert slices == twap(intent, 5, 60, NOW, make_instrument())
    assert {s.limit_px for s in slices} == {Decimal(99)}
    assert slices[0].reason == "test; slice 1 of 5"


def test_there_are_fewer_slices_where_the_venue_asks_for_more_in_each():
    """20 worth of notional at 100 is at most 4 slices of 0.25 of an order of 1."""
    instrument = make_instrument(qty_increment=Decimal("0.01"), notional_min=Decimal(20))
    slices = twap(make_intent(order_qty=Decimal(1)), 10, 1, NOW, instrument)

    assert [s.order_qty for s in slices] == [Decimal("0.2")] * 5
    assert "slice 1 of 5 (10 asked for, each must be the venue's least)" in slices[0].reason


def test_what_protects_a_slice_can_be_sent_too():
    """At the stop a slice is worth less than at its entry, and the least is 20 there as well."""
    instrument = make_instrument(qty_increment=Decimal("0.01"), notional_min=Decimal(20))
    intent = make_intent(order_qty=Decimal(1), stop_loss=Decimal(90), take_profit=Decimal(120))

    slices = twap(intent, 10, 1, NOW, instrument)

    assert len(slices) == 4
    stops = [legs(s, instrument)[0] for s in slices]
    assert [s.leg for s in stops] == [f"stop {n}/4" for n in range(1, 5)]
    assert [s.parent_id for s in stops] == [s.client_order_id for s in slices]
    assert sum(s.order_qty for s in stops) == 1
    assert len({leg.client_order_id for s in slices for leg in legs(s, instrument)}) == 8


def test_an_order_too_small_for_two_slices_is_left_as_it_is():
    intent = make_intent(order_qty=Decimal(1))

    assert twap(intent, 5, 60, NOW, make_instrument()) == (intent,)
    assert twap(intent, 1, 60, NOW, make_instrument()) == (intent,)


@pytest.mark.parametrize(
    "changes",
    [
        {"order_type": OrderType.STOP, "stop_px": Decimal(110)},
        {"leg": "entry 1/5"},
        {"not_before": NOW},
        {"parent_id": "p"},
        {"group_id": "g"},
    ],
)
def test_what_waits_already_is_not_split(changes: dict[str, object]):
    with pytest.raises(InputInvalid, match="is not split"):
        twap(make_intent(**changes), 2, 60, NOW, make_instrument())


@pytest.mark.parametrize(("count", "spacing_s"), [(0, 60), (2, -1)])
def test_a_senseless_schedule_is_refused(count: int, spacing_s: float):
    with pytest.raises(InputInvalid, match="count >= 1, spacing_s >= 0"):
        twap(make_intent(), count, spacing_s, NOW, make_instrument())


@given(
    qty=st.integers(1, 10_000),
    count=st.integers(1, 20),
    qty_min=st.integers(0, 50),
    notional_min=st.integers(0, 5_000),
    side=st.sampled_from(OrderSide),
)
def test_slices_add_up_exactly_and_each_can_be_sent(
    qty: int, count: int, qty_min: int, notional_min: int, side: OrderSide
):
    step = Decimal("0.001")
    instrument = make_instrument(
        qty_increment=step, qty_min=qty_min * step, notional_min=Decimal(notional_min)
    )
    intent = make_intent(order_qty=qty * step, side=side)

    slices = twap(intent, count, 30, NOW, instrument)

    assert sum(s.order_qty for s in slices) == intent.order_qty
    assert 1 <= len(slices) <= count
    for each in slices if len(slices) > 1 else ():
        assert each.order_qty % step == 0
        assert each.order_qty >= instrument.qty_min
        assert each.notional >= notional_min
