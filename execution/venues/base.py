"""The port to a venue: what we ask, and the few things it can answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, InstrumentId, VenueId, VenueOrderId
from execution.model.market import MarketSnapshot
from execution.model.order import Order, OrderIntent
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.model.transfer import Transfer
from execution.venues.capabilities import Capabilities


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHint:
    """A venue's push: something happened to an order. Only a hint; asking gives the truth."""

    client_order_id: ClientOrderId | None  # None where the push does not carry it
    venue_order_id: VenueOrderId | None
    ts_event: datetime  # UTC, venue clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the keys may do; None where the venue does not say."""

    trade: bool | None = None
    withdraw: bool | None = None


@runtime_checkable
class Venue(Protocol):
    """One account at one venue. No method raises for what the venue decides.

    A query that fails raises `VenueUnavailable`: a failed query is never read as "nothing
    there". `submit`, `cancel` and `amend` do not raise for a fault: what they cannot classify
    is UNKNOWN. Every call ends within a deadline of its own. A venue belongs to the event
    loop it was first used in, and is closed there.
    """

    venue_id: VenueId

    async def account_uid(self) -> str:
        """The venue's own name for the account: two with one uid are one money."""
        ...

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        """What it does natively with this instrument."""
        ...

    async def quantize(self, intent: OrderIntent) -> OrderIntent:
        """The intent in the venue's steps, never worse or larger than asked.

        Raises InputInvalid, with the venue's minimum, when nothing that may be sent is left.
        """
        ...

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Send one order under the intent's client order id, in exactly its terms."""
        ...

    async def lookup(self, order: Order, since: datetime) -> LookupResult:
        """Ask what became of an id of ours that was first sent at `since`, our clock."""
        ...

    async def cancel(self, order: Order, now: datetime) -> SubmitResult:
        """Ask to cancel; ACCEPTED means the request was taken, not that it is canceled."""
        ...

    async def amend(
        self, order: Order, order_qty: Decimal, limit_px: Decimal | None, now: datetime
    ) -> SubmitResult:
        """Change a resting order's terms, its ids kept; REJECTED where that cannot be done."""
        ...

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill, ours or not."""
        ...

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first; the caller dedupes.

        `client_order_id` is None where the venue does not say: the caller joins by
        `venue_order_id`.
        """
        ...

    async def transfers(self, since: datetime) -> tuple[Transfer, ...]:
        """Deposits, withdrawals, funding, fees, interest at or after `since`, oldest first."""
        ...

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's money by currency; what `positions` reports is not repeated here."""
        ...

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding of an instrument that this venue was built with."""
        ...

    async def account_blocks(self) -> tuple[str, ...]:
        """Why the venue takes no order of this account now, as `key=value`; empty: it does."""
        ...

    async def permissions(self) -> Permissions:
        """What the keys that it was built with may do."""
        ...

    async def closed(self) -> frozenset[InstrumentId]:
        """The instruments it was built with that it does not trade now."""
        ...

    async def server_time(self) -> datetime:
        """The venue's clock, UTC."""
        ...

    def hints(self) -> AsyncIterator[OrderHint]:
        """Changes of our orders as the venue pushes them; ends when the stream breaks.

        Raises VenueUnavailable when there is no stream, or it cannot be opened.
        """
        ...

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Hear of new bars: a simulated venue trades on them, a real one ignores it."""
        ...

    async def close(self) -> None:
        """Let go of connections; nothing may be asked afterwards."""
        ...
