"""`regent analyse`: how markets behave, what strategies did in them, and signals to trade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from execution.model.enums import RegimeLabel
from flows.cli_flows import follow, result_of
from flows.cli_options import AsOf, Bars, ConfigFile, Feed, Source, Timeframe
from flows.cli_output import Json, Verbose, emit, output, working
from flows.documents import plain
from flows.prefect_defaults import prepare_prefect, start_server
from tasks import figures, wiring
from tasks.analysis_settings import AnalysisMode, AnalysisSettings, make_settings
from tasks.config import RunConfig, load_config, parse_time

if TYPE_CHECKING:  # numba and the models take seconds to load, and other commands need neither
    from execution.evaluation.comparison import ModelScore
    from tasks.analysis_report import AnalysisReport

COLUMNS = {  # and whether they hold numbers
    "instrument": False,
    "regime": False,
    "confidence": True,
    "for bars": True,
    "volatility": True,
    "of bars": True,
    "signal": False,
}
MODEL_COLUMNS = {
    "model": False,
    "gain, nats per 1,000 bars": True,
    "hindsight": True,
    "calibration error": True,
    "refits agree": True,
    "switches": True,
    "": False,
}
WISHES = {1: "long", -1: "short", 0: "close"}

Symbol = Annotated[
    list[str] | None,
    typer.Option("--symbol", "--symbols", help="What to look at: X:BTCUSD or A,B; repeatable."),
]
Mode = Annotated[
    AnalysisMode, typer.Option(help="fast: one model; thorough: all of them, and how steady.")
]
History = Annotated[
    int | None, typer.Option("--history", min=1, help="Bars to look at; 2500, thorough 5000.")
]
Cost = Annotated[
    str | None, typer.Option("--cost-bps", help="Of what is traded, in bp; 12.5 by default.")
]
Out = Annotated[
    Path | None, typer.Option(help="Folder to write to; REGENT_HOME/signals/latest by default.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the `regent` command."""
    app.command()(analyse)


def analyse(
    symbol: Symbol = None,
    mode: Mode = AnalysisMode.FAST,
    config: ConfigFile = None,
    feed: Feed = None,
    source: Source = None,
    bars: Bars = None,
    as_of: AsOf = None,
    timeframe: Timeframe = None,
    history: History = None,
    cost_bps: Cost = None,
    out: Out = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Tell regimes and judge strategies; write report.md, report.html, signals.csv. No order."""
    typed = {
        "symbols": ",".join(symbol) if symbol else None,
        "feed": feed or ("files" if bars else None),
        "source": source,
        "bars": bars or None,
        "as_of": parse_time(as_of) if as_of else None,
        "timeframe": timeframe,
    }
    run = load_config(config, typed, wiring.environment())
    told = {"mode": mode, "history_bars": history, "cost_bps": cost_bps, "out": out}
    report = _run(run, make_settings(told), verbose=verbose)
    if as_json:
        emit(document(report))
    else:
        _show(output(), report)


def _run(config: RunConfig, settings: AnalysisSettings, *, verbose: bool) -> AnalysisReport:
    with working("reading bars", shown=not verbose) as tell:
        prepare_prefect(verbose=verbose)
        from flows import analysis
        from tasks import artifacts
        from tasks.analysis import quick

        artifacts.PROGRESS.append(tell.step)
        quick(config)
        tell("starting Prefect")
        start_server()
        follow(analysis, tell)
        state = analysis.analyse(config, settings, return_state=True)
        return cast("AnalysisReport", result_of(state))


def document(report: AnalysisReport) -> dict[str, Any]:
    """The figures under plain names; bars and drawings are in the files."""
    return {
        "mode": report.settings.mode,
        "as_of": report.ts_event,
        "took_s": report.took_s,
        "cost_bps": report.settings.cost_bps,
        "report": report.markdown_path,
        "page": report.html_path,
        "signals_file": report.signals_path,
        "signals": report.signals,
        "quality": report.quality,
        "instruments": [
            {
                **plain(a.regime),
                "bars_missing": a.bars_missing,
                "lasts": a.lasts,
                "dwell": a.dwell,
                "transitions": a.transitions.tolist(),
                "performance": a.performance,
                "models": a.models,
            }
            for a in report.analyses
        ],
    }


def _show(show: Console, report: AnalysisReport) -> None:
    """Regimes and wishes, what may be said of strategies, and where the rest is."""
    table = _table(COLUMNS)
    wished = {s.instrument_id: s for s in report.signals}
    for a in report.analyses:
        signal = wished.get(a.regime.instrument_id)
        table.add_row(
            a.regime.instrument_id.symbol,
            a.regime.label.replace("_", " "),
            figures.percent(a.regime.confidence, 0),
            f"{a.lasts:,}",
            figures.percent(a.regime.volatility, 1),
            f"{len(a.bars):,}",
            f"{WISHES[signal.side]}, {signal.strategy}" if signal else "none",
        )
    show.print(table)
    for result in report.quality:
        _line(show, str(result), "yellow")
    for a in report.analyses:
        name = a.regime.instrument_id.symbol
        if a.regime.label is RegimeLabel.UNKNOWN:
            missing = f"; {a.bars_missing} are missing" if a.bars_missing else ""
            _line(show, f"{name}: {a.regime.reason}{missing}", "yellow")
        for claim in a.claims:
            _line(show, f"{name}: {claim}")
        if a.models:
            _line(show, f"\n{name}: models", "bold")
            show.print(_models(a.models))
    _line(show, f"page     {report.html_path}")
    _line(show, f"report   {report.markdown_path}")
    _line(show, f"signals  {report.signals_path} ({len(report.signals)})")
    _line(show, f"took {report.took_s:.0f} s; nothing was sent", "dim")


def _models(scores: tuple[ModelScore, ...]) -> Table:
    table = _table(MODEL_COLUMNS)
    for m in scores:
        figured = (
            f"{figures.number(m.gain, 0)} ± {figures.number(m.gain_error, 0)}",
            figures.percent(m.agreement, 0),
            figures.number(m.calibration_error, 3),
            figures.percent(m.refits_agree, 0),
            figures.number(m.switches, 0),
        )
        table.add_row(m.name, *(("",) * len(figured) if m.problem else figured), m.problem)
    return table


def _table(columns: Mapping[str, bool]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, right in columns.items():
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table


def _line(show: Console, text: str, style: str = "") -> None:
    show.print(text, style=style, markup=False, soft_wrap=True)
