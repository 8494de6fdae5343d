"""`regent approvals`, and what `regent approve` says before it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from data.store.approvals import ApprovalStatus
from data.store.runs import RunStatus
from execution.model.approval import ApprovalRules
from execution.model.enums import RunMode
from execution.model.identifiers import AccountId, RunId
from execution.model.plan import APPROVAL_PHRASE, TradingPlan
from flows.cli import main
from tasks import wiring
from tasks.encoding import plan_document
from tests.execution.examples import VENUE, make_intent
from tests.execution.model.test_plan import make_plan

ACCOUNT = AccountId("live/scripted/main")
Command = Callable[..., tuple[int, str, str]]  # exit code, standard output, standard error
TWO: dict[str, object] = {"two_person_above": 0}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))


@pytest.fixture
def regent(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*args])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def asked(run: str, *answers: tuple[ApprovalStatus, str], **rules: object) -> TradingPlan:
    """A run that asks about a plan; the last question is open when it has no answer."""
    now = wiring.wall_clock()
    plan = make_plan(
        make_intent("a"),
        make_intent("b"),
        run_id=RunId(run),
        account=ACCOUNT,
        created_at=now,
        expires_at=now + timedelta(minutes=10),
        rules=ApprovalRules.model_validate(rules),
    )
    with wiring.open_ledger().transaction() as books:
        if books.runs.get(plan.run_id) is None:
            books.runs.start(plan.run_id, ACCOUNT, VENUE, RunMode.LIVE, "{}", now)
        for number, (status, who) in enumerate((*answers, (ApprovalStatus.WAITING, ""))):
            if number == plan.people_needed and status is ApprovalStatus.WAITING:
                break
            key = f"{run}-{number}"
            text = plan_document(plan)
            books.approvals.request(
                key, plan, text, now, triggered_by="user cid", trigger_user="cid"
            )
            if status is not ApprovalStatus.WAITING:
                books.approvals.decide(key, status, who, f"said {status}", now)
    return plan


def test_the_plans_that_wait_are_listed_with_what_is_asked(regent: Command):
    with wiring.open_ledger().transaction():
        nothing = "no plan waits for a person; --all lists those that did\n"
    assert regent("approvals") == (0, nothing, "")
    plan = asked("run-one-", (ApprovalStatus.APPROVED, "Ann"), **TWO)
    asked("run-two-", (ApprovalStatus.REFUSED, "Bob"))

    code, out, _ = regent("approvals")

    lines = out.splitlines()
    assert code == 0
    head = f"run run-one-  digest {plan.digest[:8]}  {ACCOUNT}  waiting  signature 2 of 2"
    assert lines[0] == head
    assert lines[1].startswith("    2 orders for 2,000.00, asked 20")
    assert f"good until {plan.expires_at:%Y-%m-%d %H:%M:%S}Z" in lines[1]
    assert lines[2:] == ["    run started by user cid"]


def test_all_of_them_tell_who_said_what_and_when_it_was_used(regent: Command):
    plan = asked("run-one-", (ApprovalStatus.APPROVED, "Ann"))
    asked("run-two-", (ApprovalStatus.REFUSED, "Bob"))
    with wiring.open_ledger().transaction() as books:
        approval = books.approvals.of(RunId("run-one-"))[0].approval
        assert approval is not None
        books.approvals.redeem(approval, plan, wiring.wall_clock())

    code, out, _ = regent("approvals", "--all", "--account", "main")

    assert code == 0
    assert "  refused\n" in out
    assert "    refused by Bob 20" in out
    assert ": said refused\n" in out
    assert "    approved by Ann 20" in out
    assert ", used 20" in out
    assert regent("approvals", "--all", "--account", "nobody's")[0] == 2


def test_as_json_every_request_is_whole(regent: Command):
    plan = asked("run-one-", (ApprovalStatus.APPROVED, "Ann"), **TWO)

    _, out, _ = regent("approvals", "--all", "--json")

    second, first = json.loads(out)["approvals"]
    assert (first["signature"], first["status"], first["approver"]) == (1, "approved", "Ann")
    assert (second["signature"], second["status"], second["signatures_needed"]) == (2, "waiting", 2)
    assert second["plan"]["digest"] == second["plan_digest"] == plan.digest
    assert (second["notional"], second["orders"]) == ("2000", 2)


@pytest.mark.parametrize(
    ("name", "rules", "says"),
    [
        (" ann", TWO, "ann has approved the plan already"),
        ("CID", TWO, "CID started the run, and somebody else must"),
        ("Dee", {**TWO, "approvers": ["Ann", "Bob"]}, "Dee is not one of approval.approvers"),
    ],
)
def test_whose_word_would_not_count_is_told_before_it_is_given(
    regent: Command,
    name: str,
    rules: dict[str, object],
    says: str,
):
    """The run would end on it; told here, it goes on waiting for somebody else."""
    plan = asked("run-one-", (ApprovalStatus.APPROVED, "Ann"), **rules)

    code, out, err = regent(
        "approve", "run-one", "--name", name, "--digest", plan.digest, "--phrase", APPROVAL_PHRASE
    )

    assert code == 2
    assert "signature 2 of 2, after Ann: a different person each" in out
    assert says in err
    assert "the run goes on waiting" in err
    with wiring.open_ledger().reading() as books:
        assert books.approvals.of(RunId("run-one-"))[-1].status is ApprovalStatus.WAITING


def test_a_run_that_ended_is_told_apart_from_one_that_waits(regent: Command):
    asked("run-one-", (ApprovalStatus.REFUSED, "Bob"))
    with wiring.open_ledger().transaction() as books:
        books.runs.finish(RunId("run-one-"), RunStatus.REFUSED, "no", wiring.wall_clock())

    code, _, err = regent("approve", "run-one-", "--name", "Ann")

    assert (code, err) == (
        2,
        "error: run run-one- does not wait: it is refused; its plan is refused\n",
    )


@pytest.mark.parametrize(
    ("args", "told"),
    [((), "no plan waits for a person; --all lists"), (("--all",), "no plan has ever waited for")],
)
def test_that_there_is_none_is_said(regent: Command, args: tuple[str, ...], told: str):
    with wiring.open_ledger().transaction():
        pass
    code, out, _ = regent("approvals", *args)
    assert (code, out.startswith(told)) == (0, True)
