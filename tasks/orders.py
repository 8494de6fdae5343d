"""Stage 4, and the recovery that comes before everything: orders out, each at most once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from prefect import task

from execution.errors import ApprovalRefused, PlanOutdated, SafetyViolation
from execution.model.account import AccountView
from execution.model.discrepancy import Discrepancy
from execution.model.enums import OrderStatus as S
from execution.model.money import plain
from execution.model.order import Order, OrderIntent
from execution.model.plan import Approval, RiskDecision, TradingPlan
from execution.orders.submission import submit_all
from execution.risk.review import review
from tasks import wiring
from tasks.account import require_forward, view_account
from tasks.booking import record
from tasks.breaker import check_breaker
from tasks.cycle import Cycle
from tasks.held import held_from_the_start, make_room
from tasks.market_data import Market
from tasks.policies import SENDS
from tasks.reconciliation import compare_books
from tasks.refusals import refusals_told
from tasks.risk import tell_broken, unsent
from tasks.sync import look, sync


@task(name="recover-orders", **SENDS)
def recover_orders(cycle: Cycle, market: Market) -> tuple[Order, ...]:
    """Before anything new, settle what an earlier run left; return it as it was found."""
    with (
        cycle.stage("recovery", bars_until=market.ts_event) as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        require_forward(cycle, market)
        with wiring.open_ledger().reading() as books:
            if books.accounts.opened_at(cycle.account) is None:
                return ()  # a new account has nothing to recover
            left = books.orders.working(cycle.account)
        found = asyncio.run(_compare(cycle, market))
        outcome.update({order.client_order_id: order.status for order in left})
        outcome["discrepancies"] = [f"{d.kind} {d.key}" for d in found]
        return left


async def _compare(cycle: Cycle, market: Market) -> tuple[Discrepancy, ...]:
    async with wiring.open_venue(cycle.config, market.traded) as venue:
        found = await compare_books(cycle, venue, market)
        check_breaker(cycle, await view_account(cycle, venue, market), market)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What became of a plan's intents."""

    orders: tuple[Order, ...]
    withdrawn: tuple[str, ...] = ()  # in the plan, and not sent after all: why


@task(name="execute-orders", **SENDS)
def execute_orders(
    cycle: Cycle, market: Market, plan: TradingPlan, approval: Approval | None = None
) -> Execution:
    """Check the plan once more, write every intent, then send each at most once.

    In live mode the approval is redeemed in the transaction that writes the intents, and
    only then is there a venue that takes orders. Raises SafetyViolation when live is not
    allowed, the approval does not hold, the books or risk's verdict have changed since the
    plan, or trading is halted meanwhile; the text says what was sent, if anything.
    """
    with (
        cycle.stage("order-execution", digest=plan.digest, orders=len(plan.intents)) as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        with refusals_told(cycle.account, cycle.run_id):
            _require_allowed(cycle, plan, approval)
        account = asyncio.run(_as_of_now(cycle, market))
        ledger = wiring.open_ledger()
        with ledger.reading() as books:
            fresh = unsent(books, plan.intents)
            known = (books.orders.get(i.client_order_id) for i in plan.intents if i not in fresh)
            before = tuple(order for order in known if order is not None)
        decision, withdrawn = _check_again(fresh, plan, account, cycle)
        if cycle.live and withdrawn:
            told = f"{len(before)} orders were sent before" if before else "nothing was sent"
            raise PlanOutdated(f"the plan no longer holds, {told}: {'; '.join(withdrawn)}")
        with refusals_told(cycle.account, cycle.run_id), ledger.transaction() as books:
            if approval is not None:
                books.approvals.redeem(approval, plan, wiring.wall_clock())
            orders = books.orders.commit_intents(
                cycle.run_id, plan.digest, decision.approved, market.clock()
            )
            for event in held_from_the_start(orders, market):
                books.orders.append(event)
        sent = asyncio.run(_send(cycle, market, orders, account.working, plan, approval))
        outcome.update({o.client_order_id: o.status for o in sent}, withdrawn=withdrawn)
        return Execution(orders=(*before, *sent), withdrawn=withdrawn)


def _require_allowed(cycle: Cycle, plan: TradingPlan, approval: Approval | None) -> None:
    """Raise SafetyViolation unless this run may send this plan at all."""
    config = cycle.config
    ours = (cycle.run_id, cycle.account, config.venue_id, config.mode)
    if (plan.run_id, plan.account, plan.venue, plan.mode) != ours:
        raise SafetyViolation(f"plan {plan.digest[:12]} is of another run; nothing was sent")
    if plan.rules != wiring.approval_rules(config):
        raise ApprovalRefused(
            f"plan {plan.digest[:12]} has other rules of approval than its run; nothing was sent"
        )
    if cycle.live and plan.intents:
        wiring.require_live_allowed(config, wiring.open_ledger())
        if approval is None:
            raise ApprovalRefused("no person approved this plan; nothing was sent")


def _check_again(
    intents: list[OrderIntent], plan: TradingPlan, account: AccountView, cycle: Cycle
) -> tuple[RiskDecision, tuple[str, ...]]:
    """Review what is still to be sent as of now; name what no longer holds, and why.

    Quantities start from what was held when the plan was made. Another run may have traded
    since: then they would lead elsewhere, and the next cycle plans anew.
    """
    moved = [
        i for i in intents if account.heading_for(i.instrument_id) != plan.held.get(i.instrument_id)
    ]
    decision = review([i for i in intents if i not in moved], account, cycle.config.limits)
    tell_broken(cycle, decision)
    return decision, (
        *(
            f"{i.instrument_id}: {plan.held.get(i.instrument_id)} held or on its way when "
            f"planned, {plain(account.heading_for(i.instrument_id))} now"
            for i in moved
        ),
        *(
            f"{i.instrument_id}: "
            + ", ".join(f"{v.check} {v.facts}" for v in decision.denials(i.client_order_id))
            for i in decision.denied
        ),
    )


async def _as_of_now(cycle: Cycle, market: Market) -> AccountView:
    async with wiring.open_venue(cycle.config, market.traded) as venue:
        await sync(cycle, venue, market)
        account = await view_account(cycle, venue, market)
        if check_breaker(cycle, account, market):
            account = await view_account(cycle, venue, market)
        return account


async def _send(
    cycle: Cycle,
    market: Market,
    orders: tuple[Order, ...],
    working: tuple[Order, ...],
    plan: TradingPlan,
    approval: Approval | None,
) -> tuple[Order, ...]:
    """Send what is written; a rule that stops it halfway says how much had left by then."""
    with wiring.open_ledger().reading() as books:
        sends = {key: len(times) for key, times in books.orders.sends(orders).items()}
    try:
        async with wiring.open_venue(cycle.config, market.traded, plan, approval) as venue:
            await venue.on_market(market.snapshots.values(), market.clock())
            exits = [order.intent for order in orders if not order.intent.protects]
            if await make_room(cycle, venue, market, exits, lambda: look(cycle, venue, market)):
                with wiring.open_ledger().reading() as books:
                    working = books.orders.working(cycle.account)
            return await submit_all(orders, working, venue, record, market.clock, sends)
    except SafetyViolation as refusal:
        with wiring.open_ledger().reading() as books:
            now = [books.orders.get(key) for key in books.orders.sends(orders)]
        left = sum(order is not None and order.status is not S.INITIALIZED for order in now)
        raise type(refusal)(f"{left} of {len(orders)} orders were sent; {refusal}") from refusal
