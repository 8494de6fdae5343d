import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from execution.errors import ApprovalRefused, SafetyViolation, VenueUnavailable
from execution.model.enums import OrderSide, OrderType, RunMode, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, RunId, VenueId
from execution.model.order import OrderIntent
from execution.model.plan import RiskDecision, TradingPlan
from execution.model.reports import BalanceReport
from execution.venues.approved import ApprovedVenue
from execution.venues.base import LookupOutcome, SubmitOutcome, SubmitResult, Venue
from tests.execution.examples import ACCOUNT, MSFT, NOW, VENUE, make_intent
from tests.scripted_venue import ScriptedVenue

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
    placed = submit(guarded, APPROVED)
    assert placed.venue_order_id is not None
    venue_order_id = placed.venue_order_id

    async def use() -> None:
        assert len(await guarded.open_orders()) == 1
        canceled = await guarded.cancel(APPROVED.client_order_id, venue_order_id, EXPIRES)
        assert canceled.outcome is SubmitOutcome.ACCEPTED
        found = await guarded.lookup(APPROVED.client_order_id)
        assert found.outcome is LookupOutcome.FOUND
        assert found.report is not None
        assert found.report.status is S.CANCELED
        assert await guarded.fills(NOW) == await guarded.positions() == ()
        assert (await guarded.balances())[0].cash == Decimal(100_000)
        await guarded.on_market([], NOW)

    asyncio.run(use())
    assert isinstance(guarded, Venue)


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
