"""The orders that we hold, worked: what is due goes out, what is over ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from data.store.desk import hold, load_desk
from execution.errors import NotApproved, Refused
from execution.model.account import AccountView
from execution.model.enums import OrderStatus as S
from execution.model.enums import Severity, Topic, TradingState
from execution.model.order import SENDABLE, Order, OrderEvent, OrderIntent
from execution.orders.groups import in_the_way
from execution.orders.held import Trigger
from execution.orders.working import Desk, Pens, clear_the_way, work
from execution.risk.checks import STANDING
from execution.risk.outlook import Outlook
from execution.risk.review import ask
from execution.venues.base import Venue
from execution.venues.rate_limit import urgent
from tasks import halting, wiring
from tasks.account import holdings_now, view_account
from tasks.alerts import alert
from tasks.booking import record
from tasks.breaker import check_breaker
from tasks.cycle import Cycle
from tasks.market_data import Market

ROUNDS_MAX = 4
GONE_WAITS_S = (0.0, 0.1, 0.3, 1.0)  # before each look whether a leg has made way

Look = Callable[[], Awaitable[object]]


async def work_held(cycle: Cycle, venue: Venue, market: Market, look: Look) -> None:
    """Send what is due, cancel what has to make way, end what is over; `look` after each round.

    While trading is halted nothing is sent, a due stop neither: a person is told. Where
    something waits to open, the breaker is looked at first: it leaves long after its plan.
    """
    for _ in range(ROUNDS_MAX):
        desk = await _desk(cycle, venue, market, sends=True)
        if not desk.orders:
            return
        try:
            with urgent():
                changed = await work(desk, venue, _pens(cycle, market), market.clock)
        except NotApproved:
            raise
        except Refused as refusal:
            text = f"an order that is due was not sent: {refusal}"
            alert(cycle.account, cycle.run_id, Severity.CRITICAL, Topic.HELD_ORDER, text)
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
    found = False
    for wait_s in GONE_WAITS_S if wanted else ():
        await asyncio.sleep(wait_s)
        desk = await _desk(cycle, venue, market)
        if not any(in_the_way(intent, desk.orders) for intent in wanted):
            break
        found = True
        with urgent():
            await clear_the_way(wanted, desk, venue, _pens(cycle, market), market.clock)
        await look()
    return found


def held_from_the_start(orders: Iterable[Order], market: Market) -> tuple[OrderEvent, ...]:
    """What is written of those that wait for an entry or a time, together with their intents.

    Written later, a crash in between would leave a position without its stop.
    """
    now = market.clock()
    return tuple(
        order.event(
            S.HELD,
            "held:0",
            now,
            "waits for its entry, then for its price"
            if order.intent.parent_id
            else "waits for its time",
        )
        for order in orders
        if order.status is S.INITIALIZED
        and (order.intent.parent_id is not None or order.intent.not_before is not None)
    )


async def _desk(cycle: Cycle, venue: Venue, market: Market, *, sends: bool = False) -> Desk:
    """What the books know, with what may be sent now; before it `sends` the breaker is asked."""
    positions = await holdings_now(cycle, venue, market)
    with wiring.open_ledger().reading() as books:
        qtys = {i: p.net_qty for i, p in positions.items()}
        desk = load_desk(books, cycle.account, market.fresh_marks, qtys)
    opening = [o for o in desk.orders if o.status in SENDABLE and not o.intent.reduce_only]
    account = await view_account(cycle, venue, market) if opening else None
    if sends and account is not None and check_breaker(cycle, account, market):
        account = await view_account(cycle, venue, market)
    with wiring.open_ledger().reading() as books:
        state = halting.trading_state(books, cycle.account)
    return replace(
        desk,
        traded=frozenset(market.traded),
        sends_allowed=state in (TradingState.ACTIVE, TradingState.REDUCING),
        may_open=lambda intent: _why_not(intent, account, cycle),
    )


def _why_not(intent: OrderIntent, account: AccountView | None, cycle: Cycle) -> str:
    """What stands against opening more, planned or not: "" when nothing does."""
    if account is None:
        return "the account was not looked at"
    limits = cycle.config.limits
    outlook = Outlook.of(account, limits)
    findings = [ask(control, intent, outlook, limits) for control in STANDING]
    return "; ".join(finding.facts for finding in findings if not finding.passed)


def _pens(cycle: Cycle, market: Market) -> Pens:
    return Pens(
        record=record,
        save_trigger=_save_trigger,
        hold=lambda intent, after: _hold(intent, after, market),
        unprotected=lambda order, reason: _tell_unprotected(cycle, order, reason),
    )


def _tell_unprotected(cycle: Cycle, order: Order, reason: str) -> None:
    """Told once a run and stop: the same words are the same alert."""
    text = f"{order.intent.instrument_id} is not protected by {order.client_order_id}: {reason}"
    alert(cycle.account, cycle.run_id, Severity.CRITICAL, Topic.POSITION_UNPROTECTED, text)


def _save_trigger(trigger: Trigger) -> None:
    with wiring.open_ledger().transaction() as books:
        books.triggers.save(trigger)


def _hold(intent: OrderIntent, after: Order, market: Market) -> Order:
    with wiring.open_ledger().transaction() as books:
        return hold(books, intent, after, market.clock())
