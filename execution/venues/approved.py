"""The guard before a live venue: what no person approved does not pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from execution.errors import ApprovalRefused, NotApproved, TradingError, VenueUnavailable
from execution.model.enums import TimeInForce
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, InstrumentId
from execution.model.market import MarketSnapshot
from execution.model.money import ZERO, plain
from execution.model.order import Order, OrderIntent
from execution.model.plan import TradingPlan
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.model.transfer import Transfer
from execution.orders.held import as_sent
from execution.orders.placement import sent_type
from execution.venues.base import LookupResult, OrderHint, Permissions, SubmitResult, Venue
from execution.venues.capabilities import Capabilities

T = TypeVar("T")


class ApprovedVenue:
    """A venue that takes the orders of one approved plan, and only until it expires.

    Build it after the approval was redeemed: it trusts the plan it is given. What was approved
    to be held may be sent when it is due, after the plan has expired too: `held` gives such
    an order of a plan that was approved before, as the ledger has it. Without either it can be
    asked anything and takes no order at all. `written` says whether the ledger has
    an order as SUBMITTED right now: what is not first written is not sent, and what was
    sent before is not sent again. `refused` is told of every order that does not pass, whatever
    the caller makes of the error. What a library raises comes out as VenueUnavailable with
    the name of its class alone, because its text may quote the request, keys and all.
    """

    def __init__(
        self,
        venue: Venue,
        plan: TradingPlan | None = None,
        written: Callable[[ClientOrderId], bool] = lambda _: False,
        held: Callable[[ClientOrderId], OrderIntent | None] = lambda _: None,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        if plan is not None and venue.venue_id != plan.venue:
            raise ApprovalRefused(f"the plan is for venue {plan.venue}, not {venue.venue_id}")
        self.venue_id = venue.venue_id
        self._venue = venue
        self._plan = plan
        self._written = written
        self._held = held
        self._refused = refused
        self._approved = {i.client_order_id: i for i in plan.intents} if plan else {}

    async def account_uid(self) -> str:
        """The venue's own name for the account."""
        return await _safely(self._venue.account_uid())

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        """What the venue does natively with this instrument."""
        return self._venue.capabilities(instrument_id)

    async def quantize(self, intent: OrderIntent) -> OrderIntent:
        """The intent in the venue's steps."""
        return await _safely(self._venue.quantize(intent))

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Send an order of the plan; any other raises NotApproved, and nothing is sent."""
        try:
            self._require_approved(intent, now)
        except ApprovalRefused as refusal:
            self._refused(str(refusal))
            raise
        return await self._venue.submit(intent, now)

    def _require_approved(self, intent: OrderIntent, now: datetime) -> None:
        approved = self._approved.get(intent.client_order_id)
        if approved is None:
            before = self._held(intent.client_order_id)
            approved = before if before is not None and _waits(before) else None
        if self._plan is None and approved is None:
            raise NotApproved(
                f"{intent.client_order_id} was not sent: no person approved a plan with it"
            )
        waited = approved is not None and _waits(approved)
        if self._plan is not None and now >= self._plan.expires_at and not waited:
            raise ApprovalRefused(
                f"{intent.client_order_id} on {intent.instrument_id} was not sent: the approved"
                f" plan expired at {self._plan.expires_at.isoformat()}, it is {now.isoformat()}"
            )
        if approved is None or not covers(approved, intent):
            terms = f"{intent.side} {plain(intent.order_qty)} {intent.instrument_id}"
            plan = self._plan.digest[:12] if self._plan else "of its entry"
            raise NotApproved(
                f"{intent.client_order_id} was not sent: {terms} is not, in exactly its terms,"
                f" in the approved plan {plan}"
            )
        if not self._written(intent.client_order_id):
            raise NotApproved(
                f"{intent.client_order_id} was not sent: the ledger does not say that it is being"
                " sent now"
            )

    async def lookup(self, order: Order, since: datetime) -> LookupResult:
        """Ask what became of an id of ours."""
        return await _safely(self._venue.lookup(order, since))

    async def cancel(self, order: Order, now: datetime) -> SubmitResult:
        """Cancel, approved or not: it only ever lessens what is at stake."""
        return await _safely(self._venue.cancel(order, now))

    async def amend(
        self, order: Order, order_qty: Decimal, limit_px: Decimal | None, now: datetime
    ) -> SubmitResult:
        """Lessen an order; ApprovalRefused for more of it, or at a worse price."""
        worse = limit_px != order.intent.limit_px and is_worse(order.intent, limit_px)
        if order_qty > order.intent.order_qty or worse:
            text = (
                f"{order.client_order_id} was not amended: order_qty={order_qty} "
                f"limit_px={limit_px} is more, or worse, than what was approved"
            )
            self._refused(text)
            raise ApprovalRefused(text)
        return await _safely(self._venue.amend(order, order_qty, limit_px, now))

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill."""
        return await _safely(self._venue.open_orders())

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first."""
        return await _safely(self._venue.fills(since))

    async def transfers(self, since: datetime) -> tuple[Transfer, ...]:
        """Movements of money at or after `since`, oldest first."""
        return await _safely(self._venue.transfers(since))

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's money by currency."""
        return await _safely(self._venue.balances())

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding."""
        return await _safely(self._venue.positions())

    async def account_blocks(self) -> tuple[str, ...]:
        """Why the venue takes no order of this account now."""
        return await _safely(self._venue.account_blocks())

    async def permissions(self) -> Permissions:
        """What the keys may do."""
        return await _safely(self._venue.permissions())

    async def closed(self) -> frozenset[InstrumentId]:
        """What the venue does not trade now."""
        return await _safely(self._venue.closed())

    async def server_time(self) -> datetime:
        """The venue's clock."""
        return await _safely(self._venue.server_time())

    def hints(self) -> AsyncIterator[OrderHint]:
        """Changes of our orders as the venue pushes them."""
        return _safe_stream(self._venue.hints())

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Pass new bars on."""
        await _safely(self._venue.on_market(snapshots, now))

    async def close(self) -> None:
        """Let go of the venue's connections."""
        await _safely(self._venue.close())


async def _safely(question: Coroutine[Any, Any, T]) -> T:
    try:
        return await question
    except TradingError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing was answered
        raise VenueUnavailable(f"the venue did not answer: {type(error).__name__}") from None


async def _safe_stream(hints: AsyncIterator[OrderHint]) -> AsyncIterator[OrderHint]:
    try:
        async for hint in hints:
            yield hint
    except TradingError:
        raise
    except Exception as error:  # noqa: BLE001 - a stream is only a hint: asking goes on
        raise VenueUnavailable(f"the venue's stream broke: {type(error).__name__}") from None


def _waits(intent: OrderIntent) -> bool:
    """Whether it was approved to be sent later: at its price, or at its time.

    A slice that opens a position is not due for longer than `held.LATE_MAX`.
    """
    return intent.protects or intent.not_before is not None


def is_worse(intent: OrderIntent, limit_px: Decimal | None) -> bool:
    """Whether another limit would let it pay more, or get less, than the intent's own."""
    if limit_px is None or intent.limit_px is None:
        return True
    return (limit_px - intent.limit_px) * intent.side.sign > 0


def covers(approved: OrderIntent, sent: OrderIntent) -> bool:
    """Whether `sent` is what was approved, or what that goes out as once it is due.

    A stop may go out as the market or limit order it turns into, GTD as GTC, and less may
    be sent of what only reduces: never anything else.
    """
    less = approved.reduce_only and ZERO < sent.order_qty <= approved.order_qty
    gtc = (approved.time_in_force, sent.time_in_force) == (TimeInForce.GTD, TimeInForce.GTC)
    same = replace(
        approved,
        order_qty=sent.order_qty if less else approved.order_qty,
        time_in_force=sent.time_in_force if gtc else approved.time_in_force,
    )
    due = as_sent(same, sent_type(same.order_type))
    return _terms(sent) in {_terms(same), _terms(due)}


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
        intent.stop_px,
        intent.trail_pct,
        intent.post_only,
        intent.display_qty,
        intent.expire_at,
        intent.not_before,
        intent.parent_id,
        intent.group_id,
    )
