"""kill -9 between every two steps of ledger and venue, under every fault, at every dialect.

The real adapters trade at the lying exchange, which is a process of its own and remembers
what our books may not. The matrix is dialect × fault × step; see `lying_cell` for what one
cell of it does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import Serving
from tests.kill.lying_cell import Account, Counted, account, make_good
from tests.kill.lying_process import BUSY_S, LyingProcess, lying_process
from tests.kill.wishes import MARKET, STREAM_FAULTS, STREAMS, Wishes, make_wishes
from tests.venues import lying_plugin
from tests.venues.lying_exchange.lies import LIES
from tests.venues.lying_plugin import DIALECTS

# What cannot happen, and so is not in the matrix.
IMPOSSIBLE = {
    **{
        (dialect, fault): "this exchange has no stream of its orders"
        for fault in STREAM_FAULTS
        for dialect in DIALECTS
        if dialect not in STREAMS
    },
    ("coinbase", "fee_in_base"): "it takes its fees from the quote currency alone",
    ("kraken", "fee_in_base"): "it takes a buy's fee from the quote currency unless told not to",
}
PAIRS = [(d, fault) for fault in LIES for d in DIALECTS if (d, fault) not in IMPOSSIBLE]
GOLDEN = 0.618034  # its multiples, whole parts left out, spread evenly from 0 to 1
LIFE_S = 1800.0  # of an exchange; a pair of the full matrix takes some minutes
RAM = Path("/dev/shm")  # noqa: S108 - ledgers by the thousand, thrown away one by one

Say = Callable[[str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the books are: in memory where that can be had."""
    with TemporaryDirectory(prefix="regent-", dir=RAM if RAM.exists() else tmp_path) as name:
        yield Path(name)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Print at once, whatever pytest captures."""

    def aloud(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    return aloud


@dataclass
class Tally:
    """What has become of the cells."""

    run: int = 0
    killed: int = 0  # the others had fewer steps that time, and came to their end
    failed: list[str] = field(default_factory=list)

    def cell(self, exchange: LyingProcess, wishes: Wishes, kill_at: int, folder: Path) -> None:
        """Kill at one step, make good, and note how that went."""
        name = f"{wishes.dialect}-{wishes.fault}-{kill_at}"
        self.run += 1
        with account(exchange, wishes, name, folder) as opened:
            try:
                self.killed += opened.run_and_kill(kill_at)
                make_good(opened)
            except AssertionError as error:
                self.failed.append(f"{name}: {error}")

    def __str__(self) -> str:
        return f"run here: {self.run}, killed {self.killed}, failed {len(self.failed)}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_anywhere_under_any_fault_nothing_is_lost_and_nothing_doubled(
    folder: Path, say: Say
):
    """A sample of the whole matrix, the same each time: every fault, one dialect after another.

    Every other cell is where it hurts most, the rest are spread from the first send to the
    end: killed before it, a cycle may come to no lie at all.
    """
    tally = Tally()
    with lying_process(*DIALECTS, life_s=LIFE_S) as exchange:
        steps = {dialect: honest_steps(exchange, dialect, folder) for dialect in DIALECTS}
        for number, fault in enumerate(LIES):
            dialects = [dialect for dialect, its in PAIRS if its == fault]
            wishes = make_wishes(dialects[number % len(dialects)], fault, folder)
            counted = steps[wishes.dialect]
            first, left = counted.unwritten[0], counted.total - counted.unwritten[0]
            somewhere = first + int(number * GOLDEN % 1 * left)
            hurts = counted.unwritten[number // 2 % len(counted.unwritten)]
            tally.cell(exchange, wishes, somewhere if number % 2 else hurts, folder)
        happened = {
            fault
            for dialect in DIALECTS
            for fault, times in exchange.state(dialect)["lies"].items()
            if times
        }
    size = sum(steps[dialect].total for dialect, _ in PAIRS)
    say(f"\nmatrix: {told(steps)} = {size:,} cells; {tally}")
    say(told_impossible())
    assert tally.failed == []
    assert happened == LIES.keys()
    assert tally.killed >= 0.9 * tally.run  # some faults leave out the last steps


@pytest.mark.soak
@pytest.mark.parametrize("dialect", DIALECTS)
def test_killed_at_every_step_under_every_fault_nothing_is_lost_and_nothing_doubled(
    folder: Path, say: Say, dialect: str
):
    tally, size = Tally(), 0
    for fault in (fault for of, fault in PAIRS if of == dialect):
        with lying_process(dialect, life_s=LIFE_S) as exchange:
            wishes = make_wishes(dialect, fault, folder)
            started = time.monotonic()
            with account(exchange, wishes, "uncut", folder) as uncut:
                steps = uncut.count().total
                make_good(uncut)
            assert exchange.state(dialect)["lies"][fault], f"{fault} never happened"
            for kill_at in range(steps):
                tally.cell(exchange, wishes, kill_at, folder)
        size += steps
        took_s = time.monotonic() - started
        say(f"{dialect} × {fault}: {steps} steps, {took_s:.0f} s; {tally}")
    say(f"matrix of {dialect} = {size:,} cells; {tally}\n{told_impossible()}")
    assert tally.failed == []


def honest_steps(exchange: LyingProcess, dialect: str, folder: Path) -> Counted:
    """The steps of a cycle that nobody kills or lies to; it warms this process up as well.

    Nothing is late here but by a busy machine, which has its time.
    """
    wishes = make_wishes(dialect, next(iter(LIES)), folder)
    with (
        pytest.MonkeyPatch.context() as patch,
        account(exchange, wishes, f"{dialect}-uncut", folder) as uncut,
    ):
        patch.setattr(lying_plugin, "DEADLINE_S", BUSY_S)
        exchange.tell("honest")
        return uncut.count()


def told(steps: dict[str, Counted]) -> str:
    """The matrix in words; a fault adds steps of its own to those of an unhindered cycle."""
    by_dialect = ", ".join(f"{dialect} {counted.total}" for dialect, counted in steps.items())
    return f"{len(DIALECTS)} dialects × {len(LIES)} faults × at least so many steps: {by_dialect}"


def told_impossible() -> str:
    """What is left out of the matrix, and why."""
    lines = (f"  {dialect} × {fault}: {why}" for (dialect, fault), why in IMPOSSIBLE.items())
    return "\n".join(["not in it, as it cannot happen:", *lines])


# In the short form each fault at one dialect.
UNWRITTEN = product(
    ("binance", "alpaca"), ("timeout_after", "rejected_then_filled", "not_found_at_first")
)
WORKERS = [
    pytest.param(*pair, marks=pytest.mark.slow if number % 2 else pytest.mark.soak)
    for number, pair in enumerate(UNWRITTEN)
]


@pytest.mark.parametrize(("dialect", "fault"), WORKERS)
def test_a_worker_killed_between_acceptance_and_outcome_is_made_good_by_the_next_run(
    serving: Serving, folder: Path, dialect: str, fault: str
):
    """The real flow in a process of its own, with a real Prefect server behind it."""
    with lying_process(dialect, life_s=LIFE_S) as exchange:
        wishes = make_wishes(dialect, fault, folder, bases=(MARKET,))
        with account(exchange, wishes, "worker", folder) as opened:
            assert work(serving, opened, "kill") == -signal.SIGKILL
            assert len(exchange.state(dialect)["orders"]) == 1
            assert not opened.settled()
            assert work(serving, opened) == 0
            opened.require_exactly_once()


def work(serving: Serving, opened: Account, *how: str) -> int:
    """Run the flow as a worker would; return how it ended."""
    config = opened.wishes.config.model_dump_json()
    done = subprocess.run(
        [sys.executable, "-m", "tests.kill.lying_child", config, *how],
        env={
            **os.environ,
            **serving.clients,
            "REGENT_HOME": str(opened.home),
        },
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
    )
    print(done.stderr)  # of a test that fails
    return done.returncode
