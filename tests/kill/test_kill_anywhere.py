"""kill -9 at every step of a cycle, then again from the top: one order a wish, books exact.

A step is a commit to the ledger or a call of the venue's `submit`; a cycle is killed just
before and just after each. The venue is the simulated one: its account lives in the same
ledger file, but in transactions of its own, so it remembers what our books do not.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.books import Books
from data.store.connection import Ledger
from execution.model.enums import OrderStatus as S
from execution.model.order import TERMINAL
from execution.risk.limits import RiskLimits
from execution.venues.simulated import SimulatedVenue
from tasks import wiring
from tasks.config import RunConfig
from tests.cycles import assert_books_are_right, run_cycle

# Sized anew after the first order has cost its fees, the second is the same: with the usual
# collar it is just at a whole share, and would be one less.
CONFIG = RunConfig(symbols=("GOOG", "MSFT"), limits=RiskLimits(price_collar_pct=Decimal("0.021")))


class Steps:
    """Counts the steps of a cycle and kills the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self._kill_at = kill_at

    def __call__(self) -> None:
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def count_steps(monkeypatch: pytest.MonkeyPatch, step: Callable[[], None]) -> None:
    """Call `step` before and after every commit and every submission."""
    transaction, submit = Ledger.transaction, SimulatedVenue.submit

    @contextmanager
    def counted_transaction(self: Ledger) -> Iterator[Books]:
        with transaction(self) as books:
            yield books
            step()
        step()

    async def counted_submit(self: SimulatedVenue, *args: object) -> object:
        step()
        result = await submit(self, *args)  # type: ignore[arg-type]
        step()
        return result

    monkeypatch.setattr(Ledger, "transaction", counted_transaction)
    monkeypatch.setattr(SimulatedVenue, "submit", counted_submit)


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process; return its exit status as `os.waitpid` gives it.

    Forking is safe here: no connection to a ledger outlives its transaction.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def steps_of_a_cycle(monkeypatch: pytest.MonkeyPatch, home: Path) -> int:
    """How many steps the first cycle of an account takes."""
    with monkeypatch.context() as patch:
        patch.setenv("REGENT_HOME", str(home))
        steps = Steps(kill_at=None)
        count_steps(patch, steps)
        run_cycle(CONFIG)
    return steps.count


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_every_fifth_step_the_next_run_sends_each_wish_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The plug can be pulled anywhere; nothing is lost, nothing doubled."""
    kill_and_run_again(tmp_path, monkeypatch, every=5)


@pytest.mark.soak
def test_killed_at_every_step_the_next_run_sends_each_wish_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kill_and_run_again(tmp_path, monkeypatch, every=1)


def kill_and_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, every: int) -> None:
    """Kill a first cycle at each `every`th step, each time on books of its own."""
    total = steps_of_a_cycle(monkeypatch, tmp_path / "uncut")
    wished = orders_at_venue(tmp_path / "uncut", monkeypatch)
    assert len(wished) == 2
    killed = Counter[str]()
    points = range(0, total, every)
    for kill_at in points:
        home = tmp_path / f"killed-{kill_at}"
        monkeypatch.setenv("REGENT_HOME", str(home))

        def cut_short(kill_at: int = kill_at) -> None:
            with pytest.MonkeyPatch.context() as patch:
                count_steps(patch, Steps(kill_at))
                run_cycle(CONFIG)

        status = in_child(cut_short)
        assert os.WIFSIGNALED(status), f"step {kill_at}: was not killed: {status}"
        killed[stage_reached(home)] += 1
        assert in_child(lambda: run_cycle(CONFIG)) == 0, f"step {kill_at}: the next run failed"
        assert_books_are_right(CONFIG)
        assert orders_at_venue(home, monkeypatch) == wished, f"step {kill_at}"
        assert all_settled(), f"step {kill_at}"
    print(f"\n{len(points)} of {total} kill points, by stage: {dict(killed)}")
    assert {"order-execution", "monitoring", "reconciliation"} <= set(killed)


def orders_at_venue(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every order the venue ever took: its id, and what it was for."""
    monkeypatch.setenv("REGENT_HOME", str(home))
    with wiring.open_ledger().reading() as books:
        rows = books.session.rows(
            "SELECT client_order_id, instrument || ' ' || cum_qty FROM simulated_orders"
        )
        fills = books.session.rows(
            "SELECT client_order_id, sum(last_qty) FROM simulated_fills GROUP BY ALL"
        )
    assert len({client_order_id for client_order_id, _ in rows}) == len(rows)
    assert len(fills) == len(rows)
    return dict(rows)


def all_settled() -> bool:
    """Whether every order has come to an end."""
    with wiring.open_ledger().reading() as books:
        return {o.status for o in books.orders.by_status(CONFIG.account_id, S)} <= TERMINAL


def stage_reached(home: Path) -> str:
    """The last stage that had started when the process died."""
    path = home / "ledger.duckdb"
    if not path.exists():
        return "before the ledger"
    with Ledger(path).reading() as books:
        rows = books.session.rows(
            "SELECT stage FROM stages WHERE event = 'started' ORDER BY rowid DESC LIMIT 1"
        )
    return str(rows[0][0]) if rows else "before the first stage"
