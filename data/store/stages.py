"""Stages: what each saw at its start and did by its end; append-only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from data.store.session import Session
from execution.model.identifiers import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEvent:
    """A stage began, ended or failed."""

    run_id: RunId
    attempt: int
    stage: str
    event: str  # started, completed, failed
    detail: str  # JSON: inputs at the start, the outcome at the end
    ts: datetime  # UTC


class Stages:
    """The `stages` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(
        self,
        run_id: RunId,
        attempt: int,
        stage: str,
        event: str,
        detail_json: str,
        now: datetime,
    ) -> None:
        """Note that a stage started, completed or failed."""
        self._session.insert("stages", [(run_id, attempt, stage, event, detail_json, now)])

    def of(self, run_id: RunId) -> tuple[StageEvent, ...]:
        """The run's story, oldest first."""
        rows = self._session.rows("SELECT * FROM stages WHERE run_id = ? ORDER BY rowid", run_id)
        return tuple(
            StageEvent(run_id=run, attempt=attempt, stage=stage, event=event, detail=detail, ts=ts)
            for run, attempt, stage, event, detail, ts in rows
        )
