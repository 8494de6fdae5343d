"""An analysis for people: regimes, models and strategies of a market, and signals of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
from prefect import task

from data import signal_files
from data.quality.expectation import Result
from execution.errors import ConfigInvalid
from execution.evaluation.analysis import Analysis, analyse_instrument
from execution.evaluation.comparison import Comparison
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from execution.model.symbols import resolve
from execution.regime.registry import MODELS
from execution.strategies.registry import find
from execution.strategies.signals import make_signals
from tasks import artifacts, wiring
from tasks.analysis_report import AnalysisReport, render_html, render_markdown
from tasks.analysis_settings import AnalysisSettings
from tasks.artifacts import progress
from tasks.config import RunConfig
from tasks.market_data import read_bars
from tasks.pages import write_whole
from tasks.policies import READS
from tasks.quality import judge_unbooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """The bars that are analysed."""

    instruments: Mapping[InstrumentId, Instrument]
    bars: Mapping[InstrumentId, pd.DataFrame]
    interval: timedelta
    symbols: Mapping[InstrumentId, str]  # as they were asked for
    quality: tuple[Result, ...]  # what of the bars is not as expected, and no error


def quick(config: RunConfig) -> None:
    """Raise within a second what an analysis would fail on: settings, files, symbols.

    What a live feed knows is left to the analysis: asking twice costs.
    """
    wiring.require_known(config)
    wiring.choose_strategies(config)
    feed = wiring.build_feed(config)
    if not feed.live:
        read_bars(config, feed, 1)


@task(name="read-histories", **READS)
def read_histories(config: RunConfig, settings: AnalysisSettings) -> Histories:
    """Read the bars of every instrument that is analysed, and judge them as a run does.

    Raises InputInvalid for bars that a run would refuse: nothing is said of such a market.
    """
    wiring.require_known(config)
    feed = wiring.build_feed(config)
    bars = read_bars(config, feed, settings.limit)
    known = {i.instrument_id: i for i in feed.instruments()}
    return Histories(
        instruments={i: known[i] for i in bars},
        bars=bars,
        interval=feed.interval,
        symbols={resolve(text, known.values()): text for text in config.symbols},
        quality=judge_unbooked(config, feed, bars),
    )


@task(name="analyse-histories", **READS)
def analyse_histories(
    config: RunConfig, settings: AnalysisSettings, histories: Histories
) -> tuple[Analysis, ...]:
    """Walk the configured model over each history, and judge what strategies did in it."""
    chosen = wiring.choose_strategies(config)
    known = wiring.known_strategies(config)
    judged = [find(name, config.strategy_params, known) for name in known]
    return tuple(
        analyse_instrument(
            instrument_id,
            histories.bars[instrument_id],
            regime=config.regime,
            strategies=chosen,
            judged=judged,
            cost=settings.cost,
        )
        for instrument_id in progress(list(histories.bars), "walking-forward")
    )


@task(name="compare-models", **READS)
def compare_models(config: RunConfig, analyses: tuple[Analysis, ...]) -> tuple[Analysis, ...]:
    """Walk every registered model over each history, and judge its labels."""
    comparisons = {a.regime.instrument_id: Comparison(a.bars, config.regime) for a in analyses}
    pairs = [(instrument_id, name) for instrument_id in comparisons for name in MODELS]
    scores = [(i, comparisons[i].score(name)) for i, name in progress(pairs, "comparing-models")]
    return tuple(
        replace(a, models=tuple(s for i, s in scores if i == a.regime.instrument_id))
        for a in analyses
    )


@task(name="report-analysis", **READS)
def report_analysis(
    config: RunConfig,
    settings: AnalysisSettings,
    histories: Histories,
    analyses: tuple[Analysis, ...],
    took: timedelta,
) -> AnalysisReport:
    """Make the signals of a run, and write report.md, report.html and signals.csv."""
    regimes = [a.regime for a in analyses]
    signals, left_out = make_signals(regimes, histories.bars, wiring.choose_strategies(config))
    signal_files.validate_signals(signals)
    report = AnalysisReport(
        settings=settings,
        regime=config.regime,
        strategies=config.strategies,
        feed=config.feed,
        interval=histories.interval,
        analyses=analyses,
        quotes={i: instrument.quote for i, instrument in histories.instruments.items()},
        signals=signals,
        left_out=left_out,
        quality=histories.quality,
        folder=analysis_folder(settings),
        took_s=took.total_seconds(),
    )
    markdown = render_markdown(report)
    write_files(report, markdown, histories.symbols)
    artifacts.analysis(report, markdown)
    return report


def analysis_folder(settings: AnalysisSettings) -> Path:
    """Where an analysis is written: what was said, or signals/latest of this installation."""
    out = settings.out or wiring.settings().home / "signals" / "latest"
    return out.absolute()


def write_files(report: AnalysisReport, markdown: str, symbols: Mapping[InstrumentId, str]) -> None:
    """Write the three files, the one that is traded by last; ConfigInvalid where that fails."""
    try:
        write_whole(report.markdown_path, markdown)
        write_whole(report.html_path, render_html(report))
        write_whole(report.signals_path, signal_files.to_csv(report.signals, symbols))
    except OSError as error:
        raise ConfigInvalid(
            f"out={report.folder}: cannot be written to: {error.strerror}; "
            "a signals.csv that lies there is of an earlier analysis"
        ) from error
