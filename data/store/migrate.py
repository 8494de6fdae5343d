"""Numbered SQL files, each applied once and whole; a file that was applied never changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from duckdb import DuckDBPyConnection

from execution.errors import LedgerUnavailable

APPLIED = """
    SELECT version, sha256 FROM store.schema_migrations ORDER BY version
"""
TABLE = """
    CREATE TABLE schema_migrations (
        version    INTEGER PRIMARY KEY,
        sha256     VARCHAR NOT NULL,
        applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
"""


@dataclass(frozen=True, slots=True)
class Schema:
    """One kind of file: what it is called, and where its steps are."""

    noun: str
    package: str  # its steps are in the folder `migrations` there
    made_by: str  # the command that makes such a file, or brings it up
    advice: str = ""  # what else a person may do when the file cannot be used


LEDGER = Schema("ledger", "data.store", "regent run")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema, from `migrations/0001_name.sql`."""

    version: int
    sql: str

    @property
    def sha256(self) -> str:
        """Of the text, 64 hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations(schema: Schema = LEDGER) -> tuple[Migration, ...]:
    """Every step this code knows, oldest first; they are package data."""
    found = files(schema.package).joinpath("migrations").iterdir()
    return tuple(
        Migration(int(f.name.partition("_")[0]), f.read_text(encoding="utf-8"))
        for f in sorted(found, key=lambda f: f.name)
        if f.name.endswith(".sql")
    )


def apply(con: DuckDBPyConnection, path: Path, schema: Schema = LEDGER) -> None:
    """Bring the attached file to this code's version, one transaction a step."""
    for step in migrations(schema)[len(_applied(con, path, schema)) :]:
        con.execute("BEGIN")
        if step.version == 1:
            con.execute(TABLE)
        for statement in con.extract_statements(step.sql):
            con.execute(statement)
        con.execute(
            "INSERT INTO schema_migrations (version, sha256) VALUES (?, ?)",
            [step.version, step.sha256],
        )
        con.execute("COMMIT")


def check(con: DuckDBPyConnection, path: Path, schema: Schema = LEDGER) -> None:
    """Raise LedgerUnavailable unless the attached file has exactly this code's schema."""
    applied, known = len(_applied(con, path, schema)), len(migrations(schema))
    if applied < known:
        raise LedgerUnavailable(
            f"{path}: the {schema.noun} is at version {applied} and this code reads {known}: "
            f"run `{schema.made_by}` once to bring it up"
        )


def version(con: DuckDBPyConnection, path: Path) -> int:
    """How far the attached ledger has come; LedgerUnavailable for what is none of ours."""
    return len(_applied(con, path, LEDGER))


def _applied(con: DuckDBPyConnection, path: Path, schema: Schema) -> list[tuple[int, str]]:
    """What was applied: a prefix of what this code knows, or LedgerUnavailable."""
    tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'store'")
    names = {name for (name,) in tables.fetchall()}
    if not names:
        return []
    if "schema_migrations" not in names:
        raise LedgerUnavailable(f"{path}: a DuckDB file, but not a {schema.noun} of Regent")
    applied = con.execute(APPLIED).fetchall()
    known = migrations(schema)
    if len(applied) > len(known):
        raise LedgerUnavailable(
            f"{path}: the {schema.noun} is at version {len(applied)} and this code knows only "
            f"{len(known)}: use a newer Regent"
        )
    for (version, sha256), step in zip(applied, known, strict=False):
        if (version, sha256) != (step.version, step.sha256):
            raise LedgerUnavailable(
                f"{path}: migration {step.version:04} was changed after it was applied: "
                "restore its text and add a new file"
            )
    return applied
