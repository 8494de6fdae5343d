from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from execution.model.approval import ApprovalRules
from execution.model.enums import OrderSide, OrderType, RunMode, TimeInForce
from execution.model.identifiers import AccountId, ClientOrderId, RunId, VenueId
from execution.model.order import OrderIntent
from execution.model.plan import RiskDecision, TradingPlan, Verdict
from tests.execution.examples import ACCOUNT, MSFT, NOW, VENUE, make_intent


def make_plan(*intents: OrderIntent, **changes: object) -> TradingPlan:
    values: dict[str, object] = {
        "run_id": RunId("run-1"),
        "account": ACCOUNT,
        "venue": VENUE,
        "mode": RunMode.LIVE,
        "currency": "USD",
        "created_at": NOW,
        "expires_at": NOW + timedelta(minutes=15),
        "decision": RiskDecision(approved=intents, denied=(), verdicts=()),
    }
    return TradingPlan(**(values | changes))


PLAN = make_plan(make_intent("a", limit_px=Decimal(99)), make_intent("b", instrument_id=MSFT))


def test_a_plan_knows_its_orders_and_their_worth():
    assert [intent.client_order_id for intent in PLAN.intents] == ["a", "b"]
    assert PLAN.notional == Decimal(2_000)
    assert make_plan().notional == 0


def test_a_plan_says_how_many_people_it_needs_and_what_it_opens():
    closing = make_intent("c", side=OrderSide.SELL, reduce_only=True)
    plan = make_plan(*PLAN.intents, closing, rules=ApprovalRules(two_person_above=Decimal(2_999)))

    assert (plan.notional, plan.opens_notional) == (3_000, 2_000)
    assert (plan.people_needed, PLAN.people_needed) == (2, 1)


def test_the_digest_is_64_hex_digits_and_the_same_for_the_same_plan():
    again = make_plan(make_intent("a", limit_px=Decimal(99)), make_intent("b", instrument_id=MSFT))

    assert PLAN.digest == again.digest
    assert len(PLAN.digest) == len(f"{int(PLAN.digest, 16):064x}") == 64


def test_the_digest_does_not_depend_on_how_a_number_is_written():
    """A plan read back from the ledger has twelve places, and must still be the plan."""
    stored = make_plan(
        make_intent("a", limit_px=Decimal("99.000000000000"), order_qty=Decimal("1E+1")),
        make_intent("b", instrument_id=MSFT, px_ref=Decimal("100.000000000000")),
    )

    assert stored.digest == PLAN.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"run_id": RunId("run-2")},
        {"account": AccountId("other")},
        {"venue": VenueId("kraken")},
        {"mode": RunMode.PAPER},
        {"created_at": NOW + timedelta(seconds=1)},
        {"expires_at": NOW + timedelta(hours=1)},
        {"rules": ApprovalRules(two_person_above=Decimal(1_000))},
        {"rules": ApprovalRules(two_person_above=Decimal(1_000_000))},
        {"rules": ApprovalRules(notional_max=Decimal(1_000_000))},
        {"rules": ApprovalRules(daily_notional_max=Decimal(1_000_000))},
        {"rules": ApprovalRules(approvers=("Ann",))},
    ],
)
def test_where_and_when_change_the_digest(changes: dict[str, object]):
    assert replace(PLAN, **changes).digest != PLAN.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"client_order_id": ClientOrderId("c")},
        {"instrument_id": MSFT},
        {"side": OrderSide.SELL},
        {"order_qty": Decimal("10.000000000001")},
        {"order_type": OrderType.STOP_LIMIT},
        {"limit_px": Decimal("99.01")},
        {"limit_px": None},
        {"time_in_force": TimeInForce.IOC},
        {"reduce_only": True},
        {"px_ref": Decimal(101)},
        {"stop_px": Decimal(95)},
        {"trail_pct": Decimal("0.05")},
        {"post_only": True},
        {"display_qty": Decimal(1)},
        {"expire_at": NOW},
        {"not_before": NOW},
        {"parent_id": ClientOrderId("p")},
        {"group_id": "g"},
    ],
)
def test_every_term_of_an_order_changes_the_digest(changes: dict[str, object]):
    changed = make_plan(replace(PLAN.intents[0], **changes), PLAN.intents[1])

    assert changed.digest != PLAN.digest


def test_more_fewer_or_reordered_orders_change_the_digest():
    first, second = PLAN.intents

    digests = {make_plan(*each).digest for each in ([first], [second, first], [first, second], [])}

    assert len(digests) == 4


def test_denials_are_the_checks_that_said_no_to_that_order():
    def verdict(key: str, check: str, passed: bool) -> Verdict:
        return Verdict(client_order_id=ClientOrderId(key), check=check, passed=passed, facts="")

    no = verdict("a", "notional", False)
    verdicts = (verdict("a", "session", True), no, verdict("b", "notional", False))

    assert RiskDecision(approved=(), denied=(), verdicts=verdicts).denials(no.client_order_id) == (
        no,
    )
