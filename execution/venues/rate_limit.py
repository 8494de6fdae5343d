"""One rate limit for all processes of an installation, kept in one SQLite file.

A venue counts the requests of an account, or of an address, and does not care which of our
processes sent them. So every request takes its cost here first. The window slides exactly:
in any `window_s` seconds no more than `budget` units are taken. Requests that have to wait
stand in line, urgent ones before ordinary ones, so none is overtaken for ever.

A process may be killed anywhere: each step is one short transaction, and a place in the
line is a lease that ends by itself. Local file systems only.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import isfinite
from pathlib import Path

from execution.errors import ConfigInvalid, VenueUnavailable
from execution.venues import rate_line
from execution.venues.rate_line import MICRO, Request

RESERVE_MIN = MICRO  # one unit: what one request costs where nothing else is said
PAUSE_MIN_S = 0.0005
PAUSE_MAX_S = 1.0  # a third of a lease; who waits looks again: others may have given up
BUSY_TIMEOUT_S = 5.0  # for the file itself, which is held for less than a millisecond

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)
_of_parents: list[sqlite3.Connection | None] = []


@contextmanager
def urgent() -> Iterator[None]:
    """Make all requests inside urgent: cancels, protective orders, lookups of unknown ones."""
    token = _urgent.set(True)
    try:
        yield
    finally:
        _urgent.reset(token)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a venue allows: `budget` units in any `window_s` seconds; both > 0.

    `reserve_share` of the budget, at least one unit, is kept from ordinary requests. Two
    requests can arrive closer together than they were sent: leave room for that.
    """

    budget: Decimal | float
    window_s: float
    reserve_share: float = 0.2  # 0 <= share < 1

    def __post_init__(self) -> None:
        finite = isfinite(self.budget) and isfinite(self.window_s)
        if not (finite and self.budget > 0 < self.window_s and 0 <= self.reserve_share < 1):
            raise ConfigInvalid(f"{self!r}: budget > 0, window_s > 0, 0 <= reserve_share < 1")

    def __str__(self) -> str:
        return f"{self.budget:g} units in {self.window_s:g} s"


class RateLimiter:
    """The shared limits of one installation. Any thread or process may use the file.

    A key is the name of who is counted, such as `binance/main`: it is kept in the file and
    told in errors, so it is never a secret. One key may have several limits, each with its
    own window; take from one after the other. `clock` counts seconds alike in all processes
    of the machine; where it jumps back, what was taken counts one more window.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,  # of the machine; nobody sets it
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        sleep_sync: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._sleep_sync = sleep_sync
        self._lock = threading.Lock()
        self._con: sqlite3.Connection | None = None
        self._pid = os.getpid()

    async def acquire(
        self,
        key: str,
        limit: Limit,
        cost: float = 1,
        urgent: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Take `cost` units as soon as the limit allows; then send at once.

        Raises VenueUnavailable as soon as it is clear that `timeout_s` would pass, and
        ConfigInvalid for a cost that can never be taken.
        """
        with closing(self._pauses(key, limit, cost, urgent, timeout_s)) as pauses:
            for pause_s in pauses:
                await self._sleep(pause_s)

    def wait(
        self,
        key: str,
        limit: Limit,
        cost: float = 1,
        urgent: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Do what `acquire` does, for code that is not async."""
        with closing(self._pauses(key, limit, cost, urgent, timeout_s)) as pauses:
            for pause_s in pauses:
                self._sleep_sync(pause_s)

    def acquire_now(self, key: str, limit: Limit, cost: float = 1, urgent: bool = False) -> float:
        """Take `cost` units and return 0.0, or take nothing and return the seconds to wait.

        It keeps no place in the line, but does not overtake who has one.
        """
        request = _request(key, limit, cost, urgent)
        with self._transaction() as con:
            return rate_line.take(con, request, self._now_us()) / MICRO

    def block(self, key: str, seconds: float) -> None:
        """Let nobody take anything under this key for so long, urgent or not (Retry-After).

        A block that ends later stays. Anything but a positive number counts as one second.
        """
        length_s = seconds if isfinite(seconds) and seconds > 0 else 1.0
        with self._transaction() as con:
            rate_line.block(con, key, self._now_us(), _micro(length_s, ROUND_CEILING))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._follow_fork()
        with self._lock:
            if self._con is not None:
                self._con.close()
                self._con = None

    def __del__(self) -> None:
        self.close()

    def _pauses(
        self, key: str, limit: Limit, cost: float, urgent: bool, timeout_s: float | None
    ) -> Generator[float]:
        """Yield how long to sleep before asking again, until the units are taken."""
        request = _request(key, limit, cost, urgent)
        started, slept_s = self._clock(), 0.0
        wait_s, ticket = self._ask(request, None)
        try:
            while wait_s > 0:
                # The sum too: a clock that is set back must not lengthen the timeout.
                waited_s = max(slept_s, self._clock() - started)
                if timeout_s is not None and waited_s + wait_s > timeout_s:
                    raise VenueUnavailable(
                        f"{key}: limit of {limit}: no room for a request of {cost:g} units "
                        f"in the next {wait_s:.3f} s, timeout_s={timeout_s:g}; nothing was sent"
                    )
                pause_s = min(max(wait_s, PAUSE_MIN_S), PAUSE_MAX_S)
                yield pause_s
                slept_s += pause_s
                wait_s, ticket = self._ask(request, ticket)
        finally:
            if wait_s > 0:
                # Should it fail, the lease ends by itself; the reason to leave must be told.
                with suppress(VenueUnavailable), self._transaction() as con:
                    rate_line.leave_line(con, ticket)

    def _ask(self, request: Request, ticket: int | None) -> tuple[float, int | None]:
        """Take, or keep a place in the line; return the seconds to wait and the ticket."""
        with self._transaction() as con:
            now_us = self._now_us()
            wait_us = rate_line.take(con, request, now_us, ticket)
            if wait_us:
                ticket = rate_line.stand_in_line(con, request, now_us, ticket)
            return wait_us / MICRO, ticket

    def _now_us(self) -> int:
        return round(self._clock() * MICRO)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the file, all or nothing; raise VenueUnavailable where it cannot be used."""
        self._follow_fork()
        with self._lock:
            try:
                self._con = con = self._con or self._open()
                con.execute("BEGIN IMMEDIATE")
                try:
                    yield con
                    con.execute("COMMIT")
                except BaseException:
                    if con.in_transaction:
                        con.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OSError) as error:
                if self._con is not None:  # the next one starts from nothing
                    self._con.close()
                    self._con = None
                raise VenueUnavailable(
                    f"{self._path}: the file of the rate limits cannot be used: {error}; "
                    "nothing was sent"
                ) from error

    def _follow_fork(self) -> None:
        """In a child begin anew: SQLite forbids even to close what a parent opened."""
        if self._pid != os.getpid():
            _of_parents.append(self._con)
            self._con, self._lock, self._pid = None, threading.Lock(), os.getpid()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        con = sqlite3.connect(
            self._path, BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            # With a log a commit waits for no disk, and yet no crash can break the file.
            _use_log(con)
            con.execute("PRAGMA synchronous = NORMAL")
            con.executescript(rate_line.SCHEMA)
            rate_line.forget(con, self._now_us())
        except BaseException:
            con.close()
            raise
        return con


def _use_log(con: sqlite3.Connection) -> None:
    """Turn the log on. Two processes that do so at once are not waited for by SQLite itself."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            con.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_MIN_S)
        else:
            return


def _request(key: str, limit: Limit, cost: float, urgent: bool) -> Request:
    if not 0 <= cost <= limit.budget:
        raise ConfigInvalid(f"{key}: a request of {cost} units never fits a limit of {limit}")
    budget = _micro(limit.budget, ROUND_FLOOR)
    return Request(
        key=key,
        window_us=_micro(limit.window_s, ROUND_CEILING),
        cost=min(_micro(cost, ROUND_CEILING), budget),
        urgent=urgent or _urgent.get(),
        budget=budget,
        reserve=max(int(budget * limit.reserve_share), RESERVE_MIN),
    )


def _micro(value: Decimal | float, rounding: str) -> int:
    return int((Decimal(str(value)) * MICRO).to_integral_value(rounding))
