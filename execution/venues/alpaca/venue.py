"""One account at Alpaca behind the venue port: stocks and crypto, paper and live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from execution.errors import ConfigInvalid, InputInvalid, VenueUnavailable
from execution.model.enums import AssetClass
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.order import Order, OrderIntent
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.model.transfer import Transfer
from execution.venues.alpaca import classify, orders, reading, stream, transfers
from execution.venues.alpaca.asking import Asking, readable
from execution.venues.alpaca.client import LIVE, PAPER, Client, Reply
from execution.venues.alpaca.facts import ALPACA, CRYPTO, STOCKS
from execution.venues.base import (
    LookupOutcome,
    LookupResult,
    OrderHint,
    Permissions,
    SubmitOutcome,
    SubmitResult,
)
from execution.venues.capabilities import Capabilities
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter

FILLS_OVERLAP = timedelta(seconds=1)  # "after" leaves out the moment itself
TRANSFERS_OVERLAP = timedelta(days=2)  # what names only its day may be listed before its time


class AlpacaVenue:
    """One account. Each request ends within `deadline_s`; a call makes at most two, or pages.

    `native_groups`: an entry with stop and target goes out as one bracket, an exit with both
    as one OCO. Their legs get ids of Alpaca's own, so it is off where we work the groups.
    """

    venue_id = ALPACA

    def __init__(
        self,
        instruments: Mapping[InstrumentId, Instrument],
        account: AccountId,
        keys: Keys,
        limiter: RateLimiter,
        clock: Callable[[], datetime],
        endpoint: str | None = None,
        deadline_s: float = 10.0,
        *,
        native_groups: bool = False,
    ) -> None:
        if not (keys.api_key and keys.secret):
            raise ConfigInvalid("alpaca: api key or secret missing: set both, or trade elsewhere")
        self._instruments = dict(instruments)
        self._account = account
        self._keys = keys
        self._clock = clock
        self._base_url = endpoint or (PAPER if keys.testnet else LIVE)
        self._deadline_s = deadline_s
        self._native_groups = native_groups
        self._client = Client(self._base_url, keys, deadline_s)
        self._asking = Asking(self._client, limiter, f"{ALPACA}/{account}", deadline_s)
        self._symbols = reading.Symbols(instruments.values())
        self._crypto = any(i.asset_class is AssetClass.CRYPTO for i in instruments.values())
        self._uid = ""

    async def account_uid(self) -> str:
        """Alpaca's id of the account."""
        self._uid = self._uid or await self._asking.query("/account", reading.uid)
        return self._uid

    def capabilities(self, instrument_id: InstrumentId) -> Capabilities:
        """What Alpaca does natively with this instrument, traded here or not."""
        if "/" in instrument_id.symbol:  # as Alpaca itself tells a coin pair from a stock
            return CRYPTO
        return STOCKS if self._native_groups else replace(STOCKS, bracket=False, oco=False)

    async def quantize(self, intent: OrderIntent) -> OrderIntent:
        """The intent in Alpaca's steps; see `orders.quantize`."""
        instrument = self._instrument(intent.instrument_id)
        return orders.quantize(intent, instrument, self.capabilities(intent.instrument_id))

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Send one order, once; what may not wait for the market's opening is REJECTED unsent."""
        try:
            instrument = self._instrument(intent.instrument_id)
            body = orders.payload(intent, instrument, self.capabilities(intent.instrument_id))
            await self._require_open(intent, instrument)
        except InputInvalid as refusal:
            return _result(SubmitOutcome.REJECTED, now, str(refusal))
        except VenueUnavailable as error:
            return _result(SubmitOutcome.NOT_SENT, now, f"is the market open? {error}")
        answer = await self._asking.answer("POST", "/orders", body, urgent=intent.reduce_only)
        outcome, venue_order_id, reason = classify.submitted(answer, intent.client_order_id)
        return replace(_result(outcome, now, reason), venue_order_id=venue_order_id)

    async def lookup(self, order: Order, since: datetime) -> LookupResult:
        """Ask by our id, which Alpaca keeps for ever: `since` does not matter."""
        query = {"client_order_id": order.client_order_id}
        path = "/orders:by_client_order_id"
        answer = await self._asking.answer("GET", path, query, urgent=True)
        outcome, reason = classify.looked_up(answer, order.client_order_id)
        if outcome is not LookupOutcome.FOUND or not isinstance(answer, Reply):
            return LookupResult(outcome=outcome, reason=reason)
        try:
            report = readable(path, lambda: self._report(answer.body))
        except VenueUnavailable as error:
            return LookupResult(outcome=LookupOutcome.UNKNOWN, reason=str(error))
        return LookupResult(outcome=outcome, report=report)

    async def cancel(self, order: Order, now: datetime) -> SubmitResult:
        """Ask to cancel; an order whose venue id is not known yet is looked up first."""
        venue_order_id = order.venue_order_id
        if venue_order_id is None:
            found = await self.lookup(order, now)
            if found.report is None:
                absent = found.outcome is LookupOutcome.ABSENT
                outcome = SubmitOutcome.REJECTED if absent else SubmitOutcome.NOT_SENT
                return _result(outcome, now, f"lookup says {found.outcome}: {found.reason}")
            venue_order_id = found.report.venue_order_id
        answer = await self._asking.answer("DELETE", f"/orders/{venue_order_id}", urgent=True)
        outcome, reason = classify.canceled(answer)
        return replace(_result(outcome, now, reason), venue_order_id=venue_order_id)

    async def amend(
        self, order: Order, order_qty: Decimal, limit_px: Decimal | None, now: datetime
    ) -> SubmitResult:
        """REJECTED, always: cancel and send anew."""
        return _result(SubmitOutcome.REJECTED, now, "Alpaca gives a replaced order a new id")

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill, ours or not, oldest first."""
        found = await self._asking.open_orders()
        return readable("/orders", lambda: tuple(self._report(body) for body in found))

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first; their fees come as transfers."""
        path, now = "/account/activities/FILL", self._clock()
        found = await self._asking.activities(path, since - FILLS_OVERLAP, {})
        fills = readable(
            path, lambda: [reading.fill(f, self._account, self._symbols, now) for f in found]
        )
        recent = (fill for fill in fills if fill.ts_event >= since)
        return tuple(sorted(recent, key=lambda fill: (fill.ts_event, fill.trade_id)))

    async def transfers(self, since: datetime) -> tuple[Transfer, ...]:
        """Deposits, withdrawals, dividends, interest and fees at or after `since`.

        Alpaca posts many a day or more late: ask from some days back, the ids stay the same.
        """
        path, query = "/account/activities", {"category": "non_trade_activity"}
        found = await self._asking.activities(path, since - TRANSFERS_OVERLAP, query)
        moved = readable(
            path,
            lambda: [t for a in found for t in transfers.of(a, self._account, self._symbols)],
        )
        recent = (transfer for transfer in moved if transfer.ts_event >= since)
        return tuple(sorted(recent, key=lambda transfer: (transfer.ts_event, transfer.transfer_id)))

    async def balances(self) -> tuple[BalanceReport, ...]:
        """The account's dollars."""
        return await self._asking.query(
            "/account", lambda body: (reading.balance(body, crypto=self._crypto),)
        )

    async def account_blocks(self) -> tuple[str, ...]:
        """Why the account may not trade now, such as `trading_blocked=True`; empty: it may."""
        return await self._asking.query(
            "/account", lambda body: reading.blocks(body, crypto=self._crypto)
        )

    async def permissions(self) -> Permissions:
        """To trade unless the account is blocked; no key of the trading API can withdraw."""
        return Permissions(trade=not await self.account_blocks(), withdraw=False)

    async def positions(self) -> tuple[PositionReport, ...]:
        """Every open holding of an instrument that this venue was built with."""
        return await self._asking.query(
            "/positions", lambda body: reading.positions(body, self._symbols)
        )

    async def server_time(self) -> datetime:
        """Alpaca's clock, UTC."""
        return await self._asking.query("/clock", lambda body: reading.moment(body["timestamp"]))

    async def market_open(self, asset_class: AssetClass) -> bool:
        """Whether it trades now: crypto always, stocks in the regular session."""
        if asset_class is AssetClass.CRYPTO:
            return True
        return await self._asking.query("/clock", lambda body: reading.flag(body["is_open"]))

    async def closed(self) -> frozenset[InstrumentId]:
        """The stocks, outside the regular session."""
        stocks = frozenset(
            i for i, one in self._instruments.items() if one.asset_class is AssetClass.EQUITY
        )
        if not stocks or await self.market_open(AssetClass.EQUITY):
            return frozenset()
        return stocks

    def hints(self) -> AsyncIterator[OrderHint]:
        """Changes of orders as Alpaca pushes them; never relied on."""
        return stream.hints(self._base_url, self._keys, self._clock, self._deadline_s)

    async def on_market(self, snapshots: Iterable[MarketSnapshot], now: datetime) -> None:
        """Ignore the bars: Alpaca trades without them."""

    async def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _instrument(self, instrument_id: InstrumentId) -> Instrument:
        try:
            return self._instruments[instrument_id]
        except KeyError:
            raise InputInvalid(f"{instrument_id} is not traded here; nothing was sent") from None

    async def _require_open(self, intent: OrderIntent, instrument: Instrument) -> None:
        """Raise InputInvalid for what must not wait while the market is closed."""
        if orders.waits_safely(intent) or await self.market_open(instrument.asset_class):
            return
        raise InputInvalid(
            f"{intent.instrument_id}: the market is closed, and a {intent.order_type} order that "
            f"is {intent.time_in_force} must not wait for the opening price; nothing was sent"
        )

    def _report(self, body: dict[str, object]) -> OrderReport:
        return reading.order_report(body, self._symbols, self._clock())


def _result(outcome: SubmitOutcome, now: datetime, reason: str) -> SubmitResult:
    return SubmitResult(outcome=outcome, ts_event=now, reason=reason)
