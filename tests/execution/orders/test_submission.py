import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from execution.errors import ApprovalRefused, InvariantBroken, OutcomeUnknown
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.order import Order, OrderEvent
from execution.orders.groups import Send
from execution.orders.submission import (
    UNKNOWN_MAX_S,
    needs_person,
    resolve,
    submit_all,
    submit_order,
)
from execution.venues.base import LookupResult, SubmitOutcome, SubmitResult
from execution.venues.capabilities import Capabilities
from tests.execution.examples import MSFT, NOW, ListLedger, make_event, make_order
from tests.scripted_venue import (
    OnSubmit,
    ScriptedVenue,
    absent,
    accepts,
    cannot_tell,
    found,
    not_sent,
    raises,
    rejects,
    times_out,
    times_out_after_accepting,
    unreachable,
)


def submit(order: Order, venue: ScriptedVenue, ledger: ListLedger, sends: int = 0) -> Order:
    return asyncio.run(submit_order(order, venue, ledger.record, lambda: NOW, sends))


def ask(
    order: Order,
    venue: ScriptedVenue,
    ledger: ListLedger,
    age_s: float = 100,
    validity_window_s: float = 60,
) -> tuple[Order, list[float]]:
    """Resolve an order that was sent `age_s` ago; time passes only while sleeping."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    after = asyncio.run(
        resolve(
            order,
            venue,
            ledger.record,
            lambda: NOW + timedelta(seconds=age_s + sum(slept)),
            sends=1,
            submitted_at=NOW,
            validity_window_s=validity_window_s,
            sleep=sleep,
        )
    )
    return after, slept


def in_flight(order: Order, venue: ScriptedVenue) -> ListLedger:
    """The ledger after one send with an unknown outcome."""
    ledger = ListLedger(order)
    submit(order, venue, ledger)
    return ledger


@pytest.mark.parametrize(
    ("script", "status", "keys"),
    [
        (accepts(), S.ACCEPTED, ["submitted:1", "accepted:V-1"]),
        (rejects("too small"), S.REJECTED, ["submitted:1", "rejected:1"]),
        (not_sent(), S.INITIALIZED, ["submitted:1", "not_sent:1"]),
        (times_out(), S.UNKNOWN, ["submitted:1", "unknown:1"]),
        (times_out_after_accepting(), S.UNKNOWN, ["submitted:1", "unknown:1"]),
        (raises(OutcomeUnknown("timeout after send")), S.UNKNOWN, ["submitted:1", "unknown:1"]),
        (raises(ZeroDivisionError()), S.UNKNOWN, ["submitted:1", "unknown:1"]),
    ],
)
def test_every_outcome_is_written_after_the_send(script: OnSubmit, status: S, keys: list[str]):
    order = make_order()
    venue, ledger = ScriptedVenue(on_submit=script), ListLedger(order)

    after = submit(order, venue, ledger)

    assert after.status is status
    assert after == ledger.orders[order.client_order_id]
    assert ledger.keys() == [f"order-a:{key}" for key in keys]
    assert venue.submitted == [order.client_order_id]  # exactly once


def test_the_send_is_written_before_it_is_sent():
    """If writing fails nothing may have left."""
    order, venue = make_order(), ScriptedVenue()

    def fails(event: object) -> Order:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        asyncio.run(submit_order(order, venue, fails, lambda: NOW, 0))
    assert venue.submitted == []


def test_only_the_one_who_wrote_the_send_may_send():
    """Two runs load the same INITIALIZED order; the event key lets one of them through."""
    order = make_order()
    venue, ledger = ScriptedVenue(), ListLedger(order)
    submit(order, venue, ledger)

    loser = submit(order, venue, ledger)

    assert venue.submitted == [order.client_order_id]
    assert loser.status is S.SUBMITTED  # in flight, as far as this run can know


def test_an_order_that_was_canceled_meanwhile_is_not_sent():
    order = make_order()
    venue, ledger = ScriptedVenue(), ListLedger(order)
    ledger.record(make_event(status=S.CANCELED))

    assert submit(order, venue, ledger).status is S.CANCELED
    assert venue.submitted == []


@pytest.mark.parametrize("status", sorted(set(S) - {S.INITIALIZED}))
def test_no_other_status_can_be_sent(status: S):
    order, venue = make_order(status=status), ScriptedVenue()

    with pytest.raises(InvariantBroken, match=f"order-a is {status}: it must not be sent"):
        submit(order, venue, ListLedger(order))
    assert venue.submitted == []


def test_what_was_not_sent_is_sent_again_under_the_same_id():
    order = make_order()
    venue, ledger = ScriptedVenue(on_submit=[not_sent()]), ListLedger(order)

    again = submit(submit(order, venue, ledger), venue, ledger, sends=1)

    assert again.status is S.ACCEPTED
    assert ledger.keys()[2:] == ["order-a:submitted:2", "order-a:accepted:V-1"]


def test_a_safety_violation_leaves_the_order_unsent_and_is_passed_on():
    order = make_order()
    venue, ledger = ScriptedVenue(on_submit=raises(ApprovalRefused("expired"))), ListLedger(order)

    with pytest.raises(ApprovalRefused):
        submit(order, venue, ledger)
    assert ledger.orders[order.client_order_id].status is S.INITIALIZED
    assert ledger.orders[order.client_order_id].reason == "expired"


def test_the_text_of_a_foreign_error_stays_out_of_the_books():
    """A client library may quote the request it failed on, with the key in it."""
    order = make_order()
    venue = ScriptedVenue(on_submit=raises(ValueError("api_key=s3cret")))

    assert submit(order, venue, ListLedger(order)).reason == "ValueError out of the venue's submit"


def test_an_acceptance_without_an_id_is_no_evidence():
    """Venues answer 200 with an empty body; that says nothing about the order."""
    empty = SubmitResult(outcome=SubmitOutcome.ACCEPTED, ts_event=NOW)
    order = make_order()

    after = submit(order, ScriptedVenue(on_submit=lambda *_: empty), ListLedger(order))

    assert after.status is S.UNKNOWN


def test_an_order_that_landed_is_found_and_adopted():
    order, venue = make_order(), ScriptedVenue(on_submit=[times_out_after_accepting()])
    ledger = in_flight(order, venue)

    after, slept = ask(ledger.orders[order.client_order_id], venue, ledger)

    assert (after.status, after.venue_order_id, slept) == (S.ACCEPTED, "V-1", [])
    assert venue.submitted == [order.client_order_id]


def test_a_send_that_died_before_its_outcome_was_written_is_adopted_too():
    order, venue = make_order(), ScriptedVenue()
    ledger = in_flight(order, venue)
    del ledger.story[1:]  # only SUBMITTED was written

    after, _ = ask(ledger.orders[order.client_order_id], venue, ledger)

    assert after.status is S.ACCEPTED


@pytest.mark.parametrize("end", [S.CANCELED, S.EXPIRED, S.REJECTED])
def test_an_order_that_has_ended_is_adopted_as_ended(end: S):
    order = make_order()
    venue = ScriptedVenue(on_submit=[times_out_after_accepting()], fills=False)
    ledger = in_flight(order, venue)
    venue.end(order.client_order_id, end, "by the venue")

    after, _ = ask(ledger.orders[order.client_order_id], venue, ledger)

    assert (after.status, after.reason) == (end, "by the venue")


def test_two_conclusive_absences_prove_that_nothing_was_sent():
    order, venue = make_order(), ScriptedVenue(on_submit=[times_out()])
    ledger = in_flight(order, venue)

    after, slept = ask(ledger.orders[order.client_order_id], venue, ledger)

    assert (after.status, slept, len(venue.lookups)) == (S.INITIALIZED, [0.5], 2)
    assert after.reason == "proven absent: not there in 2 lookups after 60 s"


def test_one_absence_between_doubts_proves_nothing():
    order = make_order()
    doubts = [absent(), cannot_tell(), absent(), unreachable(), absent()]
    venue = ScriptedVenue(on_submit=[times_out()], on_lookup=doubts)
    ledger = in_flight(order, venue)

    after, slept = ask(ledger.orders[order.client_order_id], venue, ledger)

    assert (after.status, slept) == (S.UNKNOWN, [0.5, 1.0, 2.0, 4.0])


def test_an_absence_before_the_validity_window_ends_proves_nothing():
    """The request may still be under way: the venue would take it until then."""
    order, venue = make_order(), ScriptedVenue(on_submit=[times_out()])
    ledger = in_flight(order, venue)
    unknown = ledger.orders[order.client_order_id]

    assert ask(unknown, venue, ledger, age_s=50)[0].status is S.UNKNOWN
    # At 59 s the lookups are at 59, 59.5, 60.5 and 62.5 s: the last two count.
    assert ask(unknown, venue, ledger, age_s=59)[1] == [0.5, 1.0, 2.0]


def test_a_late_landing_is_adopted_after_absences():
    order, venue = make_order(), ScriptedVenue(on_submit=[times_out_after_accepting()])
    venue = ScriptedVenue(
        on_submit=[times_out_after_accepting()], on_lookup=[absent(), cannot_tell(), found()]
    )
    ledger = in_flight(order, venue)

    after, _ = ask(ledger.orders[order.client_order_id], venue, ledger)

    assert after.status is S.ACCEPTED


def test_unknown_is_written_once_however_often_we_ask():
    order, venue = make_order(), ScriptedVenue(on_lookup=unreachable())
    ledger = ListLedger(order)
    ledger.record(make_event(status=S.SUBMITTED, event_key="order-a:submitted:1"))

    first, _ = ask(ledger.orders[order.client_order_id], venue, ledger)
    second, _ = ask(first, venue, ledger)

    assert first.status is second.status is S.UNKNOWN
    assert ledger.keys() == ["order-a:submitted:1", "order-a:unknown:1"]
    assert first.reason == "lookup says unknown: scripted: the venue cannot be reached"


def test_an_order_unknown_for_too_long_is_given_to_a_person_once():
    """Asking goes on, the instrument stays locked, and the books say that nobody knows."""
    order, venue = make_order(), ScriptedVenue(on_submit=[times_out()], on_lookup=cannot_tell())
    ledger = in_flight(order, venue)
    late = 60 + UNKNOWN_MAX_S

    early, _ = ask(ledger.orders[order.client_order_id], venue, ledger, age_s=late - 8)
    given, _ = ask(early, venue, ledger, age_s=late)
    again, _ = ask(given, venue, ledger, age_s=late + 60)

    assert early.reason == "timeout"
    assert given.status is again.status is S.UNKNOWN
    assert given.reason.startswith("a person must ask the venue, it has not told for too long")
    assert ledger.orders[order.client_order_id].reason == given.reason
    assert ledger.keys()[1:] == ["order-a:unknown:1", "order-a:given_up:1"]
    assert needs_person(NOW, 60, NOW + timedelta(seconds=late))
    assert not needs_person(NOW, 60, NOW + timedelta(seconds=late - 1))


def test_an_order_given_to_a_person_is_still_adopted_when_the_venue_tells():
    order, venue = (
        make_order(),
        ScriptedVenue(on_submit=[times_out_after_accepting()], on_lookup=[cannot_tell()] * 5),
    )
    ledger = in_flight(order, venue)
    given, _ = ask(ledger.orders[order.client_order_id], venue, ledger, age_s=5_000)

    assert ask(given, venue, ledger, age_s=5_060)[0].status is S.ACCEPTED


def test_the_venue_is_asked_from_the_first_send_on():
    """An earlier send may be the one that landed."""
    asked = []

    class Watching(ScriptedVenue):
        async def lookup(self, order: Order, since: datetime) -> LookupResult:
            asked.append(since)
            return await super().lookup(order, since)

    order, venue = make_order(), Watching(on_submit=[times_out_after_accepting()])
    ledger = in_flight(order, venue)
    unknown, first = ledger.orders[order.client_order_id], NOW - timedelta(hours=1)

    for since in (None, first):
        asyncio.run(
            resolve(
                unknown,
                venue,
                ListLedger(order).record,
                lambda: NOW,
                1,
                NOW,
                60,
                asyncio.sleep,
                waits_s=(0,),
                since=since,
            )
        )

    assert asked == [NOW, first]


PLAIN = Capabilities(
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.GTC}),
)
STOP = {"order_type": OrderType.STOP, "stop_px": Decimal(95), "side": OrderSide.SELL}


def test_a_stop_that_the_venue_does_not_do_is_held_and_never_sent_as_something_else():
    order = make_order(intent=STOP)
    venue, ledger = ScriptedVenue(capabilities=PLAIN), ListLedger(order)

    after = submit(order, venue, ledger)

    assert (after.status, after.reason) == (
        S.HELD,
        "the venue does no stop orders: we watch its price",
    )
    assert venue.submitted == []
    with pytest.raises(InvariantBroken, match="order-a is held: it must not be sent"):
        submit(after, venue, ledger)


def test_what_nobody_can_do_is_denied_with_its_reason():
    order = make_order(intent={"time_in_force": TimeInForce.FOK})
    venue, ledger = ScriptedVenue(capabilities=PLAIN), ListLedger(order)

    after = submit(order, venue, ledger)

    assert after.status is S.DENIED
    assert "time in force fok" in after.reason
    assert venue.submitted == []


def test_a_released_order_goes_out_as_what_its_event_says():
    order = make_order(intent=STOP, status=S.HELD)
    venue, ledger = ScriptedVenue(capabilities=PLAIN, fills=False), ListLedger(order)
    ledger.record(make_event(status=S.HELD))
    release = Send(
        order=order,
        order_qty=Decimal(4),
        order_type=OrderType.MARKET,
        reason="stop 95 reached at 94: sent as market",
    )

    after = asyncio.run(submit_order(order, venue, ledger.record, lambda: NOW, 0, release))

    (sent,) = venue.sent
    assert (sent.order_type, sent.stop_px, sent.order_qty) == (OrderType.MARKET, None, Decimal(4))
    assert sent.client_order_id == order.client_order_id
    assert (after.status, after.intent.order_qty) == (S.ACCEPTED, Decimal(4))
    assert after.intent.order_type is OrderType.STOP  # the wish stays what it was
    written = ledger.story[1]
    assert isinstance(written, OrderEvent)
    assert (written.reason, written.order_qty) == (release.reason, Decimal(4))


def test_a_date_that_the_venue_does_not_know_goes_out_as_gtc_and_says_so():
    gtd = {"time_in_force": TimeInForce.GTD, "expire_at": NOW + timedelta(days=1)}
    order = make_order(intent=gtd)
    venue, ledger = ScriptedVenue(capabilities=PLAIN, fills=False), ListLedger(order)

    submit(order, venue, ledger)

    assert venue.sent[0].time_in_force is TimeInForce.GTC
    written = ledger.story[0]
    assert isinstance(written, OrderEvent)
    assert written.reason.startswith("the venue knows no gtd: sent as gtc")


def test_only_what_was_released_leaves_of_what_is_held():
    orders = [make_order(name, intent=STOP, status=S.HELD) for name in ("one", "two")]
    venue, ledger = ScriptedVenue(), ListLedger(*orders)
    for name in ("one", "two"):
        ledger.record(make_event(name, status=S.HELD))
    release = Send(
        order=orders[1], order_qty=Decimal(10), order_type=OrderType.STOP, reason="rests"
    )

    after = asyncio.run(
        submit_all(
            orders,
            orders,
            venue,
            ledger.record,
            lambda: NOW,
            {},
            {orders[1].client_order_id: release},
        )
    )

    assert venue.submitted == ["two"]
    assert [order.status for order in after] == [S.HELD, S.ACCEPTED]


def test_nothing_closes_a_position_while_its_stop_is_at_the_venue():
    stop = make_order("stop", intent=STOP | {"reduce_only": True}, status=S.ACCEPTED)
    exit_ = make_order("exit", intent={"side": OrderSide.SELL, "reduce_only": True})
    venue = ScriptedVenue()

    assert send_all([exit_], venue, working=[stop])[0].status is S.INITIALIZED
    assert venue.submitted == []
    assert send_all([exit_], venue)[0].status is S.ACCEPTED


def test_an_order_not_in_flight_is_not_asked_about():
    with pytest.raises(InvariantBroken, match="order-a is accepted: it is not in flight"):
        ask(make_order(status=S.ACCEPTED), ScriptedVenue(), ListLedger())


def send_all(
    orders: Sequence[Order], venue: ScriptedVenue, working: Sequence[Order] = ()
) -> tuple[Order, ...]:
    ledger = ListLedger(*orders)
    return asyncio.run(submit_all(orders, working, venue, ledger.record, lambda: NOW, {}))


def test_reductions_go_first_and_the_answer_keeps_the_order_asked():
    """What is sold pays for what is bought, and less risk comes before more."""
    orders = [
        make_order("buy"),
        make_order("sell", intent={"side": OrderSide.SELL}),
        make_order("cover", intent={"reduce_only": True}),
    ]
    venue = ScriptedVenue()

    after = send_all(orders, venue)

    assert venue.submitted == ["sell", "cover", "buy"]
    assert [order.client_order_id for order in after] == ["buy", "sell", "cover"]
    assert {order.status for order in after} == {S.ACCEPTED}


def test_nothing_is_sent_on_an_instrument_with_an_order_in_flight():
    orders = [make_order("apple"), make_order("micro", intent={"instrument_id": MSFT})]
    earlier = make_order("earlier", status=S.UNKNOWN)
    venue = ScriptedVenue()

    after = send_all(orders, venue, working=[earlier])

    assert venue.submitted == ["micro"]
    assert [order.status for order in after] == [S.INITIALIZED, S.ACCEPTED]


def test_an_unknown_outcome_locks_its_instrument_for_the_rest_of_the_round():
    orders = [make_order("one"), make_order("two"), make_order("m", intent={"instrument_id": MSFT})]
    venue = ScriptedVenue(on_submit=[times_out()])

    after = send_all(orders, venue)

    assert venue.submitted == ["one", "m"]
    assert [order.status for order in after] == [S.UNKNOWN, S.INITIALIZED, S.ACCEPTED]


def test_orders_that_are_sent_already_are_given_back_as_they_are():
    done = make_order("done", status=S.FILLED, cum_qty=Decimal(10))
    venue = ScriptedVenue()

    assert send_all([done], venue) == (done,)
    assert venue.submitted == []
