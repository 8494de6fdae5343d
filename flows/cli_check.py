"""`regent check-lookahead` and `check-warmup`: a strategy asked again on histories cut short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table

from execution.errors import ConfigInvalid, InputInvalid
from execution.model.identifiers import InstrumentId
from execution.model.symbols import resolve
from execution.strategies.base import Strategy
from execution.strategies.bias import (
    CHECKS,
    Difference,
    Finding,
    check_lookahead,
    check_warmup,
)
from execution.strategies.registry import find
from execution.strategies.wishes import wishes
from flows.cli_options import Bars, ConfigFile, Feed, Source
from flows.cli_output import Json, Verbose, Working, emit, output, working
from flows.documents import plain
from tasks import wiring
from tasks.config import RunConfig, load_config

BIASED = 9  # exit code
BARS_MAX = 4_000  # of history an instrument
SHOWN = 10  # differing bars of an instrument; --verbose shows all

Name = Annotated[str, typer.Argument(metavar="STRATEGY", help="Ours, a package's, or a file's.")]
File = Annotated[Path | None, typer.Option("--file", help="Python file that declares it.")]
Param = Annotated[list[str] | None, typer.Option(help="A parameter, as entry_bars=55; repeatable.")]
Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="Bars to look at; all of the feed's if none.")
]
Checks = Annotated[
    int | None,
    typer.Option("--checks", min=1, help="Ask on so many shorter histories; see the README."),
]
Check = Callable[[Strategy, pd.DataFrame, int | None], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One of the two commands."""

    title: str
    check: Check
    means: str  # what a difference means, and what to do
    bars_min: Callable[[Strategy], int]  # fewer cannot be checked


LOOKAHEAD = Kind(
    title="lookahead",
    check=check_lookahead,
    means="what it says of a bar is another when later bars are taken away: it looks ahead",
    bars_min=lambda strategy: 2,
)
WARMUP = Kind(
    title="warm-up",
    check=lambda strategy, bars, checks: check_warmup(strategy, bars, checks or CHECKS),
    means="what it says of a bar is another on its warmup_bars alone: the warm-up is too short",
    bars_min=lambda strategy: strategy.warmup_bars + 1,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the `regent` command."""
    app.command("check-lookahead", help="Does a strategy use bars that have not come yet?")(
        _command(LOOKAHEAD)
    )
    app.command("check-warmup", help="Are the bars that a strategy wants first enough?")(
        _command(WARMUP)
    )


def _command(kind: Kind) -> Callable[..., None]:
    def command(
        name: Name,
        file: File = None,
        param: Param = None,
        symbol: Symbols = None,
        bars: Bars = None,
        feed: Feed = None,
        source: Source = None,
        config: ConfigFile = None,
        checks: Checks = None,
        verbose: Verbose = False,
        as_json: Json = False,
    ) -> None:
        given = {
            "feed": feed or ("files" if bars else None),
            "source": source,
            "bars": bars or None,
            "symbols": symbol or None,
            "strategy_files": [file] if file else None,
            "strategy_params": {name: _params(param)} if param else None,
        }
        settings = load_config(config, given, wiring.environment())
        strategy = find(name, settings.strategy_params, wiring.known_strategies(settings))
        with working(f"checking {name}", shown=not verbose) as tell:
            findings, short = _findings(kind, strategy, settings, checks, tell)
        biased = any(finding.differences for finding in findings.values())
        if as_json:
            emit(_document(strategy, findings))
        else:
            _show(kind, strategy, findings, SHOWN if not verbose else None)
            for line in short:
                output().print(f"  {line}", markup=False, style="yellow")
        if biased:
            raise typer.Exit(BIASED)

    return command


def _params(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise ConfigInvalid(f"--param {name}{equals}{value}: write NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _findings(
    kind: Kind, strategy: Strategy, config: RunConfig, checks: int | None, tell: Working
) -> tuple[dict[InstrumentId, Finding], list[str]]:
    """What is found on each instrument with bars enough, and which have too few.

    Raises InputInvalid where none has enough, or a value breaks its rule.
    """
    feed = wiring.build_feed(config)
    known = {i.instrument_id: i for i in feed.instruments()}
    chosen = [resolve(text, known.values()) for text in config.symbols] or list(known)
    least = kind.bars_min(strategy)
    found, short = {}, []
    for done, instrument_id in enumerate(chosen):
        tell.step(f"{strategy.name} on {instrument_id.symbol}", done, len(chosen))
        bars = feed.bars(instrument_id, config.as_of, BARS_MAX)
        if len(bars) < least:
            short.append(f"{instrument_id.symbol}: {len(bars):,} bars are too few to tell")
            continue
        found[instrument_id] = kind.check(strategy, bars, checks)
        if not found[instrument_id].differences:
            wishes(strategy, bars)
    if not found:
        raise InputInvalid(
            f"{strategy}: its {kind.title} can be checked on {least:,} bars or more; "
            f"{'; '.join(short)}"
        )
    return found, short


def _document(strategy: Strategy, findings: dict[InstrumentId, Finding]) -> dict[str, object]:
    return {
        "strategy": strategy.name,
        **strategy.document(),
        "warmup_bars": strategy.warmup_bars,
        "clean": not any(finding.differences for finding in findings.values()),
        "instruments": {str(i): plain(finding) for i, finding in findings.items()},
    }


def _show(
    kind: Kind,
    strategy: Strategy,
    findings: dict[InstrumentId, Finding],
    shown: int | None,
) -> None:
    show = output()
    show.print(f"{strategy}, warmup_bars={strategy.warmup_bars}", markup=False, style="bold")
    for instrument_id, finding in findings.items():
        count = len(finding.differences)
        told = f"differs on {count:,}" if count else "clean on all"
        most = finding.cuts_possible
        among = "" if finding.cuts == most else f" (there are {most:,})"
        show.print(
            f"  {instrument_id.symbol}: {told} of {finding.cuts:,} shorter histories{among} of "
            f"{finding.bars:,} bars{_enough(kind, finding)}",
            markup=False,
            style="red" if count else "green",
        )
    differing = {i: f for i, f in findings.items() if f.differences}
    if not differing:
        return
    show.print(kind.means, markup=False, style="red")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in (
        "instrument",
        "bar",
        "closed",
        "column",
        "asked on bars",
        "on those",
        "on all",
        "",
    ):
        right = column in ("bar", "on those", "on all")
        table.add_column(column, justify="right" if right else "left")
    for instrument_id, finding in differing.items():
        rows = finding.differences[:shown]
        worst = finding.worst
        for row in rows if worst in rows else (*rows, worst):
            mark = "  worst" if row is worst and len(finding.differences) > 1 else ""
            table.add_row(instrument_id.symbol, *_cells(row), mark)
    show.print(table)
    hidden = sum(len(f.differences) for f in differing.values()) - table.row_count
    if hidden > 0:
        show.print(f"and {hidden:,} more; --verbose shows all", style="dim")


def _enough(kind: Kind, finding: Finding) -> str:
    if kind is not WARMUP:
        return ""
    if finding.enough_bars is None:
        return f"; {finding.bars // 2:,} bars are not enough there"
    return f"; {finding.enough_bars:,} bars are enough there"


def _cells(row: Difference) -> tuple[str, ...]:
    return (
        f"{row.bar:,}",
        f"{row.ts:%Y-%m-%d %H:%M}Z",
        row.column,
        f"{row.first_bar:,} to {row.last_bar:,}",
        _number(row.value_cut),
        _number(row.value_whole),
    )


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.13g}"
