"""What we ask an exchange. A failed question raises VenueUnavailable: it is never "none"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import ccxt

from execution.errors import TradingError, VenueUnavailable
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.instrument import Instrument
from execution.model.order import OPEN, Order
from execution.model.reports import BalanceReport, OrderReport
from execution.model.transfer import Transfer
from execution.venues.base import LookupOutcome, LookupResult, Permissions
from execution.venues.ccxt import reading, rights
from execution.venues.ccxt.classify import at, code_of
from execution.venues.ccxt.client import Client
from execution.venues.ccxt.exchange import Query
from execution.venues.ccxt.orders import fill
from execution.venues.ccxt.paging import rows_between, rows_of
from execution.venues.ccxt.rows import Rows
from execution.venues.ccxt.wallet import transfers_between
from execution.venues.ccxt.wire import Call, watched
from execution.venues.rate_limit import urgent

PAGED_DEADLINES = 6  # a question of many pages may take so many single ones' time
LOOKBACK = timedelta(seconds=60)  # before a send
AHEAD = timedelta(seconds=60)  # a clock may move on after it was compared
UNKNOWN_CLOCK = timedelta(minutes=10)  # how far a clock may be off that we did not compare
ONLY = "only"  # where a venue does not name accounts: one of that venue for a ledger


class Asker:
    """Questions about one account, of the instruments that it trades."""

    def __init__(
        self,
        client: Client,
        instruments: Mapping[InstrumentId, Instrument],
        account: AccountId,
        clock: Callable[[], datetime],
        deadline_s: float,
    ) -> None:
        self._client = client
        self._facts = client.facts
        self._queries = client.facts.queries
        self._currencies = tuple(
            sorted({c for i in instruments.values() for c in (i.base, i.quote)})
        )
        self._ids = tuple(instruments)
        self._account = account
        self._clock = clock
        self._deadline_s = deadline_s
        self.rows = Rows(client.facts, instruments, account, clock)

    async def lookup(self, order: Order, since: datetime) -> LookupResult:
        """FOUND, ABSENT when every place where it could be was read in full, else UNKNOWN."""
        try:
            with urgent():
                async with self._asking("lookup", PAGED_DEADLINES):
                    return await self._lookup(order, since)
        except VenueUnavailable as error:
            return LookupResult(outcome=LookupOutcome.UNKNOWN, reason=str(error))

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill, of the instruments traded here."""
        async with self._asking("open orders", PAGED_DEADLINES):
            exchange, reports = await self._client.open(), []
            for symbol in self._symbols():
                values = self._values(exchange, symbol)
                for row in await rows_of(exchange, self._facts, self._queries.open_orders, values):
                    report = self.rows.order(exchange, row, symbol)
                    if report is not None and report.status in OPEN:
                        reports.append(report)
        return tuple(reports)

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, oldest first."""
        async with self._asking("fills", PAGED_DEADLINES):
            exchange, found = await self._client.open(), {}
            for symbol in self._symbols():
                rows = await rows_between(
                    exchange,
                    self._facts,
                    self._queries.trades,
                    self._values(exchange, symbol),
                    since,
                    self._until(exchange),
                )
                for row in rows:
                    trade = self.rows.fill(exchange, row, symbol)
                    if trade is not None and trade.ts_event >= since:
                        found[trade.trade_id] = trade
        return tuple(sorted(found.values(), key=lambda trade: (trade.ts_event, trade.trade_id)))

    async def transfers(self, since: datetime) -> tuple[Transfer, ...]:
        """Deposits and withdrawals that are done, with their fees, oldest first.

        Keys that may not see them, and testnets, have none.
        """
        async with self._asking("transfers", PAGED_DEADLINES) as call:
            exchange = await self._client.open()
            found = await transfers_between(
                exchange,
                self._account,
                self._currencies if self._facts.transfers_by_currency else (None,),
                since,
                self._until(exchange),
            )
            if not all(isinstance(reply, dict | list) and reply != {} for reply in call.replies):
                raise VenueUnavailable(f"{self._facts.name}: transfers: a malformed reply")
        return found

    async def balances(self) -> dict[str, BalanceReport]:
        """What is there by currency, positions included."""
        async with self._asking("balances") as call:
            exchange = await self._client.open()
            balance = await exchange.fetch_balance(dict(self._queries.balance))
            told = at(call.replies[-1] if call.replies else None, self._queries.balance_rows)
            if told is None or not (self._queries.balance_rows or isinstance(told, list)):
                raise VenueUnavailable(f"{self._facts.name}: balances: a malformed reply")
            return reading.balances(balance)

    async def server_time(self) -> datetime:
        """The venue's clock; to the second where it only stamps its replies."""
        async with self._asking("time") as call:
            exchange = await self._client.open()
            if self._queries.clock is None:
                return reading.moment(await exchange.fetch_time(), "the server")
            clock = self._queries.clock
            values = self._values(exchange, next(iter(self.rows.symbols), None))
            await getattr(exchange, clock.call)(fill(clock.params, values))
            if call.date is None:
                raise VenueUnavailable(f"{self._facts.name}: time: the reply has no date")
            return call.date

    async def closed(self) -> frozenset[InstrumentId]:
        """The markets that are not active; some exchanges do not say of any."""
        async with self._asking("markets"):
            exchange = await self._client.open()
            return frozenset(
                i for i in self._ids if exchange.market(i.symbol).get("active") is False
            )

    async def account_uid(self) -> str:
        """The venue's own name for the account."""
        if self._queries.uid is None:
            return ONLY
        async with self._asking("account"):
            exchange = await self._client.open()
            reply = await getattr(exchange, self._queries.uid.call)()
            uid = at(reply, self._queries.uid.rows)
            if not isinstance(uid, str | int) or not str(uid):
                raise VenueUnavailable(f"{self._facts.name}: account: the reply names none")
            return str(uid)

    async def permissions(self) -> Permissions:
        """What the keys may do; nothing is known where the venue has no question for it."""
        asked = self._queries.rights
        if asked is None or (self._client.on_testnet and not asked.testnet):
            return Permissions()
        values: dict[str, Any] = {"api_key": self._client.api_key}
        if "{uid}" in asked.params.values():
            values["uid"] = await self.account_uid()
        async with self._asking("rights"):
            exchange = await self._client.open()
            reply = await getattr(exchange, asked.call)(fill(asked.params, values))
            return rights.permissions(reply, asked, self._facts)

    async def _lookup(self, order: Order, since: datetime) -> LookupResult:
        if self._clock() - since > timedelta(days=self._facts.remembers_days):
            raise VenueUnavailable(f"{self._facts.name}: lookup: too long ago to tell")
        exchange = await self._client.open()
        wire_id = self.rows.remember(order.client_order_id)
        symbol = order.intent.instrument_id.symbol
        values = {**self._values(exchange, symbol), "cid": wire_id}
        if self._queries.by_id is not None:
            found, absent = await self._by_id(exchange, self._queries.by_id, values)
            for row in found:
                return _found(self.rows.report(exchange, row, order))
            if self._queries.conclusive and not absent:
                raise VenueUnavailable(f"{self._facts.name}: lookup: no conclusive answer")
        until = self._until(exchange)
        start = min(since - self._ahead(exchange), until) - LOOKBACK
        for query in self._queries.lists:
            rows = await rows_between(exchange, self._facts, query, values, start, until)
            for row in rows:
                if self.rows.wire_id(exchange, row, symbol) == wire_id:
                    return _found(self.rows.report(exchange, row, order))
        return LookupResult(outcome=LookupOutcome.ABSENT)

    async def _by_id(
        self,
        exchange: Any,  # noqa: ANN401
        query: Query,
        values: Mapping[str, Any],
    ) -> tuple[list[Any], bool]:
        """The order, or whether the venue said in so many words that there is none."""
        with watched() as call:
            try:
                return await rows_of(exchange, self._facts, query, values), False
            except ccxt.BaseError as error:
                code = code_of(call.replies[-1] if call.replies else None, self._facts)
                if error.__cause__ is not None or not code:
                    raise
                return [], code in self._facts.absent
            except VenueUnavailable:
                if self._queries.conclusive:
                    raise
                return [], False  # the lists will tell

    def _ahead(self, exchange: Any) -> timedelta:  # noqa: ANN401
        """How far our clock is ahead of the venue's, as compared when it was opened."""
        if not self._facts.adjusts_clock:
            return UNKNOWN_CLOCK
        return timedelta(milliseconds=exchange.options["timeDifference"])

    def _until(self, exchange: Any) -> datetime:  # noqa: ANN401
        """A time that nothing at the venue is later than."""
        if not self._facts.adjusts_clock:
            return self._clock() + UNKNOWN_CLOCK
        return self._clock() - self._ahead(exchange) + AHEAD

    def _symbols(self) -> tuple[str | None, ...]:
        return (None,) if self._queries.every_symbol else self.rows.symbols

    def _values(self, exchange: Any, symbol: str | None) -> dict[str, Any]:  # noqa: ANN401
        return {
            **self._client.values,
            "symbol": exchange.market(symbol)["id"] if symbol else None,
        }

    @asynccontextmanager
    async def _asking(self, what: str, deadlines: int = 1) -> AsyncIterator[Call]:
        """End in time, and with an error of ours that quotes nothing."""
        await self._client.open()
        with watched() as call:
            try:
                async with asyncio.timeout(deadlines * self._deadline_s):
                    yield call
            except TradingError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, nothing was answered
                code = code_of(call.replies[-1] if call.replies else None, self._facts)
                text = f"{self._facts.name}: {what}: {type(error).__name__} {code}".strip()
                raise VenueUnavailable(text) from None


def _found(report: OrderReport) -> LookupResult:
    return LookupResult(outcome=LookupOutcome.FOUND, report=report)
