"""Nothing is sent before a person has approved that exact plan: real server, real worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.store.approvals import ApprovalStatus
from data.store.runs import RunStatus
from execution.model.identifiers import AccountId, RunId
from execution.model.plan import APPROVAL_PHRASE
from tasks.encoding import APPROVAL_STAGE
from tests.serving.live import LiveRun

pytestmark = pytest.mark.slow


def test_only_a_whole_answer_about_this_plan_sends_exactly_its_orders(live: LiveRun):
    live.start("whole")
    form, right = live.form, live.right_answer()

    assert live.sent == []
    assert sorted(form["required"]) == ["approver", "decision", "phrase", "plan_digest"]
    assert not any("default" in field for field in form["properties"].values())
    for wrong in (
        {},
        right | {"plan_digest": "0" * 64},
        right | {"decision": "yes"},
        right | {"approver": ""},
        right | {"more": "than asked"},
        {key: value for key, value in right.items() if key != "phrase"},
    ):
        assert live.answer(wrong) == "REJECT"
    assert live.api.get(f"/flow_runs/{live.run_id}")["state"]["type"] == "PAUSED"
    assert live.sent == []

    assert live.answer(right) == "ACCEPT"

    assert live.end() == "COMPLETED", live.api.logs(live.run_id)
    assert live.sent == live.planned
    assert len(live.sent) > 0
    [request] = live.requests
    assert (request.status, request.approver) == (ApprovalStatus.USED, "Ada")
    with live.serving.ledger.reading() as books:
        assert books.discrepancies.open(AccountId("live/scripted/whole")) == ()


def test_an_approved_run_that_is_started_again_sends_nothing_twice(live: LiveRun):
    """A used approval is not replayed, and there is nothing left to approve."""
    live.start("again")
    live.answer(live.right_answer())
    assert live.end() == "COMPLETED", live.api.logs(live.run_id)
    sent = live.sent

    live.again()

    assert live.end() == "COMPLETED", live.api.logs(live.run_id)
    assert live.sent == sent
    assert [r.status for r in live.requests] == [ApprovalStatus.USED]


def test_a_refused_run_that_is_started_again_asks_about_a_new_plan(live: LiveRun):
    live.start("refused")
    first = live.right_answer()
    live.answer(first | {"decision": "refuse"})
    assert live.end() == "CANCELLED"
    assert live.state["message"] == "Ada refused the plan; nothing was sent"

    live.again()

    live.wait_asking()
    assert live.right_answer()["plan_digest"] != first["plan_digest"]
    assert live.answer(first) == "REJECT"
    assert live.sent == []
    live.answer(live.right_answer())
    assert live.end() == "COMPLETED", live.api.logs(live.run_id)
    assert live.sent == live.planned
    statuses = [r.status for r in live.requests]
    assert statuses == [ApprovalStatus.REFUSED, ApprovalStatus.USED]


def test_a_wrong_phrase_sends_nothing(live: LiveRun):
    """The server takes any text there; the run does not."""
    live.start("phrase")

    assert live.answer(live.right_answer(phrase=APPROVAL_PHRASE.lower())) == "ACCEPT"

    assert live.end() == "CANCELLED"
    assert (
        live.state["message"] == f"the phrase typed was not {APPROVAL_PHRASE!r}; nothing was sent"
    )
    assert live.sent == []
    assert [r.status for r in live.requests] == [ApprovalStatus.REFUSED]


def test_no_answer_in_time_sends_nothing(live: LiveRun):
    live.start("late", approval_timeout_s=10)

    # Prefect calls a pause that nobody ended a failure, whatever the flow makes of it.
    assert live.end() in {"CANCELLED", "FAILED"}

    assert live.ledger_end() == (
        RunStatus.REFUSED,
        "nobody approved the plan in time; nothing was sent",
    )
    assert live.sent == []
    assert [r.status for r in live.requests] == [ApprovalStatus.EXPIRED]


def test_regent_approve_answers_from_another_process(live: LiveRun):
    live.start("command")
    digest = live.right_answer()["plan_digest"]
    command = [sys.executable, "-c", "from flows.cli import main; main()", "approve", live.run_id]

    ended = subprocess.run(
        [*command, "--name", "Grace", "--phrase", APPROVAL_PHRASE, "--digest", digest],
        env={**os.environ, "REGENT_HOME": str(live.serving.home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert live.end() == "COMPLETED", live.api.logs(live.run_id)
    assert live.sent == live.planned
    assert [r.approver for r in live.requests] == ["Grace"]


def test_a_plan_for_two_waits_for_a_second_and_different_person(live: LiveRun):
    """Two questions, one after the other, in one run; the second by the command."""
    live.start("two", approval={"two_person_above": 0})
    first = live.right_answer()
    command = [sys.executable, "-c", "from flows.cli import main; main()", "approve", live.run_id]
    yes = ["--phrase", APPROVAL_PHRASE, "--digest", first["plan_digest"]]

    def approve(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--name", name, *yes],
            env={**os.environ, "REGENT_HOME": str(live.serving.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    assert live.answer(first) == "ACCEPT"
    live.wait_signature(2)
    assert live.sent == []
    again = approve("ada ")
    assert again.returncode == 2
    assert "ada has approved the plan already" in again.stderr
    second = approve("Grace")

    assert second.returncode == 0, second.stderr
    assert "signature 2 of 2, after Ada" in second.stdout
    assert live.end() == "COMPLETED", live.api.logs(live.run_id)
    assert live.sent == live.planned
    assert [(r.approver, r.status) for r in live.requests] == [
        ("Ada", ApprovalStatus.USED),
        ("Grace", ApprovalStatus.USED),
    ]
    told = "whoever has the server's password; not told apart"
    assert {r.triggered_by for r in live.requests} == {told}
    assert live.outcome(APPROVAL_STAGE) == {
        "approved": len(live.sent),
        "differences": [],
        "not_sent": [],
    }


def test_the_same_person_twice_ends_the_run(live: LiveRun):
    """The form takes any name; the run does not."""
    live.start("twice", approval={"two_person_above": 0})
    right = live.right_answer()
    assert live.answer(right) == "ACCEPT"
    live.wait_signature(2)

    assert live.answer(right | {"approver": " ADA"}) == "ACCEPT"

    assert live.end() == "CANCELLED"
    assert "has approved the plan already" in live.state["message"]
    assert live.sent == []
    statuses = [r.status for r in live.requests]
    assert statuses == [ApprovalStatus.EXPIRED, ApprovalStatus.REFUSED]


@pytest.mark.parametrize("missing", ["REGENT_ALLOW_LIVE", "REGENT_LIVE_CONFIRMATION"])
def test_without_the_environments_consent_nobody_is_even_asked(live: LiveRun, missing: str):
    live.environment = {k: v for k, v in live.environment.items() if k != missing}

    live.begin("consent")

    assert live.end() == "CANCELLED", live.api.logs(live.run_id)
    assert missing in live.state["message"]
    assert (live.sent, live.requests) == ([], ())


def test_keys_that_may_not_trade_stop_the_run_before_anything(live: LiveRun):
    """Told with what to do, and to a person; nobody is asked about a plan that cannot be sent."""
    live.environment["SCRIPTED_MAY_TRADE"] = "false"

    live.begin("unable")

    assert live.end() == "CANCELLED", live.api.logs(live.run_id)
    assert "give the keys the right to trade" in live.state["message"]
    assert (live.sent, live.requests) == ([], ())
    with live.serving.ledger.reading() as books:
        stages = [(s.stage, s.event) for s in books.stages.of(RunId(live.run_id))]
        topics = {a.topic for a in books.alerts.latest(10, AccountId("live/scripted/unable"))}
    assert stages == [("preflight", "started"), ("preflight", "failed")]
    assert "preflight" in topics


def test_a_live_account_is_reconciled_without_consent_as_nothing_is_sent(live: LiveRun):
    live.environment = {}

    live.begin("reconciled", deployment="reconcile-books/reconcile", confirm_live=False)

    assert live.end() == "COMPLETED", live.api.logs(live.run_id)
    assert (live.sent, live.requests) == ([], ())


def test_a_price_that_moved_while_the_plan_waited_makes_a_new_plan(live: LiveRun, tmp_path: Path):
    """The person approved other prices: the run plans anew and asks again."""
    factor = tmp_path / "drift"
    live.environment["SCRIPTED_DRIFT"] = str(factor)
    live.start("drift")
    first = live.requests[-1].plan_digest
    factor.write_text("1.05")

    assert live.answer(live.right_answer()) == "ACCEPT"
    live.wait_asking_again(first)

    assert live.sent == []
    assert [r.status for r in live.requests] == [ApprovalStatus.EXPIRED, ApprovalStatus.WAITING]
    assert "prices moved" in live.requests[0].reason

    assert live.answer(live.right_answer()) == "ACCEPT"

    assert live.end() == "COMPLETED"
    assert [r.status for r in live.requests] == [ApprovalStatus.EXPIRED, ApprovalStatus.USED]
    assert sorted(live.sent) == sorted(live.planned)


def test_prices_that_never_hold_still_send_nothing(live: LiveRun, tmp_path: Path):
    factor = tmp_path / "drift"
    live.environment["SCRIPTED_DRIFT"] = str(factor)
    live.start("drifting")
    for number in range(1, 4):
        asked = live.requests[-1].plan_digest
        factor.write_text(str(1 + 0.03 * number))
        assert live.answer(live.right_answer()) == "ACCEPT"
        if number < 3:
            live.wait_asking_again(asked)

    assert live.end() == "CANCELLED"
    assert live.state["message"] == "prices moved after each of 3 approvals; nothing was sent"
    assert live.sent == []
