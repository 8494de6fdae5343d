"""Real money: canceled at once, closed only with a person's word."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from threading import Barrier

import pytest

from data.store.approvals import ApprovalRequest, ApprovalStatus
from execution.errors import LedgerUnavailable, TradingStopped
from execution.model.enums import OrderSide, OrderType, RunMode, Topic, TradingState
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId
from execution.model.order import EMERGENCY
from execution.model.plan import APPROVAL_PHRASE
from tasks import halting, wiring
from tasks.cycle import open_cycle
from tasks.emergency import EmergencyStop
from tasks.emergency_consent import Consent
from tasks.emergency_report import OrderFate, PositionFate
from tasks.emergency_work import Work
from tasks.encoding import plan_document
from tasks.trading_state import put
from tests.scripted_venue import ScriptedVenue
from tests.tasks.emergency.presses import Kept, intent_of, kept, only, press, pressed, resting
from tests.tasks.paper import GOOG, PAPER, read

LIVE = PAPER.model_copy(update={"mode": RunMode.LIVE, "dry_run": False, "confirm_live": True})
ACCOUNT = LIVE.account_id


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A paper account's first cycle, its books under the live account's name."""
    made = kept(tmp_path_factory.mktemp("kept"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGENT_HOME", str(made.home))
        with wiring.open_ledger().transaction() as books:
            tables = "SELECT table_name FROM duckdb_columns() WHERE column_name = 'account'"
            for (table,) in books.session.rows(tables):
                books.session.rows(f"UPDATE {table} SET account = ?", ACCOUNT)  # noqa: S608
            text = LIVE.model_dump_json()
            books.session.rows("UPDATE runs SET mode = 'live', config = ?", text)
    made.log.write_text(made.log.read_text().replace(PAPER.account_id, ACCOUNT))
    return made


@pytest.fixture
def venue(first: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    venue = first.install(monkeypatch, tmp_path)
    bid = intent_of("resting", LIVE)
    stop = intent_of(
        "stop", LIVE, side=OrderSide.SELL, qty="23", order_type=OrderType.STOP, reduce_only=True
    )
    resting(venue, bid)
    resting(venue, stop)
    return venue


def open_there(venue: ScriptedVenue) -> list[str]:
    return [str(r.client_order_id) for r in venue._orders.values() if r.status is S.ACCEPTED]


def requests() -> list[ApprovalRequest]:
    rows = read(lambda b: b.session.rows("SELECT approval_id FROM approvals"))
    return [read(lambda b, key=key: b.approvals.get(key)) for (key,) in rows]  # type: ignore[misc]


def topics() -> set[str]:
    return {a.topic for a in read(lambda b: b.alerts.latest(50, ACCOUNT))}  # type: ignore[attr-defined]


@pytest.mark.parametrize("phrase", ["", "I understand the risks", "yes"])
def test_without_the_phrase_all_is_canceled_and_nothing_closed(venue: ScriptedVenue, phrase: str):
    before = list(venue.submitted)

    report = press(confirmation=phrase)

    assert open_there(venue) == []
    assert venue.submitted == before
    assert report.refused
    outcome = only(report)
    assert {p.fate for p in outcome.positions} == {PositionFate.KEPT}
    assert "takes a person's approval" in outcome.awaits
    assert {Topic.EMERGENCY_STOP, Topic.POSITION_UNPROTECTED} <= topics()


def test_with_the_phrase_all_is_closed_under_an_approval_in_that_person_s_name(
    venue: ScriptedVenue,
):
    report = press(confirmation=APPROVAL_PHRASE)

    assert report.done
    assert read(lambda b: b.positions.open(ACCOUNT)) == ()
    assert open_there(venue) == []
    (request,) = requests()
    assert (request.status, request.approver) == (ApprovalStatus.USED, "Ann")
    orders = read(lambda b: b.orders.all(ACCOUNT))
    sent = [o.client_order_id for o in orders if o.intent.strategy == EMERGENCY]  # type: ignore[attr-defined]
    assert all(key in request.plan for key in sent)


def test_the_switches_of_live_trading_do_not_keep_anybody_from_getting_out(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """They say whether trading may begin; `regent live disable` is what one does in a panic."""
    monkeypatch.delenv("REGENT_ALLOW_LIVE", raising=False)
    with wiring.open_ledger().transaction() as books:
        books.live_trading.set(False, "Ann", wiring.wall_clock())

    assert press(confirmation=APPROVAL_PHRASE).done


def test_started_by_an_automation_stops_rest_until_a_person_has_said_yes(venue: ScriptedVenue):
    halted()
    stop = pressed(keep_protection=True, actor="automation")
    assert open_there(venue) == ["stop"]
    assert [o.fate for o in stop.outcomes[ACCOUNT].orders] == [OrderFate.CANCELED, OrderFate.KEPT]

    stop.close(ACCOUNT, Consent(name="Bob"))

    report = stop.finish()
    assert report.done
    assert open_there(venue) == []
    assert read(lambda b: b.positions.open(ACCOUNT)) == ()
    assert {o.fate for o in only(report).orders} == {OrderFate.CANCELED}


def test_refused_the_stops_still_rest_and_only_what_has_none_is_unprotected(venue: ScriptedVenue):
    stop = pressed(keep_protection=True)
    stop.refuse(ACCOUNT, "Bob refused the plan")

    report = stop.finish()

    assert report.refused
    assert "Bob refused the plan" in only(report).left[0]
    assert open_there(venue) == ["stop"]
    bare = [
        a.text
        for a in read(lambda b: b.alerts.latest(50, ACCOUNT))  # type: ignore[attr-defined]
        if a.topic == Topic.POSITION_UNPROTECTED
    ]
    assert len(bare) == 1
    assert "MSFT" in bare[0]


def test_an_approved_plan_closes_that_plan_and_never_more_of_anything(venue: ScriptedVenue):
    """A fill that came while the person read is not covered by their yes."""
    stop = pressed()
    with open_cycle(LIVE, sends=False) as cycle:
        plan = stop.plan(ACCOUNT, cycle)
        approved_id, now = "approved", wiring.wall_clock()
        with wiring.open_ledger().transaction() as books:
            books.approvals.request(approved_id, plan, plan_document(plan), now)
            books.approvals.decide(approved_id, ApprovalStatus.APPROVED, "Bob", "", now)
            approval = books.approvals.get(approved_id).approval  # type: ignore[union-attr]
        assert approval is not None
        venue._fills_at_once = True
        late = intent_of("late", LIVE, qty="6", order_type=OrderType.MARKET)
        resting(venue, late)

        stop.close(ACCOUNT, Consent(name="Bob", approved=(plan, approval)), cycle)

    report = stop.finish()
    left = {p.instrument: p for p in only(report).positions if p.left_qty}
    assert {name: p.left_qty for name, p in left.items()} == {str(GOOG): Decimal(6)}
    assert "nobody approved closing it" in left[str(GOOG)].reason
    (request,) = requests()
    assert (request.status, request.approver) == (ApprovalStatus.USED, "Bob")


def test_nothing_is_sent_for_a_live_account_without_consent_whatever_the_caller_forgot(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """The account itself asks for it: not only the button's own logic."""
    monkeypatch.setattr(Work, "closes", property(lambda self: True))
    before = list(venue.submitted)

    report = press()

    assert "only with a person's word" in only(report).problems[0]
    assert venue.submitted == before


def halted() -> None:
    """As the breaker leaves it, in the ledger."""
    with wiring.open_ledger().transaction() as books:
        books.trading_state.set(
            ACCOUNT, TradingState.HALTED, "a loss", "breaker", wiring.wall_clock()
        )


def test_who_lets_the_account_trade_again_has_ended_what_still_waited(venue: ScriptedVenue):
    """Bob's yes comes after Ann has called it off: nothing is closed, and nothing canceled."""
    stop = pressed()
    put(ACCOUNT, TradingState.ACTIVE, "false alarm, go on", "Ann")
    resting(venue, intent_of("after", LIVE))
    before = list(venue.submitted)

    stop.close(ACCOUNT, Consent(name="Bob"))

    assert "the emergency was ended meanwhile" in only(stop.finish()).awaits
    assert venue.submitted == before
    assert open_there(venue) == ["after"]
    with open_cycle(LIVE, sends=False) as cycle, pytest.raises(TradingStopped, match="ended"):
        stop.plan(ACCOUNT, cycle)


def test_an_automation_that_comes_after_the_reset_does_nothing(venue: ScriptedVenue):
    """Its event may have waited for a worker for an hour; the person has looked since."""
    halted()
    put(ACCOUNT, TradingState.ACTIVE, "looked into it", "Ann")
    before = open_there(venue)

    report = press(actor="automation", confirmation=APPROVAL_PHRASE)

    assert open_there(venue) == before != []
    assert read(lambda b: halting.trading_state(b, ACCOUNT)) is TradingState.ACTIVE
    assert read(lambda b: b.emergencies.of(ACCOUNT)) == ()
    assert (report.done, report.accounts) == (True, ())
    assert f"{ACCOUNT}: not halted any more, so nothing was done" in report.summary


def test_the_phrase_of_who_may_not_approve_cancels_and_closes_nothing(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGENT_APPROVAL_APPROVERS", "Zoe,Max")
    before = list(venue.submitted)

    stop = pressed(confirmation=APPROVAL_PHRASE, actor="mallory")
    assert stop.waiting == (ACCOUNT,)  # for somebody who may
    assert "mallory is not one of approval.approvers" in stop.outcomes[ACCOUNT].awaits
    stop.close(ACCOUNT, Consent(name="mallory"))

    report = stop.finish()
    assert report.refused
    assert "mallory is not one of approval.approvers" in only(report).awaits
    assert open_there(venue) == []
    assert venue.submitted == before


def test_the_phrase_of_one_who_may_is_enough_whatever_it_is_worth(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """There is no time to find a second person, and nothing is opened."""
    monkeypatch.setenv("REGENT_APPROVAL_APPROVERS", "Zoe,Max")
    monkeypatch.setenv("REGENT_APPROVAL_TWO_PERSON_ABOVE", "1")
    monkeypatch.setenv("REGENT_APPROVAL_NOTIONAL_MAX", "1")

    report = press(confirmation=APPROVAL_PHRASE, actor="zoe")

    assert report.done
    assert [(r.approver, r.signatures_needed) for r in requests()] == [("zoe", 1)]


def test_who_is_asked_about_the_plan_is_asked_by_the_rules_of_any_plan(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGENT_APPROVAL_APPROVERS", "Zoe,Max")
    monkeypatch.setenv("REGENT_APPROVAL_TWO_PERSON_ABOVE", "1")
    stop = pressed()

    with open_cycle(LIVE, sends=False) as cycle:
        plan = stop.plan(ACCOUNT, cycle)

    assert plan.people_needed == 2
    assert plan.rules == wiring.approval_rules(LIVE)


def test_accounts_that_waited_are_closed_side_by_side(monkeypatch: pytest.MonkeyPatch):
    """One whose venue hangs must not hold up the next; one that fails does not either."""
    together = Barrier(2, timeout=5)

    def close(self: EmergencyStop, account: AccountId, consent: Consent) -> None:
        together.wait()
        closed.append(account)
        if account == "live/x/one":
            raise LedgerUnavailable("busy")

    closed: list[AccountId] = []
    refused: list[tuple[AccountId, str]] = []
    monkeypatch.setattr(EmergencyStop, "close", close)
    monkeypatch.setattr(EmergencyStop, "refuse", lambda self, *told: refused.append(told))
    both = [AccountId("live/x/one"), AccountId("live/x/two")]

    EmergencyStop(reason="a test", actor="Ann").close_all(both, Consent(name="Ann"))

    assert sorted(closed) == both
    assert [account for account, _ in refused] == both[:1]
