"""The only way to a store, such as the ledger: guard, attach, one transaction, detach, close.

DuckDB 2.0 reads a file's headers before it locks the file, so two processes that open and
retry can lose each other's commits; and its lock belongs to the process, so any second
open and close of the file drops it. Hence an exclusive lock of our own around *every*
open, the `ATTACH ... (TYPE duckdb)` form, which locks first, and no open file that
outlives its transaction. Local file systems only.
"""

from __future__ import annotations

import fcntl
import os
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import duckdb

from data.store import migrate
from data.store.books import Books
from data.store.session import Session
from execution.errors import InvariantBroken, LedgerUnavailable

T = TypeVar("T")

NOTHING_WRITTEN = "nothing of this step was written"
OUTCOME_UNKNOWN = "outcome unknown: run again, every step may be repeated safely"


class LockTimeout(LedgerUnavailable):
    """Someone else held the ledger for too long; nothing was written."""


class Guard:
    """A fair exclusive lock for threads and processes, in two files beside the ledger.

    Who waits takes the queue, then the lock, then leaves the queue: whoever has just let
    go of the lock stands behind those who wait already.
    """

    _mine = threading.local()  # the paths that this thread holds

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock; raise LockTimeout after `timeout_s`, InvariantBroken when nested."""
        held: set[Path] = self._mine.__dict__.setdefault("paths", set())
        if self._path in held:
            raise InvariantBroken(f"{self._path}: a transaction inside a transaction")
        lock = self._acquire()
        held.add(self._path)
        try:
            yield
        finally:
            held.discard(self._path)
            _release(lock)

    def _acquire(self) -> int:
        deadline = time.monotonic() + self._timeout_s
        try:
            queue = self._take(".queue", deadline)
            try:
                return self._take(".lock", deadline)
            finally:
                _release(queue)
        except OSError as error:
            raise _unavailable(self._path, error, NOTHING_WRITTEN) from error

    def _take(self, suffix: str, deadline: float) -> int:
        """Lock one file and return its descriptor."""
        fd = os.open(self._path.with_name(self._path.name + suffix), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return fd
                if time.monotonic() >= deadline:
                    raise LockTimeout(
                        f"{self._path}: somebody else has held it for "
                        f"{self._timeout_s:g} s; {NOTHING_WRITTEN}"
                    )
                # Random, or those who wait would keep step with each other.
                time.sleep(random.uniform(0.001, 0.008))  # noqa: S311 - not a secret
        except BaseException:
            os.close(fd)
            raise


def _release(fd: int) -> None:
    # Unlocked by name: closing alone would leave it to a child that was forked meanwhile.
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


class Store(ABC, Generic[T]):
    """One DuckDB file. Holds no connection: any thread or process may use it."""

    schema: ClassVar[migrate.Schema]

    def __init__(self, path: Path, *, timeout_s: float = 30) -> None:
        self.path = path.resolve()
        self.guard = Guard(self.path, timeout_s)
        self._current = False  # its schema is this code's: looked at once, as looking costs

    @abstractmethod
    def _content(self, con: duckdb.DuckDBPyConnection) -> T:
        """Make what a transaction hands out, worthless after it."""

    @contextmanager
    def transaction(self) -> Iterator[T]:
        """Read and write, all or nothing; a missing file is made.

        Raises LedgerUnavailable with one line that says whether anything can have been
        written, LockTimeout when others hold the ledger, and InvariantBroken when a rule of
        the tables was broken. Never hold it across a call to a venue.
        """
        _make_folder(self.path)
        with self.guard.hold(), told(self.path, self.schema) as fate:
            if not self.path.exists():
                _create(self.path, self.schema)
                self._current = False
            with attached(self.path) as con:
                if not self._current:
                    migrate.apply(con, self.path, self.schema)
                    self._current = True
                with _transaction(con, "BEGIN"):
                    yield self._content(con)
                    # After an error that somebody swallowed, COMMIT says OK and discards all.
                    con.execute("SELECT 1")
                    fate.append(OUTCOME_UNKNOWN)
                    con.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[T]:
        """Read only: a write raises. A missing or outdated file is LedgerUnavailable."""
        self._require()
        with self.guard.hold(), told(self.path, self.schema), attached(self.path) as con:
            if not self._current:
                migrate.check(con, self.path, self.schema)
                self._current = True
            with _transaction(con, "BEGIN TRANSACTION READ ONLY"):
                yield self._content(con)
                con.execute("ROLLBACK")

    @contextmanager
    def quiesced(self) -> Iterator[Path]:
        """Hold the guard with the file closed and its log folded in: the time to copy it."""
        self._require()
        with self.guard.hold(), told(self.path, self.schema):
            with attached(self.path):
                pass  # opening takes over the log of a process that died, closing folds it in
            yield self.path

    def forget_schema(self) -> None:
        """Look at the schema again: another file has taken this one's place."""
        self._current = False

    def _require(self) -> None:
        if not self.path.exists():
            noun, made_by = self.schema.noun, self.schema.made_by
            raise LedgerUnavailable(f"no {noun} at {self.path}: run `{made_by}` first")


class Ledger(Store[Books]):
    """The books."""

    schema = migrate.LEDGER

    def _content(self, con: duckdb.DuckDBPyConnection) -> Books:
        return Books(Session(con))


@contextmanager
def attached(path: Path, options: str = "TYPE duckdb") -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file as `store`, from memory; it is closed at the end, whatever happened."""
    con = _idle.pop() if _idle else _connect()
    try:
        quoted = str(path).replace("'", "''")
        con.execute(f"ATTACH '{quoted}' AS store ({options})")
        con.execute("USE store")
        yield con
        _detach(con)
    except BaseException:
        with suppress(duckdb.Error):
            _detach(con)
        con.close()  # after an error the next one starts from nothing
        raise
    _idle.append(con)


# Empty in-memory databases to attach a file to, kept because starting one costs ten times
# what attaching does. They hold no file between two uses.
_idle: list[duckdb.DuckDBPyConnection] = []


def _close_idle() -> None:
    while _idle:
        _idle.pop().close()


# A child must inherit none: it could neither use nor close what its parent started.
os.register_at_fork(before=_close_idle)


def _connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})  # small transactions: a pool only costs
    con.execute("SET TimeZone = 'UTC'")
    # Without a script's file DuckDB takes us for interactive, and would draw into --json.
    con.execute("SET enable_progress_bar = false")
    return con


def _detach(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("USE memory")
    con.execute("DETACH store")


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection, begin: str) -> Iterator[None]:
    con.execute(begin)
    try:
        yield
    except BaseException:  # Ctrl-C too
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")
        raise


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unavailable(path, error, NOTHING_WRITTEN) from error


def _create(path: Path, schema: migrate.Schema) -> None:
    """Make the file beside its place and move it there: a kill leaves none half-made."""
    fresh = path.with_name(path.name + ".new")
    try:
        for leftover in (fresh, fresh.with_name(fresh.name + ".wal")):
            leftover.unlink(missing_ok=True)
        with attached(fresh) as con:
            migrate.apply(con, path, schema)
        fresh.replace(path)
        sync(path.parent)  # or a power cut could forget the name and all that follows
    except OSError as error:
        raise _unavailable(path, error, NOTHING_WRITTEN) from error


def sync(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk before going on."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def told(path: Path, schema: migrate.Schema = migrate.LEDGER) -> Iterator[list[str]]:
    """Turn the database's errors into ours; the last text in the list is the fate to tell."""
    fate = [NOTHING_WRITTEN]
    try:
        yield fate
    except duckdb.IntegrityError as error:  # a rule of the tables: running again cannot help
        raise InvariantBroken(_line(path, error, fate[-1])) from error
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:  # what DuckDB makes of Ctrl-C inside a call of its own
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        raise _unavailable(path, error, fate[-1] + schema.advice) from error


def _unavailable(path: Path, error: Exception, fate: str) -> LedgerUnavailable:
    return LedgerUnavailable(_line(path, error, fate))


def _line(path: Path, error: Exception, fate: str) -> str:
    what = error.strerror if isinstance(error, OSError) else str(error).strip().split("\n")[0]
    return f"{path}: {what}; {fate}"
