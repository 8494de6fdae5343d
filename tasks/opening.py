"""The first look at an account: what is there becomes the opening of its books."""

from __future__ import annotations

from datetime import datetime, timedelta

from execution.errors import VenueUnavailable
from execution.model.enums import TradingState, TransferKind
from execution.model.reports import BalanceReport, PositionReport
from execution.model.transfer import Transfer
from execution.venues.base import Venue
from tasks import wiring
from tasks.account import mark_equity
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.reconciliation import compare_books

OPENING_LOOKS_MAX = 3
MOMENT = timedelta(milliseconds=1)  # the finest step of a venue's clock


async def open_account(cycle: Cycle, venue: Venue, market: Market) -> None:
    """At first sight, book what the venue holds for us as the opening; then value it.

    What was there and is not money is compared at once: it may have to be flagged before
    anything is planned.
    """
    uid = await venue.account_uid()
    with wiring.open_ledger().reading() as books:
        known = books.accounts.opened_at(cycle.account)
    now = market.clock()
    balances, positions, since = ([], [], now) if known else await _opening(venue, market, now)
    with wiring.open_ledger().transaction() as books:
        opened = books.accounts.open(cycle.account, cycle.config.venue_id, uid, since)
        if opened:
            held = {b.currency: b.cash for b in balances}
            held |= {p.instrument_id.base: p.net_qty for p in positions}
            for asset, qty in held.items():
                opening = Transfer(
                    transfer_id=f"opening {asset}",
                    account=cycle.account,
                    kind=TransferKind.OPENING,
                    currency=asset,
                    amount=qty,
                    ts_event=since,
                )
                books.transfers.record(opening)
        if books.trading_state.get(cycle.account) is None:
            books.trading_state.set(
                cycle.account, TradingState.ACTIVE, "account opened", "regent", now
            )
    if opened and positions:
        await compare_books(cycle, venue, market)
    await mark_equity(cycle, venue, market)


async def _opening(
    venue: Venue, market: Market, now: datetime
) -> tuple[list[BalanceReport], list[PositionReport], datetime]:
    """What is there, and from when on a fill changes it, by the venue's clock.

    A fill between two questions would be counted twice or not at all, so there must be
    none. Raises VenueUnavailable while the account trades.
    """
    await venue.on_market(market.snapshots.values(), now)
    for _ in range(OPENING_LOOKS_MAX):
        since = min(now, await venue.server_time())
        before = await venue.fills(since - timedelta(minutes=1))
        balances, positions = await venue.balances(), await venue.positions()
        after = await venue.fills(since - timedelta(minutes=1))
        if {f.trade_id for f in before} == {f.trade_id for f in after}:
            newest = max((f.ts_event + MOMENT for f in after), default=since)
            return list(balances), list(positions), max(since, newest)
    raise VenueUnavailable(
        "the account trades while its books are to be opened; nothing was written, try again"
    )
