"""A run whose process was killed is told from one that waits, and told of once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.store.connection import Ledger
from data.store.runs import RunStatus
from execution.model.enums import Severity, Topic
from execution.model.identifiers import RunId
from tasks import caretaker, wiring
from tasks.caretaker import Caretaker
from tasks.config import RunConfig
from tasks.crashes import NO_WORD, note_crashed_runs
from tasks.cycle import open_cycle
from tasks.processes import is_dead, process_locks, this_process
from tests.tasks.channel import installation, open_channel

CONFIG = RunConfig(symbols=("GOOG",))

# A run that starts, says so, and waits for an approval that never comes.
WAITING = """
import sys, time
from tasks.config import RunConfig
from tasks.cycle import open_cycle
with open_cycle(RunConfig(symbols=("GOOG",))) as cycle:
    print(cycle.run_id, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with installation(tmp_path / "home", monkeypatch):
        yield tmp_path / "home"


@pytest.fixture
def waiting() -> Iterator[tuple[subprocess.Popen[str], RunId]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], env=dict(os.environ), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, RunId(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def told() -> list[Any]:
    with wiring.open_ledger().reading() as books:
        return [a for a in books.alerts.latest(20) if a.topic is Topic.RUN_CRASHED]


def status(run_id: RunId) -> tuple[RunStatus, str]:
    with wiring.open_ledger().reading() as books:
        run = books.runs.get(run_id)
    assert run is not None
    return run.status, run.message


@pytest.mark.slow
def test_a_run_that_waits_is_left_alone_and_one_that_was_killed_is_told_of_once(
    waiting: tuple[subprocess.Popen[str], RunId],
):
    process, run_id = waiting
    assert note_crashed_runs(wiring.open_ledger()) == ()
    assert status(run_id) == (RunStatus.RUNNING, "")

    process.kill()
    process.wait()
    with open_cycle(CONFIG, sends=False):  # whoever comes next
        pass

    assert status(run_id) == (RunStatus.FAILED, NO_WORD)
    (alert,) = told()
    assert (alert.run_id, alert.severity) == (run_id, Severity.WARNING)
    assert f"process {process.pid} on " in alert.text
    assert note_crashed_runs(wiring.open_ledger()) == ()
    assert len(told()) == 1
    locks = process_locks(wiring.open_ledger())
    assert [path.name for path in locks.iterdir()] == [this_process(locks).process]


@pytest.mark.slow
def test_the_caretaker_of_make_serve_misses_it_within_seconds_and_it_is_sent(
    waiting: tuple[subprocess.Popen[str], RunId], monkeypatch: pytest.MonkeyPatch
):
    process, _ = waiting
    with open_channel() as channel:
        monkeypatch.setenv("REGENT_ALERTS", channel.url)
        looks_after = Caretaker(wiring.open_ledger())
        looks_after.look()
        process.kill()
        process.wait()
        killed = time.monotonic()
        while not channel.arrived and time.monotonic() < killed + 60:
            looks_after.look()
            time.sleep(0.1)
        assert "WARNING: run crashed" in channel.arrived[0][1]
        assert time.monotonic() - killed < 5 + caretaker.EVERY_S


def test_a_ledger_in_which_nothing_happens_is_not_opened(monkeypatch: pytest.MonkeyPatch):
    """It looks every other second, for weeks."""
    monkeypatch.setattr(caretaker, "EVERY_S", 0.0)
    with open_cycle(CONFIG, sends=False):
        pass
    ledger = Ledger(wiring.open_ledger().path)
    opened: list[str] = []
    reading = ledger.reading
    monkeypatch.setattr(ledger, "reading", lambda: opened.append("") or reading())
    looks_after = Caretaker(ledger)
    for _ in range(5):
        looks_after.look()
    assert len(opened) == 1

    with open_cycle(CONFIG, sends=False):
        pass
    for _ in range(5):
        looks_after.look()
    assert len(opened) == 2


def test_settings_that_become_wrong_meanwhile_are_told_of_and_the_old_ones_kept(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(caretaker, "EVERY_S", 0.0)
    with open_cycle(CONFIG, sends=False):
        pass
    looks_after = Caretaker(wiring.open_ledger())
    with wiring.keeping_settings():
        monkeypatch.setenv("REGENT_LEDGER_TIMEOUT_S", "soon")
        assert wiring.settings().ledger_timeout_s == 30
        looks_after.look()
        looks_after.look()
    with Ledger(looks_after._ledger.path).reading() as books:
        (alert,) = books.alerts.latest(5)
    assert alert.topic is Topic.SETTINGS_INVALID
    assert "REGENT_LEDGER_TIMEOUT_S='soon'" in alert.text


def test_a_live_run_that_was_killed_is_critical_and_one_of_before_is_left_alone():
    ledger = wiring.open_ledger()
    live = CONFIG.model_copy(update={"mode": "live"})
    with ledger.transaction() as books:
        now = wiring.wall_clock()
        for run_id in ("killed", "of-before"):
            account, venue = live.account_id, live.venue_id
            books.runs.start(RunId(run_id), account, venue, live.mode, "{}", now)
        books.session.rows("INSERT INTO run_processes VALUES ('killed', 1, 'gone', 'h', 1, now())")

    assert note_crashed_runs(ledger) == ("killed",)

    (alert,) = told()
    assert alert.severity is Severity.CRITICAL
    assert status(RunId("of-before"))[0] is RunStatus.RUNNING


def test_a_process_is_dead_when_its_lock_is_free(tmp_path: Path):
    mine = this_process(tmp_path)
    assert this_process(tmp_path) == mine
    assert not is_dead(tmp_path, mine.process)
    assert is_dead(tmp_path, "never-was")
    (tmp_path / "left").touch()
    assert is_dead(tmp_path, "left")
    assert not (tmp_path / "left").exists()
