"""`regent doctor`: is everything there that trading needs, and what to do where it is not."""

from __future__ import annotations

import traceback

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from execution.errors import SafetyViolation
from execution.monitoring.health import Level, Line
from flows.cli_options import looks
from flows.cli_output import emit, errors, output, working
from flows.documents import plain
from flows.prefect_defaults import prepare_prefect, start_server
from tasks import wiring
from tasks.config import RunConfig
from tasks.credential_sources import BLOCK

STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command to the `regent` command."""
    app.command(
        "doctor",
        help="Look at all that a run needs: keys and their rights, clock, balances, ledger, "
        "backups, versions. Sends nothing; ends with 4 when a run would be stopped.",
    )(looks(_doctor))


def _doctor(config: RunConfig, verbose: bool, as_json: bool) -> None:
    with working("looking", shown=not verbose):
        prepare_prefect(verbose=verbose)
        if wiring.environment().get("REGENT_CREDENTIALS") == BLOCK:
            start_server()
        from tasks.preflight import look

        found = look(config)
    if verbose:
        for error in found.errors:
            errors().print("".join(traceback.format_exception(error)), markup=False)
    counts = {str(level): len(found.of(level)) for level in Level}
    if as_json:
        emit({"account": config.account_id, **counts, "lines": [plain(x) for x in found.lines]})
    else:
        show_lines(output(), found.lines)
        text = ", ".join(f"{n} {level}" for level, n in counts.items() if n)
        output().print(f"{config.account_id}: {text}", markup=False, soft_wrap=True)
    if counts[Level.FAILURE]:
        raise typer.Exit(SafetyViolation.exit_code)


def show_lines(console: Console, lines: tuple[Line, ...]) -> None:
    """A line a check, and under what is not well what to do; whole in a pipe, to be copied."""
    width = max(len(line.name) for line in lines)
    for line in lines:
        style = STYLES[line.level]
        _print(
            console,
            Text.assemble((f"{line.level:<8} ", style), f"{line.name:<{width}}  "),
            line.facts,
        )
        if line.remedy:
            _print(console, Text(" " * (width + 11)), f"→ {line.remedy}", style)


def _print(console: Console, head: Text, text: str, style: str = "") -> None:
    if not console.is_terminal:
        console.print(Text.assemble(head, (text, style)), soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False, padding=0, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(head, Text(text, style))
    console.print(table)
