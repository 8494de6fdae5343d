"""Stage 6: the books against the venue."""

from __future__ import annotations

import asyncio
from datetime import datetime

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
from tasks.sync import EPOCH, book_fills, sync

LOOKS_MAX = 3  # a fill can land while we ask: what is real is still there the next time


@task(name="reconcile", **SENDS)
def reconcile(cycle: Cycle, market: Market) -> tuple[Discrepancy, ...]:
    """Compare orders, fills, positions and cash; a disagreement quarantines and alerts."""
    with (
        cycle.stage("reconciliation") as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        with wiring.open_ledger().reading() as books:
            if books.accounts.opened_at(cycle.account) is None:
                return ()  # there are no books to compare
        venue = wiring.build_venue(cycle.config, market.traded)
        found = compare_books(cycle, venue, market)
        mark_equity(cycle, venue, market)
        outcome["discrepancies"] = [f"{d.kind} {d.key}" for d in found]
    artifacts.reconciliation(found)
    return found


def compare_books(cycle: Cycle, venue: Venue, market: Market) -> tuple[Discrepancy, ...]:
    """Settle, book what the venue reports, compare; write what is left as discrepancies.

    The caller holds the account's lock. What an earlier comparison found and this one does
    not is lifted.
    """
    found: tuple[Discrepancy, ...] = ()
    for _ in range(LOOKS_MAX):
        asyncio.run(sync(cycle, venue, market))
        with wiring.open_ledger().reading() as books:
            opened = books.accounts.opened_at(cycle.account) or EPOCH
        reports = asyncio.run(_ask(venue, opened))
        book_fills(cycle, market, reports.fills)
        with wiring.open_ledger().reading() as books:
            ours = BooksView(
                working=books.orders.working(cycle.account),
                fills=frozenset(f.trade_id for f in books.fills.of(cycle.account)),
                positions={p.instrument_id: p for p in books.positions.open(cycle.account)},
                cash=books.cash(cycle.account),
            )
        found = compare(ours, reports)
        if not found:
            break
    with wiring.open_ledger().transaction() as books:
        books.discrepancies.replace(cycle.account, cycle.run_id, found, wiring.wall_clock())
    for d in found:
        text = f"{d.kind} {d.key}: books {d.books}, venue {d.venue}"
        alert(cycle.account, cycle.run_id, Severity.CRITICAL, "books differ", text)
    return found


async def _ask(venue: Venue, since: datetime) -> Reports:
    """All that the venue claims; a query that fails raises, it is never read as nothing."""
    return Reports(
        open_orders=await venue.open_orders(),
        fills=await venue.fills(since),
        positions=await venue.positions(),
        balances=await venue.balances(),
    )
