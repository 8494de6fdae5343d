from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import multiprocessing
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import closing
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.errors import ConfigInvalid, VenueUnavailable
from execution.venues.rate_limit import Limit, RateLimiter, urgent

KEY = "binance/main"
TEN = Limit(budget=10, window_s=2.0)  # 8 for ordinary requests
SPAWN = multiprocessing.get_context("spawn")


class Time:
    """A clock that moves only when everybody sleeps, and then to whoever wakes first."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._numbers = itertools.count()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), woken))
        await woken.wait()

    async def run(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        tasks = [asyncio.ensure_future(one) for one in work]
        while not all(task.done() for task in tasks):
            for _ in range(10):
                await asyncio.sleep(0)
            assert self.now < 2000, "somebody waits for ever"
            if self._sleepers:
                wakes_at, _, woken = heapq.heappop(self._sleepers)
                self.now = max(self.now, wakes_at)
                woken.set()
        return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits" / "rates.sqlite"


@pytest.fixture
def hours() -> Time:
    return Time()


@pytest.fixture
def limiter(path: Path, hours: Time) -> Iterator[RateLimiter]:
    with closing(RateLimiter(path, hours.clock, hours.sleep)) as limiter:
        yield limiter


def most_in_a_window(sent: list[tuple[float, float]], window_s: float) -> float:
    """The most units in any half-open window, of (time, cost)."""
    return max(
        (
            sum(c for t, c in sent if start <= t and round(t - start, 6) < window_s)
            for start, _ in sent
        ),
        default=0,
    )


def sends(
    limiter: RateLimiter,
    hours: Time,
    log: list[tuple[float, str]],
    name: str,
    cost: float = 1,
    urgent: bool = False,
):
    async def send() -> None:
        await limiter.acquire(KEY, TEN, cost, urgent)
        log.append((hours.now, name))

    return send()


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.999999, 2.0, 7.0]),  # seconds later
        st.sampled_from([0.5, 1.0, 1.0, 3.0, 8.0]),  # units
        st.booleans(),  # urgent
    ),
    max_size=60,
)


@given(REQUESTS)
@settings(max_examples=80, deadline=None)
def test_no_window_ever_holds_more_than_the_budget(requests: list[tuple[float, float, bool]]):
    hours, sent = Time(), []
    with (
        TemporaryDirectory() as folder,
        closing(RateLimiter(Path(folder) / "rates.sqlite", hours.clock)) as limiter,
    ):
        for later_s, cost, is_urgent in requests:
            hours.now = round(hours.now + later_s, 6)
            if limiter.acquire_now(KEY, TEN, cost, urgent=is_urgent) == 0:
                sent.append((hours.now, cost, is_urgent))

    assert most_in_a_window([(t, c) for t, c, _ in sent], 2.0) <= 10
    assert most_in_a_window([(t, c) for t, c, u in sent if not u], 2.0) <= 8


@given(REQUESTS)
@settings(max_examples=80, deadline=None)
def test_urgent_requests_wait_only_for_their_own_kind(requests: list[tuple[float, float, bool]]):
    """Two units of ten are theirs alone, whatever ordinary requests took before."""
    hours, urgents = Time(), []
    with (
        TemporaryDirectory() as folder,
        closing(RateLimiter(Path(folder) / "rates.sqlite", hours.clock)) as limiter,
    ):
        for later_s, cost, is_urgent in requests:
            hours.now = round(hours.now + later_s, 6)
            wait_s = limiter.acquire_now(KEY, TEN, cost, urgent=is_urgent)
            if is_urgent:
                recent = sum(c for t, c in urgents if round(hours.now - t, 6) < 2.0)
                assert wait_s == 0 or recent + cost > 2
            if is_urgent and wait_s == 0:
                urgents.append((hours.now, cost))


@given(REQUESTS)
@settings(max_examples=50, deadline=None)
def test_the_wait_told_is_exact(requests: list[tuple[float, float, bool]]):
    """A microsecond earlier it is refused, then it is taken."""
    hours = Time()
    with (
        TemporaryDirectory() as folder,
        closing(RateLimiter(Path(folder) / "rates.sqlite", hours.clock)) as limiter,
    ):
        for later_s, cost, is_urgent in requests:
            hours.now = round(hours.now + later_s, 6)
            wait_s = limiter.acquire_now(KEY, TEN, cost, urgent=is_urgent)
            if wait_s:
                due = hours.now + wait_s
                hours.now = due - 0.000_002
                assert limiter.acquire_now(KEY, TEN, cost, urgent=is_urgent) > 0
                hours.now = due + 0.000_001
                assert limiter.acquire_now(KEY, TEN, cost, urgent=is_urgent) == 0


def test_requests_of_one_kind_are_sent_in_the_order_they_came(limiter: RateLimiter, hours: Time):
    """A large one is not overtaken for ever by small ones that would fit before it."""
    log: list[tuple[float, str]] = []
    small = [sends(limiter, hours, log, f"small {n}") for n in range(8)]
    large = sends(limiter, hours, log, "large", cost=6)
    late = [sends(limiter, hours, log, f"late {n}") for n in range(8)]

    asyncio.run(hours.run(*small, large, *late))

    assert [name for _, name in log] == [
        *(f"small {n}" for n in range(8)),
        "large",
        *(f"late {n}" for n in range(8)),
    ]
    assert [math.floor(t) for t, _ in log] == [1000] * 8 + [1002] * 3 + [1004] * 6


def test_an_urgent_request_goes_before_all_ordinary_ones(limiter: RateLimiter, hours: Time):
    log: list[tuple[float, str]] = []
    ordinary = [sends(limiter, hours, log, "ordinary") for _ in range(20)]
    urgents = [sends(limiter, hours, log, "urgent", urgent=True) for _ in range(5)]

    asyncio.run(hours.run(*ordinary, *urgents))

    at_once = Counter(name for t, name in log if t == 1000)
    assert at_once == {"ordinary": 8, "urgent": 2}
    assert max(t for t, name in log if name == "urgent") == 1002
    assert most_in_a_window([(t, 1) for t, _ in log], 2.0) <= 10


def test_ordinary_requests_are_not_starved_while_urgent_ones_are_rare(
    limiter: RateLimiter, hours: Time
):
    """One urgent request a window costs the ordinary ones one request a window."""
    log: list[tuple[float, str]] = []

    async def cancels() -> None:
        for _ in range(10):
            await limiter.acquire(KEY, TEN, urgent=True)
            await hours.sleep(2.0)

    ordinary = [sends(limiter, hours, log, "ordinary") for _ in range(70)]
    asyncio.run(hours.run(cancels(), *ordinary))

    assert len(log) == 70
    assert log[-1][0] <= 1000 + 2.0 * math.ceil(70 / 7)


def test_everything_inside_urgent_is_urgent(limiter: RateLimiter):
    for _ in range(8):
        assert limiter.acquire_now(KEY, TEN) == 0
    assert limiter.acquire_now(KEY, TEN) == 2.0

    with urgent():
        assert limiter.acquire_now(KEY, TEN) == 0

    assert limiter.acquire_now(KEY, TEN) > 0


def test_a_budget_of_one_request_still_serves_ordinary_ones(limiter: RateLimiter):
    """Where nothing can be kept back, an ordinary request goes alone."""
    one = Limit(budget=1, window_s=1.0)

    assert limiter.acquire_now(KEY, one) == 0
    assert limiter.acquire_now(KEY, one, urgent=True) == 1.0


def test_each_key_and_each_window_is_counted_by_itself(limiter: RateLimiter):
    minute = Limit(budget=4, window_s=60, reserve_share=0)
    for _ in range(3):
        assert limiter.acquire_now(KEY, minute) == 0

    assert limiter.acquire_now(KEY, minute) == 60
    assert limiter.acquire_now(KEY, TEN) == 0
    assert limiter.acquire_now("binance/other", minute) == 0


def test_a_wait_that_would_pass_the_timeout_is_told_at_once(limiter: RateLimiter, hours: Time):
    for _ in range(8):
        limiter.acquire_now(KEY, TEN)

    with pytest.raises(VenueUnavailable) as told:
        asyncio.run(limiter.acquire(KEY, TEN, timeout_s=1.5))

    assert str(told.value) == (
        "binance/main: limit of 10 units in 2 s: no room for a request of 1 units "
        "in the next 2.000 s, timeout_s=1.5; nothing was sent"
    )
    assert hours.now == 1000.0
    hours.now += 2.0
    assert limiter.acquire_now(KEY, TEN, cost=8) == 0, "its place in the line is free again"


def test_who_is_canceled_leaves_the_line(limiter: RateLimiter, hours: Time):
    async def scenario() -> float:
        for _ in range(8):
            limiter.acquire_now(KEY, TEN)
        waits = asyncio.ensure_future(limiter.acquire(KEY, TEN, cost=8))
        await asyncio.sleep(0)
        behind_it = limiter.acquire_now(KEY, TEN)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        assert waits.cancelled()
        return behind_it

    assert asyncio.run(scenario()) == 4.0
    assert limiter.acquire_now(KEY, TEN) == 2.0


def test_who_died_in_the_line_holds_up_the_others_for_a_lease_only(
    path: Path, limiter: RateLimiter, hours: Time
):
    async def never(_: float) -> None:
        await asyncio.Event().wait()

    log: list[tuple[float, str]] = []

    async def scenario(dead: RateLimiter) -> None:
        for _ in range(8):
            limiter.acquire_now(KEY, TEN)
        died = asyncio.ensure_future(dead.acquire(KEY, TEN, cost=8))
        await asyncio.sleep(0)
        await hours.run(sends(limiter, hours, log, "behind"))
        died.cancel()

    with closing(RateLimiter(path, hours.clock, never)) as dead:
        asyncio.run(scenario(dead))

    assert log == [(pytest.approx(1003.0), "behind")]


@pytest.mark.parametrize("back_s", [0.5, 3600.0])
def test_a_clock_that_is_set_back_never_stops_anybody_for_longer(
    limiter: RateLimiter, hours: Time, back_s: float
):
    for _ in range(8):
        limiter.acquire_now(KEY, TEN)
    limiter.block("kraken/main", 30)

    hours.now -= back_s

    assert limiter.acquire_now(KEY, TEN) == 2.0
    assert limiter.acquire_now("kraken/main", TEN) == 30.0
    hours.now += 2.0
    assert limiter.acquire_now(KEY, TEN) == 0
    hours.now += 28.0
    assert limiter.acquire_now("kraken/main", TEN) == 0


def test_a_clock_that_is_set_back_does_not_lengthen_a_timeout(path: Path):
    times = itertools.chain([1000.0] * 30, itertools.repeat(500.0))
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        assert sum(naps) <= 6

    with closing(RateLimiter(path, lambda: next(times), sleep_sync=nap)) as limiter:
        limiter.block(KEY, 4)
        with pytest.raises(VenueUnavailable):
            limiter.wait(KEY, TEN, timeout_s=6)


def test_a_venue_that_says_stay_away_is_obeyed_by_everybody(limiter: RateLimiter, hours: Time):
    limiter.block(KEY, 30)
    limiter.block(KEY, 5)

    assert limiter.acquire_now(KEY, TEN) == 30.0
    assert limiter.acquire_now(KEY, TEN, urgent=True) == 30.0
    assert limiter.acquire_now("kraken/main", TEN) == 0
    hours.now += 30
    assert limiter.acquire_now(KEY, TEN) == 0


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 0, -5])
def test_a_stay_away_without_a_time_is_a_second(limiter: RateLimiter, seconds: float):
    limiter.block(KEY, seconds)

    assert limiter.acquire_now(KEY, TEN) == 1.0


@pytest.mark.parametrize("cost", [10.5, -1, math.nan])
def test_a_cost_that_never_fits_is_told(limiter: RateLimiter, cost: float):
    with pytest.raises(ConfigInvalid, match=f"a request of {cost} units never fits a limit of 10"):
        limiter.acquire_now(KEY, TEN, cost)


@pytest.mark.parametrize(
    "values", [(0, 1.0, 0.2), (1, 0.0, 0.2), (1, 1.0, 1.0), (math.nan, 1.0, 0.2), (1, math.inf, 0)]
)
def test_a_limit_that_is_none_is_told(values: tuple[float, float, float]):
    with pytest.raises(ConfigInvalid, match="budget > 0, window_s > 0"):
        Limit(*values)


def test_the_file_does_not_grow(path: Path, limiter: RateLimiter, hours: Time):
    for n in range(4_000):
        hours.now += 0.25
        assert limiter.acquire_now(f"venue/{n % 400}", TEN) == 0
    limiter.close()
    hours.now += 60
    limiter.acquire_now(KEY, TEN)
    limiter.close()

    with closing(sqlite3.connect(path)) as con:
        assert con.execute("SELECT count(*) FROM taken").fetchone() == (1,)
    assert sum(f.stat().st_size for f in path.parent.iterdir()) < 200_000


def test_a_file_that_is_none_is_told_and_nothing_is_sent(path: Path):
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1_000)
    with (
        closing(RateLimiter(path)) as limiter,
        pytest.raises(VenueUnavailable, match=r"rates\.sqlite: the file of the rate limits cannot"),
    ):
        limiter.acquire_now(KEY, TEN)


def test_four_processes_together_stay_within_the_budget(path: Path, tmp_path: Path):
    """By the times at which they took, which are of one clock."""
    limit = Limit(budget=20, window_s=0.2)
    together = SPAWN.Barrier(4)
    children = [
        SPAWN.Process(
            target=_hammer, args=(path, limit, 1.5, tmp_path / f"{n}.txt", n == 0, together)
        )
        for n in range(4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)

    assert [child.exitcode for child in children] == [0] * 4
    taken = [[float(t) for t in (tmp_path / f"{n}.txt").read_text().split()] for n in range(4)]
    everything = sorted((t, 1.0) for times in taken for t in times)
    assert most_in_a_window(everything, 0.2) <= 20
    assert all(len(times) >= 3 for times in taken), "and nobody is starved"


def test_many_processes_may_open_a_new_file_at_once(path: Path):
    """SQLite does not wait for who turns its log on at the same moment."""
    together = SPAWN.Barrier(3)
    paths = [path.with_name(f"new{n}.sqlite") for n in range(60)]
    children = [SPAWN.Process(target=_take_one_each, args=(paths, together)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)

    assert [child.exitcode for child in children] == [0, 0, 0]


def test_a_process_killed_inside_its_transaction_leaves_the_file_usable(path: Path):
    with closing(RateLimiter(path)) as limiter:
        limiter.acquire_now(KEY, TEN, cost=8)
        inside = SPAWN.Event()
        child = SPAWN.Process(target=_stop_inside, args=(path, inside))
        child.start()
        assert inside.wait(30)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(30)

        assert 0 < limiter.acquire_now(KEY, TEN) <= 2.0, "what was taken before still counts"
        limiter.wait(KEY, TEN, timeout_s=3)


def test_processes_killed_anywhere_leave_the_file_usable(path: Path, tmp_path: Path):
    limit = Limit(budget=1000, window_s=0.1)
    for n in range(6):
        child = SPAWN.Process(target=_hammer, args=(path, limit, 60, tmp_path / "out.txt", False))
        child.start()
        assert child.pid is not None
        with closing(RateLimiter(path)) as limiter:
            deadline = time.monotonic() + 30
            while limiter.acquire_now("child started", limit) == 0 and not _seen(path, KEY):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        time.sleep(0.01 * n)
        os.kill(child.pid, signal.SIGKILL)
        child.join(30)
        with closing(RateLimiter(path)) as limiter:
            limiter.wait(KEY, limit, timeout_s=5)
            time.sleep(0.15)

    with closing(sqlite3.connect(path)) as con:
        assert con.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_one_process_was_told_another_obeys(path: Path):
    child = SPAWN.Process(target=_block, args=(path, 20))
    child.start()
    child.join(30)

    with closing(RateLimiter(path)) as limiter:
        assert 10 < limiter.acquire_now(KEY, TEN, urgent=True) <= 20
        with pytest.raises(VenueUnavailable):
            limiter.wait(KEY, TEN, timeout_s=0.5)


def test_a_limiter_survives_a_fork(path: Path):
    """SQLite's connections do not: the child opens its own."""
    with closing(RateLimiter(path)) as limiter:
        limiter.acquire_now(KEY, TEN, cost=7)
        pid = os.fork()
        if not pid:
            os._exit(0 if limiter.acquire_now(KEY, TEN) == 0 else 1)
        _, status = os.waitpid(pid, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        assert limiter.acquire_now(KEY, TEN) > 0


def _hammer(
    path: Path,
    limit: Limit,
    for_s: float,
    out: Path,
    is_urgent: bool,
    together: Barrier | None = None,
) -> None:
    """Take without end; write down when each was taken, by the limiter's own clock."""
    read = [0.0]

    def clock() -> float:
        read[0] = time.monotonic()
        return read[0]

    if together:
        together.wait(60)
    taken, until = [], time.monotonic() + for_s
    with closing(RateLimiter(path, clock)) as limiter:
        while time.monotonic() < until:
            limiter.wait(KEY, limit, urgent=is_urgent)
            taken.append(read[0])
            if is_urgent:
                time.sleep(0.1)
    out.write_text(" ".join(map(repr, taken)))


def _stop_inside(path: Path, inside: Event) -> None:
    """Stand still where the limiter reads the time: its transaction is open."""
    times = itertools.count(1)

    def clock() -> float:
        if next(times) == 2:  # the first is read when the file is opened
            inside.set()
            time.sleep(60)
        return time.monotonic()

    RateLimiter(path, clock).acquire_now(KEY, TEN)


def _take_one_each(paths: list[Path], together: Barrier) -> None:
    try:
        for path in paths:
            with closing(RateLimiter(path)) as limiter:
                together.wait(60)
                limiter.acquire_now(KEY, TEN)
    except BaseException:
        together.abort()
        raise


def _block(path: Path, seconds: float) -> None:
    with closing(RateLimiter(path)) as limiter:
        limiter.block(KEY, seconds)


def _seen(path: Path, key: str) -> bool:
    with closing(sqlite3.connect(path, 5)) as con:
        return con.execute("SELECT 1 FROM taken WHERE key = ?", (key,)).fetchone() is not None
