"""The nightly copy of the ledger: folded again before it counts, and the oldest dropped."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, get_run_logger

from tasks import wiring
from tasks.backup import make_backup


@flow(name="backup-ledger", retries=2, retry_delay_seconds=60, persist_result=False)
def backup_ledger() -> Path | None:
    """Back up to REGENT_HOME/backups; None while there is no ledger. Sends nothing."""
    logger = get_run_logger()
    if not wiring.open_ledger().path.exists():
        logger.info("there is no ledger yet")
        return None
    made = make_backup()
    logger.info("%s: %s", made.path, made.counts)
    return made.path
