"""Our own venue: orders meet closed bars, on an account that lives in a store.

What happens to the account is decided by the pure steps of `matching`; a store makes each
step atomic. `SimulatedVenue` is the thin port around them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from execution.errors import InputInvalid, VenueUnavailable
from execution.model.enums import OrderStatus as S
from execution.model.enums import OrderType, TimeInForce
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    InstrumentId,
    VenueId,
)
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.order import Order, OrderIntent
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.model.transfer import Transfer
from execution.orders.placement import quantized
from execution.venues.base import (
    LookupOutcome,
    LookupResult,
    OrderHint,
    Permissions,
    SubmitOutcome,
    SubmitResult,
)
from execution.venues.capabilities import Capabilities
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


CAPABILITIES = Capabilities(
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    validity_window_s=0.0,  # a step is in the store, or it never will be
    note="our own venue: stops are held by us, as at a venue that has none",
)


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
        self._accounts = accounts
        self._account = account
        self._bars: dict[InstrumentId, MarketSnapshot] = {}
        self._market = Market(instruments=instruments, fill_model=fill_model, bars=self._bars)
        self._now: datetime | None = None  # what it was told last: it has no clock of its own

    async def account_uid(self) -> str:
        """The account's own name: each is money of its own."""
        return str(self._account)

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        """Market and limit orders, whatever is traded."""
        return CAPABILITIES

    async def quantize(self, intent: OrderIntent) -> OrderIntent:
        """The intent in the instrument's steps; InputInvalid when nothing is left to send."""
        instrument = self._market.instruments.get(intent.instrument_id)
        if instrument is None:
            raise InputInvalid(f"{intent.instrument_id} is not traded at {self.venue_id}")
        return quantized(intent, instrument)

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Remember the newest bars and work the open orders on them; older ones are ignored."""
        self._now = now
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
        self._now = now
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

    async def lookup(self, order: Order, since: datetime) -> LookupResult:
        """FOUND or ABSENT, always: our own books can tell."""
        known = self._accounts.order(self._account, order.client_order_id)
        if known is None:
            return LookupResult(outcome=LookupOutcome.ABSENT)
        return LookupResult(outcome=LookupOutcome.FOUND, report=known.as_report())

    async def cancel(self, order: Order, now: datetime) -> SubmitResult:
        """Cancel at once; REJECTED when there is nothing open to cancel."""
        self._now = now
        key = order.client_order_id
        refusal = self._accounts.update(self._account, lambda state: cancel(state, key), key)
        return SubmitResult(
            outcome=SubmitOutcome.REJECTED if refusal else SubmitOutcome.ACCEPTED,
            ts_event=now,
            venue_order_id=None if refusal else order.venue_order_id,
            reason=refusal,
        )

    async def amend(
        self, order: Order, order_qty: Decimal, limit_px: Decimal | None, now: datetime
    ) -> SubmitResult:
        """REJECTED: an order is canceled and sent anew here."""
        reason = "the simulated venue amends no order"
        return SubmitResult(outcome=SubmitOutcome.REJECTED, ts_event=now, reason=reason)

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill, oldest first."""
        return tuple(o.as_report() for o in sorted(self._state().orders.values(), key=arrival))

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first."""
        return self._accounts.fills(self._account, since)

    async def transfers(self, since: datetime) -> tuple[Transfer, ...]:
        """None: money moves here by trading alone."""
        return ()

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's cash, and what of it no open buy has a claim on."""
        state = self._state()
        free = self._market.cash_free(state)
        return (BalanceReport(currency=state.currency, cash=state.cash, buying_power=free),)

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding, by instrument."""
        held = sorted(self._state().positions.items())
        return tuple(PositionReport(instrument_id=key, net_qty=qty) for key, qty in held)

    async def account_blocks(self) -> tuple[str, ...]:
        """Nothing ever blocks it."""
        return ()

    async def permissions(self) -> Permissions:
        """Trade, and nothing else: the money is none."""
        return Permissions(trade=True, withdraw=False)

    async def closed(self) -> frozenset[InstrumentId]:
        """None: its bars are its session."""
        return frozenset()

    async def server_time(self) -> datetime:
        """The time it was told last; VenueUnavailable before that."""
        if self._now is None:
            raise VenueUnavailable(f"{self.venue_id} has not been told the time yet")
        return self._now

    def hints(self) -> AsyncIterator[OrderHint]:
        """Raise VenueUnavailable: nothing happens here that nobody asked for."""
        raise VenueUnavailable(f"{self.venue_id} has no stream of order changes")

    async def close(self) -> None:
        """Nothing to let go of."""

    def _state(self) -> SimulatedState:
        return self._accounts.update(self._account, lambda state: (state, state))
