"""Of a stop and its target one may fill, and what protects never sells what is not there."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

import pytest

from execution.errors import InputInvalid
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.order import Order
from execution.orders.bracket import legs
from execution.orders.groups import (
    Cancel,
    Drop,
    Hold,
    Move,
    Send,
    Unprotected,
    budget,
    in_the_way,
    moves,
    room,
    successor,
)
from execution.orders.held import Release
from execution.venues.capabilities import Capabilities
from tests.execution.examples import MSFT, make_instrument, make_intent, make_order

NATIVE = Capabilities(order_types=frozenset(OrderType), time_in_force=frozenset(TimeInForce))
PLAIN = Capabilities(
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset(TimeInForce),
)
ENTRY = make_intent("entry", stop_loss=Decimal(95), take_profit=Decimal(110))
STOP, TARGET = (
    replace(leg, client_order_id=name)
    for leg, name in zip(legs(ENTRY, make_instrument()), ("stop", "target"), strict=True)
)
RESTS = Release(order_type=OrderType.STOP, reason="the venue watches its price", rests=True)
HIT = Release(order_type=OrderType.MARKET, reason="stop reached")
WON = Release(order_type=OrderType.LIMIT, reason="target reached")


def stop(status: S = S.HELD, cum_qty: int = 0) -> Order:
    return Order(intent=STOP, status=status, cum_qty=Decimal(cum_qty))


def target(status: S = S.HELD, cum_qty: int = 0) -> Order:
    return Order(intent=TARGET, status=status, cum_qty=Decimal(cum_qty))


def following(
    *group: Order,
    released: dict[str, Release] | None = None,
    position: int = 10,
    others: tuple[Order, ...] = (),
    capabilities: Capabilities = NATIVE,
    lapsed: tuple[Order, ...] = (),
    can_send: bool = True,
    budget_qty: int = 10,
) -> tuple[Move, ...]:
    position_qty, qty = Decimal(position), Decimal(budget_qty)
    fits_qty = room(group, others, position_qty, qty).to_integral_value(ROUND_FLOOR)
    keys = {order.client_order_id for order in lapsed}
    return moves(
        group,
        others,
        position_qty,
        qty,
        released or {},
        capabilities,
        fits_qty,
        keys,
        can_send,
    )


def told(found: tuple[Move, ...]) -> list[tuple[str, str]]:
    """What is done to which order."""
    return [
        (type(m).__name__, m.intent.leg if isinstance(m, Hold) else m.order.client_order_id)
        for m in found
    ]


def test_an_entry_with_exits_has_a_stop_and_a_target_bound_to_it():
    entry = make_intent("entry", stop_loss=Decimal("94.999"), take_profit=Decimal("110.001"))

    stop, target = legs(entry, make_instrument())

    assert (stop.leg, stop.order_type, stop.stop_px) == ("stop", OrderType.STOP, Decimal("95.00"))
    assert (target.leg, target.order_type) == ("target", OrderType.LIMIT)
    assert target.limit_px == Decimal("110.01")
    for leg in (stop, target):
        assert (leg.side, leg.order_qty, leg.reduce_only) == (OrderSide.SELL, Decimal(10), True)
        assert (leg.parent_id, leg.group_id, leg.protects) == ("entry", "entry", True)
        assert (leg.time_in_force, leg.stop_loss, leg.take_profit) == (TimeInForce.GTC, None, None)
    assert len({entry.client_order_id, stop.client_order_id, target.client_order_id}) == 3
    assert legs(make_intent(), make_instrument()) == ()


@pytest.mark.parametrize(
    ("side", "exits", "wrong"),
    [
        (OrderSide.BUY, {"stop_loss": Decimal(100)}, "stop_loss=100"),
        (OrderSide.BUY, {"take_profit": Decimal(100)}, "take_profit=100"),
        (OrderSide.SELL, {"stop_loss": Decimal(99)}, "stop_loss=99"),
        (OrderSide.SELL, {"take_profit": Decimal(101)}, "take_profit=101"),
    ],
)
def test_an_exit_on_the_wrong_side_of_the_price_is_refused(
    side: OrderSide, exits: dict[str, Decimal], wrong: str
):
    """A stop above a long would sell what was just bought."""
    with pytest.raises(InputInvalid, match=f"{wrong} is on the wrong side of the price 100"):
        legs(make_intent(side=side, **exits), make_instrument())


def test_one_that_filled_ends_the_others():
    assert told(following(stop(S.FILLED, 10), target())) == [("Drop", "target")]
    assert told(following(stop(S.ACCEPTED), target(S.FILLED, 10))) == [("Cancel", "stop")]
    assert told(following(stop(S.UNKNOWN), target(S.FILLED, 10))) == []


def test_parts_that_add_up_end_the_group_too():
    group = (stop(S.CANCELED, 4), target(S.CANCELED, 6), replace(stop(), intent=successor_of(1)))

    assert [type(m) for m in following(*group)] == [Drop]


def successor_of(number: int):
    intent = STOP
    for _ in range(number):
        intent = successor(intent, Decimal(10))
    return intent


def test_the_successor_of_a_stop_has_a_name_and_an_id_of_its_own():
    first, second = successor_of(1), successor_of(2)

    assert (first.leg, second.leg) == ("stop #2", "stop #3")
    assert len({STOP.client_order_id, first.client_order_id, second.client_order_id}) == 3
    assert (first.stop_px, first.parent_id, first.group_id) == (Decimal(95), "entry", "entry")
    assert successor_of(1) == first


def test_a_stop_rests_at_the_venue_and_the_target_waits_for_it_to_be_gone():
    """Both at the venue for the whole quantity could sell twice what is held."""
    (sent,) = following(stop(), target(), released={"stop": RESTS})
    assert sent == Send(
        order=stop(), order_qty=Decimal(10), order_type=OrderType.STOP, reason=RESTS.reason
    )

    won = {"target": WON}
    assert told(following(stop(S.ACCEPTED), target(), released=won)) == [
        ("Hold", "stop #2"),
        ("Cancel", "stop"),
    ]
    again = Order(intent=successor_of(1), status=S.HELD)
    pending = (stop(S.PENDING_CANCEL), target(), again)
    assert told(following(*pending, released=won)) == [("Cancel", "stop")]
    gone = (stop(S.CANCELED), target(), again)
    assert told(following(*gone, released=won)) == [("Send", "target")]


def test_a_price_that_turned_back_puts_a_stop_at_the_venue_again():
    again = Order(intent=successor_of(1), status=S.HELD)
    released = {again.client_order_id: RESTS}

    assert told(following(stop(S.CANCELED), target(), again, released=released)) == [
        ("Send", again.client_order_id)
    ]


def test_a_stop_that_is_reached_takes_the_target_off_the_venue_first():
    hit = {"stop": HIT}

    assert told(following(stop(), target(S.ACCEPTED), released=hit)) == [("Cancel", "target")]
    assert following(stop(), target(S.UNKNOWN), released=hit) == ()
    (sent,) = following(stop(), target(S.CANCELED, 4), released=hit)
    assert isinstance(sent, Send)
    assert (sent.order_qty, sent.order_type) == (Decimal(6), OrderType.MARKET)


def test_a_stop_that_executes_is_not_called_back():
    won, again = {"target": WON}, Order(intent=successor_of(1), status=S.HELD)

    assert following(stop(S.PARTIALLY_FILLED, 4), target(), released=won, position=6) == ()
    # We sent it as a market order, because the venue has no stops.
    assert following(stop(S.ACCEPTED), target(), released=won, capabilities=PLAIN) == ()
    released = {again.client_order_id: HIT}
    assert following(stop(S.ACCEPTED), target(), again, released=released) == ()


def test_the_stop_goes_first_when_both_are_due():
    found = following(stop(), target(), released={"target": WON, "stop": HIT})

    assert told(found) == [("Send", "stop")]


def test_if_both_are_at_the_venue_all_the_same_the_target_goes():
    assert told(following(stop(S.ACCEPTED), target(S.ACCEPTED))) == [("Cancel", "target")]


def test_nothing_is_left_at_the_venue_for_a_position_that_is_closed():
    assert told(following(stop(S.ACCEPTED), target(), position=0)) == [
        ("Drop", "target"),
        ("Cancel", "stop"),
    ]


def test_a_stop_for_more_than_is_held_makes_way_for_one_that_fits():
    found = following(stop(S.ACCEPTED), target(), position=4)
    again = Order(intent=successor_of(1), status=S.HELD)
    (sent,) = following(
        stop(S.CANCELED),
        target(),
        again,
        released={again.client_order_id: RESTS},
        position=4,
    )

    assert told(found) == [("Hold", "stop #2"), ("Cancel", "stop")]
    assert isinstance(sent, Send) and sent.order_qty == 4


def test_what_others_close_at_the_venue_is_not_closed_again():
    def other(status: S, **intent: object) -> Order:
        terms = {"side": OrderSide.SELL, "reduce_only": True, "order_qty": Decimal(7)}
        return make_order("other", intent=terms | intent, status=status)

    (sent,) = following(stop(), released={"stop": RESTS}, others=(other(S.ACCEPTED),))
    assert isinstance(sent, Send) and sent.order_qty == 3
    (full,) = following(stop(), released={"stop": RESTS}, others=(other(S.FILLED),))
    assert isinstance(full, Send) and full.order_qty == 10
    (apart,) = following(
        stop(), released={"stop": RESTS}, others=(other(S.ACCEPTED, instrument_id=MSFT),)
    )
    assert isinstance(apart, Send) and apart.order_qty == 10


def test_a_stop_that_is_reached_takes_an_exit_that_rests_at_a_better_price_off_the_venue():
    terms = {"side": OrderSide.SELL, "reduce_only": True, "order_qty": Decimal(7)}
    exit_ = make_order("exit", intent=terms | {"limit_px": Decimal(105)}, status=S.ACCEPTED)

    (found,) = following(stop(), released={"stop": HIT}, others=(exit_,))

    assert isinstance(found, Cancel) and found.order is exit_


def test_an_exit_waits_until_the_stop_is_out_of_its_way():
    exit_ = make_intent("exit", side=OrderSide.SELL, reduce_only=True)
    working = [stop(status) for status in S]

    found = in_the_way(exit_, working)

    assert {o.status for o in found} == {
        S.SUBMITTED,
        S.UNKNOWN,
        S.ACCEPTED,
        S.PARTIALLY_FILLED,
        S.PENDING_CANCEL,
    }
    assert in_the_way(replace(exit_, instrument_id=MSFT), working) == ()
    assert in_the_way(STOP, working) == in_the_way(ENTRY, working) == ()


def test_a_group_fills_no_more_than_its_parent_brought():
    assert budget([STOP, TARGET], Decimal("9.99")) == Decimal("9.99")
    assert budget([STOP, TARGET], Decimal(12)) == 10
    assert budget([STOP], None) == 10
    (sent,) = moves(
        (stop(), target()), (), Decimal(50), Decimal("9.99"), {"stop": HIT}, NATIVE, Decimal(9)
    )
    assert isinstance(sent, Send) and sent.order_qty == Decimal("9.99")


def renewed(number: int, status: S = S.HELD) -> Order:
    return Order(intent=successor_of(number), status=status)


@pytest.mark.parametrize("status", [S.REJECTED, S.EXPIRED, S.CANCELED])
def test_a_stop_that_the_venue_gave_up_is_taken_over(status: S):
    gone = stop(status)

    assert told(following(gone, target(), lapsed=(gone,))) == [("Hold", "stop #2")]
    assert following(gone, target(), renewed(1), lapsed=(gone,)) == ()
    assert following(gone, target()) == ()
    assert told(following(gone, target(), lapsed=(gone,), can_send=False)) == [("Hold", "stop #2")]


def test_after_three_successors_in_a_row_a_person_is_told():
    lost = [stop(S.REJECTED), *(renewed(n, S.REJECTED) for n in (1, 2, 3))]

    assert told(following(*lost[:3], lapsed=tuple(lost[:3]))) == [("Hold", "stop #4")]
    (found,) = following(*lost, lapsed=tuple(lost))
    assert isinstance(found, Unprotected)
    assert (found.order.intent.leg, found.reason) == (
        "stop #4",
        "4 stops in a row ended unfilled, the last is rejected: ",
    )
    won = following(*lost, target(), lapsed=tuple(lost), released={"target": WON})
    assert [type(move) for move in won] == [Unprotected, Send]


def test_nothing_takes_over_where_nothing_is_left_to_protect():
    gone = stop(S.REJECTED)

    assert following(gone, position=0, lapsed=(gone,)) == ()
    assert following(gone, target(S.CANCELED, 10), lapsed=(gone,)) == ()
    assert following(gone, budget_qty=0, lapsed=(gone,)) == ()


def test_legs_that_had_nothing_to_protect_come_back_with_a_late_fill():
    legs = (stop(S.CANCELED), target(S.CANCELED))

    assert told(following(*legs, lapsed=legs)) == [("Hold", "stop #2"), ("Hold", "target #2")]


def test_a_stop_for_less_than_was_opened_makes_way_for_a_larger_one():
    small = Order(intent=replace(STOP, order_qty=Decimal(4)), status=S.ACCEPTED)

    assert told(following(small, target())) == [("Hold", "stop #2"), ("Cancel", "stop")]
    assert following(small, target(), position=4) == ()
    assert following(small, target(), can_send=False) == ()
    # As a market order it executes already.
    assert following(small, target(), capabilities=PLAIN) == ()


def test_a_group_that_filled_before_its_parent_brought_more_goes_on():
    done = Order(intent=replace(STOP, order_qty=Decimal(4)), status=S.FILLED, cum_qty=Decimal(4))

    found = following(done, target(S.CANCELED), position=6)

    assert told(found) == [("Hold", "stop #2"), ("Hold", "target #2")]
    assert told(following(done, target(), position=0)) == [("Drop", "target")]


def test_nothing_makes_way_for_what_cannot_be_sent():
    """A stop at the venue is better than a target that has to wait with us."""
    hit, won = {"stop": HIT}, {"target": WON}

    assert following(stop(S.ACCEPTED), target(), released=won, can_send=False) == ()
    assert following(stop(), target(S.ACCEPTED), released=hit, can_send=False) == ()
    assert following(stop(S.ACCEPTED), target(), position=4, can_send=False) == ()
    assert following(stop(), target(), released=hit, can_send=False) == ()
    assert told(following(stop(S.ACCEPTED), position=0, can_send=False)) == [("Cancel", "stop")]


def test_a_target_stays_until_the_stop_beside_it_is_surely_there():
    assert following(stop(S.UNKNOWN), target(S.ACCEPTED)) == ()
