"""Bring the books up to what the venue says: fates, statuses, fills, overdue orders."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from data.store.books import Books
from execution.model.enums import FillKind, Severity, Topic
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, InstrumentId, VenueOrderId
from execution.model.order import IN_FLIGHT, OPEN, Order
from execution.monitoring.orders import OrderAttention, attention, ends, overdue, poll
from execution.orders.submission import ask, needs_person, resolve
from execution.venues.base import LookupOutcome, LookupResult, Venue
from execution.venues.rate_limit import urgent
from tasks import wiring
from tasks.alerts import alert
from tasks.booking import book_fills, record
from tasks.cycle import Cycle
from tasks.held import work_held
from tasks.market_data import Market

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(days=1)  # asked for again: booking one twice is impossible


async def sync(cycle: Cycle, venue: Venue, market: Market) -> tuple[OrderAttention, ...]:
    """Ask the venue about everything that is not settled, book it, and name what is left.

    An order in flight is looked up, never sent again; one that is open for too long is
    canceled, and what filled meanwhile is booked. Then what we hold is worked: a stop that
    was reached, a slice whose time has come, a leg of a group that has filled.
    """
    await venue.on_market(market.snapshots.values(), market.clock())
    found = await look(cycle, venue, market)
    working, placed_at = _working_since(cycle)
    late = overdue(working, placed_at, market.clock(), cycle.config.order_timeout_s)
    if late:
        await _cancel(cycle, late, venue, market)
        found = await look(cycle, venue, market)

    async def again() -> None:
        nonlocal found
        found = await look(cycle, venue, market)

    await work_held(cycle, venue, market, again)
    return found


async def look(cycle: Cycle, venue: Venue, market: Market) -> tuple[OrderAttention, ...]:
    """Settle what is in flight, poll what is open, book what has filled; send nothing."""
    await settle(cycle, venue, market)
    return await _poll(cycle, venue, market)


async def settle(cycle: Cycle, venue: Venue, market: Market) -> None:
    """Find out what became of every order in flight, as far as the venue can tell."""
    for order, sent_at in in_flight(cycle):
        await settle_one(cycle, venue, market, order, sent_at)


def in_flight(cycle: Cycle) -> list[tuple[Order, tuple[datetime, ...]]]:
    """The orders of which nobody knows whether the venue has them, and when each was sent."""
    with wiring.open_ledger().reading() as books:
        orders = books.orders.by_status(cycle.account, IN_FLIGHT)
        sent = books.orders.sends(orders)
    return [(order, sent[order.client_order_id]) for order in orders]


async def settle_one(
    cycle: Cycle, venue: Venue, market: Market, order: Order, sent_at: Sequence[datetime]
) -> None:
    """Find out what became of one order in flight; a person is told when nobody can tell."""
    there = venue.capabilities(order.intent.instrument_id)
    with urgent():
        after = await resolve(
            order,
            venue,
            record,
            market.clock,
            len(sent_at),
            sent_at[-1],
            there.validity_window_s,
            asyncio.sleep,
            there.lookup_waits_s,
            sent_at[0],
        )
    given_up = needs_person(sent_at[-1], there.validity_window_s, market.clock())
    if after.status in IN_FLIGHT and given_up:
        what = f"order {after.client_order_id} on {after.intent.instrument_id}"
        text = f"{what} is unknown since {sent_at[-1]}: ask the venue's support"
        alert(cycle.account, cycle.run_id, Severity.CRITICAL, Topic.ORDER_UNKNOWN, text)


async def _poll(cycle: Cycle, venue: Venue, market: Market) -> tuple[OrderAttention, ...]:
    """Poll the open orders, book what has filled, and say which orders need attention."""
    with wiring.open_ledger().reading() as books:
        working = books.orders.working(cycle.account)
        opened = books.accounts.opened_at(cycle.account) or EPOCH
        latest = books.fills.latest_ts(cycle.account)
        placed_at = _placed_at(books, working)
    since = ask_from(opened, latest, market.clock())
    answers, fills = await poll(venue, working, placed_at, since)
    book_fills(cycle, market, await named(cycle, venue, fills))
    for event in ends(_working(cycle), answers, market.clock()):
        record(event)
    return _attention(cycle, market, answers)


def _attention(
    cycle: Cycle, market: Market, answers: Mapping[ClientOrderId, LookupResult]
) -> tuple[OrderAttention, ...]:
    working, placed_at = _working_since(cycle)
    return attention(working, answers, placed_at, market.clock(), cycle.config.order_timeout_s)


async def named(cycle: Cycle, venue: Venue, fills: Iterable[Fill]) -> list[Fill]:
    """Give the fills of orders that the venue refused, and took all the same, their ids.

    Such an order has no venue order id here, so its fills would look like a stranger's. A
    fill that may be of one, while the venue cannot tell yet, is left out: it will come again.
    """
    given = list(fills)
    with wiring.open_ledger().reading() as books:
        new = books.fills.unbooked(cycle.config.venue_id, given)
        known = books.orders.by_venue_id(cycle.account, [f.venue_order_id for f in new])
        strange = {f.instrument_id for f in new if (f.instrument_id, f.venue_order_id) not in known}
        since = wiring.wall_clock() - OVERLAP
        refused = [
            order
            for order in books.orders.by_status(cycle.account, {S.REJECTED})
            if order.intent.instrument_id in strange and order.venue_order_id is None
        ]
        sent = books.orders.sends(refused)
    ours: dict[tuple[InstrumentId, VenueOrderId], ClientOrderId] = {}
    unsure: set[InstrumentId] = set()
    for order in refused:
        times, instrument_id = sent.get(order.client_order_id), order.intent.instrument_id
        if not times or times[-1] < since:
            continue
        window = timedelta(seconds=venue.capabilities(instrument_id).validity_window_s)
        asked_at = wiring.wall_clock()
        answer = await ask(venue, order, times[0])
        if answer.report is not None:
            ours[instrument_id, answer.report.venue_order_id] = order.client_order_id
        elif answer.outcome is not LookupOutcome.ABSENT or asked_at < times[-1] + window:
            unsure.add(instrument_id)
    told = [
        replace(f, client_order_id=ours.get((f.instrument_id, f.venue_order_id), f.client_order_id))
        for f in given
    ]
    return [
        f
        for f in told
        if f.instrument_id not in unsure
        or f.client_order_id is not None
        or (f.instrument_id, f.venue_order_id) in known
        or f.kind is FillKind.LIQUIDATION
    ]


def ask_from(opened: datetime, latest: datetime | None, now: datetime) -> datetime:
    """From when on to ask for what has happened: the books' newest, and a day before it.

    A venue whose clock runs ahead must not make us miss what comes after.
    """
    return max(opened, min(latest, now) - OVERLAP) if latest else opened


async def cancel_opening(cycle: Cycle, venue: Venue, market: Market, why: str) -> None:
    """Take back every order at the venue that would open something; what protects stays."""
    opening = [
        order
        for order in _working(cycle)
        if order.status in OPEN - {S.PENDING_CANCEL} and not order.intent.reduce_only
    ]
    if opening:
        await _cancel(cycle, opening, venue, market, why)
        await look(cycle, venue, market)


async def _cancel(
    cycle: Cycle,
    orders: Iterable[Order],
    venue: Venue,
    market: Market,
    why: str = "was open for too long",
) -> None:
    """Ask the venue to cancel; whether it did, and what filled first, the next look tells."""
    for order in orders:
        now, key = market.clock(), f"pending_cancel:{order.cum_qty:f}"
        record(order.event(S.PENDING_CANCEL, key, now, why))
        # Refused, it has ended meanwhile: the venue's report will say how.
        with urgent():
            await venue.cancel(order, now)
        what = f"order {order.client_order_id} on {order.intent.instrument_id}"
        text = f"{what} {why}: canceled"
        alert(cycle.account, cycle.run_id, Severity.WARNING, Topic.ORDER_OVERDUE, text)


def _working(cycle: Cycle) -> tuple[Order, ...]:
    with wiring.open_ledger().reading() as books:
        return books.orders.working(cycle.account)


def _working_since(cycle: Cycle) -> tuple[tuple[Order, ...], dict[ClientOrderId, datetime]]:
    """The orders that are not terminal, and when each of those that were sent was sent first."""
    with wiring.open_ledger().reading() as books:
        working = books.orders.working(cycle.account)
        return working, _placed_at(books, working)


def _placed_at(books: Books, orders: Iterable[Order]) -> dict[ClientOrderId, datetime]:
    """When each was sent first; those that never were are left out."""
    return {key: times[0] for key, times in books.orders.sends(orders).items()}
