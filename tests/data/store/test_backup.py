import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from data.store.backup import Backup, backup, backups, sha256_of
from data.store.connection import Ledger, attached
from data.store.snapshot import reading_snapshot
from execution.errors import InvariantBroken, LedgerUnavailable
from tests.data.store.test_snapshot import DIES
from tests.data.store.writer import write_unit
from tests.execution.examples import ACCOUNT, NOW

ROOT = Path(__file__).parents[3]
BACKUP_STEPS = ("copy", "copying", "verify", "note", "name", "prune")
COUNTS = {"intents": 1, "orders": 1, "order_events": 2, "fills": 3, "transfers": 0}


@pytest.fixture
def traded(ledger: Ledger) -> Ledger:
    """A ledger with one filled order."""
    write_unit(ledger, "order-a")
    return ledger


def killed_at(step: str, what: str, ledger: Ledger, place: Path) -> None:
    """Do it in a process that kills itself there."""
    command = [sys.executable, "-m", "tests.data.store.backup_child", what]
    ended = subprocess.run([*command, str(ledger.path), str(place), step], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL


def test_a_backup_says_what_is_in_it_and_was_folded_again(traded: Ledger, tmp_path: Path):
    folder = tmp_path / "backups"

    made = backup(traded, folder, NOW)

    assert made.path == folder / "ledger-20240301T210500Z.duckdb"
    assert (made.counts, made.made_at) == (COUNTS, NOW)
    assert made.sha256 == sha256_of(made.path)
    assert (made,) == backups(folder)
    with reading_snapshot(made.path) as books:
        assert len(books.fills.of(ACCOUNT)) == 3
    note = json.loads(made.path.with_suffix(".json").read_text())
    assert (note["sha256"], note["counts"]) == (made.sha256, COUNTS)
    assert sorted(path.suffix for path in folder.glob("ledger*")) == [".duckdb", ".json"]


def test_what_a_killed_process_had_committed_is_in_the_backup(ledger: Ledger, tmp_path: Path):
    subprocess.run([sys.executable, "-c", DIES, str(ledger.path)], check=False)

    assert backup(ledger, tmp_path / "backups", NOW).counts["transfers"] == 1


def test_books_that_are_not_exact_make_no_backup(traded: Ledger, tmp_path: Path):
    """Or the last good one would be pushed out by copies of what went wrong."""
    folder = tmp_path / "backups"
    good = backup(traded, folder, NOW)
    with traded.transaction() as books:
        books.session.rows("UPDATE positions SET net_qty = 11")

    with pytest.raises(InvariantBroken, match="not exact, 1 findings, the first: position"):
        backup(traded, folder, NOW + timedelta(days=1), kept=1)

    assert backups(folder) == (good,)
    assert not list(folder.glob("*.part"))


def test_a_copy_that_lost_rows_on_its_way_is_no_backup(traded: Ledger, tmp_path: Path):
    def lose(step: str) -> None:
        if step == "verify":  # a whole order and what followed of it: each fold is exact
            (part,) = (tmp_path / "backups").glob("*.part")
            with attached(part) as con:
                for table in ("fills", "order_events", "orders", "intents", "positions"):
                    con.execute(f"DELETE FROM {table}")  # noqa: S608

    with pytest.raises(InvariantBroken, match=r"holds .*'fills': 0.* should hold .*'fills': 3"):
        backup(traded, tmp_path / "backups", NOW, step=lose)
    assert backups(tmp_path / "backups") == ()


def test_the_newest_stay_and_one_always_does(traded: Ledger, tmp_path: Path):
    folder = tmp_path / "backups"
    made = [backup(traded, folder, NOW + timedelta(days=n), kept=3) for n in range(5)]
    assert list(backups(folder)) == made[:1:-1]

    last = backup(traded, folder, NOW + timedelta(days=9), kept=0)
    assert backups(folder) == (last,)
    assert len(list(folder.glob("ledger-*"))) == 2


def test_a_damaged_one_does_not_push_a_good_one_out(traded: Ledger, tmp_path: Path):
    folder = tmp_path / "backups"
    good, bad = (backup(traded, folder, NOW + timedelta(days=n)) for n in range(2))
    bad.path.write_bytes(b"cut off")

    assert backups(folder) == (good,)
    newest = backup(traded, folder, NOW + timedelta(days=2), kept=2)
    assert backups(folder) == (newest, good)


def test_two_in_one_second_are_two(traded: Ledger, tmp_path: Path):
    first, second = (backup(traded, tmp_path / "backups", NOW) for _ in range(2))
    assert first.path != second.path
    assert len(backups(tmp_path / "backups")) == 2


def test_a_persons_own_copy_beside_them_is_left_alone(traded: Ledger, tmp_path: Path):
    own = tmp_path / "backups" / "ledger-mine.duckdb"
    own.parent.mkdir()
    own.write_text("precious")

    backup(traded, own.parent, NOW, kept=1)

    assert own.read_text() == "precious"


def test_a_folder_that_cannot_be_written_to_is_told(traded: Ledger):
    with pytest.raises(LedgerUnavailable, match=r"/proc/backups: .* no backup was made"):
        backup(traded, Path("/proc/backups"), NOW)


@pytest.mark.parametrize("step", BACKUP_STEPS)
def test_a_kill_in_the_middle_loses_no_backup(traded: Ledger, tmp_path: Path, step: str):
    """And leaves nothing that looks like one; the next one clears what is left over."""
    folder = tmp_path / "backups"
    old = backup(traded, folder, NOW - timedelta(days=1))
    write_unit(traded, "order-b")

    killed_at(step, "backup", traded, folder)

    whole = backups(folder)
    assert old in whole
    assert [b for b in whole if sha256_of(b.path) != b.sha256] == []
    assert len(whole) == (2 if step == "prune" else 1)
    with traded.reading() as books:
        assert len(books.fills.of(ACCOUNT)) == 6
    made: Backup = backup(traded, folder, NOW + timedelta(days=1), kept=1)
    names = {made.path.name, made.path.with_suffix(".json").name}
    assert {path.name for path in folder.glob("ledger-*")} == names
