"""`regent emergency-stop`: at once, without a server, and with its outcome as exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from execution.model.enums import TradingState
from execution.model.plan import APPROVAL_PHRASE
from flows.cli import main
from tasks import halting
from tests.flows.commands import regent
from tests.scripted_venue import ScriptedVenue, rejects
from tests.tasks.emergency.presses import Kept, intent_of, kept, resting
from tests.tasks.paper import PAPER, read

ACCOUNT = PAPER.account_id
WHY = ("--reason", "a test", "--name", "Ann")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def venue(first: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    venue = first.install(monkeypatch, tmp_path)
    resting(venue, intent_of("resting"))
    return venue


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["emergency-stop", *args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def told(capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401
    return json.loads(capsys.readouterr().out)


def test_it_says_what_was_canceled_and_closed(
    venue: ScriptedVenue, capsys: pytest.CaptureFixture[str]
):
    assert run(*WHY, "--json") == 0

    report = told(capsys)
    assert report["done"]
    (account,) = report["accounts"]
    assert [o["fate"] for o in account["orders"]] == ["canceled"]
    assert [p["fate"] for p in account["positions"]] == ["closed", "closed"]
    assert read(lambda b: b.positions.open(ACCOUNT)) == ()


def test_for_a_person_the_same_as_a_table(venue: ScriptedVenue, capsys: pytest.CaptureFixture[str]):
    venue._on_submit = rejects("insufficient balance")

    assert run(*WHY, "--account", "main") == 6

    shown = capsys.readouterr().out
    assert "emergency stop by Ann: not everything could be done" in shown
    assert "not closed" in shown
    assert "the venue refused it: insufficient balance" in shown
    assert "1 of 1 orders canceled" in shown
    assert "order resting" in shown
    assert "position of 23" in shown
    *_, stays, following, _, last = shown.splitlines()
    assert stays == f"{ACCOUNT} stays HALTED: nothing is sent for it"
    assert following.startswith("next: regent reconcile")
    assert last == f"  regent breaker reset REASON --account {ACCOUNT}"


def test_nobody_has_to_say_why_or_who_before_it_acts(
    venue: ScriptedVenue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """A press by a script, or in haste; the record says that nobody said it."""
    monkeypatch.setenv("LOGNAME", "ann")

    assert run("--json", "--name", " ") == 0

    report = told(capsys)
    assert (report["reason"], report["actor"]) == ("no reason given", "ann (OS user)")
    assert read(lambda b: b.positions.open(ACCOUNT)) == ()


def test_without_a_ledger_there_is_nothing_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The same code as of every other command that needs one."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "nothing"))

    assert run(*WHY) == 5
    assert run(*WHY, "--account", "main") == 5
    assert halting.halt_file().read() is None


def test_channels_that_are_wrong_hold_up_no_stop_and_the_report_says_that_nobody_was_told(
    venue: ScriptedVenue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGENT_ALERTS", "nonsense")

    assert run(*WHY) == 0

    shown = capsys.readouterr().out
    assert "NOBODY was told, the alerts stay in the ledger: REGENT_ALERTS=nonsense" in shown
    assert "as before" not in shown


def test_only_canceling_leaves_what_is_held(venue: ScriptedVenue):
    assert run(*WHY, "--no-flatten") == 0
    assert len(read(lambda b: b.positions.open(ACCOUNT))) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "args",
    [
        (*WHY, "--account", "nobody"),
        ("--reason", "a test", "--name", "automation"),  # late, that one does nothing
    ],
)
def test_a_press_that_is_not_understood_does_nothing(venue: ScriptedVenue, args: tuple[str, ...]):
    assert run(*args) == 2
    assert halting.halt_file().read() is None


def test_a_person_lets_it_trade_again(venue: ScriptedVenue, capsys: pytest.CaptureFixture[str]):
    run(*WHY)
    with pytest.raises(SystemExit):
        main(["state", "set", "active", "--reason", "over", "--name", "Ann"])

    assert halting.halt_file().read() is None
    assert read(lambda b: halting.trading_state(b, ACCOUNT)) is TradingState.ACTIVE


@pytest.mark.slow
def test_it_works_while_no_server_answers(venue: ScriptedVenue, tmp_path: Path):
    """Prefect's address leads nowhere, and nobody asks there."""
    ended = regent(
        tmp_path / "home",
        "emergency-stop",
        *WHY,
        "--json",
        REGENT_PLUGINS="tests.scripted_plugin",
        SCRIPTED_VENUE_LOG=str(tmp_path / "venue.jsonl"),
        PREFECT_API_URL="http://127.0.0.1:9/api",
    )

    assert ended.code == 0, ended.err
    assert ended.document["done"]
    assert APPROVAL_PHRASE not in ended.out
