"""`regent run` and `regent plan`, as a trader runs them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.store.connection import Ledger
from data.store.runs import RunStatus
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId
from tests.conftest import Serving
from tests.cycles import STAGES
from tests.flows.commands import GOOD, counts, has_open, press_ctrl_c, regent, start

ARGS = ("--as-of", "2012-06-11", "--symbols", "aapl,MSFT")


def test_a_plan_writes_nothing_and_opens_no_account(tmp_path: Path):
    signals = tmp_path / "signals.csv"
    signals.write_text(GOOD)

    ended = regent(tmp_path / "home", "plan", *ARGS, "--signals", str(signals), "--json")

    assert ended.code == 0, ended.err
    (intent,) = ended.document["planned"]["plan"]["decision"]["approved"]
    assert intent["instrument_id"] == "AAPL.SIMULATED"
    assert intent["side"] == "buy"
    assert len(ended.document["planned"]["plan"]["decision"]["verdicts"]) >= 10
    assert not (tmp_path / "home" / "ledger.duckdb").exists()


def test_channels_that_are_wrong_are_refused_before_anything_is_started(tmp_path: Path):
    """Nobody would be told of what goes wrong: as with any wrong setting, within a second."""
    ended = regent(tmp_path / "home", "run", *ARGS, REGENT_ALERTS="nonsense")

    assert (ended.code, ended.out) == (2, "")
    assert "REGENT_ALERTS=nonsense: cannot be read" in ended.err
    assert not (tmp_path / "home" / "prefect" / "prefect.db").exists()


def test_a_plan_of_a_halted_account_says_so_with_what_ends_the_halt(tmp_path: Path):
    """Though there be nothing to send: nobody is to wait for orders that cannot come."""
    account, now = AccountId("dry-run/simulated/sample"), datetime(2012, 6, 1, tzinfo=UTC)
    with Ledger(tmp_path / "ledger.duckdb").transaction() as books:
        books.trading_state.set(account, TradingState.HALTED, "looks odd", "Ann", now)

    ended = regent(tmp_path, "plan", *ARGS)

    assert ended.code == 0, ended.err
    assert "trading is HALTED since 2012-06-01 00:00Z, by Ann: looks odd" in ended.out
    assert f"regent breaker reset REASON --account {account}" in ended.out


@pytest.mark.slow
def test_a_run_trades_once_and_tells_when_books_and_venue_differ(tmp_path: Path, serving: Serving):
    """The whole way: fills, at a Prefect server of its own; a second run, a lying venue."""
    signals, home = tmp_path / "signals.csv", tmp_path / "home"
    signals.write_text(GOOD)
    args = (*ARGS, "--signals", str(signals))

    first = regent(home, "run", *args, "--json")

    assert first.code == 0, first.err
    assert not first.err
    assert first.document["reconciled"] is True
    (fill,) = first.document["fills"]
    assert Path(first.document["report_path"]).read_text().startswith("<!doctype html>")
    with Ledger(home / "ledger.duckdb").reading() as books:
        events = books.stages.of(books.runs.find(first.document["cycle"]["run_id"]).run_id)
    assert [e.stage for e in events if e.event == "completed"] == STAGES

    before = counts(home)
    planned = regent(home, "plan", *args)
    assert "nothing to do" in planned.out
    assert counts(home) == before

    with Ledger(home / "ledger.duckdb").transaction() as books:
        books.session.rows("UPDATE simulated_accounts SET cash = cash - 1")
    second = regent(home, "run", *args, **serving.clients)

    assert second.code == 8, second.err
    assert "books and venue DISAGREE" in second.out
    assert counts(home)["fills"] == before["fills"] == 1
    assert fill["side"] == "buy"

    third = regent(home, "reconcile", *ARGS, "--json", **serving.clients)

    assert third.code == 8, third.err
    assert third.document["reconciled"] is False
    assert [d["kind"] for d in third.document["discrepancies"]] == ["cash"]

    with Ledger(home / "ledger.duckdb").transaction() as books:
        books.session.rows("UPDATE simulated_accounts SET cash = cash + 1")
    fourth = regent(home, "reconcile", *ARGS, **serving.clients)

    assert fourth.code == 0, fourth.err
    assert "books equal the venue" in fourth.out


@pytest.mark.slow
def test_ctrl_c_in_a_flow_is_told_and_written_down(tmp_path: Path):
    """Pressed while a stage waits for the ledger, which we hold in the meantime."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    process = start(tmp_path, "run", *ARGS)
    while not (ledger.path.exists() and _begun(ledger)):
        assert process.poll() is None
        time.sleep(0.05)
    with ledger.reading():
        while not has_open(process.pid, "ledger.duckdb.lock"):
            assert process.poll() is None
            time.sleep(0.02)
        press_ctrl_c(process)
        time.sleep(0.5)
    _, err = process.communicate(timeout=90)

    with ledger.reading() as books:
        (run,) = books.runs.recent(books.runs.accounts(), 2)
        got_to = [(e.stage, e.event, e.ts.isoformat()) for e in books.stages.of(run.run_id)]
    assert process.returncode == 130, (err, got_to)
    assert err.startswith("interrupted: what was sent is in the books")
    assert len(err.splitlines()) == 1
    assert (run.status, run.message) == (RunStatus.FAILED, "interrupted")


def _begun(ledger: Ledger) -> bool:
    with ledger.reading() as books:
        return bool(books.runs.accounts())


@pytest.mark.slow
def test_what_a_flow_refuses_keeps_its_words_and_its_code(tmp_path: Path, serving: Serving):
    """Bars of the past on an account that has seen later ones: only the flow can tell."""
    home = tmp_path / "home"
    assert regent(home, "run", *ARGS, **serving.clients).code == 0

    earlier = ("--as-of", "2012-06-01", "--symbols", "AAPL")
    ended = regent(home, "run", *earlier, **serving.clients)

    assert ended.code == 2
    assert ended.err.startswith("error: the bars end at 2012-06-01 20:00Z")
    assert len(ended.err.splitlines()) == 1
