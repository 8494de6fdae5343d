"""What an analysis found, in one value; and as Markdown and a page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

import numpy as np

from data.quality.expectation import Result
from execution.evaluation.analysis import CONFIGURED, HOLD, NAMES, Analysis
from execution.evaluation.performance import ALL, BARS_MIN, SPELLS_MIN, Performance
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId
from execution.model.signal import Signal
from execution.regime.config import RegimeSettings
from tasks import analysis_charts
from tasks.analysis_charts import RegimeChart, Scale, dwell_scale, gain_scale, regime_charts
from tasks.analysis_settings import AnalysisSettings
from tasks.pages import template

DRAWN_MAX = 8  # instruments with charts: a page is to stay below two megabytes
UNITS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisReport:
    """What one analysis was told, found and wrote."""

    settings: AnalysisSettings
    regime: RegimeSettings
    strategies: Mapping[RegimeLabel, str | None]
    feed: str
    interval: timedelta
    analyses: tuple[Analysis, ...]
    quotes: Mapping[InstrumentId, str]  # currency of each one's price
    signals: tuple[Signal, ...]
    left_out: tuple[str, ...]  # why a strategy gave none
    quality: tuple[Result, ...]  # what of the bars is not as expected, and no error
    folder: Path
    took_s: float

    @property
    def markdown_path(self) -> Path:
        """For people, and for the Prefect UI."""
        return self.folder / "report.md"

    @property
    def html_path(self) -> Path:
        """The same, drawn."""
        return self.folder / "report.html"

    @property
    def signals_path(self) -> Path:
        """What `regent run --signals` takes."""
        return self.folder / "signals.csv"

    @property
    def ts_event(self) -> datetime:
        """UTC, close of the newest bar."""
        return max(a.regime.ts_event for a in self.analyses)

    @property
    def summary(self) -> str:
        """One line: who is how."""
        return ", ".join(
            f"{a.regime.instrument_id.symbol} {a.regime.label.replace('_', ' ')}"
            for a in self.analyses
        )

    @property
    def bar(self) -> str:
        """How long a bar is: `1 day`, `4 hours`."""
        unit, name = next((u for u in UNITS if self.interval % u[0] == timedelta()), UNITS[-1])
        count = self.interval / unit
        return f"{count:g} {name}{'s' if count != 1 else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One instrument, as the templates lay it out."""

    analysis: Analysis
    signal: Signal | None
    charts: tuple[RegimeChart, ...]
    dwell: Scale
    gains: Scale
    performance: tuple[tuple[str, tuple[Performance, ...]], ...]  # by regime
    moves: tuple[tuple[float | None, ...], ...]  # share of each regime's bars, row to column


def render_markdown(report: AnalysisReport) -> str:
    """The report as Markdown."""
    return template("analysis.md").render(_context(report))


def render_html(report: AnalysisReport) -> str:
    """The report as a page: no scripts, nothing from outside."""
    return template("analysis.html").render(_context(report))


def _context(report: AnalysisReport) -> dict[str, object]:
    return {
        "report": report,
        "views": [
            _view(report, a, drawn=number < DRAWN_MAX) for number, a in enumerate(report.analyses)
        ],
        "names": NAMES,
        "size": analysis_charts,
        "room": analysis_charts.RIGHT,
        "all": ALL,
        "configured": CONFIGURED,
        "hold": HOLD,
        "bars_min": BARS_MIN,
        "spells_min": SPELLS_MIN,
        "wishes": {1: "long", -1: "short: closes what is held", 0: "close"},
    }


def _view(report: AnalysisReport, analysis: Analysis, *, drawn: bool) -> View:
    instrument_id, rows = analysis.regime.instrument_id, analysis.performance
    by_regime = tuple((regime, tuple(group)) for regime, group in groupby(rows, _regime))
    wished = (s for s in report.signals if s.instrument_id == instrument_id)
    return View(
        analysis=analysis,
        signal=next(wished, None),
        charts=regime_charts(analysis, report.quotes[instrument_id]) if drawn else (),
        dwell=dwell_scale(analysis.dwell),
        gains=gain_scale(rows),
        performance=by_regime,
        moves=_moves(analysis),
    )


def _regime(row: Performance) -> str:
    return row.regime


def _moves(analysis: Analysis) -> tuple[tuple[float | None, ...], ...]:
    """Shares of what follows on each regime's bars; None for a regime that never was."""
    counts = analysis.transitions
    totals = counts.sum(axis=1)
    return tuple(
        tuple(float(c) / total if total else None for c in row)
        for row, total in zip(counts, np.asarray(totals).tolist(), strict=True)
    )
