"""Stage 6: the books against the venue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from prefect import task

from data.store.books import Books
from execution.model.discrepancy import Discrepancy
from execution.model.enums import ExternalPolicy, Severity, Topic, TransferKind
from execution.model.order import TERMINAL
from execution.model.reports import OrderReport
from execution.model.transfer import Transfer
from execution.reconciliation.compare import Books as BooksView
from execution.reconciliation.compare import Reports, compare
from execution.venues.base import Venue
from tasks import artifacts, wiring
from tasks.account import fees_due, held, mark_equity
from tasks.alerts import alert
from tasks.booking import book_fills, book_transfers
from tasks.breaker import check_breaker
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.policies import SENDS
from tasks.sync import EPOCH, ask_from, named, sync

# Some are listed days late, or under the date alone; those of before the opening are booked.
TRANSFERS_OVERLAP = timedelta(days=7)
BROUGHT = {TransferKind.OPENING, TransferKind.DEPOSIT, TransferKind.WITHDRAWAL}
BringUp = Callable[[Cycle, Venue, Market], Awaitable[object]]
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
        found = asyncio.run(_reconcile(cycle, market))
        outcome["discrepancies"] = [f"{d.kind} {d.key}" for d in found]
    artifacts.reconciliation(found)
    return found


async def _reconcile(cycle: Cycle, market: Market) -> tuple[Discrepancy, ...]:
    async with wiring.open_venue(cycle.config, market.traded) as venue:
        found = await compare_books(cycle, venue, market)
        check_breaker(cycle, await mark_equity(cycle, venue, market), market)
        return found


async def compare_books(
    cycle: Cycle, venue: Venue, market: Market, bring_up: BringUp = sync
) -> tuple[Discrepancy, ...]:
    """Settle, book what the venue reports, compare; write what is left as discrepancies.

    With `look` to bring the books up nothing is sent or canceled on the way. The caller
    holds the account's lock. What an earlier comparison found and this one does not is
    lifted.
    """
    found: tuple[Discrepancy, ...] = ()
    for _ in range(LOOKS_MAX):
        await bring_up(cycle, venue, market)
        found = await _compare(cycle, venue, market)
        if not found:
            break
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.discrepancies.replace(cycle.account, cycle.run_id, found, now)
        books.activity.reconciled(cycle.account, cycle.run_id, len(found), now)
    for d in found:
        alert(cycle.account, cycle.run_id, Severity.CRITICAL, Topic.BOOKS_DIFFER, str(d))
    return found


async def _compare(cycle: Cycle, venue: Venue, market: Market) -> tuple[Discrepancy, ...]:
    """One look at both sides."""
    with wiring.open_ledger().reading() as books:
        opened = books.accounts.opened_at(cycle.account) or EPOCH
        fills_since = ask_from(opened, books.fills.latest_ts(cycle.account), market.clock())
        moved = books.transfers.latest_ts(cycle.account)
    moved_since = min(moved or opened, market.clock()) - TRANSFERS_OVERLAP
    book_transfers(cycle, await venue.transfers(moved_since))
    reports = await _ask(venue, fills_since)
    book_fills(cycle, market, await named(cycle, venue, reports.fills))
    with wiring.open_ledger().reading() as books:
        ours = BooksView(
            working=books.orders.working(cycle.account),
            fills=frozenset(f.trade_id for f in books.fills.of(cycle.account)),
            positions=held(books, cycle, market),
            cash=_money(books, cycle, market),
            ended=_ended(books, cycle, reports.open_orders),
            external=books.fills.external(cycle.account),
            brought=_brought(books, cycle, market),
            fees_due=fees_due(books, cycle, venue, market),
            accepted=books.acceptances.keys(cycle.account),
        )
    rounding = max(venue.capabilities(i).rounding for i in market.traded)
    adopt = cycle.config.external is ExternalPolicy.ADOPT
    return compare(ours, reports, rounding * (1 + len(ours.fills)), adopt=adopt)


def _ended(books: Books, cycle: Cycle, reports: Iterable[OrderReport]) -> frozenset[str]:
    """Ids of orders that the venue reports as open and the books have as ended."""
    open_there = list(reports)
    named = books.orders.by_venue_id(cycle.account, [r.venue_order_id for r in open_there])
    ours = (books.orders.get(r.client_order_id) for r in open_there if r.client_order_id)
    over = [o for o in (*named.values(), *ours) if o is not None and o.status in TERMINAL]
    return frozenset(
        str(name) for o in over for name in (o.client_order_id, o.venue_order_id) if name
    )


def _money(books: Books, cycle: Cycle, market: Market) -> dict[str, Decimal]:
    """Cash that is no holding: what `held` has counted is not counted again."""
    currency = wiring.account_currency(cycle.config, market.traded)
    holdings = {i.base for i in held(books, cycle, market)}
    cash = books.cash(cycle.account)
    return {c: amount for c, amount in cash.items() if c == currency or c not in holdings}


def _brought(books: Books, cycle: Cycle, market: Market) -> tuple[Transfer, ...]:
    """What came of the assets that we trade without a trade; dust is not worth a word."""
    steps = {i.base: i.qty_increment for i in market.traded.values()}
    return tuple(
        transfer
        for transfer in books.transfers.of(cycle.account)
        if transfer.kind in BROUGHT
        and transfer.currency in steps
        and abs(transfer.amount) >= steps[transfer.currency]
    )


async def _ask(venue: Venue, since: datetime) -> Reports:
    """All that the venue claims; a query that fails raises, it is never read as nothing."""
    return Reports(
        open_orders=await venue.open_orders(),
        fills=await venue.fills(since),
        positions=await venue.positions(),
        balances=await venue.balances(),
    )
