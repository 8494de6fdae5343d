"""kill -9 around the breaker: after it the state is in force, or nothing was sent in between.

A step is a commit to the ledger or a call of the venue's `submit`, as in `test_kill_anywhere`.
A drawdown of a basis point is too much here, so the commission of one order trips it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.trading_state import TradingStates
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId
from execution.model.state_change import StateChange
from execution.risk.limits import RiskLimits
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tests.cycles import assert_books_are_right, plan_cycle, run_cycle
from tests.kill.test_kill_anywhere import Steps, count_steps, in_child

CONFIG = RunConfig(symbols=("GOOG", "MSFT"), limits=RiskLimits(max_drawdown_pct=Decimal("0.0001")))
ACCOUNT = CONFIG.account_id


def prepare_new(home: Path) -> None:
    """Nothing is there yet: the two buys of the cycle lose too much by their commissions."""


def prepare_fallen(home: Path) -> None:
    """An account that was worth twice as much once, and two signals that want to buy."""
    rich, fallen = (datetime(2013, 2, day, tzinfo=UTC) for day in (20, 27))
    for as_of in (rich, fallen):
        with open_cycle(CONFIG.model_copy(update={"as_of": as_of})) as cycle:
            plan_cycle(cycle)
    with wiring.open_ledger().transaction() as books:
        books.session.rows("UPDATE equity SET unit = 2 WHERE ts_init <= ?", rich)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("prepare", [prepare_new, prepare_fallen])
def test_killed_around_the_trip_nothing_opens_once_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Path], None]
):
    kill_and_run_again(tmp_path, monkeypatch, prepare, every=None)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("prepare", [prepare_new, prepare_fallen])
def test_killed_at_every_step_nothing_opens_once_the_trip_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Path], None]
):
    kill_and_run_again(tmp_path, monkeypatch, prepare, every=1)


def kill_and_run_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Path], None],
    *,
    every: int | None,
) -> None:
    """Kill a cycle at each `every`th step, or else before and after the trip is committed."""
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    monkeypatch.setenv("REGENT_HOME", str(prepared))
    prepare(prepared)
    total, tripped_at = steps_of_a_cycle(tmp_path, monkeypatch, prepared)
    points = range(tripped_at - 1, tripped_at + 2) if every is None else range(0, total, every)
    halted = cut = 0
    for kill_at in points:
        home = fresh(tmp_path / f"killed-{kill_at}", monkeypatch, prepared)

        def cut_short(kill_at: int = kill_at) -> None:
            with pytest.MonkeyPatch.context() as patch:
                count_steps(patch, Steps(kill_at))
                run_cycle(CONFIG)

        status = in_child(cut_short)
        assert os.WIFSIGNALED(status), f"step {kill_at}: was not killed: {status}"
        in_force, sent = state(), at_venue()
        halted += in_force is TradingState.HALTED
        cut += in_force is not TradingState.HALTED
        assert in_child(lambda: run_cycle(CONFIG)) == 0, f"step {kill_at}: the next run failed"
        assert state() is TradingState.HALTED, f"step {kill_at}"
        lost_something = in_force is TradingState.HALTED or sent or prepare is prepare_fallen
        assert at_venue() == sent if lost_something else at_venue() == 2, f"step {kill_at}"
        assert told() == 1, f"step {kill_at}: told {told()} times of the halt"
        assert_books_are_right(CONFIG)
        shutil.rmtree(home)
    print(f"\n{len(points)} of {total} kill points: {halted} halted already, {cut} not yet")
    assert halted
    assert cut


def fresh(home: Path, monkeypatch: pytest.MonkeyPatch, prepared: Path) -> Path:
    shutil.copytree(prepared, home)
    monkeypatch.setenv("REGENT_HOME", str(home))
    return home


def steps_of_a_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: Path
) -> tuple[int, int]:
    """How many steps a cycle takes, and which one is just before the trip is committed."""
    fresh(tmp_path / "uncut", monkeypatch, prepared)
    steps, tripped_at = Steps(kill_at=None), list[int]()
    apply = TradingStates.apply

    def noted(self: TradingStates, account: AccountId, change: StateChange) -> None:
        tripped_at.append(steps.count)
        apply(self, account, change)

    with monkeypatch.context() as patch:
        patch.setattr(TradingStates, "apply", noted)
        count_steps(patch, steps)
        run_cycle(CONFIG)
    return steps.count, tripped_at[0]


def state() -> TradingState | None:
    if not wiring.open_ledger().path.exists():
        return None
    with wiring.open_ledger().reading() as books:
        return books.trading_state.get(ACCOUNT)


def at_venue() -> int:
    """How many orders the venue has ever taken."""
    if not wiring.open_ledger().path.exists():
        return 0
    with wiring.open_ledger().reading() as books:
        return int(books.session.rows("SELECT count(*) FROM simulated_orders")[0][0])


def told() -> int:
    with wiring.open_ledger().reading() as books:
        found = books.alerts.latest(50, ACCOUNT)
    return sum("trading is HALTED: drawdown" in alert.text for alert in found)
