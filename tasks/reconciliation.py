"""Stage 6: the books against the venue."""

from __future__ import annotations

import asyncio

from prefect import task

from execution.model.discrepancy import Discrepancy
from execution.model.enums import Severity
from execution.reconciliation.compare import Books as BooksView
from execution.reconciliation.compare import Reports, compare
from execution.venues.base import Venue
from tasks import artifacts, wiring
from tasks.account import mark_equity
from tasks.alerts import alert
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.policies import SENDS
from tasks.sync import EPOCH, sync


@task(name="reconcile", **SENDS)
def reconcile(cycle: Cycle, market: Market) -> tuple[Discrepancy, ...]:
    """Compare orders, fills, positions and cash; a disagreement quarantines and alerts."""
    with (
        cycle.stage("reconciliation") as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        venue = wiring.build_venue(cycle.config, market.traded)
        # Under the same lock: another run may have sent orders since we last looked.
        asyncio.run(sync(cycle, venue, market))
        reports = asyncio.run(_ask(venue))
        with wiring.open_ledger().transaction() as books:
            found = compare(
                BooksView(
                    working=books.orders.working(cycle.account),
                    fills=frozenset(f.trade_id for f in books.fills.of(cycle.account)),
                    positions={p.instrument_id: p for p in books.positions.open(cycle.account)},
                    cash=books.cash(cycle.account),
                ),
                reports,
            )
            books.discrepancies.replace(cycle.account, cycle.run_id, found, wiring.wall_clock())
        mark_equity(cycle, venue, market)
        outcome["discrepancies"] = [f"{d.kind} {d.key}" for d in found]
        for d in found:
            text = f"{d.kind} {d.key}: books {d.books}, venue {d.venue}"
            alert(cycle.account, cycle.run_id, Severity.CRITICAL, "books differ", text)
    artifacts.reconciliation(found)
    return found


async def _ask(venue: Venue) -> Reports:
    """All that the venue claims; a query that fails raises, it is never read as nothing."""
    return Reports(
        open_orders=await venue.open_orders(),
        fills=await venue.fills(EPOCH),
        positions=await venue.positions(),
        balances=await venue.balances(),
    )
