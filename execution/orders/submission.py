"""Send each order at most once: write, send, write what came of it, and ask when in doubt.

    INITIALIZED → write SUBMITTED → venue.submit → ACCEPTED   write it
      ↓ held by us    ↑                          → REJECTED   write it
    HELD → due, released                         → NOT_SENT   back to INITIALIZED
                                                 → UNKNOWN    write it, then `resolve`

What the venue does not do goes no further than INITIALIZED: `placement` holds or denies it.

Only the one whose SUBMITTED was booked may send, and a process that dies in between leaves
SUBMITTED behind: whoever comes next asks the venue (`resolve`) before anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from execution.errors import InvariantBroken, SafetyViolation, VenueUnavailable
from execution.model.enums import OrderSide
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId
from execution.model.order import IN_FLIGHT, SENDABLE, Order, OrderEvent
from execution.model.reports import OrderReport
from execution.orders.groups import Send, in_the_way
from execution.orders.held import as_sent
from execution.orders.placement import Place, as_placed, gtc_note, place
from execution.venues.base import LookupOutcome, LookupResult, SubmitOutcome, SubmitResult, Venue

# Commits the event before it returns the order after it; None when an event of that key is
# booked already: somebody else, or an earlier life of ours, was here.
Record = Callable[[OrderEvent], Order | None]
Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[object]]

LOOKUP_WAITS_S = (0.0, 0.5, 1.0, 2.0, 4.0)  # before each lookup
UNKNOWN_MAX_S = 900.0  # past the validity window: then a person has to find out
ABSENCES_MIN = 2  # conclusive negatives in a row that prove an absence
# What a venue's word alone may end; FILLED and PARTIALLY_FILLED follow from the fills.
ENDED = {S.CANCELED, S.EXPIRED, S.REJECTED}
NONE_RELEASED: Mapping[ClientOrderId, Send] = MappingProxyType({})


async def submit_all(
    orders: Sequence[Order],
    working: Iterable[Order],
    venue: Venue,
    record: Record,
    clock: Clock,
    sends: Mapping[ClientOrderId, int],
    released: Mapping[ClientOrderId, Send] = NONE_RELEASED,
) -> tuple[Order, ...]:
    """Send the INITIALIZED and the released ones, what reduces first; return all as they are.

    `working` is every order of the account that is not terminal: while one of them is in
    flight, nothing is sent on its instrument, and nothing closes a position while a
    protective leg of it is at the venue (see `groups.in_the_way`); the order stays as it is.
    `sends` says how often each order was sent so far, `released` what of the HELD ones is
    due. SafetyViolation stops it and is passed on.
    """
    after = {order.client_order_id: order for order in orders}
    locked = {o.intent.instrument_id for o in (*working, *orders) if o.status in IN_FLIGHT}
    for order in sorted(orders, key=lambda order: not _reduces(order)):
        key = order.client_order_id
        send = released.get(key)
        if order.status is not S.INITIALIZED and (order.status is not S.HELD or send is None):
            continue
        locks = order.intent.instrument_id in locked
        if locks or in_the_way(order.intent, (*working, *after.values())):
            continue
        after[key] = await submit_order(order, venue, record, clock, sends.get(key, 0), send)
        if after[key].status in IN_FLIGHT:
            locked.add(order.intent.instrument_id)
    return tuple(after[order.client_order_id] for order in orders)


async def submit_order(
    order: Order,
    venue: Venue,
    record: Record,
    clock: Clock,
    sends: int,
    release: Send | None = None,
) -> Order:
    """Send one order, which was sent `sends` times before; return it after that.

    It is INITIALIZED, or HELD and released: then it goes out as what it was released as,
    and its event says so. What the venue does not do natively is not sent: it is written as
    HELD or DENIED. Whatever the venue does, the outcome is written. SafetyViolation, raised
    before anything was sent, is passed on once the order is back to INITIALIZED.
    """
    if order.status not in SENDABLE or (order.status is S.HELD and release is None):
        raise InvariantBroken(f"{order.client_order_id} is {order.status}: it must not be sent")
    capabilities = venue.capabilities(order.intent.instrument_id)
    number = sends + 1
    if release is None:
        placement = place(order.intent, capabilities, clock())
        if placement.place is not Place.NATIVE:
            status = S.HELD if placement.place is Place.HELD else S.DENIED
            event = order.event(status, f"{status}:{number}", clock(), placement.reason)
            return _book(record, order, event)
        intended = order.event(S.SUBMITTED, f"submitted:{number}", clock(), placement.reason)
    else:
        note = gtc_note(order.intent, capabilities)
        why = f"{release.reason}; {note}" if note else release.reason
        intended = order.event(S.SUBMITTED, f"submitted:{number}", clock(), why)
        if release.order_qty != order.intent.order_qty:
            intended = replace(intended, order_qty=release.order_qty)
    written = record(intended)
    if written is None:
        return order.apply(intended)  # this send is another's: in flight, and not ours
    if written.status is not S.SUBMITTED:
        return written
    try:
        # The intent as it was written: that is what the books will hold it to.
        sent = written.intent if release is None else as_sent(written.intent, release.order_type)
        result = await venue.submit(as_placed(sent, capabilities), clock())
    except SafetyViolation as refusal:
        record(order.event(S.INITIALIZED, f"not_sent:{number}", clock(), reason=str(refusal)))
        raise
    except Exception as error:  # noqa: BLE001 - it may have been sent, so it must be written down
        # Only the class: another library's text may quote the request, keys and all.
        reason = f"{type(error).__name__} out of the venue's submit"
        result = SubmitResult(outcome=SubmitOutcome.UNKNOWN, ts_event=clock(), reason=reason)
    return _book(record, written, _outcome(order, result, number, clock()))


async def resolve(
    order: Order,
    venue: Venue,
    record: Record,
    clock: Clock,
    sends: int,
    submitted_at: datetime,
    validity_window_s: float,
    sleep: Sleep,
    waits_s: Sequence[float] = LOOKUP_WAITS_S,
    since: datetime | None = None,
) -> Order:
    """Ask what became of an order in flight; only the venue's evidence leads out of it.

    Found: adopted as the venue sees it. Absent: only two negatives in a row, both asked when
    `validity_window_s` had passed since `submitted_at`, prove that the last send never will
    arrive; then it is INITIALIZED and may be sent again under the same id. Otherwise it is
    UNKNOWN, and stays so until the next time; once `needs_person` its reason says so. It is
    looked up from `since` on, the time of its first send, or else the last.
    """
    if order.status not in IN_FLIGHT:
        raise InvariantBroken(f"{order.client_order_id} is {order.status}: it is not in flight")
    conclusive_from = submitted_at + timedelta(seconds=validity_window_s)
    absences, reason = 0, "never asked"
    for wait_s in waits_s:
        if wait_s:
            await sleep(wait_s)
        asked_at = clock()
        answer = await ask(venue, order, since or submitted_at)
        if answer.outcome is LookupOutcome.FOUND and answer.report is not None:
            return _book(record, order, seen(order, answer.report, clock()))
        if answer.outcome is LookupOutcome.ABSENT and asked_at >= conclusive_from:
            absences += 1
        else:
            absences = 0
        if absences >= ABSENCES_MIN:
            reason = f"proven absent: not there in {absences} lookups after {validity_window_s:g} s"
            event = order.event(S.INITIALIZED, f"absent:{sends}", clock(), reason=reason)
            return _book(record, order, event)
        reason = f"lookup says {answer.outcome}" + (f": {answer.reason}" if answer.reason else "")
    if needs_person(submitted_at, validity_window_s, clock()):
        reason = f"a person must ask the venue, it has not told for too long; {reason}"
        event = order.event(S.UNKNOWN, f"given_up:{sends}", clock(), reason=reason)
    elif order.status is S.UNKNOWN:
        return order
    else:
        event = order.event(S.UNKNOWN, f"unknown:{sends}", clock(), reason=reason)
    return _book(record, order, event)


def needs_person(submitted_at: datetime, validity_window_s: float, now: datetime) -> bool:
    """Whether an order in flight is unknown for so long that asking alone will not do.

    Its instrument stays locked, and asking goes on.
    """
    return now >= submitted_at + timedelta(seconds=validity_window_s + UNKNOWN_MAX_S)


async def ask(venue: Venue, order: Order, since: datetime) -> LookupResult:
    """Look an order up that was first sent at `since`; a venue out of reach has said nothing."""
    try:
        return await venue.lookup(order, since)
    except VenueUnavailable as error:
        return LookupResult(outcome=LookupOutcome.UNKNOWN, reason=str(error))


def seen(order: Order, report: OrderReport, now: datetime) -> OrderEvent:
    """Read a venue's report as an event: it has the order, or the order has ended.

    It has ended once every fill that the report speaks of is booked: until then what protects
    it, or what it protects, would be told too little.
    """
    over = report.status in ENDED and order.cum_qty >= report.cum_qty
    status = report.status if over else S.ACCEPTED
    return OrderEvent(
        client_order_id=order.client_order_id,
        status=status,
        event_key=f"{order.client_order_id}:{status}:{report.venue_order_id}",
        ts_event=report.ts_event,
        ts_init=now,
        venue_order_id=report.venue_order_id,
        reason=report.reason,
    )


def _outcome(order: Order, result: SubmitResult, number: int, now: datetime) -> OrderEvent:
    """Read the answer to send `number` as an event."""
    status, key = {
        SubmitOutcome.ACCEPTED: (S.ACCEPTED, f"accepted:{result.venue_order_id}"),
        SubmitOutcome.REJECTED: (S.REJECTED, f"rejected:{number}"),
        SubmitOutcome.NOT_SENT: (S.INITIALIZED, f"not_sent:{number}"),
        SubmitOutcome.UNKNOWN: (S.UNKNOWN, f"unknown:{number}"),
    }[result.outcome]
    reason = result.reason
    if status is S.ACCEPTED and not result.venue_order_id:
        status, key, reason = S.UNKNOWN, f"unknown:{number}", "accepted without a venue order id"
    return OrderEvent(
        client_order_id=order.client_order_id,
        status=status,
        event_key=f"{order.client_order_id}:{key}",
        ts_event=result.ts_event,
        ts_init=now,
        venue_order_id=result.venue_order_id,
        reason=reason,
    )


def _book(record: Record, order: Order, event: OrderEvent) -> Order:
    return record(event) or order.apply(event)


def _reduces(order: Order) -> bool:
    return order.intent.reduce_only or order.intent.side is OrderSide.SELL
