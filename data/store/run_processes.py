"""Which process works on which run: one that has died can write no end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from data.store.session import Session
from execution.model.identifiers import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProcess:
    """A process, by the lock that it holds for as long as it lives; the rest is for people."""

    process: str  # the lock's name
    host: str
    pid: int


class RunProcesses:
    """The `run_processes` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def note(self, run_id: RunId, attempt: int, process: RunProcess, now: datetime) -> None:
        """Write down who works on an attempt of a run."""
        row = (run_id, attempt, process.process, process.host, process.pid, now)
        self._session.insert("run_processes", [row])

    def of_running(self) -> dict[RunId, tuple[RunProcess, ...]]:
        """By run that has no end yet: the processes of its attempts, the last one last.

        A run of a time before processes were noted is not among them: nobody can tell.
        """
        rows = self._session.rows(
            "SELECT run_id, p.process, p.host, p.pid FROM run_processes p JOIN runs USING (run_id) "
            "WHERE status = 'running' ORDER BY run_id, attempt"
        )
        found: dict[RunId, list[RunProcess]] = defaultdict(list)
        for run_id, process, host, pid in rows:
            found[RunId(run_id)].append(RunProcess(process=process, host=host, pid=pid))
        return {run_id: tuple(processes) for run_id, processes in found.items()}
