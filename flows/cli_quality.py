"""`regent quality`: bars and books against what is expected of them, with Data Docs."""

from __future__ import annotations

import webbrowser
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.quality.rules import Severity
from execution.errors import InvariantBroken
from flows.cli_options import (
    AsOf,
    Bars,
    ConfigFile,
    Feed,
    Source,
    Symbols,
    Timeframe,
    settings_of,
)
from flows.cli_output import BOOKS_DIFFER, Json, Verbose, emit, output, working
from flows.documents import plain
from tasks import wiring
from tasks.config import load_config

if TYPE_CHECKING:  # pandera and pyarrow are for this command alone
    from tasks.quality_report import QualityReport

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


def register(app: typer.Typer) -> None:
    """Add the command to the `regent` command."""
    app.command(
        "quality",
        help="Hold bars (and books) against what is expected of them; writes Data Docs. Ends "
        "with 2 on errors of the bars, 8 on errors of the books.",
    )(quality)


def quality(
    config: ConfigFile = None,
    feed: Feed = None,
    source: Source = None,
    bars: Bars = None,
    symbols: Symbols = None,
    as_of: AsOf = None,
    timeframe: Timeframe = None,
    books: Annotated[bool, typer.Option("--books", help="The books, too.")] = False,
    open_docs: Annotated[bool, typer.Option("--open", help="Open the Data Docs.")] = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Look at all there is; sends nothing, and stops at no error."""
    from tasks.quality_report import look_at_quality

    settings = settings_of(
        feed=feed, source=source, bars=bars, symbols=symbols, as_of=as_of, timeframe=timeframe
    )
    run_config = load_config(config, settings, wiring.environment())
    with working("reading bars", shown=not verbose) as tell:
        report = look_at_quality(run_config, bars=True, books=books, tell=tell)
    if as_json:
        counts = {f"{s}s": report.count(s) for s in STYLES}
        emit({**counts, "docs": report.docs, "results": [plain(r) for r in report.results]})
    else:
        show_quality(output(), report, verbose=verbose)
    if open_docs:
        webbrowser.open(report.docs.as_uri())
    if report.error:
        books_differ = isinstance(report.error, InvariantBroken)
        raise typer.Exit(BOOKS_DIFFER if books_differ else report.error.exit_code)


def show_quality(console: Console, report: QualityReport, *, verbose: bool) -> None:
    """A table of what is not met, by what it is of; `verbose` shows what is met, too."""
    for subject, group in groupby(report.results, key=lambda r: r.subject):
        results = list(group)
        met = sum(r.met for r in results)
        head = f"{subject}: {met} of {len(results)} expectations met by {results[0].rows:,} rows"
        console.print(Text(head, "bold"), soft_wrap=True)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("severity", "expectation", "failing", "first"):
            right = "right" if name == "failing" else "left"
            table.add_column(name, justify=right, overflow="fold")  # type: ignore[arg-type]
        for r in results:
            if r.first is not None:
                at = f"{r.at:%Y-%m-%d %H:%M}Z " if r.at else ""
                word = Text(r.severity.value, STYLES[r.severity])
                table.add_row(word, r.expectation, f"{r.failing:,}", Text(f"{at}{r.first}"))
            elif verbose:
                table.add_row(Text("met", "green"), r.expectation, "", Text(r.rule, "dim"))
        if table.row_count:
            console.print(table)
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    style = "bold red" if errors else "yellow" if warnings else "green"
    console.print(Text(f"errors: {errors}, warnings: {warnings}", style))
    console.print(Text(f"Data Docs: {report.docs}"), soft_wrap=True)
