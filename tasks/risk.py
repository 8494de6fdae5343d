"""Stage 3: from wishes to a plan, with every verdict written down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from prefect import task

from execution.model.enums import OrderStatus as S
from execution.model.order import Order, OrderIntent
from execution.model.plan import TradingPlan
from execution.model.signal import Signal
from execution.risk.review import review
from execution.sizing.fixed_percentage import SizingConfig, size
from tasks import artifacts, wiring
from tasks.account import open_account, view_account
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.policies import READS


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and why the other signals led to no order."""

    plan: TradingPlan
    skipped: tuple[str, ...]


@task(name="approve-risk", **READS)
def approve_risk(cycle: Cycle, market: Market, signals: tuple[Signal, ...]) -> Planned:
    """Size every signal, run every check on every intent, and write all verdicts."""
    with (
        cycle.stage("risk-approval", signals=len(signals)) as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        open_account(cycle, wiring.build_venue(cycle.config, market.traded), market)
        planned = make_plan(cycle, market, signals)
        plan = planned.plan
        with wiring.open_ledger().transaction() as books:
            books.risk_decisions.append(
                cycle.run_id, cycle.attempt, plan.digest, plan.decision, plan.created_at
            )
        outcome.update(
            digest=plan.digest,
            approved=len(plan.intents),
            denied=len(plan.decision.denied),
            skipped=planned.skipped,
        )
    artifacts.plan(plan)
    return planned


def make_plan(cycle: Cycle, market: Market, signals: tuple[Signal, ...]) -> Planned:
    """The plan as of now; nothing is written."""
    config = cycle.config
    venue = wiring.build_venue(config, market.traded)
    account = view_account(cycle, venue, market)
    sizing = SizingConfig(position_pct_max=config.limits.max_position_size_pct)
    intents, skipped = size(signals, account, market.traded, sizing)
    with wiring.open_ledger().reading() as books:
        known = {i.client_order_id: books.orders.get(i.client_order_id) for i in intents}
    fresh = [i for i in intents if may_be_sent(known[i.client_order_id])]
    again = [i for i in intents if i not in fresh]
    now = wiring.wall_clock()
    plan = TradingPlan(
        run_id=cycle.run_id,
        account=cycle.account,
        venue=config.venue_id,
        mode=config.mode,
        currency=account.currency,
        created_at=now,
        expires_at=now + timedelta(seconds=config.approval_timeout_s),
        decision=review(fresh, account, config.limits),
        held={i.instrument_id: account.heading_for(i.instrument_id) for i in fresh},
    )
    return Planned(
        plan=plan,
        skipped=(
            *(f"{s.instrument_id}: {s.reason}" for s in skipped),
            *(_sent_before(i, known[i.client_order_id]) for i in again),
        ),
    )


def may_be_sent(order: Order | None) -> bool:
    """A wish is sent once: not again when the books have an order of it that has left."""
    return order is None or order.status is S.INITIALIZED


def _sent_before(intent: OrderIntent, order: Order | None) -> str:
    status = order.status if order else S.UNKNOWN
    return f"{intent.instrument_id}: this signal's order was sent before and is {status}"
