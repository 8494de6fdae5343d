"""Accounts with many orders and positions at the lying exchange, set up in bulk.

The orders are placed by the real adapters; what a run would have written of them is written
in one go, because two transactions an order would take longer than the emergency.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import pandas as pd

from execution.model.enums import AssetClass, OrderSide, OrderType, RunMode
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import InstrumentId, RunId, VenueId
from execution.model.instrument import Instrument
from execution.model.order import OrderEvent, OrderIntent
from execution.venues.base import SubmitOutcome, SubmitResult, Venue
from tasks import wiring
from tasks.booking import book_fills
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.opening import open_account
from tests.execution.examples import make_bar
from tests.kill.lying_process import LyingProcess
from tests.tasks.emergency.presses import intent_of
from tests.venues.lying_plugin import SYMBOLS

PX, BID = Decimal(100), Decimal(50)  # of every instrument, and what a resting order bids
STEP = Decimal("0.01")
AT_ONCE = 20


@dataclass(frozen=True)
class Desk:
    """One account at one dialect: so many positions, and so many orders that rest."""

    exchange: LyingProcess
    dialect: str
    orders: int
    positions: int
    key: str = "key"  # as LYING_KEY has it

    @property
    def quote(self) -> str:
        return SYMBOLS[self.dialect].partition("/")[2]

    @cached_property
    def instruments(self) -> dict[InstrumentId, Instrument]:
        venue = VenueId(self.dialect)
        return {
            InstrumentId(f"X{n:02}/{self.quote}", venue): Instrument(
                instrument_id=InstrumentId(f"X{n:02}/{self.quote}", venue),
                asset_class=AssetClass.CRYPTO,
                base=f"X{n:02}",
                quote=self.quote,
                px_increment=STEP,
                qty_increment=STEP,
            )
            for n in range(self.positions)
        }

    @cached_property
    def config(self) -> RunConfig:
        symbols = tuple(i.symbol for i in self.instruments)
        return RunConfig(mode=RunMode.PAPER, venue=self.dialect, feed="lying", symbols=symbols)

    def state(self) -> dict[str, Any]:
        return self.exchange.state(self.dialect)

    def set_up(self) -> None:
        """Open the account there and here, place everything, and book it."""
        for instrument_id in self.instruments:
            name = instrument_id.symbol
            self.exchange.tell("instrument", dialect=self.dialect, symbol=name, px=str(PX))
        balances = {self.quote: "10000000"}
        self.exchange.tell("account", dialect=self.dialect, key=self.key, balances=balances)
        asyncio.run(self._set_up())

    async def _set_up(self) -> None:
        cycle = Cycle(run_id=RunId(f"{self.dialect}-setup"), attempt=1, config=self.config)
        market, now = self._market(), wiring.wall_clock()
        with wiring.open_ledger().transaction() as books:
            text = self.config.model_dump_json()
            of = (cycle.account, self.config.venue_id, self.config.mode)
            books.runs.start(cycle.run_id, *of, text, now)
        async with wiring.open_venue(self.config, self.instruments) as venue:
            await open_account(cycle, venue, market)
            intents = [*self._bought(), *self._bids()]
            room = asyncio.Semaphore(AT_ONCE)

            async def submit(intent: OrderIntent) -> SubmitResult:
                async with room:
                    return await venue.submit(intent, wiring.wall_clock())

            results = await asyncio.gather(*map(submit, intents))
            assert {r.outcome for r in results} == {SubmitOutcome.ACCEPTED}, results[:3]
            self._write(cycle, intents, results)
            await self._book(cycle, venue, market)

    def _bought(self) -> list[OrderIntent]:
        return [
            self._intent(f"buy{n:02}", i, OrderType.MARKET, PX)
            for n, i in enumerate(self.instruments)
        ]

    def _bids(self) -> list[OrderIntent]:
        ids = list(self.instruments)
        return [
            self._intent(f"bid{n:03}", ids[n % len(ids)], OrderType.LIMIT, BID)
            for n in range(self.orders)
        ]

    def _intent(
        self, name: str, instrument_id: InstrumentId, order_type: OrderType, px: Decimal
    ) -> OrderIntent:
        return intent_of(
            f"{self.dialect[:7]}{name}".ljust(18, "x"),
            self.config,
            instrument_id=instrument_id,
            side=OrderSide.BUY,
            qty="2",
            px=str(px),
            order_type=order_type,
        )

    def _write(self, cycle: Cycle, intents: list[OrderIntent], results: list[SubmitResult]) -> None:
        now = wiring.wall_clock()
        with wiring.open_ledger().transaction() as books:
            books.orders.commit_intents(cycle.run_id, "0" * 64, intents, now)
            for intent, result in zip(intents, results, strict=True):
                for status, named in ((S.SUBMITTED, None), (S.ACCEPTED, result.venue_order_id)):
                    books.orders.append(
                        OrderEvent(
                            client_order_id=intent.client_order_id,
                            status=status,
                            event_key=f"{intent.client_order_id}:{status}",
                            ts_event=now,
                            ts_init=now,
                            venue_order_id=named,
                        )
                    )

    async def _book(self, cycle: Cycle, venue: Venue, market: Market) -> None:
        since = wiring.wall_clock() - timedelta(hours=1)
        booked = book_fills(cycle, market, await venue.fills(since))
        assert len(booked) == self.positions

    def _market(self) -> Market:
        now = wiring.wall_clock()
        return Market(
            instruments=self.instruments,
            bars={i: pd.DataFrame() for i in self.instruments},
            snapshots={
                i: make_bar(now, now, instrument_id=i, last_px=PX) for i in self.instruments
            },
            price_age_max=dict.fromkeys(self.instruments, timedelta(minutes=5)),
            replayed=False,
        )
