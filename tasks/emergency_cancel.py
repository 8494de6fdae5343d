"""Every open order of one account off its venue, at once; then what became of them.

A cancel only lessens what is at stake. So it waits for nobody: not for the account's lock,
which a run that hangs may hold, and not for a ledger that is busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from data.store.books import Books
from data.store.connection import Ledger
from data.store.emergencies import Emergency
from execution.errors import LedgerUnavailable, TradingError, VenueUnavailable
from execution.model.enums import OrderStatus as S
from execution.model.enums import OrderType, TimeInForce
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, ClientOrderId, StrategyId
from execution.model.order import IN_FLIGHT, OPEN, SENDABLE, TERMINAL, Order, OrderIntent
from execution.model.reports import OrderReport
from execution.orders.submission import ask
from execution.venues.base import SubmitOutcome, SubmitResult, Venue
from execution.venues.rate_limit import urgent
from tasks import wiring
from tasks.booking import book_reports
from tasks.cycle import Cycle
from tasks.emergency_account import Known, Pace, insist, quick_ledger
from tasks.emergency_report import OrderFate, OrderOutcome
from tasks.events import emit_order
from tasks.market_data import Market
from tasks.sync import EPOCH, ask_from, in_flight, named, settle_one

SAID = {SubmitOutcome.ACCEPTED, SubmitOutcome.REJECTED}


@dataclass(kw_only=True)
class Canceling:
    """The orders of one account on their way out."""

    known: Known
    cycle: Cycle
    market: Market
    emergency: Emergency
    keep_protection: bool
    pace: Pace
    said: dict[str, SubmitResult] = field(default_factory=dict)  # of each cancel, the last word
    seen: dict[str, OrderReport] = field(default_factory=dict)  # what the venue listed as open
    listed: bool = False  # the venue has said what is open, since the last cancel
    marked: bool = False  # the books have it that all of it is being canceled
    still_there: frozenset[str] = frozenset()  # as it last said

    async def run(self, venue: Venue) -> None:
        """Cancel until the venue lists nothing more, or for `pace.cancel` seconds."""
        self.marked = False
        self._room = asyncio.Semaphore(self.pace.at_once)
        self._mark(quick_ledger(self.pace))
        with suppress(TimeoutError), urgent():
            async with asyncio.timeout(self.pace.cancel):
                await self._run(venue)

    async def _run(self, venue: Venue) -> None:
        ours = [o for o in self.known.orders if o.status in OPEN | IN_FLIGHT and self.goes(o)]
        listing, *_ = await asyncio.gather(
            self._list(venue), *(self._cancel(venue, order) for order in ours)
        )
        tries = 0
        while True:
            if listing is None:  # those that it did not answer, at least
                again = [o for o in ours if self.said[_name(o)].outcome not in SAID]
            else:
                again = self._left(listing)
                if not again:
                    return
            await asyncio.gather(*(self._cancel(venue, order) for order in again))
            if tries:
                await asyncio.sleep(self.pace.wait(tries - 1))
            listing = await self._list(venue)
            tries += 1

    async def learn(self, venue: Venue, *, once: bool = False) -> str:
        """Book what became of all orders; why some of it is not known yet, or "".

        Needs the ledger, and waits for it; for the venue too, up to `pace.learn` seconds,
        unless it is asked `once`. Fills that it does not tell of now keep only those orders
        waiting that they belong to.
        """
        self._room = asyncio.Semaphore(self.pace.at_once)
        deadline = asyncio.get_running_loop().time() + self.pace.learn
        tries = 0
        while True:
            if not self.marked:
                insist(self.pace, lambda: self._mark(wiring.open_ledger(), must=True))
            why = await self._learn(venue)
            if not why or once or asyncio.get_running_loop().time() >= deadline:
                return why
            await asyncio.sleep(self.pace.wait(tries))
            tries += 1

    @property
    def reached(self) -> bool:
        """Whether the venue has answered anything at all."""
        return self.listed or any(result.outcome in SAID for result in self.said.values())

    def goes(self, order: Order) -> bool:
        """Whether an order is to be canceled: not a stop that is kept, not our own way out."""
        if order.intent.flattens and order.intent.signal_time == self.emergency.started_at:
            return False
        return not (self.keep_protection and order.intent.protects)

    def ours(self, books: Books) -> list[Order]:
        """Every order of ours that was open, as it stands."""
        named = {r.client_order_id for r in self.seen.values() if r.client_order_id is not None}
        keys = dict.fromkeys((*(o.client_order_id for o in self.known.orders), *named))
        ids = [report.venue_order_id for report in self.seen.values()]
        found = {o.client_order_id: o for o in map(books.orders.get, keys) if o is not None}
        for order in books.orders.by_venue_id(self.known.account, ids).values():
            found.setdefault(order.client_order_id, order)
        return [o for o in found.values() if not o.intent.flattens]

    def outcomes(self, ours: Iterable[Order]) -> tuple[OrderOutcome, ...]:
        """What became of every order that was open; `ours` as they stand."""
        known = {o.client_order_id: o for o in self.known.orders if not o.intent.flattens}
        known |= {o.client_order_id: o for o in ours}
        names = {str(o.venue_order_id) for o in known.values()} | {str(key) for key in known}
        return (
            *map(self._outcome, known.values()),
            *(
                self._strange(report)
                for key, report in self.seen.items()
                if key not in names and str(report.client_order_id) not in names
            ),
        )

    # Inside

    def _mark(self, ledger: Ledger, *, must: bool = False) -> None:
        """Write that all of it is being canceled, in one go; what never left is over at once."""
        now, changed = wiring.wall_clock(), []
        why = f"emergency stop by {self.emergency.actor}: {self.emergency.reason}"
        try:
            with ledger.transaction() as books:
                for order in filter(self.goes, books.orders.working(self.known.account)):
                    if order.status in SENDABLE:
                        event = order.event(S.CANCELED, "canceled:emergency", now, why)
                    elif order.status in OPEN - {S.PENDING_CANCEL}:
                        key = f"pending_cancel:{now.isoformat()}"
                        event = order.event(S.PENDING_CANCEL, key, now, why)
                    else:
                        continue
                    changed.append(books.orders.append(event))
        except LedgerUnavailable:
            if must:
                raise
            return  # it is told later: the cancels go out now
        self.marked = True
        for after in filter(None, changed):
            emit_order(after)

    async def _list(self, venue: Venue) -> tuple[OrderReport, ...] | None:
        """What is open there, ours or not; None when the venue did not say."""
        try:
            found = await venue.open_orders()
        except VenueUnavailable:
            self.listed = False
            return None
        self.seen |= {str(report.venue_order_id): report for report in found}
        self.listed = True
        self.still_there = frozenset(str(report.venue_order_id) for report in found)
        return found

    def _left(self, listing: Iterable[OrderReport]) -> list[Order]:
        """The listed ones that are to go, under our own names where they are ours."""
        by_name = {_name(o): o for o in self.known.orders}
        by_id = {str(o.client_order_id): o for o in self.known.orders}
        left = []
        for report in listing:
            name = str(report.venue_order_id)
            ours = by_name.get(name) or by_id.get(str(report.client_order_id))
            order = ours or _theirs(report, self.known.account)
            if self.goes(order):
                left.append(replace(order, venue_order_id=report.venue_order_id))
        return left

    async def _cancel(self, venue: Venue, order: Order) -> None:
        now = wiring.wall_clock()
        async with self._room:
            try:
                result = await venue.cancel(order, now)
            except Exception as error:  # noqa: BLE001 - one that fails must not hold up the rest
                told = str(error) if isinstance(error, TradingError) else type(error).__name__
                result = SubmitResult(outcome=SubmitOutcome.UNKNOWN, ts_event=now, reason=told)
        self.said[_name(order)] = result

    async def _learn(self, venue: Venue) -> str:
        account = self.known.account
        with wiring.open_ledger().reading() as books:
            orders = [o for o in books.orders.working(account) if o.status in OPEN | IN_FLIGHT]
            sent = books.orders.sends(orders)
            opened = books.accounts.opened_at(account) or EPOCH
            latest = books.fills.latest_ts(account)
        with urgent():
            reports = await self._ask_all(venue, orders, sent)
            since, why = ask_from(opened, latest, self.market.clock()), ""
            fills: Sequence[Fill] = ()
            try:
                fills = await named(self.cycle, venue, await venue.fills(since))
            except VenueUnavailable as error:
                why = f"what has filled is not known: {error}"
            book_reports(self.cycle, self.market, reports, fills)
            await asyncio.gather(
                *(
                    settle_one(self.cycle, venue, self.market, order, sent_at)
                    for order, sent_at in in_flight(self.cycle)
                )
            )
        with wiring.open_ledger().reading() as books:
            left = books.orders.working(account)
        # What is proven never to have left is not at the venue, and not canceled here yet.
        self.marked = not any(o.status in SENDABLE and self.goes(o) for o in left)
        unsettled = [o for o in left if self.goes(o) or o.status in IN_FLIGHT]
        if not why and unsettled:
            why = f"{len(unsettled)} orders have not ended yet, as far as the venue says"
        return why

    async def _ask_all(
        self,
        venue: Venue,
        orders: Sequence[Order],
        sent: Mapping[ClientOrderId, Sequence[datetime]],
    ) -> list[tuple[Order, OrderReport]]:
        """What the venue says of each; of those that it does not say in time, nothing."""
        asking = [
            asyncio.create_task(self._ask(venue, o, sent.get(o.client_order_id, ())))
            for o in orders
        ]
        if not asking:
            return []
        answered, silent = await asyncio.wait(asking, timeout=self.pace.learn)
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)
        answers = [task.result() for task in asking if task in answered]
        return [(order, report) for order, report in answers if report is not None]

    async def _ask(
        self, venue: Venue, order: Order, sent_at: Sequence[datetime]
    ) -> tuple[Order, OrderReport | None]:
        async with self._room:
            answer = await ask(venue, order, sent_at[0] if sent_at else order.intent.signal_time)
        return order, answer.report

    def _outcome(self, order: Order) -> OrderOutcome:
        """Of an order of ours."""
        fate, reason = OrderFate.LEFT, order.reason
        result = self.said.get(_name(order)) or self.said.get(str(order.client_order_id))
        if order.status is S.CANCELED:
            fate, reason = OrderFate.CANCELED, ""
        elif order.status in TERMINAL:
            fate, reason = OrderFate.ENDED, order.status.value
        elif not self.goes(order):
            fate, reason = OrderFate.KEPT, "it protects what is held"
        elif result is not None and result.outcome is SubmitOutcome.ACCEPTED and self._gone(order):
            fate, reason = OrderFate.CANCELED, "as the venue says; not booked yet"
        elif order.status in IN_FLIGHT:
            reason = "nobody knows whether the venue has it"
        elif result is not None:
            reason = result.reason or f"the venue says {result.outcome}"
        return OrderOutcome(
            order=str(order.client_order_id),
            instrument=str(order.intent.instrument_id),
            ours=True,
            fate=fate,
            reason=reason,
        )

    def _gone(self, order: Order) -> bool:
        return self.listed and str(order.venue_order_id) not in self.still_there

    def _strange(self, report: OrderReport) -> OrderOutcome:
        """Of an order that is not ours."""
        key = str(report.venue_order_id)
        result = self.said.get(key)
        accepted = result is not None and result.outcome is SubmitOutcome.ACCEPTED
        gone = self.listed and key not in self.still_there
        fate = OrderFate.LEFT
        if gone:
            fate = OrderFate.CANCELED if accepted else OrderFate.ENDED
        reason = "" if gone else (result.reason if result else "") or "the venue still lists it"
        return OrderOutcome(
            order=key,
            instrument=str(report.instrument_id),
            ours=False,
            fate=fate,
            reason=reason,
        )


def _name(order: Order) -> str:
    """The venue's name for an order, or ours until it has one."""
    return str(order.venue_order_id or order.client_order_id)


def _theirs(report: OrderReport, account: AccountId) -> Order:
    """An order that we did not make, as far as a cancel needs it."""
    intent = OrderIntent(
        client_order_id=report.client_order_id or ClientOrderId(report.venue_order_id),
        account=account,
        instrument_id=report.instrument_id,
        strategy=StrategyId("not ours"),
        signal_time=report.ts_event,
        leg="",
        side=report.side,
        order_qty=report.order_qty,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        px_ref=Decimal(1),
        confidence=Decimal(0),
        reason="it was open at the venue",
    )
    return Order(intent=intent, status=S.ACCEPTED, venue_order_id=report.venue_order_id)
