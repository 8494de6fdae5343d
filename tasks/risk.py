"""Stage 3: from wishes to a plan, with every verdict written down."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect import task

from data.store.books import Books
from execution.errors import InputInvalid
from execution.model.activity import Lock
from execution.model.enums import OrderStatus as S
from execution.model.enums import OrderType, Severity, Topic
from execution.model.money import ZERO, plain
from execution.model.order import Order, OrderIntent
from execution.model.plan import RiskDecision, TradingPlan
from execution.model.signal import Signal
from execution.orders.bracket import legs
from execution.orders.placement import Place, place
from execution.orders.splitting import twap
from execution.risk.repeats import repeats
from execution.risk.review import broken, review
from execution.sizing.fixed_percentage import SizingConfig, size
from execution.venues.base import Venue
from tasks import artifacts, wiring
from tasks.account import view_account
from tasks.alerts import alert
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.limit_symbols import require_known_symbols
from tasks.market_data import Market
from tasks.opening import open_account
from tasks.policies import READS

TOLD_MAX = 5  # orders of a denied plan that an alert names


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and why the other signals led to no order."""

    plan: TradingPlan
    skipped: tuple[str, ...]
    locks: tuple[Lock, ...] = ()  # that its denials lead to


@task(name="approve-risk", **READS)
def approve_risk(cycle: Cycle, market: Market, signals: tuple[Signal, ...]) -> Planned:
    """Size every signal, run every check on every intent, and write all verdicts.

    Raises ConfigInvalid for limits of a symbol that there is not.
    """
    require_known_symbols(cycle.config.limits, market.instruments.values())
    with (
        cycle.stage("risk-approval", signals=len(signals)) as outcome,
        wiring.account_guard(cycle.account).hold(),
    ):
        planned = asyncio.run(_open_and_plan(cycle, market, signals))
        plan = planned.plan
        with wiring.open_ledger().transaction() as books:
            books.risk_decisions.append(
                cycle.run_id, cycle.attempt, plan.digest, plan.decision, plan.created_at
            )
            for lock in planned.locks:
                books.locks.add(lock)
        _tell(cycle, planned)
        outcome.update(
            digest=plan.digest,
            approved=len(plan.intents),
            denied=len(plan.decision.denied),
            skipped=planned.skipped,
        )
    artifacts.plan(plan)
    if plan.decision.denied and not plan.intents:
        text = _denied(plan)
        alert(cycle.account, cycle.run_id, Severity.WARNING, Topic.PLAN_DENIED, text)
    return planned


def _denied(plan: TradingPlan) -> str:
    """Of a plan that was denied whole: each order with the checks that said no."""
    told = [
        f"{i.side} {plain(i.order_qty)} {i.instrument_id}: "
        + ", ".join(f"{v.check} {v.facts}" for v in plan.decision.denials(i.client_order_id))
        for i in plan.decision.denied
    ]
    rest = f"; and {len(told) - TOLD_MAX} more" if len(told) > TOLD_MAX else ""
    return f"all {len(told)} orders were denied: {'; '.join(told[:TOLD_MAX])}{rest}"


async def _open_and_plan(cycle: Cycle, market: Market, signals: tuple[Signal, ...]) -> Planned:
    async with wiring.open_venue(cycle.config, market.traded) as venue:
        await open_account(cycle, venue, market)
        return await make_plan(cycle, venue, market, signals)


async def make_plan(
    cycle: Cycle, venue: Venue, market: Market, signals: tuple[Signal, ...]
) -> Planned:
    """The plan as of now; nothing is written."""
    config = cycle.config
    account = await view_account(cycle, venue, market)
    sizing = SizingConfig(
        position_pct_max=config.limits.max_position_size_pct,
        # Only while a person looks at the plan may the price move before it is sent.
        room_pct=config.limits.room_pct(config.price_drift_max_pct if cycle.live else ZERO),
    )
    intents, skipped = size(signals, account, market.traded, sizing)
    now = wiring.wall_clock()
    fitting, unfit = await _fitting(cycle, venue, intents, now)
    with wiring.open_ledger().reading() as books:
        fresh = unsent(books, fitting)
        again = {
            i: books.orders.of_wish(i) for i in fitting if i not in fresh and i.parent_id is None
        }
    fresh = [part for i in fresh for part in _split(i, fresh, market, config, now)]
    decision = review(fresh, account, config.limits)
    plan = TradingPlan(
        run_id=cycle.run_id,
        account=cycle.account,
        venue=config.venue_id,
        mode=config.mode,
        currency=account.currency,
        created_at=now,
        expires_at=now + timedelta(seconds=config.approval_timeout_s),
        decision=decision,
        held={i.instrument_id: account.heading_for(i.instrument_id) for i in fresh},
        rules=wiring.approval_rules(config),
    )
    return Planned(
        plan=plan,
        skipped=(
            *(f"{s.instrument_id}: {s.reason}" for s in skipped),
            *unfit,
            *(_sent_before(i, orders) for i, orders in again.items()),
        ),
        locks=repeats(decision, account, config.limits),
    )


def _tell(cycle: Cycle, planned: Planned) -> None:
    """Tell a person of a control that failed by one of our own rules, and of what is locked."""
    tell_broken(cycle, planned.plan.decision)
    for lock in planned.locks:
        text = f"{lock.reason}: opened no more until a person lifts lock {lock.lock_id}"
        alert(cycle.account, cycle.run_id, Severity.WARNING, Topic.PLAN_DENIED, text)


def tell_broken(cycle: Cycle, decision: RiskDecision) -> None:
    """Tell a person of each control that failed by one of our own rules.

    Its denial stops that order alone, and the account is not halted: nothing was sent.
    """
    for verdict in broken(decision):
        text = f"control {verdict.check} of order {verdict.client_order_id}: {verdict.facts}"
        alert(cycle.account, cycle.run_id, Severity.CRITICAL, Topic.SAFETY_VIOLATION, text)


def unsent(books: Books, intents: Iterable[OrderIntent]) -> list[OrderIntent]:
    """Those whose wish has not left yet: a wish is sent once, and its legs go with it.

    Slices of a larger order are the wish in parts: once they are written they are worked.
    """
    fresh: list[OrderIntent] = []
    for intent in intents:
        orders = books.orders.of_wish(intent)
        mine = [o for o in orders if o.client_order_id == intent.client_order_id]
        sliced = any(o.intent.not_before is not None for o in orders)
        if intent.parent_id is not None:
            leave = any(i.client_order_id == intent.parent_id for i in fresh)
        else:
            leave = not sliced and all(o.status is S.INITIALIZED for o in mine)
        if leave:
            fresh.append(intent)
    return fresh


async def _fitting(
    cycle: Cycle, venue: Venue, intents: Iterable[OrderIntent], now: datetime
) -> tuple[list[OrderIntent], list[str]]:
    """The intents in the venue's own steps, and why others cannot be made there.

    With an entry its legs go, and an entry that cannot be protected is not made.
    """
    groups: dict[str, list[OrderIntent]] = {}
    for intent in intents:
        groups.setdefault(intent.parent_id or intent.client_order_id, []).append(intent)
    fitting: list[OrderIntent] = []
    unfit: list[str] = []
    for group in groups.values():
        try:
            steps = [await venue.quantize(intent) for intent in group]
            for intent in steps:
                _require_placeable(intent, venue, now, live=cycle.live)
            fitting += steps
        except InputInvalid as error:
            unfit.append(f"{group[0].instrument_id}: {error}")
    return fitting, unfit


def _require_placeable(intent: OrderIntent, venue: Venue, now: datetime, *, live: bool) -> None:
    """Raise InputInvalid for what would be denied when it is sent, or approved in vain."""
    placement = place(intent, venue.capabilities(intent.instrument_id), now)
    if placement.place is Place.REFUSED:
        raise InputInvalid(f"{intent.leg}: {placement.reason}")
    if live and placement.place is Place.HELD and not intent.reduce_only:
        raise InputInvalid(
            f"{intent.leg}: {venue.venue_id} does not do it, and we may not hold an order that "
            "opens a position for longer than its approval is good"
        )


def _split(
    intent: OrderIntent,
    fresh: Sequence[OrderIntent],
    market: Market,
    config: RunConfig,
    now: datetime,
) -> list[OrderIntent]:
    """A large entry in slices over time, each with its own legs; anything else as it is."""
    entries = {i.client_order_id for i in fresh if _is_large(i, config)}
    if intent.parent_id in entries:
        return []  # its legs are made anew, a slice each
    if intent.client_order_id not in entries:
        return [intent]
    instrument = market.instruments[intent.instrument_id]
    trails = [i.trail_pct for i in fresh if i.parent_id == intent.client_order_id and i.trail_pct]
    trail_pct = trails[0] if trails else None
    slices = twap(intent, config.twap_slices, config.twap_spacing_s, now, instrument)
    return [order for part in slices for order in (part, *legs(part, instrument, trail_pct))]


def _is_large(intent: OrderIntent, config: RunConfig) -> bool:
    large = config.twap_above_notional is None or intent.notional > config.twap_above_notional
    plain = intent.order_type in (OrderType.MARKET, OrderType.LIMIT)
    return config.twap_slices > 1 and large and plain and not intent.reduce_only


def _sent_before(intent: OrderIntent, orders: Iterable[Order]) -> str:
    states = ", ".join(dict.fromkeys(str(order.status) for order in orders))
    return f"{intent.instrument_id}: this signal's order was sent before and is {states}"
