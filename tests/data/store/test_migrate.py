import hashlib
from pathlib import Path

import duckdb
import pytest

from data.store import migrate
from data.store.connection import Ledger, attached
from execution.errors import LedgerUnavailable

LATEST = len(migrate.migrations())
NEXT = LATEST + 1


def tamper(ledger: Ledger, sql: str) -> Ledger:
    with attached(ledger.path) as con:
        con.execute(sql)
    return Ledger(ledger.path)


def complaint(ledger: Ledger) -> str:
    texts = set()
    for opened in (ledger.transaction, ledger.reading):
        with pytest.raises(LedgerUnavailable) as caught, opened():
            pass
        texts.add(str(caught.value))
    assert len(texts) == 1
    return texts.pop()


def test_each_file_is_applied_once_and_its_hash_is_kept(ledger: Ledger):
    with ledger.transaction() as books:
        rows = books.session.rows("SELECT version, sha256 FROM schema_migrations")

    text = Path(migrate.__file__).with_name("migrations").joinpath("0001_ledger.sql").read_bytes()
    assert (1, hashlib.sha256(text).hexdigest()) == rows[0]
    assert [step.version for step in migrate.migrations()] == [version for version, _ in rows]


def test_a_file_that_was_changed_after_it_was_applied_is_refused(ledger: Ledger):
    ledger = tamper(ledger, "UPDATE schema_migrations SET sha256 = 'other' WHERE version = 1")

    assert complaint(ledger).endswith(
        "migration 0001 was changed after it was applied: restore its text and add a new file"
    )


def test_a_ledger_newer_than_the_code_is_refused(ledger: Ledger):
    ledger = tamper(ledger, f"INSERT INTO schema_migrations VALUES ({NEXT}, 'new', now())")  # noqa: S608

    assert complaint(ledger).endswith(
        f"is at version {NEXT} and this code knows only {LATEST}: use a newer Regent"
    )


def test_another_program_s_database_is_refused(tmp_path: Path):
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE fills (a INTEGER)")

    assert complaint(Ledger(path)).endswith("a DuckDB file, but not a ledger of Regent")


def test_an_older_ledger_is_brought_up_by_writing_and_named_by_reading(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    new = migrate.Migration(
        LATEST + 1, "CREATE TABLE notes (text VARCHAR); INSERT INTO notes VALUES ('a')"
    )
    known = (*migrate.migrations(), new)
    monkeypatch.setattr(migrate, "migrations", lambda *_: known)

    with (
        pytest.raises(LedgerUnavailable, match=f"at version {LATEST} and this code reads {NEXT}"),
        ledger.reading(),
    ):
        pass
    with ledger.transaction() as books:
        assert books.session.rows("SELECT text FROM notes") == [("a",)]
    with Ledger(ledger.path).reading() as books:
        assert books.session.rows("SELECT text FROM notes") == [("a",)]


def test_a_file_that_fails_leaves_nothing_of_itself(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    broken = migrate.Migration(
        LATEST + 1, "CREATE TABLE notes (text VARCHAR); SELECT * FROM nowhere"
    )
    known = (*migrate.migrations(), broken)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "migrations", lambda *_: known)
        with (
            pytest.raises(LedgerUnavailable, match="nothing of this step was written"),
            ledger.transaction(),
        ):
            pass

    with Ledger(ledger.path).transaction() as books:
        assert (
            books.session.rows("SELECT table_name FROM duckdb_tables() WHERE table_name = 'notes'")
            == []
        )
