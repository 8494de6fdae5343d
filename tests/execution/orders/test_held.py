"""What we hold goes out exactly when it is due, and as what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.order import OPEN, TERMINAL, Order, OrderEvent
from execution.orders.held import (
    LATE_MAX,
    End,
    Moment,
    Release,
    Trigger,
    Wait,
    as_sent,
    closable,
    due,
    lapsed,
    overstayed,
    received,
)
from execution.venues.capabilities import Capabilities
from tests.execution.examples import NOW, make_event, make_fill, make_order

SELL, BUY = OrderSide.SELL, OrderSide.BUY
PLAIN = Capabilities(
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.GTC}),
)
FULL = Capabilities(order_types=frozenset(OrderType), time_in_force=frozenset(TimeInForce))


def held(order_type: OrderType = OrderType.STOP, **intent: object) -> Order:
    """A protective stop at 95 of a long position of 10, unless told otherwise."""
    terms: dict[str, Any] = {"order_type": order_type, "side": SELL, "reduce_only": True}
    if order_type in {OrderType.STOP, OrderType.STOP_LIMIT}:
        terms["stop_px"] = Decimal(95)
    return make_order("leg", intent=terms | intent, status=S.HELD)


def moment(last_px: object = None, **changes: object) -> Moment:
    values: dict[str, Any] = {
        "now": NOW,
        "last_px": None if last_px is None else Decimal(str(last_px)),
        "capabilities": PLAIN,
        "position_qty": Decimal(10),
    }
    return Moment(**(values | changes))


@pytest.mark.parametrize(
    ("side", "px", "reached"),
    [
        (SELL, "95.01", False),
        (SELL, 95, True),
        (SELL, 90, True),
        (SELL, None, False),
        (BUY, "94.99", False),
        (BUY, 95, True),
        (BUY, 99, True),
        (BUY, None, False),
    ],
)
def test_a_stop_goes_out_as_market_when_its_price_is_reached(
    side: OrderSide, px: object, reached: bool
):
    """An unknown price reaches nothing."""
    step = due(held(side=side), moment(px, position_qty=Decimal(-10 * side.sign)))

    assert isinstance(step, Release if reached else Wait)
    if isinstance(step, Release):
        assert (step.order_type, step.rests) == (OrderType.MARKET, False)
        assert step.reason == f"stop 95 reached at {px}: sent as market"


def test_a_stop_limit_goes_out_as_a_limit_at_its_own_price():
    order = held(OrderType.STOP_LIMIT, limit_px=Decimal(94))

    step = due(order, moment(95))

    assert isinstance(step, Release)
    assert step.order_type is OrderType.LIMIT
    sent = as_sent(order.intent, step.order_type)
    assert (sent.order_type, sent.limit_px, sent.stop_px) == (OrderType.LIMIT, Decimal(94), None)
    assert sent.client_order_id == order.client_order_id


def test_a_stop_that_the_venue_does_goes_there_to_wait_unless_its_price_has_passed():
    """A venue refuses a stop whose price is reached already: then it must be a market order."""
    rests = due(held(), moment(99, capabilities=FULL))
    blind = due(held(), moment(None, capabilities=FULL))
    passed = due(held(), moment(94, capabilities=FULL))

    assert isinstance(rests, Release) and isinstance(passed, Release)
    assert rests == blind
    assert (rests.order_type, rests.rests) == (OrderType.STOP, True)
    assert (passed.order_type, passed.rests) == (OrderType.MARKET, False)


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back():
    order = held(OrderType.TRAILING_STOP, trail_pct=Decimal("0.05"))
    trigger: Trigger | None = None
    saved = []
    for px in ("100", "120", "115", "121", "114.96"):
        step = due(order, moment(px, trigger=trigger))
        assert isinstance(step, Wait)
        trigger = step.trigger or trigger
        saved.append(step.trigger.extreme_px if step.trigger else None)

    assert saved == [Decimal(100), Decimal(120), None, Decimal(121), None]
    last = due(order, moment("114.95", trigger=trigger))  # 5 % below 121
    assert isinstance(last, Release)
    assert last.reason == "trailing_stop 114.95 reached at 114.95: sent as market"


def test_a_trailing_buy_follows_the_lowest_price():
    order = held(OrderType.TRAILING_STOP, side=BUY, trail_pct=Decimal("0.10"))
    low = Trigger(client_order_id=order.client_order_id, extreme_px=Decimal(50), ts_event=NOW)
    short = {"position_qty": Decimal(-10), "trigger": low}

    assert due(order, moment(54, **short)) == Wait()
    assert isinstance(due(order, moment(55, **short)), Release)
    lower = due(order, moment(40, **short))
    assert isinstance(lower, Wait) and lower.trigger is not None
    assert lower.trigger.extreme_px == Decimal(40)


@pytest.mark.parametrize(("px", "reached"), [(109, False), (110, True), (111, True), (None, False)])
def test_a_target_goes_out_when_its_limit_is_reached(px: object, reached: bool):
    order = held(OrderType.LIMIT, limit_px=Decimal(110), group_id="g")

    step = due(order, moment(px, capabilities=FULL))

    assert isinstance(step, Release if reached else Wait)
    if isinstance(step, Release):
        assert (step.order_type, step.reason) == (OrderType.LIMIT, f"target 110 reached at {px}")


def test_a_slice_waits_for_its_time_and_is_not_sent_when_it_is_too_late():
    """After a day without us the wish to open is old; closing is never too late."""
    at = NOW + timedelta(minutes=1)
    opens = held(OrderType.MARKET, side=BUY, reduce_only=False, not_before=at)
    closes = held(OrderType.MARKET, not_before=at)
    late = at + LATE_MAX + timedelta(seconds=1)

    assert due(opens, moment(now=NOW)) == Wait()
    assert isinstance(due(opens, moment(now=at)), Release)
    assert isinstance(due(opens, moment(now=at + LATE_MAX)), Release)
    ended = due(opens, moment(now=late))
    assert isinstance(ended, End) and ended.status is S.EXPIRED
    assert isinstance(due(closes, moment(now=late)), Release)


@pytest.mark.parametrize("status", sorted(set(S) - TERMINAL))
def test_a_child_waits_while_its_parent_lives(status: S):
    child = held(parent_id="entry", group_id="entry")
    parent = make_order("entry", status=status, cum_qty=Decimal(4))

    assert due(child, moment(90, parent=parent, parent_qty=Decimal(4))) == Wait()


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_child_is_free_when_its_parent_ended_with_a_fill_and_ends_without(status: S):
    child = held(parent_id="entry", group_id="entry")
    parent = make_order("entry", status=status)

    ended = due(child, moment(90, parent=parent))
    free = due(child, moment(90, parent=parent, parent_qty=Decimal(4)))

    assert ended == End(
        status=S.CANCELED,
        reason=f"its parent entry is {status}, nothing to protect",
        unneeded=True,
    )
    assert isinstance(free, Release)


def test_a_child_whose_parent_was_never_written_ends():
    assert isinstance(due(held(parent_id="entry"), moment(90)), End)


@pytest.mark.parametrize("position", [0, -3])
def test_what_protects_a_position_ends_with_it(position: int):
    """Sent after the position is gone, it would open one the other way."""
    step = due(held(), moment(90, position_qty=Decimal(position)))

    assert isinstance(step, End) and step.status is S.CANCELED


def test_a_date_ends_what_waits_and_names_what_overstays_at_the_venue():
    terms = {"time_in_force": TimeInForce.GTD, "expire_at": NOW}
    step = due(held(**terms), moment(90))
    assert isinstance(step, End) and step.status is S.EXPIRED
    assert isinstance(due(held(**terms), moment(90, now=NOW - timedelta(seconds=1))), Release)

    orders = [replace(held(**terms), status=status) for status in S]
    assert {o.status for o in overstayed(orders, NOW)} == OPEN
    assert overstayed(orders, NOW - timedelta(seconds=1)) == ()


def test_a_fee_in_the_base_currency_is_not_there_to_be_sold():
    fills = [
        make_fill(last_qty=Decimal(4), commission=Decimal("0.004"), commission_ccy="BTC"),
        make_fill("T-2", last_qty=Decimal(6), commission=Decimal(1), commission_ccy="USD"),
    ]

    assert received(fills, "BTC") == Decimal("9.996")
    assert received([], "BTC") == 0
    assert closable(SELL, Decimal(3)) == closable(BUY, Decimal(-3)) == 3
    assert closable(SELL, Decimal(-3)) == closable(BUY, Decimal(3)) == 0


prices = st.lists(st.integers(50, 150), min_size=1, max_size=30)


@given(prices=prices, restarts=st.sets(st.integers(0, 30)))
def test_a_restart_changes_nothing_about_a_trailing_stop(prices: list[int], restarts: set[int]):
    """All it knows is the saved trigger, so the first price 10 % off the best one sends it."""
    order = held(OrderType.TRAILING_STOP, trail_pct=Decimal("0.10"))
    trigger, sent = None, None
    for n, px in enumerate(prices):
        if n in restarts and trigger is not None:
            trigger = replace(trigger)  # read back from the ledger
        step = due(order, moment(px, trigger=trigger))
        if isinstance(step, Release):
            sent = n
            break
        assert isinstance(step, Wait)
        trigger = step.trigger or trigger

    expected = next((n for n, px in enumerate(prices) if 10 * px <= 9 * max(prices[: n + 1])), None)
    assert sent == expected


SENT = make_event("leg", status=S.SUBMITTED)
ASKED = make_event("leg", status=S.PENDING_CANCEL)
UNNEEDED = make_event("leg", status=S.CANCELED, event_key="leg:unneeded")
DROPPED = make_event("leg", status=S.CANCELED, event_key="leg:dropped")


@pytest.mark.parametrize(
    ("status", "events", "gone"),
    [
        (S.REJECTED, [SENT], True),
        (S.EXPIRED, [SENT], True),
        (S.CANCELED, [SENT], True),
        (S.CANCELED, [SENT, ASKED], False),
        (S.FILLED, [SENT], False),
        (S.ACCEPTED, [SENT], False),
        (S.CANCELED, [DROPPED], False),
        (S.CANCELED, [UNNEEDED], True),
    ],
)
def test_a_stop_lapses_when_it_ends_and_nobody_asked_it_to(
    status: S, events: list[OrderEvent], gone: bool
):
    """One that we or a person took away is not to come back."""
    assert lapsed(replace(held(), status=status), events) is gone


def test_a_target_that_the_venue_ended_does_not_lapse():
    """To try it again the stop would have to make way again."""
    target = replace(held(OrderType.LIMIT, group_id="g"), status=S.REJECTED)

    assert not lapsed(target, [SENT])
    assert lapsed(replace(target, status=S.CANCELED), [UNNEEDED])
