"""The guard before a live venue: what no person approved does not pass."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from execution.errors import ApprovalRefused
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, VenueOrderId
from execution.model.market import MarketSnapshot
from execution.model.order import OrderIntent
from execution.model.plan import TradingPlan
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.venues.base import LookupResult, SubmitResult, Venue


class ApprovedVenue:
    """A venue that takes the orders of one approved plan, and only until it expires.

    Build it after the approval was redeemed: it trusts the plan it is given. Without a plan
    it can be asked anything and takes no order at all.
    """

    def __init__(self, venue: Venue, plan: TradingPlan | None = None) -> None:
        if plan is not None and venue.venue_id != plan.venue:
            raise ApprovalRefused(f"the plan is for venue {plan.venue}, not {venue.venue_id}")
        self.venue_id = venue.venue_id
        self._venue = venue
        self._plan = plan
        self._approved = {_terms(intent) for intent in plan.intents} if plan else set()

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Send an order of the plan; any other raises ApprovalRefused, and nothing is sent."""
        if self._plan is None:
            raise ApprovalRefused(
                f"{intent.client_order_id} was not sent: no person approved a plan with it"
            )
        if now >= self._plan.expires_at:
            raise ApprovalRefused(
                f"{intent.client_order_id} on {intent.instrument_id} was not sent: the approved"
                f" plan expired at {self._plan.expires_at.isoformat()}, it is {now.isoformat()}"
            )
        if _terms(intent) not in self._approved:
            terms = f"{intent.side} {intent.order_qty.normalize():f} {intent.instrument_id}"
            raise ApprovalRefused(
                f"{intent.client_order_id} was not sent: {terms} is not, in exactly its terms,"
                f" in the approved plan {self._plan.digest[:12]}"
            )
        return await self._venue.submit(intent, now)

    async def lookup(self, client_order_id: ClientOrderId) -> LookupResult:
        """Ask what became of an id of ours."""
        return await self._venue.lookup(client_order_id)

    async def cancel(
        self, client_order_id: ClientOrderId, venue_order_id: VenueOrderId, now: datetime
    ) -> SubmitResult:
        """Cancel, approved or not: it only ever lessens what is at stake."""
        return await self._venue.cancel(client_order_id, venue_order_id, now)

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill."""
        return await self._venue.open_orders()

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first."""
        return await self._venue.fills(since)

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's money by currency."""
        return await self._venue.balances()

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding."""
        return await self._venue.positions()

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Pass new bars on."""
        await self._venue.on_market(snapshots, now)


def _terms(intent: OrderIntent) -> tuple[object, ...]:
    """Everything of an intent that decides what is sent; the plan's digest covers it."""
    return (
        intent.client_order_id,
        intent.account,
        intent.instrument_id,
        intent.side,
        intent.order_qty,
        intent.order_type,
        intent.limit_px,
        intent.time_in_force,
        intent.reduce_only,
    )
