"""The first look at an account: what is there becomes the opening of its books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from execution.errors import VenueUnavailable
from execution.model.enums import TradingState, TransferKind
from execution.model.identifiers import AccountId
from execution.model.money import ZERO
from execution.model.reports import BalanceReport, PositionReport
from execution.model.transfer import Transfer
from execution.venues.base import Venue
from tasks import wiring
from tasks.account import mark_equity
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.reconciliation import TRANSFERS_OVERLAP, compare_books

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
    first = Opening(since=now) if known else await _opening(venue, market, now)
    with wiring.open_ledger().transaction() as books:
        opened = books.accounts.open(cycle.account, cycle.config.venue_id, uid, first.since)
        if opened:
            for transfer in first.transfers(cycle.account):
                books.transfers.record(transfer)
            # What they begin with is what the venue says.
            books.activity.reconciled(cycle.account, cycle.run_id, 0, wiring.wall_clock())
        if books.trading_state.get(cycle.account) is None:
            books.trading_state.set(
                cycle.account, TradingState.ACTIVE, "account opened", "regent", now
            )
    if opened and first.positions:
        await compare_books(cycle, venue, market)
    await mark_equity(cycle, venue, market)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What was there when the books began, and from when on a fill changes it."""

    since: datetime  # UTC, venue clock
    balances: tuple[BalanceReport, ...] = ()
    positions: tuple[PositionReport, ...] = ()
    recent: tuple[Transfer, ...] = ()  # some of what it came from; listed again later

    def transfers(self, account: AccountId) -> tuple[Transfer, ...]:
        """All of it as transfers: the recent ones under their own ids, the rest as opening."""
        held = {b.currency: b.cash for b in self.balances}
        held |= {p.instrument_id.base: p.net_qty for p in self.positions}
        for transfer in self.recent:
            held[transfer.currency] = held.get(transfer.currency, ZERO) - transfer.amount
        openings = (
            Transfer(
                transfer_id=f"opening {asset}",
                account=account,
                kind=TransferKind.OPENING,
                currency=asset,
                amount=qty,
                ts_event=self.since,
            )
            for asset, qty in held.items()
        )
        return (*openings, *self.recent)


async def _opening(venue: Venue, market: Market, now: datetime) -> Opening:
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
            return Opening(
                since=max(since, newest),
                balances=balances,
                positions=positions,
                recent=await venue.transfers(since - TRANSFERS_OVERLAP),
            )
    raise VenueUnavailable(
        "the account trades while its books are to be opened; nothing was written, try again"
    )
