"""Run warm cycles over the sample's five stocks, one a bar, and print what took how long."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta

from flows.trading import trading_cycle
from tasks import wiring
from tasks.config import RunConfig

FIRST_DAY = datetime(2013, 1, 7, 22, tzinfo=UTC)  # a Monday, after the close


def measure(cycles: int) -> list[dict[str, float]]:
    """Seconds by stage, of the whole flow, and of what is not a stage: Prefect's part."""
    rows = []
    for number in range(cycles):
        started = time.perf_counter()
        report = trading_cycle(RunConfig(as_of=FIRST_DAY + timedelta(days=number)))
        flow_s = time.perf_counter() - started
        with wiring.open_ledger().reading() as books:
            events = books.stages.of(report.cycle.run_id)
        begun = {e.stage: e.ts for e in events if e.event == "started"}
        stages = {
            e.stage: (e.ts - begun[e.stage]).total_seconds()
            for e in events
            if e.event == "completed"
        }
        rows.append({**stages, "flow": flow_s, "prefect": flow_s - sum(stages.values())})
    return rows[1:]  # the first one is not warm


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
