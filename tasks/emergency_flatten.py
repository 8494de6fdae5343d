"""Closing all that an account holds, through the path of any other order.

Reviewed by risk, written, sent once, booked. It needs no prices: what is closed is what both
the books and the venue hold, at the market.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from execution.errors import ApprovalRefused, InputInvalid, TooSmall
from execution.model.enums import ExternalPolicy
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId, InstrumentId
from execution.model.money import ZERO, plain
from execution.model.order import EMERGENCY, IN_FLIGHT, Order, OrderIntent
from execution.model.plan import Approval, TradingPlan
from execution.model.position import Position
from execution.orders.flatten import agreed, closing
from execution.orders.groups import in_the_way
from execution.orders.submission import submit_all
from execution.portfolio.holdings import is_dust
from execution.risk.review import review
from execution.venues.base import Venue
from tasks import wiring
from tasks.account import holdings_now, view_account
from tasks.booking import record
from tasks.emergency_account import insist
from tasks.emergency_cancel import Canceling
from tasks.emergency_consent import Consent, approval_rules, approve, is_used
from tasks.emergency_report import PositionFate, PositionOutcome

REFUSALS_MAX = 3  # of one position in one go; then it is left, and a person told


@dataclass(kw_only=True)
class Flattening:
    """One account on its way out of the market."""

    canceling: Canceling
    venue: Venue
    consent: Consent | None  # None: no real money is at stake, or nothing is sent yet
    held: dict[InstrumentId, Position] = field(default_factory=dict)  # when it was first seen
    notes: dict[InstrumentId, str] = field(default_factory=dict)  # why it is not closed
    refusals: Counter[InstrumentId] = field(default_factory=Counter)
    dust: dict[InstrumentId, Decimal] = field(default_factory=dict)
    brought: dict[InstrumentId, Decimal] = field(default_factory=dict)  # held, and not traded here

    async def run(self) -> None:
        """Close everything, as far as it goes within `pace.flatten` seconds.

        The caller holds the account's lock. Raises SafetyViolation when a rule says no.
        """
        pace = self.canceling.pace
        deadline = asyncio.get_running_loop().time() + pace.flatten
        tries = 0
        while True:
            await self.canceling.learn(self.venue, once=True)
            intents = await self._wanted()
            if intents:
                await self._send(intents)
            left = await self._positions()
            open_still = [i for i in left if self.refusals[i] < REFUSALS_MAX]
            if not open_still or asyncio.get_running_loop().time() >= deadline:
                return
            if not intents and not self._under_way():
                return  # nothing of it can be sent, and nothing is to be waited for
            await asyncio.sleep(pace.wait(tries))
            tries += 1

    async def plan(self) -> TradingPlan:
        """What would be sent now, reviewed and recorded: for a person to approve."""
        return await self._plan(await self._wanted())

    async def outcomes(self, *, tried: bool = True) -> tuple[PositionOutcome, ...]:
        """What became of each position, by the books; `tried`: it was to be closed."""
        left = await self._positions()
        told = []
        for instrument_id, position in {**left, **self.held}.items():
            now = left.get(instrument_id)
            left_qty = now.net_qty if now else self.dust.get(instrument_id, ZERO)
            fate = PositionFate.CLOSED
            if now is not None:
                fate = PositionFate.LEFT if tried else PositionFate.KEPT
            if now is None and position.net_qty == left_qty:
                fate = PositionFate.DUST
            told.append(
                PositionOutcome(
                    instrument=str(instrument_id),
                    held_qty=position.net_qty,
                    left_qty=left_qty,
                    fate=fate,
                    reason=self.notes.get(instrument_id, "") if now else "",
                )
            )
        told += [
            PositionOutcome(
                instrument=str(i),
                held_qty=qty,
                left_qty=qty,
                fate=PositionFate.BROUGHT,
                reason="it was brought here, and external: flag leaves it to you",
            )
            for i, qty in self.brought.items()
        ]
        return tuple(sorted(told, key=lambda outcome: outcome.instrument))

    # Inside

    async def _positions(self) -> dict[InstrumentId, Position]:
        """What the books hold, without dust; noted when it is first seen."""
        cycle, market = self.canceling.cycle, self.canceling.market
        found = await holdings_now(cycle, self.venue, market)
        with wiring.open_ledger().reading() as books:
            every = {p.instrument_id: p for p in books.positions.open(cycle.account)}
        self.dust = {
            i: p.net_qty
            for i, p in every.items()
            if i not in found and i in market.traded and is_dust(p, market.traded[i])
        }
        if cycle.config.external is ExternalPolicy.FLAG:
            found = self._traded(found, every)
        for instrument_id, position in found.items():
            self.held.setdefault(instrument_id, position)
        return found

    def _traded(
        self,
        found: Mapping[InstrumentId, Position],
        every: Mapping[InstrumentId, Position],
    ) -> dict[InstrumentId, Position]:
        """Of what is there what was traded; what was brought here is not ours to sell."""
        traded = {i: agreed(p, every[i].net_qty) for i, p in found.items() if i in every}
        ours = {i: p for i, p in traded.items() if p is not None}
        rest = {i: p.net_qty - (ours[i].net_qty if i in ours else ZERO) for i, p in found.items()}
        self.brought = {i: qty for i, qty in rest.items() if qty}
        return ours

    async def _wanted(self) -> list[OrderIntent]:
        """The orders that close what both sides hold, in the venue's steps."""
        positions = await self._positions()
        there = {p.instrument_id: p.net_qty for p in await self.venue.positions()}
        bounds = self.consent.bounds if self.consent else None
        with wiring.open_ledger().reading() as books:
            working = books.orders.working(self.canceling.cycle.account)
            earlier = {
                i: self._earlier(books.orders.all(p.account), i) for i, p in positions.items()
            }
        intents = []
        for instrument_id, position in positions.items():
            if self.refusals[instrument_id] >= REFUSALS_MAX:
                continue
            intent = self._closing(position, there.get(instrument_id), earlier[instrument_id])
            if isinstance(intent, OrderIntent) and bounds is not None:
                intent = _within(intent, bounds, earlier[instrument_id])
            if isinstance(intent, OrderIntent):
                intent = _in_the_way(intent, working) or await self._quantized(intent)
            if isinstance(intent, OrderIntent):
                intents.append(intent)
            else:
                self.notes[instrument_id] = intent
        return intents

    def _closing(
        self, position: Position, there: Decimal | None, earlier: list[Order]
    ) -> OrderIntent | str:
        both = agreed(position, there)
        if both is None:
            ours = plain(position.net_qty)
            return f"the books hold {ours}, the venue {plain(there or ZERO)}: reconcile first"
        emergency, known = self.canceling.emergency, self.canceling.known
        px_ref = known.marks.get(position.instrument_id) or position.avg_px or Decimal(1)
        return closing(
            both,
            self.canceling.market.instruments[position.instrument_id],
            earlier,
            emergency.started_at,
            px_ref,
            f"emergency stop by {emergency.actor}: {emergency.reason}",
        )

    async def _quantized(self, intent: OrderIntent) -> OrderIntent | str:
        try:
            return await self.venue.quantize(intent)
        except TooSmall as error:
            self.refusals[intent.instrument_id] = REFUSALS_MAX
            return str(error)
        except InputInvalid as error:
            return str(error)

    async def _plan(self, intents: list[OrderIntent]) -> TradingPlan:
        """The intents as risk sees them now; every verdict is written."""
        cycle, market = self.canceling.cycle, self.canceling.market
        account = await view_account(cycle, self.venue, market)
        now = wiring.wall_clock()
        plan = TradingPlan(
            run_id=cycle.run_id,
            account=cycle.account,
            venue=cycle.config.venue_id,
            mode=cycle.config.mode,
            currency=account.currency,
            created_at=now,
            expires_at=now + timedelta(seconds=cycle.config.approval_timeout_s),
            decision=review(intents, account, cycle.config.limits),
            held={i.instrument_id: account.heading_for(i.instrument_id) for i in intents},
            rules=approval_rules(cycle.config, self.consent),
        )
        with wiring.open_ledger().transaction() as books:
            books.risk_decisions.append(
                cycle.run_id, cycle.attempt, plan.digest, plan.decision, now
            )
        for intent in plan.decision.denied:
            why = (f"{v.check} {v.facts}" for v in plan.decision.denials(intent.client_order_id))
            self.notes[intent.instrument_id] = f"risk says no: {', '.join(why)}"
            self.refusals[intent.instrument_id] += 1
        return plan

    async def _send(self, intents: list[OrderIntent]) -> None:
        """Write them, send each at most once, and book what has filled at once."""
        plan, intents, approval = await self._approved(intents)
        if not intents:
            return
        cycle, market = self.canceling.cycle, self.canceling.market

        def commit() -> tuple[tuple[Order, ...], tuple[Order, ...], dict[ClientOrderId, int]]:
            with wiring.open_ledger().transaction() as books:
                if approval is not None:
                    books.approvals.redeem(approval, plan, wiring.wall_clock())
                orders = books.orders.commit_intents(
                    cycle.run_id, plan.digest, intents, market.clock()
                )
                sends = {key: len(times) for key, times in books.orders.sends(orders).items()}
                return orders, books.orders.working(cycle.account), sends

        orders, working, sends = insist(self.canceling.pace, commit)
        async with self._open(plan, approval) as venue:
            await venue.on_market(market.snapshots.values(), market.clock())
            after = await self._submit(venue, orders, working, sends)
            await self.canceling.learn(venue, once=True)
        for order in after:
            instrument_id = order.intent.instrument_id
            self.notes[instrument_id] = order.reason or f"its order is {order.status}"
            if order.status is S.REJECTED:
                self.refusals[instrument_id] += 1
                self.notes[instrument_id] = f"the venue refused it: {order.reason}"

    async def _submit(
        self,
        venue: Venue,
        orders: Sequence[Order],
        working: Sequence[Order],
        sends: Mapping[ClientOrderId, int],
    ) -> list[Order]:
        """Side by side, as each is of another instrument; a rule that says no is raised last."""
        clock, room = self.canceling.market.clock, asyncio.Semaphore(self.canceling.pace.at_once)

        async def submit(order: Order) -> tuple[Order, ...]:
            async with room:
                return await submit_all([order], working, venue, record, clock, sends)

        results = await asyncio.gather(*map(submit, orders), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [o for r in results if not isinstance(r, BaseException) for o in r]

    async def _approved(
        self, intents: list[OrderIntent]
    ) -> tuple[TradingPlan, list[OrderIntent], Approval | None]:
        """The plan to send by, what of it, and in live mode the yes that it is sent with."""
        live = self.canceling.cycle.live
        if not live:
            plan = await self._plan(intents)
            return plan, list(plan.intents), None
        if self.consent is None:
            raise ApprovalRefused("a live account is closed only with a person's word")
        if self.consent.approved is not None and not is_used(self.consent.approved[1]):
            return await self._as_seen(*self.consent.approved, intents)
        plan = await self._plan(intents)
        why = f"emergency stop {self.canceling.emergency.emergency_id}"
        approval = approve(plan, self.consent.name, why) if plan.intents else None
        return plan, list(plan.intents), approval

    async def _as_seen(
        self, plan: TradingPlan, approval: Approval, intents: list[OrderIntent]
    ) -> tuple[TradingPlan, list[OrderIntent], Approval]:
        """Of the plan that a person has seen what is still held, and passes again."""
        again = await self._plan(intents)
        seen = {i.client_order_id: i for i in plan.intents}
        still = [
            replace(seen[i.client_order_id], order_qty=i.order_qty)
            for i in again.intents
            if i.client_order_id in seen
        ]
        return plan, still, approval

    @asynccontextmanager
    async def _open(self, plan: TradingPlan, approval: Approval | None) -> AsyncIterator[Venue]:
        """The venue that takes the orders: in live mode one that takes these and no others."""
        if approval is None:
            yield self.venue
            return
        known = self.canceling.known
        async with wiring.open_venue(known.config, known.instruments, plan, approval) as venue:
            yield venue

    def _earlier(self, orders: Iterable[Order], instrument_id: InstrumentId) -> list[Order]:
        """The emergency's orders for one position so far, oldest first."""
        return [
            o
            for o in orders
            if o.intent.instrument_id == instrument_id
            and o.intent.strategy == EMERGENCY
            and o.intent.signal_time == self.canceling.emergency.started_at
        ]

    def _under_way(self) -> bool:
        with wiring.open_ledger().reading() as books:
            working = books.orders.working(self.canceling.cycle.account)
        return any(o.intent.flattens or o.status in IN_FLIGHT for o in working)


def _within(
    intent: OrderIntent, bounds: Mapping[InstrumentId, Decimal], earlier: Iterable[Order]
) -> OrderIntent | str:
    """No more than a person has seen and approved, with what is closed of it already."""
    room = bounds.get(intent.instrument_id, ZERO) - sum((o.cum_qty for o in earlier), ZERO)
    if room <= 0:
        return "nobody approved closing it: it came after the plan"
    return replace(intent, order_qty=min(intent.order_qty, room))


def _in_the_way(intent: OrderIntent, working: Sequence[Order]) -> str:
    """Why it may not be sent while these are working, or ""."""
    for order in working:
        if order.intent.instrument_id == intent.instrument_id and order.status in IN_FLIGHT:
            return f"nobody knows whether the venue has {order.client_order_id}"
    stops = in_the_way(intent, working)
    if stops:
        return f"{stops[0].client_order_id} is still at the venue and claims what is held"
    return ""
