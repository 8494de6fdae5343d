"""Backups of the ledger: copied while it is closed, and none until its copy was folded again.

A backup is two files, `ledger-20260301T033000Z.duckdb` and beside it a `.json` that says what
is in it. The copy gets its name last, when it was found exact: only the two together are a
backup. A kill anywhere leaves the older ones whole; what it left over the next one clears.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from data.store import migrate
from data.store.books import Books
from data.store.connection import Guard, Ledger, attached, sync, told
from data.store.session import Session
from data.store.snapshot import reading_snapshot
from data.store.verify import verify
from execution.errors import InputInvalid, InvariantBroken, LedgerUnavailable

KEPT = 30
STAMP = "%Y%m%dT%H%M%SZ"
COUNTED = ("intents", "orders", "order_events", "fills", "transfers")
READ_ONLY = "TYPE duckdb, READ_ONLY"

Step = Callable[[str], None]  # hears what comes next: where a test kills the process


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy of the ledger that was found exact."""

    path: Path
    made_at: datetime  # UTC
    sha256: str
    size: int  # bytes
    schema: int  # version of the tables
    counts: Mapping[str, int]  # rows by table


def backup(
    ledger: Ledger, folder: Path, now: datetime, *, kept: int = KEPT, step: Step = lambda _: None
) -> Backup:
    """Copy the ledger, fold the copy again, and keep it if it is exact; drop the oldest.

    Of the backups in `folder` the newest `kept` stay, this one among them. Raises
    InvariantBroken when the books are not exact, LedgerUnavailable when there is no room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Guard(folder / "backups", timeout_s=60).hold():
            _clear(folder)
            target = _free_name(folder, now)
            made = _made(ledger, target, now, step)
            step("prune")
            for old in backups(folder)[max(kept, 1) :]:
                _remove(old.path)
            return made
    except OSError as error:
        raise LedgerUnavailable(
            f"{folder}: {error.strerror}; no backup was made, the older ones are untouched"
        ) from error


def backups(folder: Path) -> tuple[Backup, ...]:
    """Every backup in a folder that is there in its full size, newest first."""
    found = []
    for note in folder.glob("ledger-*.json"):
        try:
            one = described(note.with_suffix(".duckdb"))
        except InputInvalid:
            continue
        if one.path.exists() and one.path.stat().st_size == one.size:
            found.append(one)
    return tuple(sorted(found, key=lambda b: (b.made_at, b.path.name), reverse=True))


def described(path: Path) -> Backup:
    """What the note beside a backup says; InputInvalid where there is none."""
    note = path.with_suffix(".json")
    try:
        said = json.loads(note.read_text())
        return Backup(
            path=path,
            made_at=datetime.fromisoformat(said["made_at"]),
            sha256=said["sha256"],
            size=int(said["size"]),
            schema=int(said["schema"]),
            counts={name: int(said["counts"][name]) for name in COUNTED},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputInvalid(
            f"{path}: no backup: {note.name} beside it cannot be read ({type(error).__name__}); "
            "`regent backups` lists those there are"
        ) from None


def require_exact(path: Path, counts: Mapping[str, int] | None = None) -> Mapping[str, int]:
    """Fold a closed copy again; return its rows by table.

    Raises InvariantBroken when it is not exact, or has not the rows of `counts`. An older
    copy is brought up to this code's tables aside, and stays as it is.
    """
    with TemporaryDirectory(prefix="regent-fold-", dir=path.parent) as aside:
        current = path
        if schema_of(path) < len(migrate.migrations()):
            current = Path(shutil.copyfile(path, Path(aside) / path.name))
            with attached(current) as con:
                migrate.apply(con, current)
        with reading_snapshot(current) as books:
            found, findings = rows_of(books), verify(books)
    if findings:
        raise InvariantBroken(
            f"{path}: the books are not exact, {len(findings)} findings, the first: {findings[0]}; "
            "see `regent verify`"
        )
    if counts is not None and dict(counts) != dict(found):
        raise InvariantBroken(f"{path}: holds {dict(found)}, but should hold {dict(counts)}")
    return found


def rows_of(books: Books) -> dict[str, int]:
    """How many rows each of the tables has that nothing is ever taken from."""
    sql = "SELECT count(*) FROM {}"
    return {name: books.session.rows(sql.format(name))[0][0] for name in COUNTED}


def schema_of(path: Path) -> int:
    """The version of a closed ledger's tables."""
    with told(path), attached(path, READ_ONLY) as con:
        return migrate.version(con, path)


def sha256_of(path: Path) -> str:
    """Of a closed file's content, 64 hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _made(ledger: Ledger, target: Path, now: datetime, step: Step) -> Backup:
    part = target.with_name(target.name + ".part")
    try:
        step("copy")
        with ledger.quiesced() as path:
            with attached(path, READ_ONLY) as con:
                counts = rows_of(Books(Session(con)))
            step("copying")
            shutil.copyfile(path, part)
        sync(part)
        step("verify")
        require_exact(part, counts)
        made = Backup(
            path=target,
            made_at=now.astimezone(UTC),
            sha256=sha256_of(part),
            size=part.stat().st_size,
            schema=schema_of(part),
            counts=counts,
        )
        step("note")
        _write_note(made)
        step("name")
        part.replace(target)
        sync(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return made


def _write_note(made: Backup) -> None:
    """Say what is in the backup."""
    said = {**asdict(made), "path": made.path.name, "made_at": made.made_at.isoformat()}
    note = made.path.with_suffix(".json")
    fresh = note.with_name(note.name + ".part")
    fresh.write_text(json.dumps(said, indent=2) + "\n")
    sync(fresh)
    fresh.replace(note)
    sync(note.parent)


def _free_name(folder: Path, now: datetime) -> Path:
    stem = f"ledger-{now.astimezone(UTC):{STAMP}}"
    names = (f"{stem}-{number}" if number else stem for number in itertools.count())
    return next(path for name in names if not (path := folder / f"{name}.duckdb").exists())


def _clear(folder: Path) -> None:
    """Take away what a killed process has left: parts, and notes of what is not there."""
    for part in folder.glob("ledger-*.part"):
        part.unlink()
    for note in folder.glob("ledger-*.json"):
        if not note.with_suffix(".duckdb").exists():
            note.unlink()


def _remove(path: Path) -> None:
    """First the copy: a note alone is cleared next time, a copy alone could be a person's."""
    path.unlink()
    path.with_suffix(".json").unlink()
