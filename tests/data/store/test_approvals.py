from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data.store import migrate
from data.store.approvals import ApprovalRequest, ApprovalStatus
from data.store.books import Books
from data.store.connection import Ledger
from execution.errors import ApprovalRefused, InvariantBroken, SafetyViolation
from execution.model.approval import ApprovalRules
from execution.model.enums import OrderSide, RunMode
from execution.model.identifiers import AccountId, RunId
from execution.model.plan import Approval, RiskDecision, TradingPlan
from tasks.encoding import plan_document
from tests.execution.examples import ACCOUNT, NOW, VENUE, make_intent

RUN = RunId("run-abc")
HOUR = timedelta(hours=1)
TWO = ApprovalRules(two_person_above=Decimal(0))


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


def approve(
    books: Books, plan: TradingPlan, key: str = "appr-1", by: str = "ada", **asked: str
) -> Approval:
    books.approvals.request(key, plan, plan_document(plan), NOW, **asked)
    books.approvals.decide(key, ApprovalStatus.APPROVED, by, "looks right", NOW)
    request = books.approvals.get(key)
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


def test_a_plan_for_two_is_worth_nothing_with_one_signature(books: Books):
    plan = make_plan(rules=TWO)
    first = approve(books, plan)

    with pytest.raises(ApprovalRefused, match="1 of 2 different people approved the plan"):
        books.approvals.redeem(first, plan, NOW)
    second = approve(books, plan, "appr-2", "bob")
    books.approvals.redeem(second, plan, NOW)

    rows = books.approvals.of(RUN)
    assert [(r.signature, r.signatures_needed, r.status) for r in rows] == [
        (1, 2, ApprovalStatus.USED),
        (2, 2, ApprovalStatus.USED),
    ]
    books.approvals.require_redeemed(first, plan)
    books.session.rows("DELETE FROM approvals WHERE approval_id = 'appr-2'")
    with pytest.raises(ApprovalRefused, match="1 of 2 different people"):
        books.approvals.require_redeemed(first, plan)


@pytest.mark.parametrize("again", ["ada", " ADA ", "a\u200bda", "\uff41da"])
def test_one_person_does_not_sign_twice_however_the_name_is_written(books: Books, again: str):
    plan = make_plan(rules=TWO)
    approve(books, plan)
    second = approve(books, plan, "appr-2", again)

    with pytest.raises(ApprovalRefused, match="has approved the plan already"):
        books.approvals.redeem(second, plan, NOW)


def test_signatures_count_for_the_same_plan_and_while_they_are_good(books: Books):
    plan, other = make_plan(rules=TWO), make_plan("11", rules=TWO)
    approve(books, other, "appr-1", "ada")
    second = approve(books, plan, "appr-2", "bob")
    with pytest.raises(ApprovalRefused, match="1 of 2"):
        books.approvals.redeem(second, plan, NOW)

    approve(books, plan, "appr-3", "cid")
    sql = "UPDATE approvals SET expires_at = ? WHERE approval_id = 'appr-3'"
    books.session.rows(sql, NOW)
    with pytest.raises(ApprovalRefused, match="appr-3 expired at"):
        books.approvals.redeem(second, plan, NOW)


def test_the_word_of_somebody_who_may_not_approve_does_not_count(books: Books):
    listed = make_plan(rules=ApprovalRules(approvers=("Bob", "Cid")))
    with pytest.raises(ApprovalRefused, match=r"ada is not one of approval\.approvers: Bob, Cid"):
        books.approvals.redeem(approve(books, listed), listed, NOW)

    plan = make_plan()
    own = approve(books, plan, "appr-2", "Ada ", triggered_by="user ada", trigger_user="ada")
    with pytest.raises(ApprovalRefused, match="Ada  started the run, and somebody else must"):
        books.approvals.redeem(own, plan, NOW)


def test_a_row_that_was_made_another_plan_s_is_refused(books: Books):
    """The digest beside it was changed, what the person had read was not."""
    other, plan = make_plan("11"), make_plan()
    approval = approve(books, other)
    books.session.rows("UPDATE approvals SET plan_digest = ?", plan.digest)

    with pytest.raises(ApprovalRefused, match="what the person was shown is another plan"):
        books.approvals.redeem(replace(approval, digest=plan.digest), plan, NOW)


@pytest.mark.parametrize(("limit", "passes"), [("1000", True), ("999.999999999999", False)])
def test_an_approval_covers_no_more_than_one_may(books: Books, limit: str, passes: bool):
    plan = make_plan(rules=ApprovalRules(notional_max=Decimal(limit)))
    approval = approve(books, plan)

    if passes:
        books.approvals.redeem(approval, plan, NOW)
    else:
        with pytest.raises(ApprovalRefused, match=r"opens 1000.*approval.notional_max=999.9"):
            books.approvals.redeem(approval, plan, NOW)


def test_the_day_s_approved_plans_are_added_up(books: Books):
    """Used ones of this day in UTC, and those that may still be used; signatures once a plan."""
    rules = ApprovalRules(daily_notional_max=Decimal(2_500), two_person_above=Decimal(0))
    monday, tonight = make_plan("10", rules=rules), make_plan("15", rules=rules)
    for key, by in (("m1", "ada"), ("m2", "bob")):
        first = approve(books, monday, key, by)
    assert books.approvals.opened_today(tonight, NOW) == 1_000  # approved, not used yet
    assert books.approvals.opened_today(tonight, NOW + HOUR) == 0  # it has expired
    books.approvals.redeem(first, monday, NOW)
    assert books.approvals.opened_today(tonight, NOW + HOUR) == 1_000
    midnight = (NOW + timedelta(days=1)).replace(hour=0, minute=0)
    assert books.approvals.opened_today(tonight, midnight) == 0

    for key, by in (("t1", "ada"), ("t2", "bob")):
        second = approve(books, tonight, key, by)
    more = make_plan("15.000000000001", rules=rules)
    for key, by in (("x1", "ada"), ("x2", "bob")):
        third = approve(books, more, key, by)
    books.approvals.void("x1", "not this one", NOW)
    books.approvals.redeem(second, tonight, NOW)  # exactly 2,500
    with pytest.raises(ApprovalRefused, match="is expired, not approved"):
        books.approvals.redeem(third, more, NOW)
    for key, by in (("y1", "ada"), ("y2", "bob")):
        third = approve(books, more, key, by)
    with pytest.raises(ApprovalRefused, match=r"daily_notional_max=2500"):
        books.approvals.redeem(third, more, NOW)


def test_what_only_reduces_is_never_held_up_by_a_cap(books: Books):
    """Getting out must not be harder than getting in."""
    intent = make_intent(order_qty=Decimal(10), reduce_only=True, side=OrderSide.SELL)
    caps = ApprovalRules(notional_max=Decimal(1), daily_notional_max=Decimal(1))
    decision = RiskDecision(approved=(intent,), denied=(), verdicts=())
    plan = make_plan(decision=decision, rules=caps)

    books.approvals.redeem(approve(books, plan), plan, NOW)

    [request] = books.approvals.of(RUN)
    assert (request.notional, request.opens_notional, request.orders) == (1_000, 0, 1)


def test_who_waits_and_who_was_asked_last(books: Books):
    books.approvals.request("appr-1", make_plan(), "{}", NOW)
    books.approvals.request("appr-2", make_plan("11"), "{}", NOW + HOUR / 2)

    def keys(found: tuple[ApprovalRequest, ...]) -> list[str]:
        return [request.approval_id for request in found]

    assert keys(books.approvals.recent([ACCOUNT], 9)) == ["appr-2", "appr-1"]
    assert keys(books.approvals.recent([ACCOUNT], 1)) == ["appr-2"]
    books.approvals.decide("appr-2", ApprovalStatus.REFUSED, "ada", "", NOW)
    assert keys(books.approvals.waiting([ACCOUNT], NOW)) == ["appr-1"]
    assert keys(books.approvals.waiting([ACCOUNT], NOW + HOUR)) == []
    assert keys(books.approvals.waiting([AccountId("other")], NOW)) == []


def test_approvals_of_an_older_ledger_are_brought_up_with_what_they_were_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A day that began before the update counts towards the day's cap."""
    known = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda *_: known[:2])
    path, plan = tmp_path / "ledger.duckdb", make_plan()
    with Ledger(path).transaction() as books:
        texts = {"appr-1": plan_document(plan), "appr-2": "{}", "appr-3": "not JSON"}
        rows = [
            (key, RUN, ACCOUNT, plan.digest, text, "used", "ada", "", NOW, NOW + HOUR, NOW, NOW)
            for key, text in texts.items()
        ]
        books.session.insert("approvals", rows)
    monkeypatch.undo()

    with Ledger(path).transaction() as books:
        found = books.approvals.of(RUN)
        opened = books.approvals.opened_today(make_plan("11"), NOW)

    assert [(r.orders, r.notional, r.opens_notional) for r in found] == [
        (1, 1_000, 1_000),
        (0, 0, 0),
        (0, 0, 0),
    ]
    assert {(r.signature, r.signatures_needed, r.triggered_by) for r in found} == {
        (1, 1, "not recorded")
    }
    assert opened == 1_000
