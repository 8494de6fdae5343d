"""What is done to one account in an emergency: cancel, book, close, book."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from execution.errors import LedgerUnavailable, TradingError, VenueUnavailable
from execution.model.enums import RunMode
from execution.model.order import Order
from execution.venues.base import Venue
from tasks import wiring
from tasks.account import mark_equity_again
from tasks.cycle import Cycle, told
from tasks.emergency_account import Pace, open_patiently
from tasks.emergency_cancel import Canceling
from tasks.emergency_consent import Consent
from tasks.emergency_flatten import Flattening
from tasks.emergency_halt import Declaration, Stopping
from tasks.emergency_report import AccountOutcome, PositionFate, PositionOutcome


@dataclass(kw_only=True)
class Work:
    """One account, in a thread and an event loop of its own."""

    one: Stopping
    declaration: Declaration
    consent: Consent | None
    keep_protection: bool
    pace: Pace
    cycle: Cycle | None = None  # the run that it belongs to, when it is not the emergency's own
    problems: list[str] = field(default_factory=list)
    positions: tuple[PositionOutcome, ...] = ()
    cancel_s: float = 0.0
    flatten_s: float = 0.0
    _looked: bool = False  # `positions` are what there is
    _flattening: Flattening | None = None

    def __post_init__(self) -> None:
        self.canceling = Canceling(
            known=self.one.known,
            cycle=self.cycle or self.one.cycle,
            market=self.one.known.market(),
            emergency=self.one.emergency,
            keep_protection=self.keep_protection and not self.closes,
            pace=self.pace,
        )

    @property
    def closes(self) -> bool:
        """Whether positions are closed now: real money takes a person's word."""
        live = self.one.known.config.mode is RunMode.LIVE
        return self.declaration.flatten and (not live or self.consent is not None)

    def done(self) -> AccountOutcome:
        """Do it; whatever goes wrong is told in the outcome, and stays with this account."""
        self._begun = time.monotonic()
        try:
            asyncio.run(self._run())
        except Exception as error:  # noqa: BLE001 - told in the report; the others go on
            self.problems.append(told(error))
        ours: list[Order] = []
        with suppress(LedgerUnavailable), wiring.open_ledger().reading() as books:
            ours = self.canceling.ours(books)
        kept = [p for p in self.positions if p.fate is PositionFate.KEPT]
        waits = self.declaration.flatten and not self.closes and (kept or not self._looked)
        return AccountOutcome(
            account=self.one.account,
            emergency_id=self.one.emergency.emergency_id,
            run_id=self.canceling.cycle.run_id,
            orders=self.canceling.outcomes(ours),
            positions=self.positions,
            problems=tuple(dict.fromkeys(self.problems)),
            awaits="nothing was closed: it takes a person's approval" if waits else "",
            cancel_s=self.cancel_s,
            flatten_s=self.flatten_s,
        )

    async def _run(self) -> None:
        known = self.one.known
        if not known.instruments:
            self._looked = True
            if known.config.mode is not RunMode.DRY_RUN:
                self.problems.append("it never traded here: its venue cannot be asked for orders")
            return
        try:
            async with open_patiently(known, self.pace) as venue:
                try:
                    await self._cancel(venue)
                    await self._wait_for_the_ledger()
                    if self.closes:
                        await self._close(venue)
                    await self.canceling.learn(venue)
                finally:
                    await self._look_at_positions(venue)
                    await self._value(venue)
                if self.canceling.keep_protection and self._looked and not self.positions:
                    # Nothing is held, so there is nothing for them to protect.
                    self.canceling.keep_protection = False
                    await self.canceling.run(venue)
                    await self.canceling.learn(venue)
        finally:
            self.cancel_s = self.cancel_s or time.monotonic() - self._begun

    async def _cancel(self, venue: Venue) -> None:
        await self.canceling.run(venue)
        self.cancel_s = time.monotonic() - self._begun
        if not self.canceling.reached:
            raise VenueUnavailable(f"{venue.venue_id} does not answer: nothing was closed there")
        if not self.canceling.listed:
            self.problems.append(f"{venue.venue_id} did not say which orders are open")

    async def _wait_for_the_ledger(self) -> None:
        """From here on nothing is done that is not written first."""
        await asyncio.to_thread(self.declaration.written.wait)
        if self.declaration.failed:
            raise LedgerUnavailable(f"nothing was closed: {self.declaration.failed}")
        self.canceling.emergency = self.one.emergency
        self.canceling.cycle = self.cycle or self.one.cycle

    async def _close(self, venue: Venue) -> None:
        begun = time.monotonic()
        flattening = Flattening(canceling=self.canceling, venue=venue, consent=self.consent)
        self._flattening = flattening
        tries = 0
        try:
            with wiring.account_guard(self.one.account, self.pace.guard).hold():
                while True:
                    try:
                        await self._require_same_account(venue)
                        return await flattening.run()
                    except (VenueUnavailable, LedgerUnavailable):
                        if time.monotonic() - begun >= self.pace.flatten:
                            raise
                    await asyncio.sleep(self.pace.wait(tries))
                    tries += 1
        finally:
            self.flatten_s = time.monotonic() - begun

    async def _require_same_account(self, venue: Venue) -> None:
        """Raise SafetyViolation when the keys open another account than the books are of."""
        uid = await venue.account_uid()
        with wiring.open_ledger().transaction() as books:
            venue_id, now = self.one.known.config.venue_id, wiring.wall_clock()
            books.accounts.open(self.one.account, venue_id, uid, now)

    async def _look_at_positions(self, venue: Venue) -> None:
        """What is left, for the report: by the books, whatever the venue answers now."""
        flattening = self._flattening or Flattening(
            canceling=self.canceling, venue=venue, consent=None
        )
        with suppress(TradingError):
            self.positions = await flattening.outcomes(tried=self.closes)
            self._looked = True

    async def _value(self, venue: Venue) -> None:
        """Leave no old equity and buying power behind for people to read."""
        if not self._looked or not self.canceling.reached or self.declaration.failed:
            return
        canceling = self.canceling
        with suppress(TradingError):  # it is for the record: the report has all that matters
            await mark_equity_again(canceling.cycle, venue, canceling.market, self.one.known.marks)
