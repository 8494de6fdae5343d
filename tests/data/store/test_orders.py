from datetime import timedelta
from decimal import Decimal

import pytest

from data.store.books import Books
from data.store.verify import verify
from execution.errors import InvariantBroken
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, ClientOrderId, RunId, VenueOrderId
from execution.model.order import Order, OrderIntent
from tests.execution.examples import AAPL, ACCOUNT, MSFT, NOW, VENUE, make_event, make_fill
from tests.execution.examples import make_intent as intent

A = ClientOrderId("order-a")


def commit(books: Books, *intents: OrderIntent, run_id: str = "run-1") -> tuple[Order, ...]:
    return books.orders.commit_intents(RunId(run_id), f"digest of {run_id}", intents, NOW)


def test_an_intent_comes_back_as_it_was_written(books: Books):
    full = intent(
        order_qty=Decimal("0.123456789012"),
        limit_px=Decimal("99.5"),
        stop_loss=Decimal(90),
        take_profit=Decimal(120),
        reduce_only=True,
    )

    orders = commit(books, full, intent("order-b"))

    assert (Order(intent=full), Order(intent=intent("order-b"))) == orders
    assert orders[0] == books.orders.get(A)
    assert books.orders.origin(A) == ("run-1", "digest of run-1")
    assert books.orders.get(ClientOrderId("nobody")) is None
    with pytest.raises(InvariantBroken, match="no intent of that id"):
        books.orders.origin(ClientOrderId("nobody"))


def test_an_intent_that_may_have_been_sent_is_never_rewritten(books: Books):
    """The venue has the old quantity, or may have it: the new one would be a lie."""
    commit(books, intent())
    books.orders.append(make_event(status=S.SUBMITTED))

    [order] = commit(books, intent(order_qty=Decimal(99)), run_id="run-2")

    assert (S.SUBMITTED, Decimal(10)) == (order.status, order.intent.order_qty)
    assert books.orders.origin(A) == ("run-1", "digest of run-1")


@pytest.mark.parametrize("sent_and_proven_absent", [False, True])
def test_an_intent_that_was_proven_never_sent_gives_way(books: Books, sent_and_proven_absent: bool):
    commit(books, intent())
    if sent_and_proven_absent:
        books.orders.append(make_event(status=S.SUBMITTED, event_key="1"))
        books.orders.append(make_event(status=S.INITIALIZED, event_key="2"))

    [order] = commit(books, intent(order_qty=Decimal(99)), run_id="run-2")

    assert (S.INITIALIZED, Decimal(99)) == (order.status, order.intent.order_qty)
    assert books.orders.origin(A) == ("run-2", "digest of run-2")


def test_a_held_intent_that_never_left_gives_way_and_stays_held(books: Books):
    """Its entry is sized anew while it was not sent: a stop of the old size would not cover it."""
    commit(books, intent())
    books.orders.append(make_event(status=S.HELD))

    [order] = commit(books, intent(order_qty=Decimal(99)), run_id="run-2")

    assert (S.HELD, Decimal(99)) == (order.status, order.intent.order_qty)
    assert verify(books) == ()


def test_an_order_whose_terms_were_changed_does_not_give_way(books: Books):
    commit(books, intent())
    books.orders.append(make_event(status=S.SUBMITTED, order_qty=Decimal(4)))
    books.orders.append(make_event(status=S.INITIALIZED))

    [order] = commit(books, intent(order_qty=Decimal(99)), run_id="run-2")

    assert Decimal(4) == order.intent.order_qty
    assert verify(books) == ()


def test_a_terminal_order_is_not_brought_back_by_its_intent(books: Books):
    commit(books, intent())
    books.orders.append(make_event(status=S.DENIED))

    [order] = commit(books, intent(order_qty=Decimal(99)), run_id="run-2")

    assert (S.DENIED, Decimal(10)) == (order.status, order.intent.order_qty)


def test_fills_without_an_intent_prove_that_it_was_sent(books: Books):
    """After the ledger was lost, the same wish must not be sent a second time."""
    books.fills.record(VENUE, make_fill(last_qty=Decimal(4)), "AAPL", "USD")

    [order] = commit(books, intent())

    assert (S.PARTIALLY_FILLED, Decimal(4), "V-1") == (
        order.status,
        order.cum_qty,
        order.venue_order_id,
    )


def test_one_id_for_two_wishes_is_refused(books: Books):
    commit(books, intent())

    with pytest.raises(InvariantBroken, match=r"instrument_id=AAPL.SCRIPTED, not MSFT.SCRIPTED"):
        commit(books, intent(instrument_id=MSFT))
    with pytest.raises(InvariantBroken, match="one client order id twice"):
        commit(books, intent("order-c"), intent("order-c"))


def test_an_event_is_booked_once_and_folded(books: Books):
    commit(books, intent())
    accepted = make_event(status=S.ACCEPTED, venue_order_id=VenueOrderId("V-1"), reason="ok")

    submitted = books.orders.append(make_event(status=S.SUBMITTED))
    order = books.orders.append(accepted)

    assert submitted is not None
    assert S.SUBMITTED is submitted.status
    assert order is not None
    assert (order.status, order.venue_order_id, order.reason) == (S.ACCEPTED, "V-1", "ok")
    assert order == books.orders.get(A)
    assert books.orders.append(accepted) is None
    assert (make_event(status=S.SUBMITTED), accepted) == books.orders.events(A)


def test_an_old_story_is_kept_but_changes_nothing(books: Books):
    commit(books, intent())
    for status in (S.SUBMITTED, S.REJECTED, S.ACCEPTED):
        order = books.orders.append(make_event(status=status))

    assert order is not None
    assert S.REJECTED is order.status
    assert len(books.orders.events(A)) == 3


@pytest.mark.parametrize("status", [S.SUBMITTED, S.UNKNOWN, S.ACCEPTED, S.REJECTED])
def test_only_an_order_that_is_not_out_may_be_sent(books: Books, status: S):
    """Whoever gets None must not send: a second send could be a second order."""
    commit(books, intent())
    books.orders.append(make_event(status=S.SUBMITTED, event_key="submitted:1"))
    books.orders.append(make_event(status=status, event_key="then"))

    assert books.orders.append(make_event(status=S.SUBMITTED, event_key="submitted:2")) is None

    assert "submitted:2" not in {event.event_key for event in books.orders.events(A)}


def test_every_send_is_counted_with_its_time(books: Books):
    commit(books, intent(), intent("order-b"))
    story = [S.SUBMITTED, S.INITIALIZED, S.SUBMITTED, S.ACCEPTED]
    for second, status in enumerate(story):
        ts = NOW + timedelta(seconds=second)
        books.orders.append(make_event(status=status, event_key=str(second), ts_init=ts))

    orders = books.orders.all(ACCOUNT)
    assert len(orders) == 2
    assert books.orders.sends(orders) == {A: (NOW, NOW + timedelta(seconds=2))}


def test_an_event_of_nothing_and_a_key_of_another_order_are_refused(books: Books):
    commit(books, intent(), intent("order-b"))
    books.orders.append(make_event(status=S.SUBMITTED, event_key="same"))

    with pytest.raises(InvariantBroken, match="no intent of that id was written"):
        books.orders.append(make_event("nobody", status=S.SUBMITTED))
    with pytest.raises(InvariantBroken, match="event key same belongs to order-a"):
        books.orders.append(make_event("order-b", status=S.SUBMITTED, event_key="same"))


def test_orders_are_listed_by_account_and_status(books: Books):
    other = AccountId("other")
    commit(books, intent("order-a"), intent("order-b"), intent("order-c", account=other))
    books.orders.append(make_event("order-b", status=S.DENIED))

    def ids(orders: tuple[Order, ...]) -> list[str]:
        return [order.client_order_id for order in orders]

    assert ids(books.orders.all(ACCOUNT)) == ["order-a", "order-b"]
    assert ids(books.orders.working(ACCOUNT)) == ["order-a"]
    assert ids(books.orders.by_status(ACCOUNT, {S.DENIED, S.FILLED})) == ["order-b"]
    assert ids(books.orders.working(other)) == ["order-c"]
    assert {AAPL} == {order.intent.instrument_id for order in books.orders.all(ACCOUNT)}
