"""A simulated account: what the venue keeps of it, and the port to where it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar

from execution.errors import InputInvalid
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    TradeId,
    VenueOrderId,
)
from execution.model.money import ZERO
from execution.model.order import OPEN
from execution.model.reports import OrderReport

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOrder:
    """One order as the venue keeps it."""

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    instrument_id: InstrumentId
    side: OrderSide
    order_type: OrderType
    time_in_force: TimeInForce
    order_qty: Decimal  # base units
    limit_px: Decimal | None  # set if and only if LIMIT
    cum_qty: Decimal  # base units filled
    status: S  # ACCEPTED, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, REJECTED
    reason: str
    ts_placed: datetime  # UTC

    @property
    def leaves_qty(self) -> Decimal:
        """Base units still open; 0 once it can fill no more."""
        return self.order_qty - self.cum_qty if self.status in OPEN else ZERO

    def as_report(self) -> OrderReport:
        """The order as the venue reports it."""
        return OrderReport(
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            instrument_id=self.instrument_id,
            side=self.side,
            status=self.status,
            order_qty=self.order_qty,
            cum_qty=self.cum_qty,
            ts_event=self.ts_placed,
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFill:
    """One execution, with the bar whose volume it took part in."""

    trade_id: TradeId
    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    instrument_id: InstrumentId
    side: OrderSide
    last_qty: Decimal  # base units, > 0
    last_px: Decimal  # quote per base unit, > 0
    commission: Decimal  # >= 0, in commission_ccy
    commission_ccy: str  # the instrument's quote
    ts_bar: datetime  # UTC, that bar's ts_event
    ts_event: datetime  # UTC, when the venue worked the order

    def as_fill(self, account: AccountId) -> Fill:
        """The fill as the venue reports it; its clock is ours."""
        return Fill(
            trade_id=self.trade_id,
            account=account,
            instrument_id=self.instrument_id,
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            side=self.side,
            last_qty=self.last_qty,
            last_px=self.last_px,
            commission=self.commission,
            commission_ccy=self.commission_ccy,
            ts_event=self.ts_event,
            ts_init=self.ts_event,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedState:
    """One account in between steps."""

    account: AccountId
    currency: str
    cash: Decimal  # >= 0, in currency
    next_id: int = 1  # one counter for orders and trades
    positions: dict[InstrumentId, Decimal] = field(default_factory=dict)  # base units, never 0
    # Every open order, the one that was asked for, and what this step touched.
    orders: dict[ClientOrderId, SimulatedOrder] = field(default_factory=dict)
    # Base units already filled by instrument and bar (its ts_event), over all fills.
    taken: dict[tuple[InstrumentId, datetime], Decimal] = field(default_factory=dict)
    new_fills: tuple[SimulatedFill, ...] = ()  # made in this step


class SimulatedAccounts(Protocol):
    """Where simulated accounts live: in the ledger, or in memory for a backtest."""

    def update(
        self,
        account: AccountId,
        step: Callable[[SimulatedState], tuple[SimulatedState, T]],
        client_order_id: ClientOrderId | None = None,
    ) -> T:
        """Load, step, save, as one atomic unit; return what the step answers.

        The step is given every open order (ACCEPTED or PARTIALLY_FILLED), plus the order
        `client_order_id` whatever its status, if there is one: that is how a submit sees
        that it is a repeat. `taken` is summed from all fills, `new_fills` is empty. To save:
        cash, next_id, positions (one that is gone is flat), every order given back, and
        `new_fills`. When the step raises, nothing is saved. An account that was never
        opened raises InputInvalid.
        """
        ...

    def order(self, account: AccountId, client_order_id: ClientOrderId) -> SimulatedOrder | None:
        """One order, whatever its status."""
        ...

    def fills(self, account: AccountId, since: datetime) -> tuple[Fill, ...]:
        """Executions with ts_event at or after `since`, oldest first."""
        ...


class InMemoryAccounts:
    """Simulated accounts that are gone with the process."""

    def __init__(self) -> None:
        self._states: dict[AccountId, SimulatedState] = {}
        self._orders: dict[tuple[AccountId, ClientOrderId], SimulatedOrder] = {}
        self._fills: dict[AccountId, list[Fill]] = {}

    def open(self, account: AccountId, currency: str, cash: Decimal) -> None:
        """Start an account with `cash` and no holdings; it must not be there yet."""
        if account in self._states:
            raise InputInvalid(f"simulated account {account!r} exists already")
        self._states[account] = SimulatedState(account=account, currency=currency, cash=cash)
        self._fills[account] = []

    def update(
        self,
        account: AccountId,
        step: Callable[[SimulatedState], tuple[SimulatedState, T]],
        client_order_id: ClientOrderId | None = None,
    ) -> T:
        """Run one step on the account; nothing changes when it raises."""
        state = self._states.get(account)
        if state is None:
            raise InputInvalid(f"simulated account {account!r} was never opened")
        asked = self._orders.get((account, client_order_id)) if client_order_id else None
        if asked is not None:
            state = replace(state, orders={**state.orders, asked.client_order_id: asked})
        after, answer = step(state)
        self._orders |= {(account, key): order for key, order in after.orders.items()}
        self._fills[account] += [fill.as_fill(account) for fill in after.new_fills]
        still_open = {key: order for key, order in after.orders.items() if order.status in OPEN}
        self._states[account] = replace(after, orders=still_open, new_fills=())
        return answer

    def order(self, account: AccountId, client_order_id: ClientOrderId) -> SimulatedOrder | None:
        """One order, whatever its status."""
        return self._orders.get((account, client_order_id))

    def fills(self, account: AccountId, since: datetime) -> tuple[Fill, ...]:
        """Executions with ts_event at or after `since`, oldest first."""
        return tuple(fill for fill in self._fills.get(account, ()) if fill.ts_event >= since)
