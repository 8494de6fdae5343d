"""The one scripted fake: a venue that does what it is told, and remembers what it was sent.

    venue = ScriptedVenue(on_submit=[not_sent(), times_out_after_accepting()])

A script is one behavior for every call, or a list that is used up one by one, after which
the venue behaves. It never dedupes: an id sent twice makes two orders, as at venues that
keep ids unique only while open. With `log`, every call that changed something is a line in
a file, and a venue made from the same file in another process knows all of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Self, TypeVar

from execution.errors import VenueUnavailable
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    TradeId,
    VenueId,
    VenueOrderId,
)
from execution.model.market import MarketSnapshot
from execution.model.money import ZERO
from execution.model.order import OPEN, Order, OrderIntent
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.model.transfer import Transfer
from execution.venues.base import (
    LookupOutcome,
    LookupResult,
    OrderHint,
    Permissions,
    SubmitOutcome,
    SubmitResult,
)
from execution.venues.capabilities import Capabilities

EVERYTHING = Capabilities(
    order_types=frozenset(OrderType),
    time_in_force=frozenset(TimeInForce),
    post_only=True,
    amend=True,
    iceberg=True,
)
T = TypeVar("T")
OnSubmit = Callable[["ScriptedVenue", OrderIntent, datetime], SubmitResult]
OnLookup = Callable[["ScriptedVenue", ClientOrderId], LookupResult]


def accepts() -> OnSubmit:
    """Take the order."""

    def script(venue: ScriptedVenue, intent: OrderIntent, now: datetime) -> SubmitResult:
        venue_order_id = venue.take(intent, now)
        return SubmitResult(
            outcome=SubmitOutcome.ACCEPTED, ts_event=now, venue_order_id=venue_order_id
        )

    return script


def times_out_after_accepting() -> OnSubmit:
    """Take the order, but the answer never arrives."""

    def script(venue: ScriptedVenue, intent: OrderIntent, now: datetime) -> SubmitResult:
        venue.take(intent, now)
        return SubmitResult(
            outcome=SubmitOutcome.UNKNOWN, ts_event=now, reason="timeout after send"
        )

    return script


def rejects(reason: str = "scripted") -> OnSubmit:
    """Refuse the order."""
    return lambda venue, intent, now: SubmitResult(
        outcome=SubmitOutcome.REJECTED, ts_event=now, reason=reason
    )


def not_sent() -> OnSubmit:
    """Fail before anything leaves."""
    return lambda venue, intent, now: SubmitResult(
        outcome=SubmitOutcome.NOT_SENT, ts_event=now, reason="connection refused"
    )


def times_out() -> OnSubmit:
    """Lose the order on the way; nobody can tell that from the answer."""
    return lambda venue, intent, now: SubmitResult(
        outcome=SubmitOutcome.UNKNOWN, ts_event=now, reason="timeout"
    )


def raises(error: BaseException, *, after_accepting: bool = False) -> OnSubmit:
    """Raise out of submit; `after_accepting` takes the order first."""

    def script(venue: ScriptedVenue, intent: OrderIntent, now: datetime) -> SubmitResult:
        if after_accepting:
            venue.take(intent, now)
        raise error

    return script


def found() -> OnLookup:
    """Say what is true."""
    return lambda venue, client_order_id: venue.truth(client_order_id)


def absent() -> OnLookup:
    """Deny the order, whatever is true."""
    return lambda venue, client_order_id: LookupResult(outcome=LookupOutcome.ABSENT)


def cannot_tell() -> OnLookup:
    """Answer neither yes nor no."""
    return lambda venue, client_order_id: LookupResult(
        outcome=LookupOutcome.UNKNOWN, reason="try later"
    )


def unreachable() -> OnLookup:
    """Raise VenueUnavailable out of lookup."""

    def script(venue: ScriptedVenue, client_order_id: ClientOrderId) -> LookupResult:
        raise VenueUnavailable("scripted: the venue cannot be reached")

    return script


class ScriptedVenue:
    """A venue under a test's command; market orders fill at once, whole, at `px_ref`.

    `submitted` holds the id of every submit, `accepted` of every order that was made. No
    commission; cash and holdings follow the fills. `fills=False` leaves orders resting
    until `fill` or `end` is called. It does every order type, unless `capabilities` says
    otherwise, has no steps, and pushes `hints` when it was given some.
    """

    def __init__(
        self,
        *,
        on_submit: OnSubmit | Sequence[OnSubmit] = (),
        on_lookup: OnLookup | Sequence[OnLookup] = (),
        fills: bool = True,
        cash: Decimal = Decimal(100_000),
        currency: str = "USD",
        venue_id: str = "scripted",
        log: Path | None = None,
        capabilities: Capabilities = EVERYTHING,
        hints: Sequence[OrderHint] | None = None,
    ) -> None:
        self.venue_id = VenueId(venue_id)
        self.uid = str(log or "scripted")  # what has a log of its own is other money
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.sent: list[OrderIntent] = []  # each submit in its terms, in this process
        self.blocks: tuple[str, ...] = ()
        self.permitted = Permissions(trade=True, withdraw=False)
        self.not_traded: frozenset[InstrumentId] = frozenset()
        self.submitted: list[ClientOrderId] = []
        self.accepted: list[ClientOrderId] = []
        self.lookups: list[ClientOrderId] = []
        self.cash = cash
        self._currency = currency
        self._account_of: dict[VenueOrderId, AccountId] = {}
        self._on_submit = on_submit if callable(on_submit) else list(on_submit)
        self._on_lookup = on_lookup if callable(on_lookup) else list(on_lookup)
        self._fills_at_once = fills
        self._capabilities = capabilities
        self._hints = hints
        self._transfers: list[Transfer] = []
        self._orders: dict[VenueOrderId, OrderReport] = {}
        self._fills: list[Fill] = []
        self._holdings: dict[InstrumentId, Decimal] = {}
        self._log = log
        if log is not None and log.exists():
            for line in log.read_text().splitlines():
                self._apply(json.loads(line))

    @classmethod
    def from_env(cls, venue_id: str = "scripted") -> Self:
        """Make one that shares the file SCRIPTED_VENUE_LOG with other processes.

        SCRIPTED_MAY_TRADE=false gives its keys no right to trade.
        """
        venue = cls(log=Path(os.environ["SCRIPTED_VENUE_LOG"]), venue_id=venue_id)
        if os.environ.get("SCRIPTED_MAY_TRADE") == "false":
            venue.permitted = Permissions(trade=False, withdraw=False)
        return venue

    async def account_uid(self) -> str:
        """`uid`."""
        return self.uid

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        """What it was made with."""
        return self._capabilities

    async def quantize(self, intent: OrderIntent) -> OrderIntent:
        """As it is: there are no steps here."""
        return intent

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Do what the script says; the call itself is on file before that."""
        self._write(call="submit", client_order_id=intent.client_order_id, ts=now.isoformat())
        self.sent.append(intent)
        return _next(self._on_submit, accepts())(self, intent, now)

    async def lookup(self, order: Order, since: datetime) -> LookupResult:
        """Do what the script says."""
        self.lookups.append(order.client_order_id)
        return _next(self._on_lookup, found())(self, order.client_order_id)

    async def cancel(self, order: Order, now: datetime) -> SubmitResult:
        """Cancel an open order at once."""
        if not self._is_open(order):
            return SubmitResult(outcome=SubmitOutcome.REJECTED, ts_event=now, reason="not open")
        self.end(order.client_order_id, S.CANCELED)
        return SubmitResult(
            outcome=SubmitOutcome.ACCEPTED, ts_event=now, venue_order_id=order.venue_order_id
        )

    async def amend(
        self, order: Order, order_qty: Decimal, limit_px: Decimal | None, now: datetime
    ) -> SubmitResult:
        """Change an open order at once."""
        if not self._is_open(order):
            return SubmitResult(outcome=SubmitOutcome.REJECTED, ts_event=now, reason="not open")
        self._write(
            call="amend",
            venue_order_id=self._newest(order.client_order_id).venue_order_id,
            order_qty=str(order_qty),
        )
        return SubmitResult(
            outcome=SubmitOutcome.ACCEPTED, ts_event=now, venue_order_id=order.venue_order_id
        )

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill."""
        return tuple(report for report in self._orders.values() if report.status in OPEN)

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first."""
        return tuple(fill for fill in self._fills if fill.ts_event >= since)

    async def transfers(self, since: datetime) -> tuple[Transfer, ...]:
        """What `move` was told, at or after `since`."""
        return tuple(transfer for transfer in self._transfers if transfer.ts_event >= since)

    async def balances(self) -> tuple[BalanceReport, ...]:
        """One currency, all of it free."""
        free = max(ZERO, self.cash)
        return (BalanceReport(currency=self._currency, cash=self.cash, buying_power=free),)

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding."""
        return tuple(
            PositionReport(instrument_id=key, net_qty=qty)
            for key, qty in sorted(self._holdings.items())
            if qty
        )

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Ignore it, as a real venue does."""

    async def account_blocks(self) -> tuple[str, ...]:
        """What a test put into `blocks`."""
        return self.blocks

    async def permissions(self) -> Permissions:
        """`permitted`."""
        return self.permitted

    async def closed(self) -> frozenset[InstrumentId]:
        """What a test put into `not_traded`."""
        return self.not_traded

    async def server_time(self) -> datetime:
        """What `clock` says: the real time, unless a test replaces it."""
        return self.clock()

    def hints(self) -> AsyncIterator[OrderHint]:
        """Push what it was given, then break; without any there is no stream."""
        if self._hints is None:
            raise VenueUnavailable("scripted: there is no stream")
        return _stream(self._hints)

    async def close(self) -> None:
        """Nothing to let go of."""

    def move(self, transfer: Transfer) -> None:
        """Let money come or go without a trade; of its own currency, cash follows."""
        self._transfers.append(transfer)
        if transfer.currency == self._currency:
            self.cash += transfer.amount

    def force(self, fill: Fill) -> None:
        """Execute something that no order asked for, as a liquidation does."""
        self._fills.append(fill)
        self.cash -= fill.side.sign * fill.notional
        held = self._holdings.get(fill.instrument_id, ZERO)
        self._holdings[fill.instrument_id] = held + fill.side.sign * fill.last_qty

    def forget(self, client_order_id: ClientOrderId) -> None:
        """Let nobody know of an order any more, as after a purge."""
        del self._orders[self._newest(client_order_id).venue_order_id]
        self.accepted.remove(client_order_id)

    def reopen(self, client_order_id: ClientOrderId) -> None:
        """Let an order rest that was said to have ended."""
        report = self._newest(client_order_id)
        self._orders[report.venue_order_id] = replace(report, status=S.ACCEPTED)

    def take(self, intent: OrderIntent, now: datetime) -> VenueOrderId:
        """Make an order of the intent, even if there is one; fill it if it is a market order."""
        venue_order_id = VenueOrderId(f"V-{len(self._orders) + 1}")
        self._write(
            call="take",
            client_order_id=intent.client_order_id,
            venue_order_id=venue_order_id,
            account=intent.account,
            instrument=str(intent.instrument_id),
            side=intent.side,
            order_qty=str(intent.order_qty),
            ts=now.isoformat(),
        )
        if self._fills_at_once and intent.order_type is OrderType.MARKET:
            self.fill(intent.client_order_id, intent.order_qty, intent.px_ref, now)
        return venue_order_id

    def fill(
        self, client_order_id: ClientOrderId, qty: Decimal, px: Decimal, now: datetime
    ) -> None:
        """Execute part of an order, whatever its status."""
        self._write(
            call="fill",
            venue_order_id=self._newest(client_order_id).venue_order_id,
            qty=str(qty),
            px=str(px),
            ts=now.isoformat(),
        )

    def end(self, client_order_id: ClientOrderId, status: S, reason: str = "scripted") -> None:
        """End an order: CANCELED, EXPIRED or REJECTED."""
        self._write(
            call="end",
            venue_order_id=self._newest(client_order_id).venue_order_id,
            status=status,
            reason=reason,
        )

    def truth(self, client_order_id: ClientOrderId) -> LookupResult:
        """Whether there is an order of that id, and how it stands."""
        if client_order_id not in self.accepted:
            return LookupResult(outcome=LookupOutcome.ABSENT)
        return LookupResult(outcome=LookupOutcome.FOUND, report=self._newest(client_order_id))

    def _is_open(self, order: Order) -> bool:
        key = order.client_order_id
        return key in self.accepted and self._newest(key).status in OPEN

    def _newest(self, client_order_id: ClientOrderId) -> OrderReport:
        return [r for r in self._orders.values() if r.client_order_id == client_order_id][-1]

    def _write(self, **entry: str) -> None:
        """Put a line on file, safe from a crash, before anything comes of it."""
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(json.dumps(entry) + "\n")
                file.flush()
                os.fsync(file.fileno())
        self._apply(entry)

    def _apply(self, entry: dict[str, str]) -> None:
        match entry["call"]:
            case "submit":
                self.submitted.append(ClientOrderId(entry["client_order_id"]))
            case "take":
                report = OrderReport(
                    client_order_id=ClientOrderId(entry["client_order_id"]),
                    venue_order_id=VenueOrderId(entry["venue_order_id"]),
                    instrument_id=InstrumentId.parse(entry["instrument"]),
                    side=OrderSide(entry["side"]),
                    status=S.ACCEPTED,
                    order_qty=Decimal(entry["order_qty"]),
                    cum_qty=ZERO,
                    ts_event=datetime.fromisoformat(entry["ts"]),
                )
                self._orders[report.venue_order_id] = report
                self._account_of[report.venue_order_id] = AccountId(entry["account"])
                self.accepted.append(ClientOrderId(entry["client_order_id"]))
            case "amend":
                report = self._orders[VenueOrderId(entry["venue_order_id"])]
                changed = replace(report, order_qty=Decimal(entry["order_qty"]))
                self._orders[report.venue_order_id] = changed
            case "fill":
                self._execute(entry)
            case "end":
                report = self._orders[VenueOrderId(entry["venue_order_id"])]
                self._orders[report.venue_order_id] = replace(
                    report, status=S(entry["status"]), reason=entry["reason"]
                )

    def _execute(self, entry: dict[str, str]) -> None:
        report = self._orders[VenueOrderId(entry["venue_order_id"])]
        fill = Fill(
            trade_id=TradeId(f"T-{len(self._fills) + 1}"),
            account=self._account_of[report.venue_order_id],
            instrument_id=report.instrument_id,
            client_order_id=report.client_order_id,
            venue_order_id=report.venue_order_id,
            side=report.side,
            last_qty=Decimal(entry["qty"]),
            last_px=Decimal(entry["px"]),
            commission=ZERO,
            commission_ccy=self._currency,
            ts_event=datetime.fromisoformat(entry["ts"]),
            ts_init=datetime.fromisoformat(entry["ts"]),
        )
        self._fills.append(fill)
        self.cash -= fill.side.sign * fill.notional
        held = self._holdings.get(fill.instrument_id, ZERO)
        self._holdings[fill.instrument_id] = held + fill.side.sign * fill.last_qty
        cum_qty = report.cum_qty + fill.last_qty
        status = S.FILLED if cum_qty >= report.order_qty else report.status
        if status is S.ACCEPTED:
            status = S.PARTIALLY_FILLED
        self._orders[report.venue_order_id] = replace(report, cum_qty=cum_qty, status=status)


async def _stream(hints: Sequence[OrderHint]) -> AsyncIterator[OrderHint]:
    for hint in hints:
        yield hint


def _next(script: T | list[T], default: T) -> T:
    """The behavior for this call: the only one, the next one, or the good one."""
    if isinstance(script, list):
        return script.pop(0) if script else default
    return script
