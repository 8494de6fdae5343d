"""`regent alerts`: what a person was told, whether it arrived, and whether it would."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from execution.model.enums import Severity, TradingState
from execution.model.identifiers import VenueId
from flows.cli import app
from tasks import wiring
from tasks.delivery import finish_deliveries
from tests.flows.commands import regent
from tests.tasks.channel import ACCOUNT, SECRET, configure, installation, open_channel, tell

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with installation(tmp_path / "home", monkeypatch):
        yield tmp_path / "home"


def document(*args: str, code: int = 0) -> Any:  # noqa: ANN401 - whatever the command wrote
    import json

    ended = RUNNER.invoke(app, ["alerts", *args, "--json"])
    assert ended.exit_code == code, ended.output
    return json.loads(ended.stdout)


def test_alerts_are_listed_with_how_they_stand_on_each_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with open_channel() as works, open_channel() as fails:
        fails.status = 500
        configure(
            monkeypatch,
            tmp_path,
            {"name": "works", "url": works.url},
            {"name": "fails", "url": fails.url},
        )
        tell("cash is short")
        tell("nothing much", Severity.INFO)
        works.wait(lambda c: bool(c.arrived))
        fails.wait(lambda c: c.refused > 0)
        finish_deliveries()

        unwanted, told = document()["alerts"]
        assert (told["text"], told["topic"]) == ("cash is short", "breaker")
        stands = {d["channel"]: (d["status"], d["error"]) for d in told["deliveries"]}
        assert stands == {"works": ("delivered", ""), "fails": ("waiting", "answered 500")}
        assert unwanted["deliveries"] == []
        (missing,) = document("--undelivered")["alerts"]
        assert missing["text"] == "cash is short"
        shown = RUNNER.invoke(app, ["alerts"]).stdout
        assert "[fails waits: answered 500, works]" in shown
        assert SECRET not in shown

        fails.status = 200
        time.sleep(2)  # its wait after one failure
        assert document("send") == {"undelivered": {"fails": 0, "works": 0}}
        assert len(fails.arrived) == len(works.arrived) == 1


def test_what_waits_for_a_channel_that_is_gone_goes_out_on_the_one_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whoever renames a channel has not said that the alerts are of no interest any more."""
    with open_channel() as down, open_channel() as up:
        down.status = 500
        configure(monkeypatch, tmp_path, {"name": "phone", "url": down.url})
        tell("cash is short")
        down.wait(lambda c: c.refused > 0)
        finish_deliveries()

        configure(monkeypatch, tmp_path, {"name": "handy", "url": up.url})

        assert document("send") == {"undelivered": {"handy": 0}}
        assert len(up.arrived) == 1
        shown = RUNNER.invoke(app, ["alerts"]).stdout
        assert "[handy, not sent to phone: that is no channel any more]" in shown


def test_a_test_message_tells_which_channels_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with open_channel() as works, open_channel() as fails:
        fails.status = 404
        configure(monkeypatch, tmp_path, {"name": "works", "url": works.url})
        assert document("test") == {"channels": [{"name": "works", "ok": True, "problem": ""}]}
        configure(
            monkeypatch,
            tmp_path,
            {"name": "works", "url": works.url},
            {"name": "fails", "url": fails.url},
        )
        ended = RUNNER.invoke(app, ["alerts", "test"])
        assert ended.exit_code == 6
        assert ended.stdout == "works: sent\nfails: answered 404\n"
        assert len(works.arrived) == 2


def test_without_a_channel_there_is_nothing_to_test(home: Path):
    for command in ("test", "send"):
        ended = regent(home, "alerts", command)
        assert (ended.code, ended.out) == (2, "")
        assert "REGENT_ALERTS" in ended.err


@pytest.mark.slow
def test_a_command_tells_what_an_earlier_process_left(home: Path, tmp_path: Path):
    """A short command's end waits for what is on its way."""
    tell("left behind")
    with open_channel() as channel:
        names = {"REGENT_ALERTS": channel.url, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        assert regent(home, "alerts", "send", **names).code == 0
        assert channel.arrived == []  # older than the channel
        ended = regent(home, "run", "--mode", "paper", "--venue", "nowhere", **names)
        assert ended.code == 2


def test_a_command_that_ends_at_once_has_told_its_alert(home: Path):
    """It leaves without Python's own teardown, and must see its messages off all the same."""
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.accounts.open(ACCOUNT, VenueId("binance"), "uid", now)
        books.trading_state.set(ACCOUNT, TradingState.ACTIVE, "opened", "Ann", now)
    with open_channel() as channel:
        ended = regent(
            home, "breaker", "trip", "looks odd", "--name", "Ann", REGENT_ALERTS=channel.url
        )
        arrived = len(channel.arrived)

    assert (ended.code, arrived) == (0, 1), ended.err
