"""Bring the books up to what the venue says: fates, statuses, fills, overdue orders."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from data.store.books import Books
from execution.errors import InputInvalid, InvariantBroken, SafetyViolation
from execution.model.enums import OrderStatus as S
from execution.model.enums import Severity, TradingState
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId
from execution.model.order import IN_FLIGHT, Order, OrderEvent
from execution.monitoring.orders import OrderAttention, attention, overdue, poll
from execution.orders.submission import resolve
from execution.venues.base import Venue
from tasks import wiring
from tasks.alerts import alert
from tasks.config import SIMULATED
from tasks.cycle import Cycle
from tasks.market_data import Market

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FILLS_OVERLAP = timedelta(days=1)  # asked for again: booking one twice is impossible
VALIDITY_WINDOW_S = {SIMULATED: 0.0}
VALIDITY_WINDOW_DEFAULT_S = 60.0  # elsewhere a send may still arrive this long after it left


def record(event: OrderEvent) -> Order | None:
    """Commit one order event; None when it was booked before.

    A send is written only while the account trades: a halt counts from the moment it is
    written, in the middle of a plan too. Raises SafetyViolation, nothing sent.
    """
    with wiring.open_ledger().transaction() as books:
        if event.status is S.SUBMITTED:
            _require_trading(books, event.client_order_id)
        return books.orders.append(event)


def _require_trading(books: Books, client_order_id: ClientOrderId) -> None:
    order = books.orders.get(client_order_id)
    if order is None:
        raise InvariantBroken(f"{client_order_id} is to be sent and was never written")
    state = books.trading_state.get(order.intent.account)
    reduces = state is TradingState.REDUCING and order.intent.reduce_only
    if state is not TradingState.ACTIVE and not reduces:
        what = f"{order.intent.side} {order.intent.instrument_id}"
        raise SafetyViolation(f"{what} was not sent: trading is {state}")


async def sync(cycle: Cycle, venue: Venue, market: Market) -> tuple[OrderAttention, ...]:
    """Ask the venue about everything that is not settled, book it, and name what is left.

    An order in flight is looked up, never sent again; one that is open for too long is
    canceled, and what filled meanwhile is booked.
    """
    await venue.on_market(market.snapshots.values(), market.clock())
    sent = _sends(cycle)
    window_s = VALIDITY_WINDOW_S.get(cycle.config.venue, VALIDITY_WINDOW_DEFAULT_S)
    for order in _working(cycle):
        if order.status in IN_FLIGHT:
            times = sent[order.client_order_id]
            await resolve(
                order, venue, record, market.clock, len(times), times[-1], window_s, asyncio.sleep
            )
    found = await _look(cycle, venue, market)
    placed_at = {client_order_id: times[0] for client_order_id, times in sent.items()}
    late = overdue(_working(cycle), placed_at, market.clock(), cycle.config.order_timeout_s)
    if late:
        await _cancel(cycle, late, venue, market)
        found = await _look(cycle, venue, market)
    return found


async def _look(cycle: Cycle, venue: Venue, market: Market) -> tuple[OrderAttention, ...]:
    """Poll the open orders, book what has filled, and say which orders need attention."""
    with wiring.open_ledger().reading() as books:
        working = books.orders.working(cycle.account)
        opened = books.accounts.opened_at(cycle.account) or EPOCH
        latest = books.fills.latest_ts(cycle.account)
    now = market.clock()
    # A venue whose clock runs ahead must not make us miss what comes after.
    since = max(opened, min(latest, now) - FILLS_OVERLAP) if latest else opened
    fills: list[Fill] = []
    answers = await poll(venue, working, record, fills.append, market.clock, since)
    book_fills(cycle, market, fills)
    placed_at = {cid: times[0] for cid, times in _sends(cycle).items()}
    return attention(_working(cycle), answers, placed_at, now, cycle.config.order_timeout_s)


async def _cancel(cycle: Cycle, orders: Iterable[Order], venue: Venue, market: Market) -> None:
    """Ask the venue to cancel; whether it did, and what filled first, the next look tells."""
    for order in orders:
        cid, venue_order_id = order.client_order_id, order.venue_order_id
        if venue_order_id is None:
            raise InvariantBroken(f"{cid} is {order.status} without a venue order id")
        now = market.clock()
        record(
            OrderEvent(
                client_order_id=cid,
                status=S.PENDING_CANCEL,
                event_key=f"{cid}:pending_cancel:{order.cum_qty:f}",
                ts_event=now,
                ts_init=now,
                reason="open for too long",
            )
        )
        # Refused, it has ended meanwhile: the venue's report will say how.
        await venue.cancel(cid, venue_order_id, now)
        text = f"order {cid} on {order.intent.instrument_id} was open for too long: canceled"
        alert(cycle.account, cycle.run_id, Severity.WARNING, "order overdue", text)


def book_fills(cycle: Cycle, market: Market, fills: Iterable[Fill]) -> None:
    """Book fills with the orders and positions they move; one booked before is left alone."""
    with wiring.open_ledger().transaction() as books:
        for fill in books.fills.unbooked(cycle.config.venue_id, fills):
            instrument = market.instruments.get(fill.instrument_id)
            if instrument is None:
                raise InputInvalid(
                    f"the venue reports fill {fill.trade_id} of {fill.instrument_id}, which the "
                    f"feed {cycle.config.feed} does not know; nothing was booked"
                )
            books.fills.record(cycle.config.venue_id, fill, instrument.base, instrument.quote)


def _working(cycle: Cycle) -> tuple[Order, ...]:
    with wiring.open_ledger().reading() as books:
        return books.orders.working(cycle.account)


def _sends(cycle: Cycle) -> dict[ClientOrderId, tuple[datetime, ...]]:
    """When each working order was sent, oldest first; those never sent are left out."""
    with wiring.open_ledger().reading() as books:
        orders = books.orders.working(cycle.account)
        times = {o.client_order_id: books.orders.sent_at(o.client_order_id) for o in orders}
    return {client_order_id: sent_at for client_order_id, sent_at in times.items() if sent_at}
