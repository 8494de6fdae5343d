"""Run the real flow, and kill this very process in the middle of the stage it is given.

With the stage "none" it runs to the end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from execution.model.order import OrderIntent
from execution.venues.base import SubmitResult
from execution.venues.simulated import SimulatedVenue
from flows.trading import trading_cycle
from tasks.config import RunConfig
from tasks.cycle import Cycle

CONFIG = RunConfig(symbols=("GOOG", "MSFT"))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_in(stage: str) -> None:
    """Die once `stage` has started; in execution once the first order is at the venue."""
    write, submit = Cycle._record, SimulatedVenue.submit

    def record(self: Cycle, name: str, event: str, detail: Mapping[str, Any]) -> None:
        write(self, name, event, detail)
        if name == stage != "order-execution":
            die()

    async def submit_and_die(
        self: SimulatedVenue, intent: OrderIntent, now: datetime
    ) -> SubmitResult:
        result = await submit(self, intent, now)
        if stage == "order-execution":
            die()
        return result

    Cycle._record = record  # type: ignore[method-assign]
    SimulatedVenue.submit = submit_and_die  # type: ignore[method-assign]


if __name__ == "__main__":
    kill_in(sys.argv[1])
    report = trading_cycle(CONFIG)
    print(report)
