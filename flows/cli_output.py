"""Where the commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from execution.errors import InputInvalid
from execution.model.plan import APPROVAL_PHRASE
from flows.documents import to_json

BOOKS_DIFFER = 8  # exit code: books and venue, or books and their facts
PIPED_WIDTH = 100

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Every risk check, task logs, tracebacks.")
]
Name = Annotated[str | None, typer.Option("--name", help="Your name, for the record.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the record.")]
Phrase = Annotated[
    str | None, typer.Option("--phrase", help=f"To say yes, type: {APPROVAL_PHRASE}")
]


def output() -> Console:
    """Standard output: as wide as the terminal, plain when piped."""
    return _console()


def errors() -> Console:
    """Standard error."""
    return _console(stderr=True)


def emit(document: object) -> None:
    """Write one JSON document."""
    sys.stdout.write(to_json(document) + "\n")


def ask(value: str | None, option: str, question: str) -> str:
    """What an option says, or else a person at the terminal; InputInvalid without either."""
    if value is None and sys.stdin.isatty():
        value = str(typer.prompt(question, err=True))
    if value is None:
        raise InputInvalid(f"{option} is missing, and there is no terminal to ask at")
    return value.strip()


def ask_phrase(phrase: str | None) -> str:
    """The phrase, typed by a person; anything else is InputInvalid."""
    typed = ask(phrase, "--phrase", f'Type "{APPROVAL_PHRASE}" to go on')
    if typed != APPROVAL_PHRASE:
        raise InputInvalid(f"the phrase typed was not {APPROVAL_PHRASE!r}; nothing was changed")
    return typed


class Working:
    """What a person sees while something takes long: what goes on, and how far it is."""

    def __init__(self, bar: Progress | None, what: str) -> None:
        self._bar = bar
        self._task = bar.add_task(f"{what}…", total=None) if bar else None

    def __call__(self, what: str) -> None:
        """Say what goes on now; nobody knows how long it takes."""
        self._update(description=f"{what}…", total=None)

    def step(self, what: str, done: int, total: int) -> None:
        """Say how much of something is done."""
        self._update(description=what, completed=done, total=total)

    def _update(self, **change: Any) -> None:  # noqa: ANN401 - rich's own keywords
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, **change)


@contextmanager
def working(what: str, *, shown: bool) -> Iterator[Working]:
    """Show a progress bar on a terminal, nothing elsewhere; it is gone at the end."""
    console = errors()
    if not (shown and console.is_terminal):
        yield Working(None, what)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20))
    with Progress(*columns, console=console, transient=True) as bar:
        yield Working(bar, what)


class Warnings(logging.Handler):
    """Log records worth a trader's while, one line each; errors are told at the end, once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a warning's first line."""
        if record.levelno == logging.WARNING:
            text = record.getMessage().partition("\n")[0]
            errors().print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)


def table(*columns: str) -> Table:
    """Columns by name; one that starts with `>` holds numbers. The last one may be cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        last = name == columns[-1]
        table.add_column(name.lstrip(">"), justify=justify, no_wrap=not last, overflow="ellipsis")
    return table


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in console._environ:
        console.width = PIPED_WIDTH
    return console
