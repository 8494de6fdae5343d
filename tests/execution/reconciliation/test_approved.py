from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest

from execution.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from execution.model.fill import Fill
from execution.model.order import Order, OrderEvent, OrderIntent
from execution.orders.groups import successor
from execution.orders.held import as_sent
from execution.reconciliation.approved import (
    Difference,
    DifferenceKind,
    Written,
    compare_approved,
)
from tests.execution.examples import MSFT, make_event, make_fill, make_intent

ENTRY = make_intent("entry", limit_px=Decimal(100))
STOP = make_intent(
    "stop",
    leg="stop",
    side=OrderSide.SELL,
    reduce_only=True,
    order_type=OrderType.STOP,
    stop_px=Decimal(95),
    parent_id="entry",
)
K = DifferenceKind


def written(
    intent: OrderIntent,
    *fills: Fill,
    events: Iterable[OrderEvent] | None = None,
    status: OrderStatus = OrderStatus.FILLED,
    reason: str = "",
) -> Written:
    key = intent.client_order_id
    return Written(
        order=Order(intent=intent, status=status, reason=reason),
        first=intent,
        events=(make_event(key, status=OrderStatus.SUBMITTED),) if events is None else (*events,),
        fills=fills,
    )


def bought(qty: str = "10", px: str = "100", **changes: object) -> Fill:
    return make_fill(client_order_id="entry", last_qty=Decimal(qty), last_px=Decimal(px), **changes)


def kinds(found: Iterable[Difference]) -> list[DifferenceKind]:
    return [difference.kind for difference in found]


def test_what_was_sent_as_it_was_approved_differs_in_nothing():
    fills = (bought("4", "99.5"), bought("6", "100"))

    assert compare_approved([ENTRY], [written(ENTRY, *fills)]) == ()


def test_numbers_are_compared_and_not_how_they_are_written():
    stored = replace(ENTRY, order_qty=Decimal("10.000000000000"))

    assert compare_approved([ENTRY], [written(stored, bought("10.000000000000"))]) == ()


def test_an_order_that_nobody_approved_is_named_sent_or_not():
    stranger = make_intent("other", instrument_id=MSFT)

    for one in (written(stranger), written(stranger, events=())):
        [found] = compare_approved([ENTRY], [written(ENTRY), one])
        assert found.serious
        assert str(found) == (
            "not approved other: approved nothing, sent buy 10 MSFT.SCRIPTED market"
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"order_qty": Decimal("10.000000000001")},
        {"order_qty": Decimal("9.9")},
        {"side": OrderSide.SELL},
        {"instrument_id": MSFT},
        {"limit_px": Decimal("100.01")},
        {"limit_px": Decimal("99")},
        {"order_type": OrderType.MARKET, "limit_px": None},
        {"time_in_force": TimeInForce.IOC},
        {"reduce_only": True},
        {"post_only": True},
    ],
)
def test_an_order_written_in_other_terms_is_named(changes: dict[str, object]):
    found = compare_approved([ENTRY], [written(replace(ENTRY, **changes))])

    assert K.OTHER_TERMS in kinds(found)


@pytest.mark.parametrize(
    ("order_qty", "limit_px", "names"),
    [
        (Decimal(10), None, []),
        (Decimal(4), Decimal(99), []),
        (Decimal("10.1"), None, [K.MORE]),
        (None, Decimal("100.01"), [K.WORSE_PRICE]),
        (Decimal(11), Decimal(101), [K.MORE, K.WORSE_PRICE]),
    ],
)
def test_an_amendment_may_only_lessen(
    order_qty: Decimal | None, limit_px: Decimal | None, names: list[DifferenceKind]
):
    events = [
        make_event("entry", status=OrderStatus.SUBMITTED),
        make_event("entry", status=OrderStatus.ACCEPTED, order_qty=order_qty, limit_px=limit_px),
    ]

    assert kinds(compare_approved([ENTRY], [written(ENTRY, events=events)])) == names


@pytest.mark.parametrize(
    ("fills", "names"),
    [
        ([bought("10")], []),
        ([bought("6"), bought("4.000000000001")], [K.MORE]),
        ([bought(px="100.01")], [K.WORSE_PRICE]),
        ([bought(px="99")], []),
        ([bought(side=OrderSide.SELL)], [K.OTHER_TERMS]),
        ([bought(instrument_id=MSFT)], [K.OTHER_TERMS]),
    ],
)
def test_what_the_venue_executed_is_held_to_what_was_approved(
    fills: list[Fill], names: list[DifferenceKind]
):
    assert kinds(compare_approved([ENTRY], [written(ENTRY, *fills)])) == names


def test_a_sell_below_its_limit_is_worse_and_above_it_is_not():
    intent = replace(ENTRY, side=OrderSide.SELL)

    for px, names in (("100.01", []), ("99.99", [K.WORSE_PRICE])):
        one = written(intent, bought(px=px, side=OrderSide.SELL))
        assert kinds(compare_approved([intent], [one])) == names


def test_an_approved_order_that_did_not_leave_is_for_information_and_says_why():
    held = written(STOP, events=(), status=OrderStatus.HELD, reason="until its entry has filled")

    found = compare_approved([ENTRY, STOP], [held])

    assert kinds(found) == [K.NOT_SENT, K.NOT_SENT]
    assert not any(difference.serious for difference in found)
    assert [difference.sent for difference in found] == [
        "nothing (this run did not write it)",
        "nothing (held: until its entry has filled)",
    ]


def test_a_fill_proves_that_an_order_left_whatever_the_events_say():
    assert compare_approved([ENTRY], [written(ENTRY, bought(), events=())]) == ()


def test_a_stop_may_go_out_as_the_order_that_it_turns_into():
    due = as_sent(STOP, OrderType.MARKET)
    sold = make_fill(client_order_id="stop", side=OrderSide.SELL, last_px=Decimal(94))

    assert compare_approved([STOP], [written(due, sold)]) == ()


def test_a_leg_that_takes_over_is_held_to_the_leg_that_was_approved():
    """It has an id of its own, and the two together fill no more than what was approved."""
    second = successor(STOP, Decimal(6))

    def sold(key: str, qty: str) -> Fill:
        return make_fill(client_order_id=key, side=OrderSide.SELL, last_qty=Decimal(qty))

    old, new = STOP.client_order_id, second.client_order_id
    both = [written(STOP, sold(old, "4")), written(second, sold(new, "6"))]
    assert compare_approved([STOP], both) == ()
    both = [written(STOP, sold(old, "5")), written(second, sold(new, "6"))]
    assert kinds(compare_approved([STOP], both)) == [K.MORE]
    larger = written(successor(STOP, Decimal(11)))
    assert kinds(compare_approved([STOP], [written(STOP), larger])) == [K.OTHER_TERMS]
    opens = replace(second, reduce_only=False)
    assert kinds(compare_approved([STOP], [written(STOP), written(opens)])) == [K.NOT_APPROVED]
