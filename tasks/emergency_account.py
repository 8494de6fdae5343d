"""An account in an emergency: what is known of it without asking anybody but the books."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast
from uuid import UUID, uuid5

import pandas as pd

from data.store.books import Books
from data.store.connection import Ledger
from data.store.emergencies import Emergency
from execution.errors import InputInvalid, LedgerUnavailable, VenueUnavailable
from execution.model.identifiers import AccountId, InstrumentId, RunId
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.money import ZERO
from execution.model.order import Order
from execution.portfolio.holdings import is_dust
from execution.venues.base import Venue
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.sync import EPOCH

T = TypeVar("T")

PLENTY = Decimal(10) ** 12  # what a simulated market has to offer to who has to get out


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long is waited for whom; in seconds."""

    ledger_try: float = 2.0  # for a busy ledger, before cancels go out without it
    ledger: float = 120.0  # for what cannot be done without it
    cancel: float = 120.0  # for an account's orders to be gone; Kraken takes one a second
    learn: float = 90.0  # for the venue to say what became of them
    guard: float = 60.0  # for a run that still holds the account
    flatten: float = 240.0
    question: float = 20.0  # for one question that the venue fails to answer
    waits: tuple[float, ...] = (0.1, 0.3, 1.0, 2.0)  # between two tries; the last one again
    at_once: int = 12  # requests to one venue

    def wait(self, number: int) -> float:
        """How long to wait after the `number`th try, from 0."""
        return self.waits[min(number, len(self.waits) - 1)]


PACE = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One account, as the books had it when the emergency began."""

    config: RunConfig
    orders: tuple[Order, ...] = ()  # not terminal
    holds: bool = False  # by the books, more than dust
    instruments: Mapping[InstrumentId, Instrument] = field(default_factory=dict)
    marks: Mapping[InstrumentId, Decimal] = field(default_factory=dict)

    @property
    def account(self) -> AccountId:
        """Whose money it is."""
        return self.config.account_id

    def market(self) -> Market:
        """Enough to cancel, book and close by: instruments, old prices, and the clock of now.

        None of its prices is fresh, so nothing is opened on them.
        """
        prices = {i: px for i, px in self.marks.items() if i in self.instruments}
        return Market(
            instruments=dict(self.instruments),
            bars={i: pd.DataFrame() for i in self.instruments},
            snapshots={i: _old(i, px, EPOCH) for i, px in prices.items()},
            price_age_max=dict.fromkeys(prices, timedelta()),
            replayed=False,
        )

    def cycle(self, emergency: Emergency, attempt: int) -> Cycle:
        """The run that the emergency's orders and alerts of this account belong to."""
        run_id = RunId(str(uuid5(UUID(emergency.emergency_id), self.account)))
        return Cycle(run_id=run_id, attempt=attempt, config=self.config)


def look_up(books: Books, account: AccountId) -> Known:
    """Everything that an emergency needs to know; raises InputInvalid without a run."""
    run = books.runs.latest(account)
    if run is None:
        raise InputInvalid(f"account {account} had no run here: its venue is not known")
    config = RunConfig.model_validate_json(run.config)
    orders = books.orders.working(account)
    marks = books.marks.of(account)
    point = books.equity.latest(account)
    currency = config.stake_currency or (point.currency if point else None)
    held = {p.instrument_id: p for p in books.positions.open(account)}
    needed = dict.fromkeys((*held, *(o.intent.instrument_id for o in orders)))
    described = books.instruments.get((*needed, *marks))
    bare = Market.without_prices(needed).instruments
    instruments = {i: described.get(i, bare[i]) for i in needed}
    # What was valued last may have been paid in, or be traded by hand.
    others = [described[i] for i in marks if i in described]
    if not described:  # books of before instruments were kept
        names = [InstrumentId(symbol, config.venue_id) for symbol in config.symbols]
        others = list(Market.without_prices(names).instruments.values())
    for other in others:
        if _fits(other, instruments.values(), currency or other.quote):
            instruments.setdefault(other.instrument_id, other)
    return Known(
        config=config,
        orders=orders,
        holds=any(not is_dust(position, instruments[i]) for i, position in held.items()),
        instruments=instruments,
        marks=marks,
    )


def insist(pace: Pace, work: Callable[[], T]) -> T:
    """Do a unit of work on the ledger, again and again while it cannot be had."""
    deadline = time.monotonic() + pace.ledger
    tries = 0
    while True:
        try:
            return work()
        except LedgerUnavailable:
            if time.monotonic() >= deadline:
                raise
        time.sleep(pace.wait(tries))
        tries += 1


class Patient:
    """A venue whose questions are asked again while it fails to answer; nothing else is.

    One that answers 5xx half the time would else never get through a round of them.
    """

    QUESTIONS = frozenset(
        {"account_blocks", "account_uid", "balances", "fills", "open_orders", "positions"}
    )

    def __init__(self, venue: Venue, pace: Pace) -> None:
        self._venue = venue
        self._pace = pace

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the venue has
        given = getattr(self._venue, name)
        return self._again(given) if name in self.QUESTIONS else given

    def _again(self, question: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def asked(*args: object) -> T:
            clock = asyncio.get_running_loop().time
            deadline, tries = clock() + self._pace.question, 0
            while True:
                try:
                    return await question(*args)
                except VenueUnavailable:
                    if clock() >= deadline:
                        raise
                # Soon at first: a venue that fails by chance answers the next time.
                await asyncio.sleep(self._pace.wait(tries // 4))
                tries += 1

        return asked


@asynccontextmanager
async def open_patiently(known: Known, pace: Pace) -> AsyncIterator[Venue]:
    """The account's venue, for as long as it is used in one event loop."""
    async with wiring.open_venue(known.config, known.instruments) as venue:
        yield cast("Venue", Patient(venue, pace))


def quick_ledger(pace: Pace) -> Ledger:
    """The books, waited for no longer than cancels may be held up."""
    return Ledger(wiring.settings().ledger_path, timeout_s=pace.ledger_try)


def _fits(other: Instrument, known: Iterable[Instrument], currency: str) -> bool:
    """Whether a venue can be built with it as well: no base twice, one currency for all."""
    bases = {i.base for i in known}
    return other.base not in {*bases, currency} and other.quote == currency


def _old(instrument_id: InstrumentId, px: Decimal, ts: datetime) -> MarketSnapshot:
    return MarketSnapshot(
        instrument_id=instrument_id,
        last_px=px,
        high=px,
        low=px,
        volume=PLENTY,
        ts_open=ts,
        ts_event=ts,
        adv=PLENTY,
        volatility_day=ZERO,
    )
