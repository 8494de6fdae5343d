"""Our own venue: orders meet closed bars, on an account that lives in a store.

What happens to the account is decided by the pure steps of `matching`; a store makes each
step atomic. `SimulatedVenue` is the thin port around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    VenueId,
    VenueOrderId,
)
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.order import OrderIntent
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.venues.base import LookupOutcome, LookupResult, SubmitOutcome, SubmitResult
from execution.venues.fill_model import FillModel
from execution.venues.matching import Market, arrival, cancel, place, work
from execution.venues.simulated_account import (
    InMemoryAccounts,
    SimulatedAccounts,
    SimulatedFill,
    SimulatedOrder,
    SimulatedState,
)

__all__ = [
    "InMemoryAccounts",
    "SimulatedAccounts",
    "SimulatedFill",
    "SimulatedOrder",
    "SimulatedState",
    "SimulatedVenue",
]


class SimulatedVenue:
    """One simulated account behind the venue port."""

    def __init__(
        self,
        accounts: SimulatedAccounts,
        account: AccountId,
        instruments: Mapping[InstrumentId, Instrument],
        fill_model: FillModel,
        venue_id: VenueId,
    ) -> None:
        self.venue_id = venue_id
        self.account_uid = str(account)
        self._accounts = accounts
        self._account = account
        self._bars: dict[InstrumentId, MarketSnapshot] = {}
        self._market = Market(instruments=instruments, fill_model=fill_model, bars=self._bars)

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Remember the newest bars and work the open orders on them; older ones are ignored."""
        news = []
        for bar in sorted(snapshots, key=lambda bar: bar.ts_event):
            last = self._bars.get(bar.instrument_id)
            if last is None or bar.ts_event >= last.ts_event:
                self._bars[bar.instrument_id] = bar
                news.append(bar)
        if news:
            self._accounts.update(self._account, lambda s: work(s, news, self._market, now))

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Take the order in; the same id again gets the same answer and no second order."""
        order = self._accounts.update(
            self._account,
            lambda state: place(state, intent, self._market, now),
            intent.client_order_id,
        )
        rejected = order.status is S.REJECTED
        return SubmitResult(
            outcome=SubmitOutcome.REJECTED if rejected else SubmitOutcome.ACCEPTED,
            ts_event=now,
            venue_order_id=None if rejected else order.venue_order_id,
            reason=order.reason,
        )

    async def lookup(self, client_order_id: ClientOrderId) -> LookupResult:
        """FOUND or ABSENT, always: our own books can tell."""
        order = self._accounts.order(self._account, client_order_id)
        if order is None:
            return LookupResult(outcome=LookupOutcome.ABSENT)
        return LookupResult(outcome=LookupOutcome.FOUND, report=order.as_report())

    async def cancel(
        self, client_order_id: ClientOrderId, venue_order_id: VenueOrderId, now: datetime
    ) -> SubmitResult:
        """Cancel at once; REJECTED when there is nothing open to cancel."""
        refusal = self._accounts.update(
            self._account, lambda state: cancel(state, client_order_id), client_order_id
        )
        return SubmitResult(
            outcome=SubmitOutcome.REJECTED if refusal else SubmitOutcome.ACCEPTED,
            ts_event=now,
            venue_order_id=None if refusal else venue_order_id,
            reason=refusal,
        )

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill, oldest first."""
        return tuple(o.as_report() for o in sorted(self._state().orders.values(), key=arrival))

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first."""
        return self._accounts.fills(self._account, since)

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's cash, and what of it no open buy has a claim on."""
        state = self._state()
        free = self._market.cash_free(state)
        return (BalanceReport(currency=state.currency, cash=state.cash, buying_power=free),)

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding, by instrument."""
        held = sorted(self._state().positions.items())
        return tuple(PositionReport(instrument_id=key, net_qty=qty) for key, qty in held)

    def _state(self) -> SimulatedState:
        return self._accounts.update(self._account, lambda state: (state, state))
