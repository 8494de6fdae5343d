import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.connection import Ledger
from data.store.snapshot import publish, reading_snapshot
from execution.errors import LedgerUnavailable
from execution.model.enums import TransferKind
from tests.execution.examples import ACCOUNT, NOW, make_transfer

# Commits, and dies before the database folds its log into the file.
DIES = """
import os, sys
import duckdb
con = duckdb.connect()
con.execute(f"ATTACH '{sys.argv[1]}' AS ledger (TYPE duckdb)")
con.execute("INSERT INTO ledger.transfers VALUES ('test', 'late', 'deposit', 'USD', 7, now())")
os.kill(os.getpid(), 9)
"""


def deposit(ledger: Ledger, transfer_id: str, amount: int) -> None:
    with ledger.transaction() as books:
        books.transfers.record(
            make_transfer(ACCOUNT, transfer_id, TransferKind.DEPOSIT, "USD", Decimal(amount), NOW)
        )


def test_a_snapshot_is_read_while_the_ledger_is_written(ledger: Ledger):
    deposit(ledger, "t-1", 1)
    snapshot = publish(ledger)

    with reading_snapshot(snapshot) as books:
        deposit(ledger, "t-2", 2)
        publish(ledger)
        assert books.cash(ACCOUNT) == {"USD": Decimal(1)}  # the one that was opened

    with reading_snapshot(snapshot) as books:
        assert books.cash(ACCOUNT) == {"USD": Decimal(3)}
    assert ledger.path.with_name("ledger.snapshot.duckdb") == snapshot
    assert not list(snapshot.parent.glob("*.new"))


def test_a_snapshot_has_what_a_killed_process_had_committed(ledger: Ledger):
    """Such a commit is still in the log beside the file: a bare copy would miss it."""
    subprocess.run([sys.executable, "-c", DIES, str(ledger.path)], check=False)
    assert ledger.path.with_name("ledger.duckdb.wal").exists()

    with reading_snapshot(publish(ledger)) as books:
        assert books.cash(ACCOUNT) == {"USD": Decimal(7)}


def test_a_snapshot_cannot_be_written(ledger: Ledger):
    snapshot = publish(ledger)

    with pytest.raises(LedgerUnavailable, match="read-only"), reading_snapshot(snapshot) as books:
        books.live_trading.set(True, "ada", NOW)


def test_what_is_not_there_is_named(tmp_path: Path):
    missing = tmp_path / "ledger.snapshot.duckdb"
    with pytest.raises(LedgerUnavailable, match="no snapshot at"), reading_snapshot(missing):
        pass
    with pytest.raises(LedgerUnavailable, match="no ledger at"):
        publish(Ledger(tmp_path / "ledger.duckdb"))


def test_a_snapshot_that_is_no_database_is_one_clear_line(tmp_path: Path):
    path = tmp_path / "ledger.snapshot.duckdb"
    path.write_text("x" * 10_000)

    refused = pytest.raises(LedgerUnavailable, match="not a valid DuckDB database file")
    with refused as caught, reading_snapshot(path):
        pass
    assert "\n" not in str(caught.value)
