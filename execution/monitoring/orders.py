"""Which orders need attention, and why; and the round of asking that precedes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, InstrumentId
from execution.model.money import plain
from execution.model.order import IN_FLIGHT, OPEN, Order, OrderEvent
from execution.orders.submission import ENDED, ask, seen
from execution.venues.base import LookupOutcome, LookupResult, Venue

EVER = datetime.min.replace(tzinfo=UTC)  # an order of unknown age is older than any limit


class AttentionKind(StrEnum):
    """What is the matter with an order, the gravest first."""

    UNKNOWN = "unknown"  # nobody knows whether the venue has it: the instrument is locked
    MISSING = "missing"  # the venue had it and now denies it
    UNREACHED = "unreached"  # the venue did not say how it stands
    OVERDUE = "overdue"  # open for longer than allowed: to be canceled
    REJECTED = "rejected"  # the venue said no
    PARTIALLY_FILLED = "partially_filled"  # carried on


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAttention:
    """One order that somebody should look at, or do something about."""

    client_order_id: ClientOrderId
    instrument_id: InstrumentId
    kind: AttentionKind
    reason: str


async def poll(
    venue: Venue,
    orders: Iterable[Order],
    placed_at: Mapping[ClientOrderId, datetime],
    since: datetime,
) -> tuple[dict[ClientOrderId, LookupResult], tuple[Fill, ...]]:
    """Ask how the open orders stand and what has filled since; nothing is written.

    `placed_at` says when each was first sent. Orders in flight are left to `resolve`. The
    fills are asked for last: what an answer speaks of happened before. A failed query for
    fills raises VenueUnavailable.
    """
    answers = {}
    for order in orders:
        if order.status in OPEN:
            since_sent = placed_at.get(order.client_order_id, EVER)
            answers[order.client_order_id] = await ask(venue, order, since_sent)
    return answers, await venue.fills(since)


def ends(
    orders: Iterable[Order], answers: Mapping[ClientOrderId, LookupResult], now: datetime
) -> tuple[OrderEvent, ...]:
    """What is to be written of the orders that the venue says are over.

    `orders` are as they stand once every fill is booked: one whose report speaks of more
    than that waits, and so does one that is only absent.
    """
    events = []
    for order in orders:
        answer = answers.get(order.client_order_id)
        if answer is not None and answer.report is not None and order.status in OPEN:
            event = seen(order, answer.report, now)
            if event.status in ENDED:
                events.append(event)
    return tuple(events)


def attention(
    orders: Iterable[Order],
    answers: Mapping[ClientOrderId, LookupResult],
    placed_at: Mapping[ClientOrderId, datetime],
    now: datetime,
    order_timeout_s: float,
) -> tuple[OrderAttention, ...]:
    """Name what is the matter with each order, its gravest trouble only; most have none.

    `answers` are what `poll` returned, `placed_at` says when each order was first sent. An
    order open for exactly the timeout is not overdue; one of unknown age is.
    """
    found = []
    for order in orders:
        trouble = _trouble(order, answers, placed_at, now, order_timeout_s)
        if trouble is not None:
            kind, reason = trouble
            found.append(
                OrderAttention(
                    client_order_id=order.client_order_id,
                    instrument_id=order.intent.instrument_id,
                    kind=kind,
                    reason=reason,
                )
            )
    return tuple(found)


def overdue(
    orders: Iterable[Order],
    placed_at: Mapping[ClientOrderId, datetime],
    now: datetime,
    order_timeout_s: float,
) -> tuple[Order, ...]:
    """Those open for longer than the timeout, whatever else is the matter: to be canceled.

    What protects a position rests for as long as the position does.
    """
    limit = timedelta(seconds=order_timeout_s)
    return tuple(
        order
        for order in orders
        if order.status in OPEN
        and not order.intent.protects
        and now - placed_at.get(order.client_order_id, EVER) > limit
    )


def _trouble(
    order: Order,
    answers: Mapping[ClientOrderId, LookupResult],
    placed_at: Mapping[ClientOrderId, datetime],
    now: datetime,
    order_timeout_s: float,
) -> tuple[AttentionKind, str] | None:
    """Kind and reason, or None when the order is as it should be."""
    if order.status in IN_FLIGHT:
        why = order.reason or "the send was written, its outcome was not"
        return AttentionKind.UNKNOWN, f"nobody knows whether the venue has it: {why}"
    if order.status is S.REJECTED:
        return AttentionKind.REJECTED, f"the venue refused it: {order.reason or 'no reason given'}"
    if order.status not in OPEN:
        return None
    answer = answers.get(order.client_order_id)
    if answer is not None and answer.outcome is LookupOutcome.ABSENT:
        return AttentionKind.MISSING, f"the venue took it as {order.venue_order_id}, now denies it"
    if answer is not None and answer.outcome is LookupOutcome.UNKNOWN:
        return AttentionKind.UNREACHED, f"the venue did not say how it stands: {answer.reason}"
    done = f"{plain(order.cum_qty)} of {plain(order.intent.order_qty)} filled"
    placed = placed_at.get(order.client_order_id)
    if placed is None:
        return AttentionKind.OVERDUE, f"{done}; nobody knows when it was placed"
    age_s = (now - placed).total_seconds()
    if age_s > order_timeout_s:
        return AttentionKind.OVERDUE, f"{done}, open for {age_s:.0f} s of {order_timeout_s:g} s"
    if order.status is S.PARTIALLY_FILLED:
        return AttentionKind.PARTIALLY_FILLED, f"{done}, carried on"
    return None
