"""A flow that a command runs: its tasks are told as they start, its end is the command's."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from execution.errors import SafetyViolation
from flows.cli_output import Working

if TYPE_CHECKING:
    from prefect import State, Task


def follow(module: ModuleType, tell: Working) -> None:
    """Have every task that a module's flow starts tell its name."""
    from prefect import Task

    def on_running(task: Task[..., object], *_: object) -> None:
        tell(task.name.replace("-", " "))

    for value in vars(module).values():
        if isinstance(value, Task):
            value.on_running(on_running)


def result_of(state: State[Any]) -> object:
    """What a flow returned; or raises what ended it."""
    if state.is_cancelled():
        raise SafetyViolation(state.message or "the run was canceled; nothing was sent")
    if state.is_crashed() and "interrupt signal" in (state.message or ""):
        raise KeyboardInterrupt
    return state.result()
