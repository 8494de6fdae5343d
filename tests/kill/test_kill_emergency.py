"""kill -9 at every step of an emergency stop, then the button again: flat, nothing doubled.

A step is a commit to the ledger or a request to the venue; the process dies just before and
just after each. The venue is the simulated one, whose account remembers what our books do not.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from data.store.connection import Ledger
from data.store.halt import HaltFile
from data.store.verify import verify
from execution.model.enums import TradingState
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.order import EMERGENCY
from execution.orders.submission import submit_all
from execution.venues.simulated import SimulatedVenue
from tasks import wiring
from tasks.booking import record
from tasks.cycle import open_cycle
from tasks.market_data import load_market
from tests.cycles import assert_books_are_right, run_cycle
from tests.kill.test_kill_anywhere import CONFIG, Steps, all_settled, in_child
from tests.tasks.emergency.presses import intent_of, press, written

ACCOUNT = CONFIG.account_id
GOOG = InstrumentId("GOOG", VenueId("simulated"))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that holds two positions and has an order resting."""
    home = tmp_path_factory.mktemp("kept") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGENT_HOME", str(home))
        run_cycle(CONFIG)
        asyncio.run(_rest())
    return home


async def _rest() -> None:
    with open_cycle(CONFIG) as cycle:
        market = load_market.fn(cycle)
        order = written(intent_of("resting", CONFIG, instrument_id=GOOG, qty="1", px="1"))
        async with wiring.open_venue(CONFIG, market.traded) as venue:
            await venue.on_market(market.snapshots.values(), market.clock())
            await submit_all([order], (), venue, record, market.clock, {})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_every_ninth_step_the_next_press_finishes_it(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kill_and_press_again(first, tmp_path, monkeypatch, every=9)


@pytest.mark.soak
def test_killed_at_every_step_the_next_press_finishes_it(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kill_and_press_again(first, tmp_path, monkeypatch, every=1)


def kill_and_press_again(
    first: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *, every: int
) -> None:
    total = steps_of_a_press(first, folder / "uncut", monkeypatch)
    reached = Counter[str]()
    for kill_at in range(0, total, every):
        home = folder / f"killed-{kill_at}"
        shutil.copytree(first, home)
        monkeypatch.setenv("REGENT_HOME", str(home))

        def cut_short(kill_at: int = kill_at) -> None:
            with pytest.MonkeyPatch.context() as patch:
                count_steps(patch, Steps(kill_at))
                press()

        status = in_child(cut_short)
        if not os.WIFSIGNALED(status):
            continue  # threads: not each press takes as many steps
        # From before its first commit on nothing can be sent.
        assert HaltFile(home / "halt").covers(ACCOUNT)
        reached[where(home)] += 1
        assert in_child(finish) == 0, f"step {kill_at}: the next press failed"
        require_flat(f"step {kill_at}")
        shutil.rmtree(home)
    print(f"\n{total} steps, killed by what was done: {dict(reached)}")
    assert {"halted by the file alone", "canceled", "closing"} <= set(reached)


def finish() -> None:
    report = press()
    assert report.done, report


def require_flat(name: str) -> None:
    """Each position closed by one order of one emergency, there and here."""
    assert_books_are_right(CONFIG)
    assert all_settled(), name
    with wiring.open_ledger().reading() as books:
        assert verify(books) == ()
        assert books.positions.open(ACCOUNT) == ()
        assert books.emergencies.open(ACCOUNT) is None, name
        assert books.trading_state.get(ACCOUNT) is TradingState.HALTED
        orders = [o for o in books.orders.all(ACCOUNT) if o.intent.strategy == EMERGENCY]
        there = books.session.rows("SELECT client_order_id, cum_qty FROM simulated_orders")
        left = books.session.rows("SELECT instrument FROM simulated_positions WHERE net_qty != 0")
    sold = {key: Decimal(qty) for key, qty in there}
    assert left == [], name
    assert len(sold) == len(there), name
    assert {o.intent.leg for o in orders} == {"flatten"}, name
    assert [sold[o.client_order_id] for o in orders] == [o.intent.order_qty for o in orders], name
    assert len(orders) == 2, name
    assert len({o.intent.signal_time for o in orders}) == 1, name  # of one emergency, and its ids


def steps_of_a_press(first: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many steps a press takes that nobody kills."""
    shutil.copytree(first, home)
    monkeypatch.setenv("REGENT_HOME", str(home))
    steps = Steps(kill_at=None)
    with pytest.MonkeyPatch.context() as patch:
        count_steps(patch, steps)
        finish()
    require_flat("uncut")
    return steps.count


def count_steps(patch: pytest.MonkeyPatch, step: Callable[[], None]) -> None:
    """Call `step` before and after every commit, and every request that changes something."""
    transaction = Ledger.transaction

    @contextmanager
    def counted(self: Ledger) -> Any:  # noqa: ANN401
        with transaction(self) as books:
            yield books
            step()
        step()

    def counting(request: Callable[..., Any]) -> Callable[..., Any]:
        async def requested(*args: object) -> object:
            step()
            result = await request(*args)
            step()
            return result

        return requested

    patch.setattr(Ledger, "transaction", counted)
    for name in ("submit", "cancel"):
        patch.setattr(SimulatedVenue, name, counting(getattr(SimulatedVenue, name)))


def where(home: Path) -> str:
    """How far the press had come when the process died."""
    with Ledger(home / "ledger.duckdb").reading() as books:
        if not books.emergencies.of(ACCOUNT):
            return "halted by the file alone"
        orders = books.orders.all(ACCOUNT)
        resting = books.orders.get("resting")  # type: ignore[arg-type]
        assert resting is not None
        if any(o.intent.strategy == EMERGENCY for o in orders):
            return "closed" if not books.positions.open(ACCOUNT) else "closing"
        return "halted" if resting.status == "accepted" else "canceled"
