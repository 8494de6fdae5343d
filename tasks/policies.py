"""When a task may run again, and why that is safe."""

from __future__ import annotations

from typing import Any, TypedDict

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from execution.errors import LedgerUnavailable, VenueUnavailable


class TaskOptions(TypedDict, total=False):
    """The keyword arguments of `@task` that a policy decides."""

    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: Any
    cache_policy: Any
    persist_result: bool


def _transient(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether nothing was sent and nothing was written: only then is again the same as once."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, LedgerUnavailable | VenueUnavailable)


# Reads and computes: may run again after a busy ledger or an unreachable feed. Results are
# never cached: a cycle looks at the world anew each time.
READS = TaskOptions(
    retries=3,
    retry_delay_seconds=[1, 4, 16],
    retry_jitter_factor=0.5,
    retry_condition_fn=_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)

# Sends. Safe to run again because the ledger decides, never the task: an order that may have
# left is looked up at the venue first, and an id that was sent is not sent a second time. A
# used approval is not replayed, so a second try in live mode ends refused.
SENDS = TaskOptions(**{**READS, "retries": 1, "retry_delay_seconds": [2]})
