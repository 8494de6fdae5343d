"""`regent backup`, `regent backups` and `regent restore`: the ledger, and copies of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from data.store.backup import Backup, backups, described
from data.store.restore import Restored
from execution.errors import InputInvalid
from flows.cli_output import Json, Name, Phrase, Verbose, ask, ask_phrase, emit, output
from flows.documents import plain
from tasks import figures, wiring
from tasks.backup import make_backup, restore_ledger

Folder = Annotated[
    Path | None, typer.Option("--to", help="Folder of backups; REGENT_HOME/backups if not said.")
]
NEXT = (
    "Every account is halted. What was sent after the backup is at the venue and not in these",
    "books, so for each account outside:",
    "  1. regent reconcile, with the options it is traded with: books what the venue has done",
    "  2. regent status, regent verify: what is flagged as not ours may be one of those orders;",
    "     cancel at the venue what should not rest there; regent accept KEY --reason WHY",
    "  3. regent breaker reset REASON --account ACCOUNT, once books and venue are equal",
    "Live trading is switched off, too: regent live enable, with its limits, when it is to go on.",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the `regent` command."""
    app.command("backup")(make)
    app.command("backups")(show)
    app.command()(restore)


def make(
    to: Folder = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Copy the ledger, fold the copy again, and keep it when it is exact."""
    made = make_backup(to)
    if as_json:
        emit(plain(made))
    else:
        _line(output(), f"{made.path}")
        _line(output(), f"exact: {_counts(made)}; sha256 {made.sha256}")


def show(
    to: Folder = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """The backups there are, newest first."""
    folder = to.absolute() if to else wiring.backup_folder()
    found = backups(folder)
    if as_json:
        emit({"folder": folder, "backups": [plain(one) for one in found]})
        return
    for one in found:
        size = f"{one.size / 1e6:.1f} MB"
        _line(output(), f"{figures.when(one.made_at)}  {size:>9}  {_counts(one)}  {one.path}")
    if not found:
        _line(output(), f"no backup in {folder}; `regent backup` makes one")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup: its path, or its name in the folder.")],
    name: Name = None,
    phrase: Phrase = None,
    runs_ended: Annotated[
        bool, typer.Option("--runs-ended", help="Runs that never said so have ended: killed.")
    ] = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the ledger's place, halt every account, and say what to do next."""
    path = file if file.exists() or file.parent != Path() else wiring.backup_folder() / file
    described(path.absolute())  # nobody types a phrase for what is no backup
    who = ask(name, "--name", "Your name")
    if not who:
        raise InputInvalid("a ledger is restored by somebody with a name")
    ask_phrase(phrase)
    restored = restore_ledger(path.absolute(), who, runs_ended=runs_ended)
    if as_json:
        emit({**plain(restored), "next": " ".join(" ".join(NEXT).split())})
    else:
        show_restored(output(), restored)


def show_restored(console: Console, restored: Restored) -> None:
    """What is there now, what was there, and what a person does next."""
    made = restored.backup
    _line(console, f"restored the backup of {figures.when(made.made_at)}: {_counts(made)}", "bold")
    if restored.before:
        _line(console, f"  the ledger until now: {restored.before}")
    for account in restored.halted:
        _line(console, f"  halted: {account}")
    if restored.forgotten is None:
        _line(console, "  the ledger until now cannot be read: what it had sent is unknown", "red")
    elif restored.forgotten:
        _line(console, f"  sent since, and forgotten: {len(restored.forgotten)}", "red")
        for key in restored.forgotten:
            _line(console, f"    {key}")
    for text in NEXT:
        _line(console, text)


def _counts(made: Backup) -> str:
    names = ("orders", "order_events", "fills")
    return ", ".join(f"{made.counts[name]} {name.replace('_', ' ')}" for name in names)


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
