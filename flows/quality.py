"""Bars and books held against what is expected of them, by Great Expectations."""

from __future__ import annotations

from prefect import flow, get_run_logger

from tasks import artifacts
from tasks.config import RunConfig
from tasks.quality_report import look_at_quality


@flow(name="quality", retries=0, persist_result=False)
def quality(config: RunConfig, books: bool = True) -> str:
    """Write Data Docs to REGENT_HOME/quality; what is not met is an artifact.

    Fails on errors, as a trading run would. Sends nothing.
    """
    logger = get_run_logger()
    report = look_at_quality(config, bars=True, books=books, tell=logger.info)
    artifacts.quality(report.unmet)
    for result in report.unmet:
        logger.warning("%s: %s", result.severity, result)
    if report.error:
        raise report.error
    return f"{len(report.results)} expectations, {len(report.unmet)} warnings: {report.docs}"
