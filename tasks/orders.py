"""Stage 4, and the recovery that comes before everything: orders out, each at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from prefect import task

from data.store.books import Books
from execution.errors import ApprovalRefused, SafetyViolation
from execution.model.enums import OrderStatus as S
from execution.model.order import Order, OrderEvent
from execution.model.plan import Approval, RiskDecision, TradingPlan
from execution.orders.submission import submit_all
from execution.risk.review import review
from tasks import wiring
from tasks.account import open_account, view_account
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.policies import SENDS
from tasks.sync import record, sync


@task(name="recover-orders", **SENDS)
def recover_orders(cycle: Cycle, market: Market) -> tuple[Order, ...]:
    """Before anything new, settle what an earlier run left; return it as it was found."""
    with (
        cycle.stage("recovery", bars_until=market.ts_event) as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        venue = wiring.build_venue(cycle.config, market.traded)
        open_account(cycle, venue, market)
        with wiring.open_ledger().reading() as books:
            left = books.orders.working(cycle.account)
        asyncio.run(sync(cycle, venue, market))
        outcome.update({order.client_order_id: order.status for order in left})
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What became of a plan's intents."""

    orders: tuple[Order, ...]
    withdrawn: tuple[str, ...] = ()  # approved by risk when planned, not any more when sent


@task(name="execute-orders", **SENDS)
def execute_orders(
    cycle: Cycle, market: Market, plan: TradingPlan, approval: Approval | None = None
) -> Execution:
    """Check the plan once more, write every intent, then send each at most once.

    In live mode the approval is redeemed in the transaction that writes the intents, and
    only then is there a venue that takes orders. Raises SafetyViolation, nothing sent, when
    live is not allowed, the approval does not hold, or risk has changed its mind.
    """
    with (
        cycle.stage("order-execution", digest=plan.digest, orders=len(plan.intents)) as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        ledger = wiring.open_ledger()
        if cycle.live and plan.intents:
            wiring.require_live_allowed(cycle.config, ledger)
            if approval is None:
                raise ApprovalRefused("no person approved this plan; nothing was sent")
        reader = wiring.build_venue(cycle.config, market.traded)
        asyncio.run(sync(cycle, reader, market))
        account = view_account(cycle, reader, market)
        decision = review(plan.intents, account, cycle.config.limits)
        withdrawn = _explain(decision)
        if cycle.live and withdrawn:
            raise SafetyViolation(
                f"risk no longer approves the plan, nothing was sent: {'; '.join(withdrawn)}"
            )
        with ledger.transaction() as books:
            now = market.clock()
            if approval is not None:
                books.approvals.redeem(approval, plan, wiring.wall_clock())
            _lapse(books, books.orders.working(cycle.account), plan, now)
            orders = books.orders.commit_intents(cycle.run_id, plan.digest, decision.approved, now)
            sends = {
                o.client_order_id: len(books.orders.sent_at(o.client_order_id)) for o in orders
            }
        venue = wiring.build_venue(cycle.config, market.traded, plan, approval)
        asyncio.run(venue.on_market(market.snapshots.values(), market.clock()))
        sent = asyncio.run(submit_all(orders, account.working, venue, record, market.clock, sends))
        outcome.update({o.client_order_id: o.status for o in sent}, withdrawn=withdrawn)
        return Execution(orders=sent, withdrawn=withdrawn)


def _explain(decision: RiskDecision) -> tuple[str, ...]:
    """One line an intent that risk denied: the instrument and the checks' facts."""
    return tuple(
        f"{intent.instrument_id}: "
        + ", ".join(f"{v.check} {v.facts}" for v in decision.denials(intent.client_order_id))
        for intent in decision.denied
    )


def _lapse(books: Books, working: Iterable[Order], plan: TradingPlan, now: datetime) -> None:
    """End what was written but never sent, and is not wished any more."""
    wished = {intent.client_order_id for intent in plan.intents}
    for order in working:
        if order.status is S.INITIALIZED and order.client_order_id not in wished:
            books.orders.append(
                OrderEvent(
                    client_order_id=order.client_order_id,
                    status=S.CANCELED,
                    event_key=f"{order.client_order_id}:lapsed",
                    ts_event=now,
                    ts_init=now,
                    reason="never sent, and not in the next plan",
                )
            )
