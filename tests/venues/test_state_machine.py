"""Random wishes, lies, deaths and people at five exchanges, through the real clients.

The exchange is a local server that lies; client library, adapter, booking, reconciliation and
ledger are those of production. Whatever happens, in whatever order: at most one order an
intent, nothing sent on top of doubt or against a halt, and once everybody is honest again the
books are the venue's. REGENT_MACHINE_SEED repeats a run's choices, REGENT_MACHINE_STEPS says
how many steps all dialects together take at least.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import ccxt.async_support as ccxt
import duckdb
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from data.store import connection
from execution.model.enums import ExternalPolicy, OrderSide
from tasks import wiring
from tests.venues.lying_exchange.lies import Fault, Lie
from tests.venues.lying_exchange.server import LyingExchange
from tests.venues.machine import Machine, Place
from tests.venues.machine_checks import books_equal_venue, settle
from tests.venues.machine_choices import HIDES, Wish
from tests.venues.machine_parts import Clock, WatchedLedger
from tests.venues.machine_tally import Tally

DIALECTS = ("binance", "bybit", "coinbase", "kraken", "alpaca")
STEPS_CI = int(os.environ.get("REGENT_MACHINE_STEPS", "3000"))
STEPS_SOAK = max(50_000, STEPS_CI)
STEPS = 60  # of one example
CONNECT = connection._connect
SETTINGS = settings(
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # time passes by itself: a smaller example would be another one
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def _connect() -> duckdb.DuckDBPyConnection:
    """For a few rows the planning costs more than the query: half of the time goes by without."""
    con = CONNECT()
    con.execute("PRAGMA disable_optimizer")
    return con


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """The exchange with all its dialects, and a folder in memory where there is one."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    clock = Clock()
    with (
        TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        pytest.MonkeyPatch.context() as patch,
        LyingExchange(*DIALECTS, clock=clock.now) as exchange,
    ):
        patch.setattr(wiring, "wall_clock", clock.now)
        patch.setattr(ccxt.Exchange, "milliseconds", staticmethod(clock.now_ms))
        patch.setattr(connection, "_connect", _connect)
        patch.setattr(wiring, "open_ledger", wiring.open_ledger)  # a world puts its own there
        connection._close_idle()
        blank = Path(folder) / "ledger.duckdb"
        with WatchedLedger(blank).transaction():
            pass
        yield Place(exchange, clock, blank)
        connection._close_idle()


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_whatever_happens_no_order_is_doubled_and_the_books_equal_the_venue(
    place: Place, dialect: str, capsys: pytest.CaptureFixture[str]
):
    """Another seed each time, and it is always told."""
    _explore(place, dialect, STEPS_CI // len(DIALECTS), capsys)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_whatever_happens_for_long_the_same_holds(
    place: Place, dialect: str, capsys: pytest.CaptureFixture[str]
):
    """What is rare needs time to happen."""
    _explore(place, dialect, STEPS_SOAK // len(DIALECTS), capsys)


def _explore(place: Place, dialect: str, steps: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Take at least so many steps, and tell which; a failure tells its story too."""
    given = os.environ.get("REGENT_MACHINE_SEED")
    tally = Tally(seed=int(given) if given else random.SystemRandom().randrange(10**9))
    wall, cpu = time.monotonic(), time.process_time()
    try:
        for number in itertools.count(tally.seed):
            left = steps - tally.counts.total()
            if left <= 0:
                break
            _examples(place, dialect, tally, number, 1 + left // STEPS)
    except BaseException as error:
        story = "\n  ".join(("the story of the first failure:", *tally.failed))
        error.add_note(f"{dialect}: {tally}\n{story}")
        raise
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    with capsys.disabled():
        print(f"\n{dialect}: {tally}\n  took {wall:.0f} s, {cpu:.0f} s of them computing")


def _examples(place: Place, dialect: str, tally: Tally, number: int, examples: int) -> None:
    @seed(number)
    def machine() -> Machine:
        return Machine(place, dialect, tally)

    # The first example is always the simplest one, the same step again and again.
    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=max(2, examples)))


@contextmanager
def _world(place: Place, dialect: str) -> Iterator[Machine]:
    """One account with nobody in it, to tell one story."""
    machine = Machine(place, dialect, Tally(seed=0))
    machine.begin(0.0, ExternalPolicy.FLAG)
    try:
        yield machine
    finally:
        machine.world.close()


def test_a_fill_that_shows_before_its_refused_order_waits_for_it(place: Place):
    """Booked as a stranger's, it could never become the order's again."""
    with _world(place, "binance") as machine:
        machine.tell_lies(Lie(Fault.REJECTED_THEN_FILLED), HIDES)
        machine.send("buy", OrderSide.BUY, Wish(instrument=0), None)

        assert machine.world.reconcile() == "done"

        assert machine.world.fills() == ()
        settle(machine.world)
        books_equal_venue(machine.world)
        assert list(machine.world.wishes) == [f.client_order_id for f in machine.world.fills()]


def test_a_second_process_finds_orders_by_krakens_other_names(place: Place):
    """Kraken lists open orders by names of markets that ccxt learns only when it loads them."""
    with _world(place, "kraken") as machine:
        machine.send("buy", OrderSide.BUY, Wish(instrument=1, offset=-20), None)
        machine.world.restart()

        assert machine.world.found() == ()
