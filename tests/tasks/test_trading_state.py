"""How people are told that an account does not trade freely."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.store.books import Books
from execution.model.enums import TradingState
from execution.model.state_change import REGENT, StateChange
from tasks import halting, wiring
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.regime import analyse_regime
from tasks.reporting import report_cycle
from tasks.signals import SignalBatch
from tasks.trading_state import standing
from tests.cycles import finish_cycle, plan_cycle
from tests.execution.examples import ACCOUNT

NOW = datetime(2025, 10, 16, 12, 0, tzinfo=UTC)
THEN = f"a person says: regent breaker reset REASON --account {ACCOUNT}"


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    with wiring.open_ledger().transaction() as opened:
        yield opened


def test_a_halt_is_told_with_who_why_and_what_ends_it(books: Books):
    books.trading_state.set(ACCOUNT, TradingState.HALTED, "looks odd", "Ann", NOW)
    assert standing(books, ACCOUNT) == (
        "trading is HALTED since 2025-10-16 12:00Z, by Ann: looks odd; nothing is sent until "
        + THEN
    )


def test_what_ends_by_itself_is_told_with_its_time(books: Books):
    books.trading_state.apply(
        ACCOUNT,
        StateChange(
            state=TradingState.REDUCING,
            reason="failed orders",
            actor=REGENT,
            ts=NOW,
            cause="failed_orders",
            until=NOW + timedelta(hours=1),
        ),
    )
    assert "nothing is opened until 2025-10-16 13:00Z, or a person says" in standing(books, ACCOUNT)


@pytest.mark.parametrize("opened", [True, False])
def test_a_halt_by_file_alone_is_told_as_such(books: Books, opened: bool):
    """The ledger says ACTIVE, or nothing at all; the file counts."""
    if opened:
        books.trading_state.set(ACCOUNT, TradingState.ACTIVE, "opened", REGENT, NOW)
    halting.halt_file().write((ACCOUNT,), "Bob", "the disk is full", NOW)
    assert standing(books, ACCOUNT).startswith(
        f"trading is HALTED since {NOW.isoformat()} by its halt file, by Bob: the disk is full; "
    )


def test_of_an_account_that_trades_there_is_nothing_to_say(books: Books):
    assert standing(books, ACCOUNT) == ""
    books.trading_state.set(ACCOUNT, TradingState.ACTIVE, "opened", REGENT, NOW)
    assert standing(books, ACCOUNT) == ""


def test_the_report_of_a_cycle_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    with open_cycle(RunConfig(symbols=("GOOG",), strategies={})) as cycle:
        market, planned = plan_cycle(cycle)
        with wiring.open_ledger().transaction() as books:
            books.trading_state.set(cycle.account, TradingState.HALTED, "looks odd", "Ann", NOW)
        execution = finish_cycle(cycle, market, planned)
        report = report_cycle.fn(
            cycle,
            market,
            recovered=(),
            regimes=analyse_regime.fn(cycle, market),
            signals=SignalBatch(signals=(), left_out=()),
            planned=planned,
            execution=execution,
            attention=(),
            discrepancies=(),
        )

    assert "by Ann: looks odd; nothing is sent" in report.standing
    assert "by Ann: looks odd; nothing is sent" in report.report_path.read_text()
