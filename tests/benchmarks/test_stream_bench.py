"""How long it takes from something happening at a venue to the row in the ledger.

The venue is a process of its own; the clock of both is the machine's. The time of an event
is the one that the venue gives its fill, which Binance cuts to the millisecond. Measured is
the way through the push: the venue's stream, the two questions it causes (how does the order
stand, which fills are there), and the transaction that books the answers. It ends when the
commit has returned, which is when the row is safe; that others can read it comes a little
later, when the file is closed and its lock released.
"""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import pandas as pd
import pytest
from duckdb import DuckDBPyConnection

from data.store import connection
from execution.model.enums import AssetClass, RunMode
from execution.model.fill import Fill
from execution.model.identifiers import InstrumentId, RunId, TradeId, VenueId
from execution.model.instrument import Instrument
from execution.model.order import Order
from execution.model.reports import OrderReport
from execution.orders.submission import submit_all
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.base import Venue
from execution.venues.ccxt.venue import CcxtVenue
from execution.venues.keys import Keys
from execution.venues.rate_limit import Limit, RateLimiter
from tasks import watch as watching
from tasks import wiring
from tasks.booking import book_reports, record
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.opening import open_account
from tests.execution.examples import make_bar, make_intent

ORDERS, WARM_UP, EVENTS = 5, 20, 300
GAP_S = (0.1, 0.3)  # between two events
GOAL_MS = 100  # p99, on a machine that does nothing else
KEYS = Keys(api_key="key", secret="secret")
close_ledger = connection._detach
SYMBOLS = {"binance": "BTC/USDT", "alpaca": "AAPL"}
LIMIT_PX = {"binance": Decimal(40_000), "alpaca": Decimal(10)}


class Unlimited(RateLimiter):
    """Counts every request in its file as ever, but never lets one wait: hundreds are sent."""

    async def acquire(
        self,
        key: str,
        limit: Limit,
        cost: float = 1,
        urgent: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        await super().acquire(key, Limit(1e9, limit.window_s), cost, urgent, timeout_s)


class Way(NamedTuple):
    """When one fill was where."""

    happened_at: datetime
    committed_at: datetime
    released_at: datetime


@dataclass
class Bench:
    """One account with a few large orders that rest at a venue, and what was booked when."""

    name: str
    url: str
    home: Path
    ways: dict[TradeId, Way] = field(default_factory=dict)
    committed_at: datetime | None = None  # the first commit since it was None

    @property
    def instrument(self) -> Instrument:
        symbol = SYMBOLS[self.name]
        coin = self.name == "binance"
        return Instrument(
            instrument_id=InstrumentId(symbol, VenueId(self.name)),
            asset_class=AssetClass.CRYPTO if coin else AssetClass.EQUITY,
            base=symbol.partition("/")[0],
            quote="USDT" if coin else "USD",
            px_increment=Decimal("0.01"),
            qty_increment=Decimal("0.00001") if coin else Decimal(1),
        )

    def cycle(self) -> Cycle:
        config = RunConfig(mode=RunMode.PAPER, venue=self.name, feed="ccxt:binance")
        return Cycle(run_id=RunId("bench"), attempt=1, config=config)

    def market(self) -> Market:
        instrument = self.instrument
        key, px, now = instrument.instrument_id, LIMIT_PX[self.name], wiring.wall_clock()
        return Market(
            instruments={key: instrument},
            bars={key: pd.DataFrame()},
            snapshots={key: make_bar(now, now, instrument_id=key, last_px=px)},
            price_age_max={key: timedelta(minutes=5)},
            replayed=False,
        )

    def venue(self) -> Venue:
        instruments = {self.instrument.instrument_id: self.instrument}
        account, limiter = self.cycle().account, Unlimited(self.home / "rates.sqlite")
        if self.name == "alpaca":
            return AlpacaVenue(
                instruments, account, KEYS, limiter, wiring.wall_clock, endpoint=self.url
            )
        return CcxtVenue(
            self.name, instruments, account, KEYS, limiter, wiring.wall_clock, endpoint=self.url
        )

    async def place(self, venue: Venue) -> tuple[Order, ...]:
        """Open the books and send a few orders that nothing fills by itself."""
        cycle, now = self.cycle(), wiring.wall_clock()
        intents = [
            make_intent(
                f"bench{number}aaaaaaaaaaaa",
                account=cycle.account,
                instrument_id=self.instrument.instrument_id,
                order_qty=Decimal(1000),
                limit_px=LIMIT_PX[self.name],
                px_ref=LIMIT_PX[self.name],
            )
            for number in range(ORDERS)
        ]
        with wiring.open_ledger().transaction() as books:
            text = cycle.config.model_dump_json()
            of = (cycle.account, cycle.config.venue_id, cycle.config.mode)
            books.runs.start(cycle.run_id, *of, text, now)
        await open_account(cycle, venue, self.market())
        with wiring.open_ledger().transaction() as books:
            written = books.orders.commit_intents(cycle.run_id, "0" * 64, intents, now)
        sent = await submit_all(written, (), venue, record, wiring.wall_clock, {})
        assert all(order.venue_order_id for order in sent), sent
        return sent

    def book(
        self,
        cycle: Cycle,
        market: Market,
        reports: Iterable[tuple[Order, OrderReport]],
        fills: Iterable[Fill],
    ) -> tuple[Order, ...]:
        """Book as ever; then note when, of every fill that was there for the first time."""
        given, self.committed_at = tuple(fills), None
        missing = book_reports(cycle, market, reports, given)
        released_at = datetime.now(UTC)
        for fill in given:
            assert self.committed_at is not None
            way = Way(fill.ts_event, self.committed_at, released_at)
            self.ways.setdefault(fill.trade_id, way)
        return missing

    def close(self, con: DuckDBPyConnection) -> None:
        """Close the ledger as ever; a transaction has committed just before."""
        self.committed_at = self.committed_at or datetime.now(UTC)
        close_ledger(con)

    async def run(self, process: Process) -> list[Way]:
        """Watch, let things happen at random, and return the way of each into the ledger."""
        venue = self.venue()
        try:
            orders = await self.place(venue)
            watch = asyncio.create_task(watching.watch(self.cycle(), venue, self.market()))
            await asyncio.sleep(2)
            for number in range(WARM_UP + EVENTS):
                order = orders[number % ORDERS]
                assert process.stdin is not None
                process.stdin.write(f"{order.venue_order_id} 1\n".encode())
                await asyncio.sleep(random.uniform(*GAP_S))  # noqa: S311 - no secret
            await asyncio.sleep(2)
            assert not watch.done(), watch.result()
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        finally:
            await venue.close()
        return list(self.ways.values())[WARM_UP:]


@asynccontextmanager
async def venue_process(name: str) -> AsyncIterator[tuple[Process, str]]:
    """The venue in its own process, and where it listens; it ends with its input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.stream", name, stdin=PIPE, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@pytest.mark.bench
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["binance", "alpaca"])
def test_from_the_venues_event_to_the_committed_row(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))

    async def measure() -> list[Way]:
        async with venue_process(name) as (process, url):
            bench = Bench(name, url, tmp_path)
            monkeypatch.setattr(watching, "book_reports", bench.book)
            monkeypatch.setattr(connection, "_detach", bench.close)
            return await bench.run(process)

    ways = asyncio.run(measure())
    assert len(ways) == EVENTS
    print(f"\n{name}, ms from the event, n={len(ways)}    p50    p95    p99    max")
    for what, end in (("committed", "committed_at"), ("released", "released_at")):
        took = [1000 * (getattr(w, end) - w.happened_at).total_seconds() for w in ways]
        cuts = quantiles(took, n=100)
        print(f"  {what:32}", *(f"{ms:6.1f}" for ms in (cuts[49], cuts[94], cuts[98], max(took))))
        if what == "committed":
            kept = "kept" if cuts[98] < GOAL_MS else "missed"
    print(f"  goal: committed with p99 under {GOAL_MS} ms: {kept}")
