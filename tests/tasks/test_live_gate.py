"""Every way round the live gate that we could think of; each time nothing is sent.

The venue is scripted and writes each order it is given to a file, so "nothing is sent" is
what the venue saw, not what we believe. Each way also leaves no order that the books call
sent, and an alert that a person gets to see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from prefect.logging import disable_run_logger

from data.store.approvals import ApprovalStatus
from execution.errors import ApprovalRefused, ConfigInvalid, SafetyViolation
from execution.model.approval import ApprovalRules
from execution.model.enums import OrderSide, OrderType, RunMode, Topic, TradingState
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId, RunId, VenueId
from execution.model.order import Order
from execution.model.plan import APPROVAL_PHRASE, Approval
from flows import approval as gate
from flows.approval import LiveApproval, _problem, drift
from tasks import wiring
from tasks.risk import Planned
from tasks.started_by import StartedBy
from tests.cycles import finish_cycle, plan_cycle, run_cycle
from tests.tasks.live import (
    CONFIG,
    Ready,
    alerts,
    enable_live,
    log,
    ready,
    sent,
    set_state,
    template,
    written_as_sent,
)

__all__ = ["CONFIG", "Ready", "enable_live", "log", "ready", "sent", "set_state", "template"]

Way = Callable[[Ready], object]
REFUSALS = {Topic.RUN_REFUSED, Topic.RUN_FAILED, Topic.SAFETY_VIOLATION}
TWO = {"two_person_above": 0}
DAY = timedelta(days=1)


def test_with_everything_in_place_exactly_the_approved_orders_are_sent(ready: Ready):
    """The control: without it, all the tests below would pass on a gate that is bricked up."""
    planned = Planned(plan=ready.plan, skipped=())
    finish_cycle(ready.cycle, ready.market, planned, ready.approve())
    assert sent(ready.log) == written_as_sent() == len(ready.plan.intents)
    assert alerts() == []
    with wiring.open_ledger().reading() as books:
        assert books.discrepancies.open(CONFIG.account_id) == ()


def test_two_people_within_the_caps_are_enough(ready: Ready):
    """The control of the rules: the day's limit to the cent, and both on the list."""
    worth = ready.plan.notional
    strict = ready.ruled(
        two_person_above=worth - 1,
        notional_max=worth,
        daily_notional_max=worth,
        approvers=["Ann", "Bob"],
    )
    strict.approve(approver="ann")
    strict.execute(strict.approve(approver="BOB", trigger_user="cid"))
    assert sent(ready.log) == len(ready.plan.intents)


# --- the configuration, the environment, the installation ---


def told(**changes: object) -> Way:
    """A run that was told something else."""
    return lambda ready: run_cycle(CONFIG.model_copy(update=changes))


def environment(name: str, value: str | None) -> Way:
    def way(ready: Ready) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(name) if value is None else patch.setenv(name, value)
            run_cycle(CONFIG)

    return way


def not_enabled(ready: Ready) -> None:
    enable_live(False)
    run_cycle(CONFIG)


def in_another_home(ready: Ready) -> None:
    """Another ledger knows of no consent, and keeps its own alerts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGENT_HOME", str(wiring.settings().home / "another"))
        try:
            run_cycle(CONFIG)
        finally:
            assert {topic for topic, _ in alerts()} == {Topic.RUN_REFUSED}
            wiring.open_ledger().path.replace(wiring.settings().home.parent / "ledger.duckdb")


SWITCHES: dict[str, tuple[Way, str]] = {
    "dry_run is true": (told(dry_run=True), "dry_run"),
    "confirm_live is false": (told(confirm_live=False), "confirm_live"),
    "on replayed bars": (told(feed="sample"), "replay"),
    "on bars of the past": (told(as_of=datetime(2013, 3, 1, tzinfo=UTC)), "replay"),
    "ALLOW_LIVE not set": (environment("REGENT_ALLOW_LIVE", None), "REGENT_ALLOW_LIVE"),
    "ALLOW_LIVE false": (environment("REGENT_ALLOW_LIVE", "false"), "REGENT_ALLOW_LIVE"),
    "confirmation not set": (environment("REGENT_LIVE_CONFIRMATION", None), "CONFIRMATION"),
    "confirmation as it is typed": (
        environment("REGENT_LIVE_CONFIRMATION", APPROVAL_PHRASE),
        "CONFIRMATION",
    ),
    "confirmation true": (environment("REGENT_LIVE_CONFIRMATION", "true"), "CONFIRMATION"),
    "live disabled here": (not_enabled, "live enable"),
    "from another home": (in_another_home, "live enable"),
    "under another name of the account": (told(account="other"), "a second name"),
    "a whole cycle without asking": (told(), "no person approved"),
}

# --- what is presented as an approval ---


def executes(given: Callable[[Ready], Approval | None]) -> Way:
    """The plan is executed with what is no approval of it."""
    return lambda ready: ready.execute(given(ready))


def forged(ready: Ready) -> Approval:
    now = wiring.wall_clock()
    return Approval(
        approval_id="made-up",
        run_id=ready.plan.run_id,
        digest=ready.plan.digest,
        approver="Mallory",
        decided_at=now,
        expires_at=now + DAY,
    )


def asked_only(ready: Ready) -> Approval:
    return ready.approve(status=ApprovalStatus.WAITING)


def refused(ready: Ready) -> Approval:
    return ready.approve(status=ApprovalStatus.REFUSED)


def void(ready: Ready) -> Approval:
    approval = ready.approve()
    with wiring.open_ledger().transaction() as books:
        books.approvals.void(approval.approval_id, "prices moved", wiring.wall_clock())
    return approval


def of_another(**changes: object) -> Callable[[Ready], Approval]:
    return lambda ready: ready.approve(replace(ready.plan, **changes))  # type: ignore[arg-type]


def relabeled(ready: Ready) -> Approval:
    """Another plan's approval with this plan's digest written over it."""
    other = ready.approve(replace(ready.plan, created_at=wiring.wall_clock()))
    return replace(other, digest=ready.plan.digest)


def tampered(column: str, value: Callable[[Ready], str]) -> Callable[[Ready], Approval]:
    """The row was changed in the ledger after the person had answered."""

    def given(ready: Ready) -> Approval:
        approval = ready.approve()
        with wiring.open_ledger().transaction() as books:
            sql = f"UPDATE approvals SET {column} = ?"  # noqa: S608 - a name from above
            books.session.rows(sql, value(ready))
        return approval

    return given


def made_this_plan_s(ready: Ready) -> Approval:
    """Another plan's row, changed in the ledger to be of this one."""
    other = ready.approve(replace(ready.plan, created_at=wiring.wall_clock()))
    with wiring.open_ledger().transaction() as books:
        books.session.rows("UPDATE approvals SET plan_digest = ?", ready.plan.digest)
    return replace(other, digest=ready.plan.digest)


def expired(ready: Ready, *, longer: timedelta = timedelta(0)) -> None:
    """What counts is the row, not the object in hand."""
    plan = replace(ready.plan, expires_at=wiring.wall_clock() + timedelta(seconds=0.2))
    approval = ready.approve(plan)
    asyncio.run(asyncio.sleep(0.25))
    ready.execute(replace(approval, expires_at=plan.expires_at + longer), plan)


PAPERS: dict[str, tuple[Way, str]] = {
    "no approval at all": (executes(lambda ready: None), "no person approved"),
    "an approval made up": (executes(forged), "no such approval"),
    "a question nobody answered": (executes(asked_only), "is waiting, not approved"),
    "a refusal": (executes(refused), "is refused, not approved"),
    "an approval taken back": (executes(void), "is expired, not approved"),
    "an approval used already": (
        executes(lambda ready: ready.redeem(ready.approve())),
        r"was used already at .*; nothing more is sent",
    ),
    "an approval that has expired": (expired, "expired at"),
    "an expired one, made to look longer": (lambda r: expired(r, longer=DAY), "expired at"),
    "of another plan": (executes(of_another(created_at=datetime(2024, 1, 1, tzinfo=UTC))), "plan"),
    "of another account": (executes(of_another(account=AccountId("live/x/other"))), "plan"),
    "of another run": (executes(of_another(run_id=RunId("another"))), "digest"),
    "of the same plan in dry-run": (executes(of_another(mode=RunMode.DRY_RUN)), "digest"),
    "of the same plan elsewhere": (executes(of_another(venue=VenueId("kraken"))), "digest"),
    "with this plan's digest on it": (executes(relabeled), "digest is of another plan"),
    "under another name": (
        executes(lambda ready: replace(ready.approve(), approver="Mallory")),
        "not as presented",
    ),
    "a row moved to another plan": (executes(tampered("plan_digest", lambda r: "0" * 64)), "plan"),
    "a row made to be this plan's": (executes(made_this_plan_s), "was shown is another plan"),
    "a row of another account": (executes(tampered("account", lambda r: "other")), "account other"),
    "a row of another run": (executes(tampered("run_id", lambda r: "other")), "for run other"),
    "a row with nobody's name": (executes(tampered("approver", lambda r: "")), "not as presented"),
    "a row whose plan cannot be read": (executes(tampered("plan", lambda r: "{")), "another plan"),
}

# --- people, and how much they may approve ---


def one_signs_again(again: str) -> Way:
    def way(ready: Ready) -> None:
        strict = ready.ruled(**TWO)
        strict.approve()
        strict.execute(strict.approve(approver=again))

    return way


def one_of_two(ready: Ready) -> None:
    strict = ready.ruled(**TWO)
    strict.execute(strict.approve())


def the_first_for_another_plan(ready: Ready) -> None:
    strict = ready.ruled(**TWO)
    strict.approve(replace(strict.plan, created_at=wiring.wall_clock()))
    strict.execute(strict.approve(approver="Bob"))


def one_of_two_expired(ready: Ready) -> None:
    strict = ready.ruled(**TWO)
    first = strict.approve()
    with wiring.open_ledger().transaction() as books:
        sql = "UPDATE approvals SET expires_at = ? WHERE approval_id = ?"
        books.session.rows(sql, wiring.wall_clock(), first.approval_id)
    strict.execute(strict.approve(approver="Bob"))


def one_of_two_refused(ready: Ready) -> None:
    strict = ready.ruled(**TWO)
    strict.approve(status=ApprovalStatus.REFUSED)
    strict.execute(strict.approve(approver="Bob"))


def rules_lessened(ready: Ready) -> None:
    """Approved by one under rules for two, and executed under rules for one."""
    approval = ready.ruled(**TWO).approve()
    ready.execute(approval)


def rules_of_another_run(ready: Ready) -> None:
    """The plan's own rules are laxer than those of the run that is to send it."""
    ready.ruled(**TWO).execute(ready.approve(), ready.plan)


def laxer_than_the_installation(ready: Ready) -> None:
    """Whoever starts a run writes its configuration: what holds here is in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGENT_APPROVAL_TWO_PERSON_ABOVE", "0")
        lax = ready.ruled(two_person_above=10**9)
        lax.execute(lax.approve())


def not_on_the_list(ready: Ready) -> None:
    strict = ready.ruled(approvers=["Bob", "Cid"])
    strict.execute(strict.approve())


def by_who_started_it(ready: Ready) -> None:
    ready.execute(ready.approve(trigger_user="ANN "))


def worth_too_much(ready: Ready) -> None:
    strict = ready.ruled(notional_max=ready.plan.notional - Decimal("0.01"))
    strict.execute(strict.approve())


def the_day_s_second(ready: Ready) -> None:
    """Each within the cap, both together not: the first is used, nothing of it is sent."""
    strict = ready.ruled(daily_notional_max=ready.plan.notional * 2 - Decimal("0.01"))
    with strict.run() as first:
        first.redeem(first.approve())
    strict.execute(strict.approve())


PEOPLE: dict[str, tuple[Way, str]] = {
    "one of two people": (one_of_two, "1 of 2 different people"),
    "the same person twice": (one_signs_again("Ann"), "has approved the plan already"),
    "the same in other letters": (one_signs_again("ANN"), "has approved the plan already"),
    "the same with spaces": (one_signs_again("  ann "), "has approved the plan already"),
    "the same, invisibly longer": (one_signs_again("A\u200bnn"), "has approved the plan already"),
    "the first for another plan": (the_first_for_another_plan, "1 of 2 different people"),
    "one of two has expired": (one_of_two_expired, "expired at"),
    "one of two has refused": (one_of_two_refused, "1 of 2 different people"),
    "rules lessened afterwards": (rules_lessened, "digest is of another plan"),
    "a plan with laxer rules": (rules_of_another_run, "other rules of approval"),
    "laxer than this installation": (laxer_than_the_installation, "other rules of approval"),
    "somebody not on the list": (not_on_the_list, r"is not one of approval\.approvers: Bob, Cid"),
    "who started the run": (by_who_started_it, "started the run"),
    "more than one approval covers": (worth_too_much, r"approval\.notional_max"),
    "the day's second plan": (the_day_s_second, r"approval\.daily_notional_max"),
}

# --- changed between the answer and the send ---


def edited(**changes: object) -> Way:
    def way(ready: Ready) -> None:
        with ready.run() as run:
            run.execute(run.approve(), run.edited(**changes))

    return way


def an_order_more(ready: Ready) -> None:
    with ready.run() as run:
        more = replace(run.plan.intents[0], client_order_id=ClientOrderId("one-more"))
        decision = replace(run.plan.decision, approved=(*run.plan.intents, more))
        run.execute(run.approve(), replace(run.plan, decision=decision))


def changed(change: Callable[[pytest.MonkeyPatch], object]) -> Way:
    def way(ready: Ready) -> None:
        with pytest.MonkeyPatch.context() as patch, ready.run() as run:
            approval = run.approve()
            change(patch)
            run.execute(approval)

    return way


def by_another_run(ready: Ready) -> None:
    with ready.run() as other:
        other.execute(ready.approve(), ready.plan)


CHANGES: dict[str, tuple[Way, str]] = {
    "a quantity changed": (edited(order_qty=Decimal(1_000)), "another plan|no longer holds"),
    "a limit changed": (edited(limit_px=Decimal(1)), "another plan|no longer holds"),
    "a reference price changed": (edited(px_ref=Decimal(1)), "another plan|no longer holds"),
    "a stop changed": (edited(stop_loss=Decimal(1)), "another plan|no longer holds"),
    "said to reduce only": (edited(reduce_only=True), "another plan|no longer holds"),
    "an order added": (an_order_more, "another plan|no longer holds"),
    "executed by another run": (by_another_run, "of another run"),
    "live disabled meanwhile": (changed(lambda patch: enable_live(False)), "live enable"),
    "ALLOW_LIVE off meanwhile": (
        changed(lambda patch: patch.setenv("REGENT_ALLOW_LIVE", "false")),
        "REGENT_ALLOW_LIVE",
    ),
    "confirmation gone meanwhile": (
        changed(lambda patch: patch.delenv("REGENT_LIVE_CONFIRMATION")),
        "CONFIRMATION",
    ),
    "halted meanwhile": (changed(lambda patch: set_state(TradingState.HALTED)), "no longer holds"),
    "reducing meanwhile": (
        changed(lambda patch: set_state(TradingState.REDUCING)),
        "no longer holds",
    ),
}

# --- the venue itself, past every stage: no run is there to tell of it ---


def submits(given: Callable[[Ready], Approval | None], **changes: object) -> Way:
    """An order in these terms, straight to the live venue."""

    def way(ready: Ready) -> None:
        intent = replace(ready.plan.intents[0], **changes)  # type: ignore[arg-type]
        ready.submit(intent, given(ready))

    return way


def redeemed(ready: Ready) -> Approval:
    return ready.redeem(ready.approve())


def after_the_plan_s_time(ready: Ready) -> None:
    venue = wiring.build_venue(CONFIG, ready.market.traded, ready.plan, redeemed(ready))
    asyncio.run(venue.submit(ready.plan.intents[0], ready.plan.expires_at))


def for_another_account(ready: Ready) -> None:
    config = CONFIG.model_copy(update={"account": "other"})
    wiring.build_venue(config, ready.market.traded, ready.plan, redeemed(ready))


def redeemed_by_one_of_two(ready: Ready) -> None:
    """The row says used, and the plan needs two."""
    strict = ready.ruled(**TWO)
    approval = strict.approve()
    with wiring.open_ledger().transaction() as books:
        books.session.rows("UPDATE approvals SET status = 'used'")
    strict.submit(strict.plan.intents[0], approval)


def a_leg_nobody_approved(ready: Ready) -> None:
    """A stop that the ledger holds may go out without a plan in hand, but not this one."""
    stop = replace(
        ready.plan.intents[0],
        client_order_id=ClientOrderId("stop"),
        side=OrderSide.SELL,
        order_type=OrderType.STOP,
        stop_px=Decimal(1),
        reduce_only=True,
        leg="stop",
    )
    with wiring.open_ledger().transaction() as books:
        books.orders.commit_intents(ready.cycle.run_id, "digest", [stop], wiring.wall_clock())
    ready.submit(stop)


def amends(order_qty: Decimal, limit_px: Decimal | None) -> Way:
    def way(ready: Ready) -> None:
        intent = replace(ready.plan.intents[0], order_type=OrderType.LIMIT, limit_px=Decimal(100))
        venue = wiring.build_venue(CONFIG, ready.market.traded)
        order, now = Order(intent=intent, status=S.ACCEPTED), wiring.wall_clock()
        asyncio.run(venue.amend(order, intent.order_qty + order_qty, limit_px, now))

    return way


PAST_THE_STAGES: dict[str, tuple[Way, str]] = {
    "the venue without an approval": (submits(lambda ready: None), "no person approved"),
    "the venue on one made up": (submits(forged), "not redeemed"),
    "the venue on a question": (submits(asked_only), "not redeemed"),
    "the venue on a refusal": (submits(refused), "not redeemed"),
    "the venue on one not redeemed": (submits(lambda ready: ready.approve()), "not redeemed"),
    "the venue on another plan's": (
        lambda r: r.submit(r.plan.intents[0], replace(redeemed(r), digest="0" * 64)),
        "redeemed for another plan",
    ),
    "the venue on one of two": (redeemed_by_one_of_two, "1 of 2 different people"),
    "the venue of another account": (for_another_account, "is of account"),
    "a larger order": (submits(redeemed, order_qty=Decimal(10_000)), "exactly its terms"),
    "a smaller order": (submits(redeemed, order_qty=Decimal(1)), "exactly its terms"),
    "the other side": (submits(redeemed, side=OrderSide.SELL), "exactly its terms"),
    "with a limit": (
        submits(redeemed, order_type=OrderType.LIMIT, limit_px=Decimal(1)),
        "exactly its terms",
    ),
    "another instrument": (
        submits(redeemed, instrument_id=InstrumentId("AAPL", VenueId("scripted"))),
        "exactly its terms",
    ),
    "an order not in the plan": (submits(redeemed, client_order_id="other"), "exactly its terms"),
    "an order not written first": (submits(redeemed), "being sent now"),
    "after the plan's time": (after_the_plan_s_time, "the approved plan expired at"),
    "a stop that nobody approved": (a_leg_nobody_approved, "no person approved"),
    "amended to more": (amends(Decimal(1), Decimal(100)), "more, or worse"),
    "amended to a worse price": (amends(Decimal(0), Decimal(101)), "more, or worse"),
    "amended to no limit": (amends(Decimal(0), None), "more, or worse"),
}

# --- the form ---


def right(ready: Ready, **changes: str) -> LiveApproval:
    answer = {
        "decision": "approve",
        "approver": "Ann",
        "phrase": APPROVAL_PHRASE,
        "plan_digest": ready.plan.digest,
    }
    return LiveApproval.model_validate(answer | changes)


@contextmanager
def answering(
    answers: Iterable[dict[str, str] | None], ready: Ready, trigger_user: str | None = None
):
    """People who answer the form one after the other; None is nobody, in time."""
    waiting = list(answers)

    def ask(plan: object, signed: object, key: str) -> LiveApproval | None:
        changes = waiting.pop(0)
        return None if changes is None else right(ready, **changes)

    started = StartedBy(text="a test", user=trigger_user)
    with pytest.MonkeyPatch.context() as patch, disable_run_logger():
        patch.setattr(gate, "_ask", ask)
        patch.setattr(gate, "started_by", lambda: started)
        yield waiting


def answered(
    *answers: dict[str, str] | None, trigger_user: str | None = None, **rules: object
) -> Way:
    """A run that asks, and gets these answers: the gate itself refuses them."""

    def way(ready: Ready) -> None:
        with ready.ruled(**rules).run() as run:
            plan = run.plan
            if answers == ({"late": ""},):
                plan = replace(plan, expires_at=wiring.wall_clock())
            forms = [{} if a == {"late": ""} else a for a in answers]
            with answering(forms, replace(run, plan=plan), trigger_user):
                gate.require_approval(run.cycle, plan)

    return way


BOB = {"approver": "Bob"}
ANSWERS: dict[str, tuple[Way, str]] = {
    "nobody answers": (answered(None), "nobody approved the plan in time"),
    "refused": (answered({"decision": "refuse"}), "Ann refused the plan"),
    "the phrase in small letters": (answered({"phrase": APPROVAL_PHRASE.lower()}), "the phrase"),
    "no phrase": (answered({"phrase": ""}), "the phrase"),
    "another plan's digest": (answered({"plan_digest": "0" * 64}), "of another plan"),
    "only spaces for a name": (answered({"approver": "  "}), "no name"),
    "answered too late": (answered({"late": ""}), "when the plan expired"),
    "the second is the first": (answered({}, {}, **TWO), "has approved the plan already"),
    "the second, in capitals": (answered({}, {"approver": "ANN"}, **TWO), "approved .* already"),
    "the second refuses": (answered({}, BOB | {"decision": "refuse"}, **TWO), "Bob refused"),
    "the second types nothing": (answered({}, BOB | {"phrase": ""}, **TWO), "the phrase"),
    "there is no second": (answered({}, None, **TWO), "nobody approved the plan in time"),
    "a name not on the list": (answered({}, approvers=["Bob"]), "is not one of"),
    "the second not on the list": (
        answered({}, BOB, **TWO, approvers=["Ann", "Cid"]),
        "Bob is not one of",
    ),
    "answered by who started it": (answered({}, trigger_user="ann"), "Ann started the run"),
    "the second started it": (answered({}, BOB, trigger_user="bob", **TWO), "Bob started the run"),
    "worth more than may be asked": (answered(notional_max=1), "nobody was asked"),
    "more than the day may bring": (answered(daily_notional_max=1), "nobody was asked"),
}

WAYS = SWITCHES | PAPERS | PEOPLE | CHANGES | PAST_THE_STAGES | ANSWERS


@pytest.mark.parametrize(("way", "says"), WAYS.values(), ids=WAYS.keys())
def test_without_a_matching_approval_nothing_is_sent_and_a_person_is_told(
    ready: Ready, way: Way, says: str
):
    with pytest.raises((SafetyViolation, ConfigInvalid), match=says):
        way(ready)

    assert sent(ready.log) == 0
    assert written_as_sent() == 0
    assert REFUSALS & {topic for topic, _ in alerts()}


def test_the_rules_of_the_installation_are_in_every_plan(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGENT_APPROVAL_TWO_PERSON_ABOVE", "1000")
    monkeypatch.setenv("REGENT_APPROVAL_APPROVERS", "Ann, Bob")
    assert wiring.approval_rules(CONFIG) == ApprovalRules(
        two_person_above=Decimal(1_000), approvers=("Ann", "Bob")
    )
    with ready.run() as run:
        assert plan_cycle(run.cycle)[1].plan.people_needed == 2

    monkeypatch.setenv("REGENT_APPROVAL_NOTIONAL_MAX", "-1")
    with pytest.raises(ConfigInvalid, match=r"^REGENT_APPROVAL_NOTIONAL_MAX: .* greater than 0$"):
        wiring.approval_rules(CONFIG)
    monkeypatch.setenv("REGENT_APPROVAL_NOTIONAL_MAX", "much")
    with pytest.raises(ConfigInvalid, match=r"^REGENT_APPROVAL_NOTIONAL_MAX='much': "):
        wiring.approval_rules(CONFIG)


def test_a_used_approval_is_not_replayed_by_any_door(ready: Ready):
    approval = ready.approve()
    ready.execute(approval)
    before = sent(ready.log)
    with pytest.raises(ApprovalRefused, match=r"was used already at .*; nothing more is sent"):
        ready.execute(approval)
    with pytest.raises(ApprovalRefused, match="being sent now"):
        ready.submit(ready.plan.intents[0], approval)
    assert sent(ready.log) == before == len(ready.plan.intents)
    assert [topic for topic, _ in alerts()] == [Topic.SAFETY_VIOLATION] * 2


def test_each_attempt_past_the_stages_is_told_of_in_the_same_words_too(ready: Ready):
    """A second attempt is not the first one's echo."""
    for _ in range(2):
        with pytest.raises(ApprovalRefused):
            ready.submit(ready.plan.intents[0])
    assert len(alerts()) == 2


def test_a_yes_is_void_once_the_other_person_has_not_given_theirs(ready: Ready):
    for second in (None, BOB | {"decision": "refuse"}):
        with pytest.raises(ApprovalRefused):
            answered({}, second, **TWO)(ready)
    with wiring.open_ledger().reading() as books:
        found = books.approvals.recent([CONFIG.account_id], 9)
    assert ApprovalStatus.APPROVED not in {request.status for request in found}
    assert found[1].reason == "signature 2: Bob refused the plan"


def test_a_first_yes_is_void_too_when_the_day_s_cap_is_reached_before_the_second(ready: Ready):
    """Another plan was approved in between: no person may approve this one any more."""
    worth = ready.plan.notional
    with ready.ruled(daily_notional_max=worth * 3 / 2, **TWO).run() as run:

        def another_plan_first(*asked: object, key: str) -> LiveApproval:
            run.approve(replace(run.plan, run_id=RunId("another")))
            return right(run)

        with (
            answering([], run),
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(ApprovalRefused, match=r"daily_notional_max.*nobody was asked"),
        ):
            patch.setattr(gate, "_ask", another_plan_first)
            gate.require_approval(run.cycle, run.plan)
        with wiring.open_ledger().reading() as books:
            asked = books.approvals.of(run.plan.run_id)
    assert [request.status for request in asked] == [
        ApprovalStatus.EXPIRED,
        ApprovalStatus.REFUSED,
    ]


def test_two_people_are_asked_one_after_the_other_and_each_is_called(ready: Ready):
    with ready.ruled(**TWO).run() as run:
        with answering([{}, BOB], run) as waiting:
            approval = gate.require_approval(run.cycle, run.plan)
        assert waiting == []
        run.execute(approval)
        wanted = [text for topic, text in alerts() if topic == Topic.APPROVAL_WANTED]
        assert len(wanted) == 2
        assert "signature 2 of 2, after Ann, digest" in wanted[0]
        assert f"`regent approve {run.plan.run_id[:8]}`" in wanted[0]
        with wiring.open_ledger().reading() as books:
            asked = books.approvals.of(run.plan.run_id)
    assert [(r.signature, r.approver, r.status) for r in asked] == [
        (1, "Ann", ApprovalStatus.USED),
        (2, "Bob", ApprovalStatus.USED),
    ]
    assert asked[0].triggered_by == "a test"
    assert sent(ready.log) == len(ready.plan.intents)


@pytest.mark.parametrize("answer", [None, {"decision": "refuse"}, {"phrase": "yes"}])
def test_a_form_filled_in_wrongly_is_no_approval(ready: Ready, answer: dict[str, str] | None):
    assert _problem(right(ready), ready.plan) is None
    assert _problem(None if answer is None else right(ready, **answer), ready.plan) is not None


def test_a_price_past_the_drift_limit_is_named(ready: Ready):
    limit = Decimal("0.01")
    marks = dict(ready.market.marks)
    assert drift(ready.plan, marks, limit) == ()
    first = ready.plan.intents[0].instrument_id
    assert drift(ready.plan, {**marks, first: marks[first] * Decimal("1.01")}, limit) == ()
    assert len(drift(ready.plan, {**marks, first: marks[first] * Decimal("1.0101")}, limit)) == 1
    del marks[first]
    assert drift(ready.plan, marks, limit) == (f"{first} has no price",)
