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
    SELECT version, sha256 FROM ledger.schema_migrations ORDER BY version
"""
TABLE = """
    CREATE TABLE schema_migrations (
        version    INTEGER PRIMARY KEY,
        sha256     VARCHAR NOT NULL,
        applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
"""


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
def migrations() -> tuple[Migration, ...]:
    """Every step this code knows, oldest first; they are package data."""
    found = files("data.store").joinpath("migrations").iterdir()
    return tuple(
        Migration(int(f.name.partition("_")[0]), f.read_text(encoding="utf-8"))
        for f in sorted(found, key=lambda f: f.name)
        if f.name.endswith(".sql")
    )


def apply(con: DuckDBPyConnection, path: Path) -> None:
    """Bring the attached ledger to this code's version, one transaction a file."""
    for step in migrations()[len(_applied(con, path)) :]:
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


def check(con: DuckDBPyConnection, path: Path) -> None:
    """Raise LedgerUnavailable unless the ledger has exactly this code's schema."""
    applied, known = len(_applied(con, path)), len(migrations())
    if applied < known:
        raise LedgerUnavailable(
            f"{path}: the ledger is at version {applied} and this code reads {known}: "
            "run `regent run` once to bring it up"
        )


def version(con: DuckDBPyConnection, path: Path) -> int:
    """How far the attached ledger has come; LedgerUnavailable for what is none of ours."""
    return len(_applied(con, path))


def _applied(con: DuckDBPyConnection, path: Path) -> list[tuple[int, str]]:
    """What was applied: a prefix of what this code knows, or LedgerUnavailable."""
    tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'ledger'")
    names = {name for (name,) in tables.fetchall()}
    if not names:
        return []
    if "schema_migrations" not in names:
        raise LedgerUnavailable(f"{path}: a DuckDB file, but not a ledger of Regent")
    applied = con.execute(APPLIED).fetchall()
    known = migrations()
    if len(applied) > len(known):
        raise LedgerUnavailable(
            f"{path}: the ledger is at version {len(applied)} and this code knows only "
            f"{len(known)}: use a newer Regent"
        )
    for (version, sha256), step in zip(applied, known, strict=False):
        if (version, sha256) != (step.version, step.sha256):
            raise LedgerUnavailable(
                f"{path}: migration {step.version:04} was changed after it was applied: "
                "restore its text and add a new file"
            )
    return applied
