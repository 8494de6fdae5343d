from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from data.store.approvals import ApprovalStatus
from data.store.books import Books
from execution.errors import ApprovalRefused, InvariantBroken, SafetyViolation
from execution.model.enums import RunMode
from execution.model.identifiers import AccountId, RunId
from execution.model.plan import Approval, RiskDecision, TradingPlan
from tests.execution.examples import ACCOUNT, NOW, VENUE, make_intent

RUN = RunId("run-abc")
HOUR = timedelta(hours=1)


def make_plan(order_qty: str = "10", **changes: object) -> TradingPlan:
    intent = make_intent(order_qty=Decimal(order_qty))
    plan = TradingPlan(
        run_id=RUN,
        account=ACCOUNT,
        venue=VENUE,
        mode=RunMode.LIVE,
        currency="USD",
        created_at=NOW,
        expires_at=NOW + HOUR,
        decision=RiskDecision(approved=(intent,), denied=(), verdicts=()),
    )
    return replace(plan, **changes)


def approve(books: Books, plan: TradingPlan) -> Approval:
    books.approvals.request("appr-1", plan, '{"plan": 1}', NOW)
    books.approvals.decide("appr-1", ApprovalStatus.APPROVED, "ada", "looks right", NOW)
    request = books.approvals.get("appr-1")
    assert request is not None
    assert request.approval is not None
    return request.approval


def test_a_request_is_kept_as_it_was_shown_and_decided(books: Books):
    plan = make_plan()
    books.approvals.request("appr-1", plan, '{"plan": 1}', NOW)
    [waiting] = books.approvals.of(RUN)
    books.approvals.decide("appr-1", ApprovalStatus.REFUSED, "ada", "too big", NOW + HOUR / 2)
    [refused] = books.approvals.of(RUN)

    assert (ApprovalStatus.WAITING, '{"plan": 1}', plan.digest, ACCOUNT, NOW, NOW + HOUR) == (
        waiting.status,
        waiting.plan,
        waiting.plan_digest,
        waiting.account,
        waiting.requested_at,
        waiting.expires_at,
    )
    assert waiting.approval is None
    assert refused.approval is None
    assert (
        refused.status,
        refused.approver,
        refused.reason,
        refused.decided_at,
    ) == (ApprovalStatus.REFUSED, "ada", "too big", NOW + HOUR / 2)


def test_asking_again_for_the_same_plan_changes_nothing(books: Books):
    approval = approve(books, make_plan())

    books.approvals.request("appr-1", make_plan(), "{}", NOW + HOUR)

    request = books.approvals.get("appr-1")
    assert request is not None
    assert approval == request.approval
    assert books.approvals.count(make_plan().digest) == 1
    with pytest.raises(InvariantBroken, match="was asked for another plan"):
        books.approvals.request("appr-1", make_plan("11"), "{}", NOW)


def test_a_decision_is_final(books: Books):
    approve(books, make_plan())

    with pytest.raises(SafetyViolation, match="approved already"):
        books.approvals.decide("appr-1", ApprovalStatus.REFUSED, "bob", "", NOW)
    with pytest.raises(SafetyViolation, match="not known"):
        books.approvals.decide("appr-2", ApprovalStatus.REFUSED, "bob", "", NOW)


def test_nobody_s_yes_and_a_late_yes_are_no(books: Books):
    books.approvals.request("appr-1", make_plan(), "{}", NOW)

    with pytest.raises(SafetyViolation, match="nobody's name"):
        books.approvals.decide("appr-1", ApprovalStatus.APPROVED, "", "", NOW)
    with pytest.raises(ApprovalRefused, match="expired at"):
        books.approvals.decide("appr-1", ApprovalStatus.APPROVED, "ada", "", NOW + HOUR)
    with pytest.raises(InvariantBroken, match="used is not a decision"):
        books.approvals.decide("appr-1", ApprovalStatus.USED, "ada", "", NOW)


def test_an_approval_is_good_once(books: Books):
    approval = approve(books, make_plan())

    books.approvals.redeem(approval, make_plan(), NOW + HOUR / 2)

    [request] = books.approvals.of(RUN)
    assert (request.status, request.used_at) == (ApprovalStatus.USED, NOW + HOUR / 2)
    with pytest.raises(ApprovalRefused, match=r"was used already at .*; nothing more is sent"):
        books.approvals.redeem(approval, make_plan(), NOW + HOUR / 2)


@pytest.mark.parametrize(
    ("claimed", "plan", "at", "message"),
    [
        ({"approval_id": "appr-2"}, {}, 0, "no such approval"),
        ({}, {"order_qty": "11"}, 0, "the digest is of another plan"),
        ({"digest": make_plan("11").digest}, {"order_qty": "11"}, 0, "digest is of another plan"),
        ({"digest": "0" * 64}, {}, 0, "the digest is of another plan"),
        ({"run_id": RunId("other")}, {}, 0, "not as presented"),
        ({"approver": "bob"}, {}, 0, "was given by ada to run run-abc, not as presented"),
        ({"expires_at": NOW + 9 * HOUR}, {}, 1, "expired at"),  # the row counts
    ],
)
def test_an_approval_that_is_not_exactly_right_is_refused(
    books: Books, claimed: dict[str, object], plan: dict[str, str], at: int, message: str
):
    approval = approve(books, make_plan())

    with pytest.raises(ApprovalRefused, match=message):
        books.approvals.redeem(
            replace(approval, **claimed),
            make_plan(**plan),
            NOW + at * HOUR,
        )

    [request] = books.approvals.of(RUN)
    assert ApprovalStatus.APPROVED is request.status


@pytest.mark.parametrize("status", [None, ApprovalStatus.REFUSED, ApprovalStatus.EXPIRED])
def test_a_request_without_a_yes_is_refused(books: Books, status: ApprovalStatus | None):
    plan = make_plan()
    books.approvals.request("appr-1", plan, "{}", NOW)
    if status is not None:
        books.approvals.decide("appr-1", status, None, "", NOW)
    forged = Approval(
        approval_id="appr-1",
        run_id=RUN,
        digest=plan.digest,
        approver="ada",
        decided_at=NOW,
        expires_at=NOW + HOUR,
    )

    with pytest.raises(ApprovalRefused, match=f"is {status or 'waiting'}, not approved"):
        books.approvals.redeem(forged, plan, NOW)


def test_an_approval_of_another_account_s_row_is_refused(books: Books):
    """The digest covers run and account; the row must name them too."""
    approval = approve(books, make_plan())
    books.session.rows("UPDATE approvals SET account = ?", AccountId("other"))

    with pytest.raises(ApprovalRefused, match="is for run run-abc on account other"):
        books.approvals.redeem(approval, make_plan(), NOW)


def test_only_the_plan_that_an_approval_was_redeemed_for_may_be_sent(books: Books):
    approval, plan = approve(books, make_plan()), make_plan()
    with pytest.raises(ApprovalRefused, match="was not redeemed; nothing was sent"):
        books.approvals.require_redeemed(approval, plan)

    books.approvals.redeem(approval, plan, NOW)

    books.approvals.require_redeemed(approval, plan)
    with pytest.raises(ApprovalRefused, match="was redeemed for another plan"):
        books.approvals.require_redeemed(approval, make_plan("11"))


def test_a_yes_that_was_taken_back_is_worth_nothing(books: Books):
    approval = approve(books, make_plan())

    books.approvals.void(approval.approval_id, "prices moved", NOW)

    with pytest.raises(ApprovalRefused, match="is expired, not approved"):
        books.approvals.redeem(approval, make_plan(), NOW)


def test_a_yes_that_was_used_cannot_be_taken_back(books: Books):
    approval = approve(books, make_plan())
    books.approvals.redeem(approval, make_plan(), NOW)

    books.approvals.void(approval.approval_id, "prices moved", NOW)

    [request] = books.approvals.of(RUN)
    assert ApprovalStatus.USED is request.status
