"""The port to a venue: what we ask, and the few things it can answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, VenueId, VenueOrderId
from execution.model.market import MarketSnapshot
from execution.model.order import OrderIntent
from execution.model.reports import BalanceReport, OrderReport, PositionReport


class SubmitOutcome(StrEnum):
    """What we know after a send."""

    ACCEPTED = "accepted"  # the venue has it
    REJECTED = "rejected"  # the venue refused it
    NOT_SENT = "not_sent"  # it never left: the same id may be sent again
    UNKNOWN = "unknown"  # it may have landed: look it up, never resend blindly


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """The answer to a send."""

    outcome: SubmitOutcome
    ts_event: datetime  # UTC
    venue_order_id: VenueOrderId | None = None  # set when ACCEPTED
    reason: str = ""


class LookupOutcome(StrEnum):
    """What the venue knows of one of our ids."""

    FOUND = "found"
    ABSENT = "absent"  # conclusively never accepted
    UNKNOWN = "unknown"  # the venue cannot tell yet


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupResult:
    """The answer to a lookup; `report` is set when FOUND."""

    outcome: LookupOutcome
    report: OrderReport | None = None
    reason: str = ""


@runtime_checkable
class Venue(Protocol):
    """One account at one venue. No method raises for what the venue decides.

    A query that fails raises `VenueUnavailable`: a failed query is never read as "nothing
    there". `submit` does not raise at all: what it cannot classify is UNKNOWN.
    """

    venue_id: VenueId
    account_uid: str  # the venue's own name for the account: two with one uid are one money

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Send one order under the intent's client order id."""
        ...

    async def lookup(self, client_order_id: ClientOrderId) -> LookupResult:
        """Ask what became of an id of ours."""
        ...

    async def cancel(
        self, client_order_id: ClientOrderId, venue_order_id: VenueOrderId, now: datetime
    ) -> SubmitResult:
        """Ask to cancel; ACCEPTED means the request was taken, not that it is canceled."""
        ...

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill."""
        ...

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first; the caller dedupes."""
        ...

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's money by currency."""
        ...

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding."""
        ...

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Hear of new bars: a simulated venue trades on them, a real one ignores it."""
        ...
