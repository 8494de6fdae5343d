"""A copy of the ledger for dashboards, so that no reader ever holds up a writer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from data.store import migrate
from data.store.books import Books
from data.store.connection import Ledger, attached
from data.store.session import Session
from execution.errors import LedgerUnavailable


def publish(ledger: Ledger) -> Path:
    """Copy the ledger to `NAME.snapshot.duckdb` beside it; a reader of the old one keeps it.

    The copy is made under the guard and after the close: reading the file while this
    process has it open would drop the database's own lock.
    """
    target = snapshot_path(ledger)
    fresh = target.with_name(target.name + ".new")
    with ledger.quiesced() as path:
        try:
            shutil.copyfile(path, fresh)
            fresh.replace(target)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise LedgerUnavailable(f"{target}: {error.strerror}; no snapshot made") from error
    return target


def snapshot_path(ledger: Ledger) -> Path:
    """Where the ledger's copy is, if one was ever published."""
    return ledger.path.with_name(f"{ledger.path.stem}.snapshot.duckdb")


@contextmanager
def reading_snapshot(path: Path) -> Iterator[Books]:
    """Read a published snapshot, without the guard; a write raises."""
    if not path.exists():
        raise LedgerUnavailable(f"no snapshot at {path}")
    try:
        with attached(path, "TYPE duckdb, READ_ONLY") as con:
            migrate.check(con, path)
            con.execute("BEGIN")
            yield Books(Session(con))
            con.execute("ROLLBACK")
    except duckdb.Error as error:
        raise LedgerUnavailable(f"{path}: {str(error).strip().splitlines()[0]}") from error
