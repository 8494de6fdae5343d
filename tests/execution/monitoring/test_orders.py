import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from execution.errors import VenueUnavailable
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import VenueOrderId
from execution.model.order import Order
from execution.monitoring.orders import AttentionKind, attention, ends, poll
from execution.venues.base import LookupOutcome, LookupResult
from tests.execution.examples import NOW, ListLedger, make_event, make_order
from tests.scripted_venue import ScriptedVenue, absent, cannot_tell, unreachable

ORDER = make_order()
KEY = ORDER.client_order_id
ABSENT = LookupResult(outcome=LookupOutcome.ABSENT)
SILENT = LookupResult(outcome=LookupOutcome.UNKNOWN, reason="try later")


def resting(venue: ScriptedVenue) -> ListLedger:
    """The books with one order that the venue has taken."""
    venue_order_id = venue.take(ORDER.intent, NOW)
    ledger = ListLedger(ORDER)
    ledger.record(make_event(status=S.SUBMITTED))
    ledger.record(
        make_event(
            status=S.ACCEPTED,
            event_key=f"{KEY}:accepted:{venue_order_id}",
            venue_order_id=venue_order_id,
        )
    )
    return ledger


def ask(venue: ScriptedVenue, ledger: ListLedger) -> dict[str, LookupResult]:
    """Poll, book the fills, and then the ends: what a look does."""
    answers, fills = asyncio.run(poll(venue, list(ledger.orders.values()), {}, NOW))
    for fill in fills:
        ledger.book_fill(fill)
    for event in ends(ledger.orders.values(), answers, NOW):
        ledger.record(event)
    return answers


def test_polling_books_fills_once_and_the_status_follows_them():
    venue = ScriptedVenue(fills=False)
    ledger = resting(venue)
    venue.fill(KEY, Decimal(4), Decimal(100), NOW)

    ask(venue, ledger)
    ask(venue, ledger)

    order = ledger.orders[KEY]
    assert (order.status, order.cum_qty) == (S.PARTIALLY_FILLED, Decimal(4))


@pytest.mark.parametrize("end", [S.CANCELED, S.EXPIRED, S.REJECTED])
def test_an_end_is_written_when_the_venue_reports_it(end: S):
    venue = ScriptedVenue(fills=False)
    ledger = resting(venue)
    venue.end(KEY, end, "by the venue")

    ask(venue, ledger)

    assert (ledger.orders[KEY].status, ledger.orders[KEY].reason) == (end, "by the venue")


def test_the_last_fill_before_a_cancel_is_booked_too():
    venue = ScriptedVenue(fills=False)
    ledger = resting(venue)
    venue.fill(KEY, Decimal(4), Decimal(100), NOW)
    venue.end(KEY, S.CANCELED)

    ask(venue, ledger)

    order = ledger.orders[KEY]
    assert (order.status, order.cum_qty, order.leaves_qty) == (S.CANCELED, Decimal(4), Decimal(0))


def test_an_end_waits_for_the_fills_that_it_speaks_of(monkeypatch: pytest.MonkeyPatch):
    """Trades can be listed later than the status; ended with nothing, its stop would go too."""
    venue = ScriptedVenue(fills=False)
    ledger = resting(venue)
    venue.fill(KEY, Decimal(4), Decimal(100), NOW)
    venue.end(KEY, S.CANCELED)

    async def none_yet(since: object) -> tuple[Fill, ...]:
        return ()

    with monkeypatch.context() as late:
        late.setattr(venue, "fills", none_yet)
        ask(venue, ledger)
        assert ledger.orders[KEY].status is S.ACCEPTED
    ask(venue, ledger)

    assert (ledger.orders[KEY].status, ledger.orders[KEY].cum_qty) == (S.CANCELED, 4)


def test_an_order_still_open_does_not_take_back_our_cancel():
    """The venue has not worked the cancel yet; only its refusal would mean "open again"."""
    venue = ScriptedVenue(fills=False)
    venue.take(ORDER.intent, NOW)
    ledger = ListLedger(ORDER)
    for status in (S.SUBMITTED, S.ACCEPTED, S.PENDING_CANCEL):
        ledger.record(make_event(status=status))

    ask(venue, ledger)

    assert ledger.orders[KEY].status is S.PENDING_CANCEL


@pytest.mark.parametrize("script", [absent(), cannot_tell(), unreachable()])
def test_silence_and_denial_change_nothing_in_the_books(script: object):
    venue = ScriptedVenue(fills=False, on_lookup=script)
    ledger = resting(venue)

    answers = ask(venue, ledger)

    assert ledger.orders[KEY].status is S.ACCEPTED
    assert answers[KEY].outcome is not LookupOutcome.FOUND


def test_a_venue_that_cannot_list_its_fills_is_not_a_venue_without_fills():
    class Mute(ScriptedVenue):
        async def fills(self, since: object) -> tuple[Fill, ...]:
            raise VenueUnavailable("down")

    venue = Mute(fills=False)

    with pytest.raises(VenueUnavailable):
        ask(venue, resting(venue))


@pytest.mark.parametrize(
    "status", sorted(set(S) - {S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL})
)
def test_only_open_orders_are_polled(status: S):
    """What is in flight is for `resolve`: a lookup here could not lead it out safely."""
    venue = ScriptedVenue()
    order = make_order(status=status)

    answers, _ = asyncio.run(poll(venue, [order], {}, NOW))

    assert (answers, venue.lookups) == ({}, [])


def troubles(
    order: Order, answer: LookupResult | None = None, age_s: float | None = 10
) -> list[tuple[AttentionKind, str]]:
    answers = {} if answer is None else {KEY: answer}
    placed_at = {} if age_s is None else {KEY: NOW - timedelta(seconds=age_s)}
    found = attention([order], answers, placed_at, NOW, order_timeout_s=60)
    return [(each.kind, each.reason) for each in found]


@pytest.mark.parametrize("status", [S.SUBMITTED, S.UNKNOWN])
def test_an_order_in_flight_is_unknown(status: S):
    assert troubles(make_order(status=status)) == [
        (
            AttentionKind.UNKNOWN,
            "nobody knows whether the venue has it: the send was written, its outcome was not",
        )
    ]


def test_a_refusal_is_told_with_its_reason():
    refused = make_order(status=S.REJECTED, reason="too small")

    assert troubles(refused) == [(AttentionKind.REJECTED, "the venue refused it: too small")]


def test_an_accepted_order_the_venue_denies_is_missing():
    order = make_order(status=S.ACCEPTED, venue_order_id=VenueOrderId("V-1"))

    assert troubles(order, ABSENT) == [
        (AttentionKind.MISSING, "the venue took it as V-1, now denies it")
    ]
    assert troubles(order, SILENT) == [
        (AttentionKind.UNREACHED, "the venue did not say how it stands: try later")
    ]


def test_an_order_is_overdue_after_the_timeout_not_at_it():
    order = make_order(status=S.ACCEPTED)

    assert troubles(order, age_s=60) == []
    assert troubles(order, age_s=61) == [
        (AttentionKind.OVERDUE, "0 of 10 filled, open for 61 s of 60 s")
    ]


def test_an_open_order_of_unknown_age_is_overdue():
    assert troubles(make_order(status=S.ACCEPTED), age_s=None) == [
        (AttentionKind.OVERDUE, "0 of 10 filled; nobody knows when it was placed")
    ]


def test_a_partial_fill_is_carried_on_until_it_is_overdue():
    part = make_order(status=S.PARTIALLY_FILLED, cum_qty=Decimal("4.000000000000"))

    assert troubles(part) == [(AttentionKind.PARTIALLY_FILLED, "4 of 10 filled, carried on")]
    assert troubles(part, age_s=90)[0][0] is AttentionKind.OVERDUE


@pytest.mark.parametrize("status", [S.INITIALIZED, S.DENIED, S.FILLED, S.CANCELED, S.EXPIRED])
def test_an_order_that_is_done_or_was_never_sent_needs_nobody(status: S):
    assert troubles(make_order(status=status), age_s=1_000) == []
