"""One account at one exchange, through ccxt, behind the venue port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from execution.errors import ConfigInvalid
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.order import Order, OrderIntent
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.model.transfer import Transfer
from execution.venues.base import (
    LookupOutcome,
    LookupResult,
    OrderHint,
    Permissions,
    SubmitResult,
)
from execution.venues.capabilities import Capabilities
from execution.venues.ccxt.asking import Asker
from execution.venues.ccxt.client import Client
from execution.venues.ccxt.facts import facts_of
from execution.venues.ccxt.sending import Sender
from execution.venues.ccxt.stream import order_hints
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter


class CcxtVenue:
    """Spot trading of some instruments with one account of one exchange.

    What is held of a traded instrument's base is its position; every other currency is
    money. So no two instruments may share a base, and none may be paid for with another's.
    `endpoint` replaces the venue's host: a proxy, or a local server.
    """

    def __init__(
        self,
        name: str,
        instruments: Mapping[InstrumentId, Instrument],
        account: AccountId,
        credentials: Keys,
        limiter: RateLimiter,
        clock: Callable[[], datetime],
        endpoint: str | None = None,
        deadline_s: float = 10.0,
    ) -> None:
        self.venue_id = VenueId(name)
        self._facts = facts_of(name)
        self._clock = clock
        self._positions = _holdings(instruments.values())
        self._client = Client(
            self._facts, credentials, limiter, f"{name}/{account}", endpoint, deadline_s
        )
        self._asker = Asker(self._client, instruments, account, clock, deadline_s)
        self._sender = Sender(self._client, instruments, deadline_s)

    async def account_uid(self) -> str:
        """The venue's own name for the account; `only` where it has none."""
        return await self._asker.account_uid()

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        """What it does natively; the same for all its spot markets."""
        return self._facts.capabilities()

    async def quantize(self, intent: OrderIntent) -> OrderIntent:
        """The intent in the venue's steps, never worse or larger than asked."""
        return self._sender.quantize(intent)

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Send one order in exactly its terms, or not at all."""
        self._asker.rows.remember(intent.client_order_id)
        return await self._sender.submit(intent, now)

    async def lookup(self, order: Order, since: datetime) -> LookupResult:
        """Ask what became of an id of ours that was first sent at `since`, our clock."""
        return await self._asker.lookup(order, since)

    async def cancel(self, order: Order, now: datetime) -> SubmitResult:
        """Ask to cancel; what the venue has not named yet is looked up first."""
        order_id = order.venue_order_id
        if order_id is None:
            answer = await self._asker.lookup(order, order.intent.signal_time)
            if answer.outcome is LookupOutcome.FOUND and answer.report is not None:
                order_id = answer.report.venue_order_id
        return await self._sender.cancel(order, order_id, now)

    async def amend(
        self, order: Order, order_qty: Decimal, limit_px: Decimal | None, now: datetime
    ) -> SubmitResult:
        """Change a resting limit order; `order_qty` counts what has filled."""
        return await self._sender.amend(order, order_qty, limit_px, now)

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order on the traded instruments that may still fill, ours or not."""
        return await self._asker.open_orders()

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first."""
        return await self._asker.fills(since)

    async def transfers(self, since: datetime) -> tuple[Transfer, ...]:
        """Deposits, withdrawals and their fees at or after `since`, oldest first."""
        return await self._asker.transfers(since)

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's money by currency, without what is traded."""
        balances = await self._asker.balances()
        return tuple(b for name, b in sorted(balances.items()) if name not in self._positions)

    async def positions(self) -> tuple[PositionReport, ...]:
        """What is held of each traded instrument, to the last bit of dust."""
        balances = await self._asker.balances()
        return tuple(
            PositionReport(instrument_id=instrument_id, net_qty=balances[base].cash)
            for base, instrument_id in sorted(self._positions.items())
            if base in balances
        )

    async def account_blocks(self) -> tuple[str, ...]:
        """None that these venues tell in advance: what they do not take, they refuse."""
        return ()

    async def permissions(self) -> Permissions:
        """What the keys may do, where the venue has a question for it."""
        return await self._asker.permissions()

    async def closed(self) -> frozenset[InstrumentId]:
        """The markets that the exchange calls inactive."""
        return await self._asker.closed()

    async def server_time(self) -> datetime:
        """The venue's clock, UTC."""
        return await self._asker.server_time()

    def hints(self) -> AsyncIterator[OrderHint]:
        """Changes of our orders as the venue pushes them."""
        return order_hints(self._client, self._asker.rows.our_id, self._clock)

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Bars are no news to a real venue."""

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def _holdings(instruments: Iterable[Instrument]) -> dict[str, InstrumentId]:
    """Which instrument a currency is a position of."""
    known = tuple(instruments)
    holdings: dict[str, InstrumentId] = {}
    for instrument in known:
        other = holdings.setdefault(instrument.base, instrument.instrument_id)
        if other != instrument.instrument_id:
            raise ConfigInvalid(
                f"{instrument.instrument_id} and {other} share the base {instrument.base}: what "
                "is held of it could be either's; trade one of them"
            )
    for instrument in known:
        if instrument.quote in holdings:
            raise ConfigInvalid(
                f"{instrument.instrument_id} is paid for in {instrument.quote}, which is what "
                f"{holdings[instrument.quote]} trades; trade one of them"
            )
    return holdings
