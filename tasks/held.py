"""The orders that we hold, worked: what is due goes out, what is over ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from data.store.desk import hold, load_desk
from execution.errors import SafetyViolation
from execution.model.enums import OrderStatus as S
from execution.model.enums import Severity
from execution.model.order import Order, OrderEvent, OrderIntent
from execution.orders.groups import in_the_way
from execution.orders.held import Trigger
from execution.orders.working import Desk, Pens, clear_the_way, work
from execution.venues.base import Venue
from execution.venues.rate_limit import urgent
from tasks import wiring
from tasks.alerts import alert
from tasks.booking import record
from tasks.cycle import Cycle
from tasks.market_data import Market

ROUNDS_MAX = 4
GONE_WAITS_S = (0.0, 0.1, 0.3, 1.0)  # before each look whether a leg has made way

Look = Callable[[], Awaitable[object]]


async def work_held(cycle: Cycle, venue: Venue, market: Market, look: Look) -> None:
    """Send what is due, cancel what has to make way, end what is over; `look` after each round.

    While trading is halted nothing is sent, a due stop neither: a person is told.
    """
    for _ in range(ROUNDS_MAX):
        try:
            with urgent():
                changed = await work(_desk(cycle, market), venue, _pens(market), market.clock)
        except SafetyViolation as refusal:
            text = f"an order that is due was not sent: {refusal}"
            alert(cycle.account, cycle.run_id, Severity.CRITICAL, "held order", text)
            return
        if not changed:
            return
        await look()


async def make_room(
    cycle: Cycle, venue: Venue, market: Market, exits: Iterable[OrderIntent], look: Look
) -> bool:
    """Have the stops canceled that claim what `exits` are to close, and wait until they are.

    One that does not go keeps its exit from being sent: the next run tries again. False when
    nothing was in the way.
    """
    wanted = [intent for intent in exits if intent.reduce_only]
    if not any(in_the_way(i, _desk(cycle, market).orders) for i in wanted):
        return False
    for wait_s in GONE_WAITS_S:
        await asyncio.sleep(wait_s)
        desk = _desk(cycle, market)
        if not any(in_the_way(intent, desk.orders) for intent in wanted):
            break
        with urgent():
            await clear_the_way(wanted, desk, venue, _pens(market), market.clock)
        await look()
    return True


def held_from_the_start(orders: Iterable[Order], market: Market) -> tuple[OrderEvent, ...]:
    """What is written of those that wait for an entry or a time, together with their intents.

    Written later, a crash in between would leave a position without its stop.
    """
    now = market.clock()
    return tuple(
        OrderEvent(
            client_order_id=order.client_order_id,
            status=S.HELD,
            event_key=f"{order.client_order_id}:held:0",
            ts_event=now,
            ts_init=now,
            reason="goes out after its entry" if order.intent.parent_id else "goes out in its time",
        )
        for order in orders
        if order.status is S.INITIALIZED
        and (order.intent.parent_id is not None or order.intent.not_before is not None)
    )


def _desk(cycle: Cycle, market: Market) -> Desk:
    with wiring.open_ledger().reading() as books:
        return load_desk(books, cycle.account, market.fresh_marks)


def _pens(market: Market) -> Pens:
    return Pens(
        record=record,
        save_trigger=_save_trigger,
        hold=lambda intent, after: _hold(intent, after, market),
    )


def _save_trigger(trigger: Trigger) -> None:
    with wiring.open_ledger().transaction() as books:
        books.triggers.save(trigger)


def _hold(intent: OrderIntent, after: Order, market: Market) -> Order:
    with wiring.open_ledger().transaction() as books:
        return hold(books, intent, after, market.clock())
