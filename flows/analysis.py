"""Look at markets without trading: regimes, models, strategies; and signals that can be traded."""

from __future__ import annotations

from prefect import flow

from tasks import wiring
from tasks.analysis import analyse_histories, compare_models, read_histories, report_analysis
from tasks.analysis_report import AnalysisReport
from tasks.analysis_settings import AnalysisSettings
from tasks.config import RunConfig

DEFAULT = AnalysisSettings()


@flow(name="analyse", retries=0, persist_result=False)
def analyse(config: RunConfig, settings: AnalysisSettings = DEFAULT) -> AnalysisReport:
    """Write report.md, report.html and signals.csv; sends nothing and writes no books."""
    started = wiring.wall_clock()
    histories = read_histories(config, settings)
    analyses = analyse_histories(config, settings, histories)
    if settings.thorough:
        analyses = compare_models(config, analyses)
    took = wiring.wall_clock() - started
    return report_analysis(config, settings, histories, analyses, took)
