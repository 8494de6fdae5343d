from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.errors import InvariantBroken
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import VenueOrderId
from execution.model.order import IN_FLIGHT, NEXT, OPEN, SENDABLE, TERMINAL, Order
from tests.execution.examples import make_event, make_fill, make_order


def test_every_status_is_in_one_phase_of_life():
    assert set(S) == SENDABLE | IN_FLIGHT | OPEN | TERMINAL
    assert {S.DENIED, S.REJECTED, S.FILLED, S.CANCELED, S.EXPIRED} == TERMINAL
    assert len(S) == len(SENDABLE) + len(IN_FLIGHT) + len(OPEN) + len(TERMINAL)


def test_an_order_runs_its_whole_life():
    order = make_order()
    for status in (S.SUBMITTED, S.ACCEPTED, S.PENDING_CANCEL, S.CANCELED):
        order = order.apply(make_event(status=status, reason=status.value))

        assert (order.status, order.reason) == (status, status.value)
    assert order.leaves_qty == 0


@pytest.mark.parametrize("before", sorted(S))
@pytest.mark.parametrize("event", sorted(S))
def test_an_event_that_cannot_follow_is_an_old_story(before: S, event: S):
    order = make_order(status=before, reason="before")

    after = order.apply(make_event(status=event, reason="after"))

    assert after == order if event not in NEXT.get(before, set()) else after.status is event


def test_only_a_written_send_can_be_rejected_or_unknown():
    """REJECTED or UNKNOWN without SUBMITTED would mean something was sent unwritten."""
    assert not NEXT[S.INITIALIZED] & {S.REJECTED, S.UNKNOWN, S.ACCEPTED, S.FILLED}


def test_the_venues_id_stays_when_a_later_event_does_not_repeat_it():
    order = make_order(status=S.SUBMITTED)
    order = order.apply(make_event(status=S.ACCEPTED, venue_order_id=VenueOrderId("V-1")))

    assert order.apply(make_event(status=S.CANCELED)).venue_order_id == "V-1"


def test_an_event_of_another_order_is_a_broken_invariant():
    with pytest.raises(InvariantBroken, match="event of order-b on order-a"):
        make_order().apply(make_event("order-b", status=S.SUBMITTED))


def test_fills_carry_quantity_and_weighted_price():
    order = make_order(status=S.ACCEPTED)

    order = order.fill(make_fill(last_qty=Decimal(4), last_px=Decimal(100)))
    assert (order.status, order.leaves_qty) == (S.PARTIALLY_FILLED, Decimal(6))
    order = order.fill(make_fill("T-2", last_qty=Decimal(6), last_px=Decimal(105)))

    assert (order.status, order.cum_qty, order.avg_px) == (S.FILLED, Decimal(10), Decimal(103))
    assert order.leaves_qty == 0


def test_a_fill_during_pending_cancel_still_counts():
    """A venue may fill after we asked to cancel; our books follow the venue."""
    order = make_order(status=S.PENDING_CANCEL).fill(make_fill(last_qty=Decimal(4)))

    assert (order.status, order.leaves_qty) == (S.PENDING_CANCEL, Decimal(6))


@pytest.mark.parametrize("ended", [S.CANCELED, S.EXPIRED, S.REJECTED])
def test_a_late_fill_is_booked_and_the_end_stays(ended: S):
    order = make_order(status=ended).fill(make_fill(last_qty=Decimal(4)))

    assert (order.status, order.cum_qty, order.leaves_qty) == (ended, Decimal(4), Decimal(0))


def test_a_fill_proves_that_an_unknown_order_landed():
    order = make_order(status=S.UNKNOWN).fill(make_fill(last_qty=Decimal(4)))

    assert (order.status, order.venue_order_id) == (S.PARTIALLY_FILLED, "V-1")


ITEMS = st.lists(st.sampled_from(S) | st.integers(1, 4), max_size=12)


@given(items=ITEMS)
def test_no_story_loses_a_fill_or_leaves_a_terminal_status(items: list[S | int]):
    order: Order = make_order()
    filled = Decimal(0)
    for n, item in enumerate(items):
        before = order
        if isinstance(item, S):
            order = order.apply(make_event(status=item))
        else:
            order = order.fill(make_fill(f"T-{n}", last_qty=Decimal(item)))
            filled += item

        assert order.cum_qty == filled
        if before.status in TERMINAL:
            assert order.status in {before.status, S.FILLED}
        if filled >= order.intent.order_qty and not isinstance(item, S):
            assert order.status is S.FILLED
