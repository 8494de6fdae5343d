"""The guard before a live venue: what no person approved does not pass."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, TypeVar

from execution.errors import ApprovalRefused, TradingError, VenueUnavailable
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, VenueOrderId
from execution.model.market import MarketSnapshot
from execution.model.order import OrderIntent
from execution.model.plan import TradingPlan
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.venues.base import LookupResult, SubmitResult, Venue

T = TypeVar("T")


class ApprovedVenue:
    """A venue that takes the orders of one approved plan, and only until it expires.

    Build it after the approval was redeemed: it trusts the plan it is given. Without a plan
    it can be asked anything and takes no order at all. `written` says whether the ledger has
    an order as SUBMITTED right now: what is not first written is not sent, and what was
    sent before is not sent again. What a library raises comes out as VenueUnavailable with
    the name of its class alone, because its text may quote the request, keys and all.
    """

    def __init__(
        self,
        venue: Venue,
        plan: TradingPlan | None = None,
        written: Callable[[ClientOrderId], bool] = lambda _: False,
    ) -> None:
        if plan is not None and venue.venue_id != plan.venue:
            raise ApprovalRefused(f"the plan is for venue {plan.venue}, not {venue.venue_id}")
        self.venue_id = venue.venue_id
        self.account_uid = venue.account_uid
        self._venue = venue
        self._plan = plan
        self._written = written
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
        if not self._written(intent.client_order_id):
            raise ApprovalRefused(
                f"{intent.client_order_id} was not sent: the ledger does not say that it is being"
                " sent now"
            )
        return await self._venue.submit(intent, now)

    async def lookup(self, client_order_id: ClientOrderId) -> LookupResult:
        """Ask what became of an id of ours."""
        return await _safely(self._venue.lookup(client_order_id))

    async def cancel(
        self, client_order_id: ClientOrderId, venue_order_id: VenueOrderId, now: datetime
    ) -> SubmitResult:
        """Cancel, approved or not: it only ever lessens what is at stake."""
        return await _safely(self._venue.cancel(client_order_id, venue_order_id, now))

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill."""
        return await _safely(self._venue.open_orders())

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first."""
        return await _safely(self._venue.fills(since))

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's money by currency."""
        return await _safely(self._venue.balances())

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding."""
        return await _safely(self._venue.positions())

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Pass new bars on."""
        await _safely(self._venue.on_market(snapshots, now))


async def _safely(question: Coroutine[Any, Any, T]) -> T:
    try:
        return await question
    except TradingError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing was answered
        raise VenueUnavailable(f"the venue did not answer: {type(error).__name__}") from None


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
