"""Stage 5: how the sent orders fare."""

from __future__ import annotations

import asyncio

from prefect import task

from execution.model.enums import Severity
from execution.monitoring.orders import AttentionKind, OrderAttention
from tasks import wiring
from tasks.alerts import alert
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.policies import SENDS
from tasks.sync import sync

GRAVE = {AttentionKind.UNKNOWN, AttentionKind.MISSING, AttentionKind.UNREACHED}


@task(name="monitor-orders", **SENDS)
def monitor_orders(cycle: Cycle, market: Market) -> tuple[OrderAttention, ...]:
    """Book every fill, cancel what is overdue, and name the orders a person should look at."""
    with (
        cycle.stage("monitoring") as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        venue = wiring.build_venue(cycle.config, market.traded)
        found = asyncio.run(sync(cycle, venue, market))
        outcome["attention"] = [f"{a.client_order_id} {a.kind}: {a.reason}" for a in found]
        for a in found:
            severity = Severity.CRITICAL if a.kind in GRAVE else Severity.INFO
            text = f"order {a.client_order_id} on {a.instrument_id}: {a.reason}"
            alert(cycle.account, cycle.run_id, severity, f"order {a.kind}", text)
    return found
