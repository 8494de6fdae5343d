import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from execution.errors import ApprovalRefused, SafetyViolation, VenueUnavailable
from execution.model.enums import OrderSide, OrderType, RunMode, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, ClientOrderId, RunId, VenueId
from execution.model.order import Order, OrderIntent
from execution.model.plan import RiskDecision, TradingPlan
from execution.model.reports import BalanceReport
from execution.orders.held import as_sent
from execution.venues.approved import ApprovedVenue, covers
from execution.venues.base import (
    LookupOutcome,
    OrderHint,
    Permissions,
    SubmitOutcome,
    SubmitResult,
    Venue,
)
from tests.execution.examples import ACCOUNT, MSFT, NOW, VENUE, make_intent
from tests.scripted_venue import EVERYTHING, ScriptedVenue

EXPIRES = NOW + timedelta(minutes=15)
APPROVED = make_intent(limit_px=Decimal(99))


def plan(*intents: OrderIntent, venue: VenueId = VENUE) -> TradingPlan:
    return TradingPlan(
        run_id=RunId("run-1"),
        account=ACCOUNT,
        venue=venue,
        mode=RunMode.LIVE,
        currency="USD",
        created_at=NOW,
        expires_at=EXPIRES,
        decision=RiskDecision(approved=intents, denied=(), verdicts=()),
    )


def approved(behind: Venue) -> ApprovedVenue:
    """The guard for the plan of one order, which the ledger says is being sent."""
    return ApprovedVenue(behind, plan(APPROVED), lambda cid: cid == APPROVED.client_order_id)


def submit(venue: Venue, intent: OrderIntent, now: datetime = NOW) -> SubmitResult:
    return asyncio.run(venue.submit(intent, now))


def test_an_approved_order_passes():
    behind = ScriptedVenue()

    result = submit(approved(behind), APPROVED)

    assert result.outcome is SubmitOutcome.ACCEPTED
    assert behind.submitted == [APPROVED.client_order_id]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_order_id": "order-b"},
        {"account": AccountId("other")},
        {"instrument_id": MSFT},
        {"side": OrderSide.SELL},
        {"order_qty": Decimal("10.000001")},
        {"limit_px": Decimal("99.01")},
        {"order_type": OrderType.STOP_LIMIT},
        {"time_in_force": TimeInForce.DAY},
        {"reduce_only": True},
        {"stop_px": Decimal(95)},
        {"trail_pct": Decimal("0.05")},
        {"post_only": True},
        {"display_qty": Decimal(1)},
        {"expire_at": NOW},
        {"not_before": NOW},
        {"parent_id": "p"},
        {"group_id": "g"},
    ],
)
def test_an_order_that_differs_in_any_term_is_not_sent(changes: dict[str, object]):
    behind = ScriptedVenue()
    guarded = approved(behind)

    with pytest.raises(SafetyViolation, match="is not, in exactly its terms, in the approved plan"):
        submit(guarded, make_intent(**({"limit_px": Decimal(99)} | changes)))
    assert behind.submitted == []


def test_the_same_number_written_otherwise_is_the_same_order():
    """The ledger gives quantities back with twelve places."""
    stored = make_intent(limit_px=Decimal("99.000000000000"), order_qty=Decimal("10.000000000000"))

    assert submit(approved(ScriptedVenue()), stored).reason == ""


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=1)])
def test_nothing_is_sent_from_the_moment_the_plan_expires(late: timedelta):
    behind = ScriptedVenue()

    with pytest.raises(ApprovalRefused, match="the approved plan expired at"):
        submit(approved(behind), APPROVED, EXPIRES + late)
    assert behind.submitted == []
    last = EXPIRES - timedelta(microseconds=1)
    assert submit(approved(behind), APPROVED, last).reason == ""


def test_a_plan_for_another_venue_builds_nothing():
    with pytest.raises(ApprovalRefused, match="the plan is for venue kraken, not scripted"):
        ApprovedVenue(ScriptedVenue(), plan(APPROVED, venue=VenueId("kraken")))


def test_everything_but_submit_passes_through():
    """Cancels above all: an expired approval must not keep us from getting out."""
    behind = ScriptedVenue(fills=False)
    guarded = approved(behind)
    submit(guarded, APPROVED)
    order = Order(intent=APPROVED, status=S.ACCEPTED)

    async def use() -> None:
        assert len(await guarded.open_orders()) == 1
        canceled = await guarded.cancel(order, EXPIRES)
        assert canceled.outcome is SubmitOutcome.ACCEPTED
        found = await guarded.lookup(order, NOW)
        assert found.outcome is LookupOutcome.FOUND
        assert found.report is not None
        assert found.report.status is S.CANCELED
        assert await guarded.fills(NOW) == await guarded.positions() == ()
        assert (await guarded.balances())[0].cash == Decimal(100_000)
        await guarded.on_market([], NOW)
        assert await guarded.account_uid() == "scripted"
        assert guarded.capabilities(APPROVED.instrument_id) is EVERYTHING
        assert await guarded.quantize(APPROVED) == APPROVED
        assert await guarded.transfers(NOW) == ()
        behind.clock = lambda: NOW
        assert await guarded.server_time() == NOW
        assert await guarded.permissions() == Permissions(trade=True, withdraw=False)
        await guarded.close()

    asyncio.run(use())
    assert isinstance(guarded, Venue)


STOP = make_intent(
    "stop",
    side=OrderSide.SELL,
    reduce_only=True,
    order_type=OrderType.STOP,
    stop_px=Decimal(95),
    group_id="order-a",
    parent_id="order-a",
)
DUE = as_sent(STOP, OrderType.MARKET)


@pytest.mark.parametrize(
    ("sent", "covered"),
    [
        (STOP, True),
        (DUE, True),
        (replace(DUE, order_qty=Decimal(4)), True),
        (replace(DUE, order_qty=Decimal("10.1")), False),
        (replace(DUE, order_qty=Decimal(0)), False),
        (replace(DUE, side=OrderSide.BUY), False),
        (replace(DUE, reduce_only=False), False),
        (replace(DUE, order_type=OrderType.LIMIT, limit_px=Decimal(94)), False),
        (replace(STOP, stop_px=Decimal(94)), False),
    ],
)
def test_a_stop_covers_what_it_goes_out_as_and_nothing_else(sent: OrderIntent, covered: bool):
    assert covers(STOP, sent) is covered


def test_less_of_an_order_that_opens_is_not_what_was_approved():
    assert not covers(APPROVED, replace(APPROVED, order_qty=Decimal(9)))
    gtd = replace(APPROVED, time_in_force=TimeInForce.GTD, expire_at=EXPIRES)
    assert covers(gtd, replace(gtd, time_in_force=TimeInForce.GTC))
    assert not covers(gtd, replace(gtd, time_in_force=TimeInForce.IOC))


def test_what_protects_may_be_sent_long_after_its_plan_and_nothing_else():
    """A stop that was approved with its entry is due when its price comes, not before the form."""
    behind = ScriptedVenue()
    opens = replace(APPROVED, client_order_id=ClientOrderId("opens"))
    guarded = ApprovedVenue(
        behind, None, lambda _: True, {i.client_order_id: i for i in (STOP, opens)}.get
    )
    late = EXPIRES + timedelta(days=30)

    assert submit(guarded, DUE, late).outcome is SubmitOutcome.ACCEPTED
    with pytest.raises(ApprovalRefused, match="no person approved a plan with it"):
        submit(guarded, opens, late)
    with pytest.raises(ApprovalRefused, match="in the approved plan of its entry"):
        submit(guarded, replace(DUE, order_qty=Decimal(11)), late)
    assert behind.submitted == ["stop"]


def test_a_leg_of_the_plan_may_be_sent_after_the_plan_has_expired():
    guarded = ApprovedVenue(ScriptedVenue(), plan(APPROVED, STOP), lambda _: True)

    assert submit(guarded, DUE, EXPIRES).outcome is SubmitOutcome.ACCEPTED
    with pytest.raises(ApprovalRefused, match="expired"):
        submit(guarded, APPROVED, EXPIRES)


@pytest.mark.parametrize(
    ("qty", "limit_px", "passes"),
    [(10, 99, True), (4, 99, True), (10, 98, True), (11, 99, False), (10, 100, False)],
)
def test_an_order_may_be_amended_to_less_and_to_no_worse_price(
    qty: int, limit_px: int, passes: bool
):
    behind = ScriptedVenue(fills=False)
    guarded = approved(behind)
    submit(guarded, APPROVED)
    order = Order(intent=APPROVED, status=S.ACCEPTED)
    change = guarded.amend(order, Decimal(qty), Decimal(limit_px), NOW)

    if passes:
        assert asyncio.run(change).outcome is SubmitOutcome.ACCEPTED
    else:
        with pytest.raises(ApprovalRefused, match="is more, or worse, than what was approved"):
            asyncio.run(change)


def test_a_stream_that_breaks_says_so_without_the_librarys_text():
    class Leaky(ScriptedVenue):
        async def hints(self) -> AsyncIterator[OrderHint]:
            yield OrderHint(client_order_id=None, venue_order_id=None, ts_event=NOW)
            raise RuntimeError("wss://x/?listenKey=SECRET123")

    async def listen() -> list[OrderHint]:
        return [hint async for hint in ApprovedVenue(Leaky()).hints()]

    with pytest.raises(VenueUnavailable, match=r"^the venue's stream broke: RuntimeError$"):
        asyncio.run(listen())


def test_what_the_ledger_does_not_say_is_being_sent_is_not():
    """An approval that was used covers nothing that has left before."""
    behind = ScriptedVenue()
    guarded = ApprovedVenue(behind, plan(APPROVED))

    with pytest.raises(ApprovalRefused, match="being sent now"):
        submit(guarded, APPROVED)

    assert behind.submitted == []


def test_what_a_library_says_does_not_come_through():
    """Its text may quote the request, keys and all."""

    class Leaky(ScriptedVenue):
        async def balances(self) -> tuple[BalanceReport, ...]:
            raise RuntimeError("GET /account?apiKey=SECRET123")

    with pytest.raises(VenueUnavailable) as error:
        asyncio.run(ApprovedVenue(Leaky()).balances())

    assert str(error.value) == "the venue did not answer: RuntimeError"
    assert error.value.__cause__ is None


def test_every_refusal_is_told_whatever_the_caller_makes_of_the_error():
    told: list[str] = []
    guarded = ApprovedVenue(
        ScriptedVenue(), plan(APPROVED), lambda _: False, lambda _: None, told.append
    )
    order = Order(intent=APPROVED, status=S.ACCEPTED)

    for attempt in (
        guarded.submit(make_intent("other"), NOW),
        guarded.submit(APPROVED, NOW),
        guarded.submit(APPROVED, EXPIRES),
        guarded.amend(order, Decimal(11), Decimal(99), NOW),
    ):
        with pytest.raises(ApprovalRefused) as refusal:
            asyncio.run(attempt)
        assert told[-1] == str(refusal.value)
    assert len(told) == 4
