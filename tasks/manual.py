"""What a person does to orders and books by hand: cancel, amend, accept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from data.store.books import Books
from execution.errors import InputInvalid, TradingStopped, VenueRefused
from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.enums import OrderStatus as S
from execution.model.enums import RunMode, TradingState, TransferKind
from execution.model.identifiers import AccountId, ClientOrderId
from execution.model.money import plain
from execution.model.order import OPEN, SENDABLE, TERMINAL, Order
from execution.model.transfer import Transfer
from execution.venues.base import SubmitOutcome, SubmitResult, Venue
from execution.venues.rate_limit import urgent
from tasks import halting, wiring
from tasks.booking import record
from tasks.config import RunConfig
from tasks.cycle import Cycle, open_cycle
from tasks.market_data import Market
from tasks.sync import look

CONFIRM_WAITS_S = (0.2, 0.5, 1.0, 2.0, 4.0)  # before each look at what a request came to

GONE = "not open"  # what a venue says of an order that it does not know

Request = Callable[[Venue, Order], Awaitable[SubmitResult]]


def cancel_order(order: Order, who: str) -> Order:
    """Cancel one order and stay until the venue says how it ended; late fills are booked.

    Needs no prices, so it works while the feed is down. Returns the order as it stands: not
    ended when the venue did not say within a few seconds; the next run asks on.
    """
    if order.status in TERMINAL:
        raise InputInvalid(f"order {order.client_order_id} has ended: it is {order.status}")

    async def request(venue: Venue, now: Order) -> SubmitResult:
        at, reason = wiring.wall_clock(), f"canceled by {who}"
        if now.status in SENDABLE:
            record(now.event(S.CANCELED, "canceled", at, f"{reason} before it was sent"))
            return SubmitResult(outcome=SubmitOutcome.ACCEPTED, ts_event=at)
        record(now.event(S.PENDING_CANCEL, f"pending_cancel:{now.cum_qty:f}", at, reason))
        return await venue.cancel(now, at)

    return _ask_venue(order, "cancel", who, request)


def amend_order(
    order: Order, order_qty: Decimal | None, limit_px: Decimal | None, who: str
) -> Order:
    """Change a resting order's quantity or limit where the venue can, its ids kept.

    An amendment may only lessen what is at stake, a smaller quantity or a better limit: in
    live mode because a person approved the plan as it is, elsewhere unless trading is
    active. Without a clear answer nobody knows the terms, so the order is canceled. Raises
    InputInvalid for what may not be, VenueRefused where the venue says no.
    """
    _require_amendable(order, *_terms(order, order_qty, limit_px))

    async def request(venue: Venue, now: Order) -> SubmitResult:
        qty, px = _terms(now, order_qty, limit_px)
        _require_amendable(now, qty, px)
        if not venue.capabilities(now.intent.instrument_id).amend:
            raise VenueRefused(
                f"{venue.venue_id} cannot change a resting order: cancel it and make a new one"
            )
        at = wiring.wall_clock()
        wish = f"amend:{at.isoformat()}"
        record(now.event(now.status, wish, at, f"{who} asks for {plain(qty)} at {px}"))
        result = await venue.amend(now, qty, px, at)
        if result.outcome is SubmitOutcome.ACCEPTED:
            amended = now.event(now.status, f"{wish}:done", at, f"amended by {who}")
            record(replace(amended, order_qty=qty, limit_px=px))
        elif result.outcome is SubmitOutcome.UNKNOWN:
            reason = "nobody knows whether it was amended"
            record(now.event(S.PENDING_CANCEL, f"{wish}:unknown", at, reason))
            await venue.cancel(now, wiring.wall_clock())
        return result

    return _ask_venue(order, "amend", who, request)


def _terms(
    order: Order, order_qty: Decimal | None, limit_px: Decimal | None
) -> tuple[Decimal, Decimal | None]:
    """What is asked for, as far as nothing else is said as it was."""
    intent = order.intent
    return (
        intent.order_qty if order_qty is None else order_qty,
        intent.limit_px if limit_px is None else limit_px,
    )


def _require_amendable(order: Order, qty: Decimal, px: Decimal | None) -> None:
    intent, key = order.intent, order.client_order_id
    if order.status not in OPEN:
        raise InputInvalid(f"order {key} does not rest at the venue: it is {order.status}")
    if (qty, px) == (intent.order_qty, intent.limit_px):
        raise InputInvalid(f"order {key}: quantity and limit are what they were")
    if px is not None and intent.limit_px is None:
        raise InputInvalid(f"order {key} is a {intent.order_type} order: it has no limit")
    if qty <= order.cum_qty:
        raise InputInvalid(f"quantity={qty}: {plain(order.cum_qty)} is filled already")
    worse = px is not None and (px - (intent.limit_px or px)) * intent.side.sign > 0
    if qty <= intent.order_qty and not worse:
        return
    if _config(intent.account).mode is RunMode.LIVE:
        raise InputInvalid(
            "a live order may only be made smaller or its limit better, because a person "
            "approved it as it is: cancel it, and let a new plan be approved"
        )
    with wiring.open_ledger().reading() as books:
        state = halting.trading_state(books, intent.account)
    if state is not TradingState.ACTIVE:
        raise TradingStopped(f"order {key} was not made larger or worse: trading is {state}")


def accept(found: Discrepancy, account: AccountId, who: str, reason: str) -> None:
    """Take what the venue says into the books: a person answers for it.

    What was not our doing is marked as accepted; a difference in an asset or in cash is
    booked as an adjustment; an order that the venue has forgotten is ended. Whether the books
    are equal then, the next look tells. Raises InputInvalid for what only the venue can settle.
    """
    now = wiring.wall_clock()
    with wiring.open_ledger().transaction() as books:
        if found.key in books.acceptances.keys(account):
            raise InputInvalid(f"{found.key} was accepted already: compare again")
        if found.kind is DiscrepancyKind.EXTERNAL:
            books.acceptances.append(account, found.key, who, reason, now)
        elif found.kind in (DiscrepancyKind.CASH, DiscrepancyKind.POSITION):
            adjustment = Transfer(
                transfer_id=f"adjustment {found.key} {now.isoformat()}",
                account=account,
                kind=TransferKind.ADJUSTMENT,
                currency=found.instrument_id.base if found.instrument_id else found.key,
                amount=Decimal(found.venue) - Decimal(found.books),
                ts_event=now,
            )
            books.transfers.record(adjustment)
            books.acceptances.append(account, adjustment.transfer_id, who, reason, now)
        elif found.kind is DiscrepancyKind.ORDER and found.venue == GONE:
            _end_here(books, found, who, reason, now)
        else:
            raise InputInvalid(
                f"{found.kind} {found.key} cannot be accepted: run `regent reconcile`, which "
                "asks the venue what became of it"
            )


def _end_here(books: Books, found: Discrepancy, who: str, reason: str, now: datetime) -> None:
    """End an order that was open and that the venue no longer knows: some forget after hours."""
    order = books.orders.get(ClientOrderId(found.key))
    if order is None or order.status not in OPEN:
        raise InputInvalid(f"order {found.key} is not open here: only the venue can settle it")
    books.orders.append(order.event(S.CANCELED, f"gone:{now.isoformat()}", now, f"{who}: {reason}"))


def _ask_venue(order: Order, what: str, who: str, request: Request) -> Order:
    """Do something to one order at its venue, then look until it shows or time is up."""
    with (
        open_cycle(_config(order.intent.account), sends=False) as cycle,
        cycle.stage(what, order=order.client_order_id, who=who) as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        after = asyncio.run(_ask(cycle, order, request))
        outcome["status"] = after.status
        return after


async def _ask(cycle: Cycle, order: Order, request: Request) -> Order:
    market = Market.without_prices([order.intent.instrument_id])
    async with wiring.open_venue(cycle.config, market.instruments) as venue:
        with urgent():
            result = await request(venue, _as_it_stands(order.client_order_id))
        for wait_s in CONFIRM_WAITS_S:
            await look(cycle, venue, market)  # not what we hold: that takes prices and steps
            after = _as_it_stands(order.client_order_id)
            if after.status in TERMINAL or result.outcome is SubmitOutcome.REJECTED:
                break
            if after.status is not S.PENDING_CANCEL and result.outcome is SubmitOutcome.ACCEPTED:
                break
            await asyncio.sleep(wait_s)
    if result.outcome is SubmitOutcome.REJECTED and after.status not in TERMINAL:
        raise VenueRefused(f"the venue said no: {result.reason}; the order is {after.status}")
    return after


def _as_it_stands(client_order_id: ClientOrderId) -> Order:
    with wiring.open_ledger().reading() as books:
        order = books.orders.get(client_order_id)
    if order is None:
        raise InputInvalid(f"there is no order {client_order_id}")
    return order


def _config(account: AccountId) -> RunConfig:
    """What the account's last run was told: venue, mode, symbols."""
    with wiring.open_ledger().reading() as books:
        run = books.runs.latest(account)
    if run is None:
        raise InputInvalid(f"account {account} had no run here")
    return RunConfig.model_validate_json(run.config)
