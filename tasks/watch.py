"""Look after the orders of an account for as long as it is wanted.

    push → look up that order, and its fills → one transaction → the ledger

The push is only a hint that it is time to ask; what is asked is what is booked. So a lost,
doubled, late or false push does no harm: it is asked anyway, more and more rarely while
nothing happens. No new order is made here: one that is open for too long is canceled, and
what we hold goes out when it is due, as in every look at an account.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from math import inf

from data.store.connection import LockTimeout
from execution.errors import LedgerUnavailable, TradingError, VenueUnavailable
from execution.model.enums import OrderStatus as S
from execution.model.enums import Severity, Topic
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, ClientOrderId
from execution.model.order import Order
from execution.model.reports import OrderReport
from execution.monitoring.orders import AttentionKind, OrderAttention
from execution.orders.submission import ask
from execution.venues.base import OrderHint, Venue
from tasks import wiring
from tasks.account import held, view_account
from tasks.alerts import alert
from tasks.booking import book_reports
from tasks.breaker import check_breaker
from tasks.caretaker import Caretaker
from tasks.cycle import Cycle, told
from tasks.followed import Followed
from tasks.hints import Hints, open_hints
from tasks.market_data import Market
from tasks.reconciliation import compare_books
from tasks.rhythm import Pace, Rhythm
from tasks.sync import cancel_opening, sync

GRAVE = {AttentionKind.UNKNOWN, AttentionKind.MISSING, AttentionKind.UNREACHED}
TOPICS = {
    AttentionKind.UNKNOWN: Topic.ORDER_UNKNOWN,
    AttentionKind.MISSING: Topic.ORDER_MISSING,
    AttentionKind.UNREACHED: Topic.ORDER_UNREACHED,
    AttentionKind.OVERDUE: Topic.ORDER_OVERDUE,
    AttentionKind.REJECTED: Topic.ORDER_REJECTED,
    AttentionKind.PARTIALLY_FILLED: Topic.ORDER_PARTIALLY_FILLED,
}
BLIND_AFTER = 3  # looks in a row that failed: then a person is told
LOOK, COMPARE = "look after the orders", "compare the books"
PRICES = "know the prices"
# A fill can be stamped a little before the push that it caused.
BEFORE_HINT = timedelta(seconds=5)

Tell = Callable[[Order], None]
Prices = Callable[[Market], Market]
Until = Callable[[Sequence[Order]], bool]

# Who else wants to know of every order whose status or filled quantity has changed.
LISTENERS: list[Tell] = []


PACE = Pace()


@contextmanager
def telling(listener: Tell) -> Iterator[None]:
    """Have `listener` told of every change that a watch in here sees."""
    LISTENERS.append(listener)
    try:
        yield
    finally:
        LISTENERS.remove(listener)


async def watch(
    cycle: Cycle,
    venue: Venue,
    market: Market,
    pace: Pace = PACE,
    *,
    prices: Prices | None = None,
    for_s: float | None = None,
    until: Until = lambda under_way: False,
) -> None:
    """Book what happens to the account's orders, for `for_s` seconds or until `until` is true.

    `prices` brings the market up to now, for orders that we hold and for what is compared.
    `until` is asked with the orders that are open or in flight. A venue or a ledger that cannot
    be reached is asked again later, and a person is told; whatever else goes wrong is raised.
    The account's lock is held for one piece of work at a time: others trade on.
    """
    async with open_hints(venue, pace.patience) as hints:
        await _Watcher(cycle, venue, market, pace, hints, prices).run(for_s, until)


def tell_attention(cycle: Cycle, found: OrderAttention) -> None:
    """Alert a person to one order."""
    severity = Severity.CRITICAL if found.kind in GRAVE else Severity.INFO
    text = f"order {found.client_order_id} on {found.instrument_id}: {found.reason}"
    alert(cycle.account, cycle.run_id, severity, TOPICS[found.kind], text)


class _Watcher:
    """One watch: what it follows, and when it asks next."""

    def __init__(
        self,
        cycle: Cycle,
        venue: Venue,
        market: Market,
        pace: Pace,
        hints: Hints,
        prices: Prices | None,
    ) -> None:
        self._cycle = cycle
        self._venue = venue
        self._market = market
        self._hints = hints
        self._prices = prices
        self._followed = Followed(cycle.account)
        self._alerted: set[tuple[ClientOrderId, AttentionKind]] = set()
        self._breaks = 0  # of the stream, as far as they have been made up for
        self._failures: Counter[str] = Counter()  # in a row, by what was being done
        self._doing = LOOK
        self._caretaker = Caretaker(wiring.open_ledger(), cycle.account, cycle.run_id)
        self._rhythm = Rhythm(pace, asyncio.get_running_loop().time)
        self._heard_at = asyncio.get_running_loop().time()  # the venue, last
        self._lost = False  # it did not answer since

    async def run(self, for_s: float | None, until: Until) -> None:
        """Work until it is over."""
        clock = asyncio.get_running_loop().time
        over_at = clock() + (inf if for_s is None else for_s)
        while True:
            done = False
            try:
                async with _holding(self._cycle.account):
                    await self._work(self._hints.take())
                done = until(self._followed.under_way)
            except (VenueUnavailable, LedgerUnavailable) as error:
                self._lost |= isinstance(error, VenueUnavailable)
                self._failed(error)
            if done or clock() >= over_at:
                return
            self._caretaker.look()
            await self._hints.wait(max(0.0, min(self._rhythm.next_at, over_at) - clock()))

    async def _work(self, hints: Sequence[OrderHint]) -> None:
        """Do what is due; the account's lock is ours meanwhile."""
        if self._followed.opened_at is None:
            self._followed.refresh()
        if self._followed.opened_at is None:
            self._rhythm.put_off()
            return
        self._doing = LOOK
        if self._breaks != self._hints.breaks:
            self._breaks = self._hints.breaks
            self._rhythm.alarm()
        await self._answer(hints)
        if self._rhythm.compare_due or self._rhythm.poll_due:
            await self._look_at_prices()
        if self._rhythm.compare_due:
            self._rhythm.compared()
            self._doing = COMPARE
            await compare_books(self._cycle, self._venue, self._market)
            account = await view_account(self._cycle, self._venue, self._market)
            check_breaker(self._cycle, account, self._market)
            await self._hear()
            self._failures.clear()
            self._rhythm.polled(holds=self._followed.holds)
        elif self._rhythm.poll_due:
            await self._poll()
            await self._hear()
        if self._hints.waiting:
            return  # first things first: what was pushed meanwhile
        for order in self._followed.refresh():
            self._rhythm.stir()
            for listener in LISTENERS:
                listener(order)

    async def _hear(self) -> None:
        """The venue answers: what would open is taken back after too long a silence.

        Nobody looked after it meanwhile, and the market has moved on.
        """
        now = asyncio.get_running_loop().time()
        silent_s, lost = now - self._heard_at, self._lost
        self._heard_at, self._lost = now, False
        if lost and silent_s > self._cycle.config.limits.max_disconnect_s:
            why = f"was unattended while the venue was silent for {silent_s:.0f} s"
            await cancel_opening(self._cycle, self._venue, self._market, why)

    async def _look_at_prices(self) -> None:
        """What we hold goes by the price of now; without one it waits, and the rest goes on.

        So does the breaker: by the prices of its start a watch would soon know no equity, and
        trip on that for ever.
        """
        if self._prices is None or not (self._followed.holds or self._has_positions()):
            return
        self._doing = PRICES
        try:
            self._market = await asyncio.to_thread(self._prices, self._market)
            self._failures[PRICES] = 0
        except VenueUnavailable as error:
            self._failed(error)
        self._doing = LOOK

    def _has_positions(self) -> bool:
        """Whether a comparison is due, and something is there that has a price."""
        if not self._rhythm.compare_due:
            return False
        with wiring.open_ledger().reading() as books:
            return bool(held(books, self._cycle, self._market))

    async def _answer(self, hints: Sequence[OrderHint]) -> None:
        """Ask about the orders that were pushed, all at once, and book it in one go."""
        if not hints or self._followed.opened_at is None:
            return
        orders, all_ours = self._followed.named(hints)
        if not all_ours:
            self._rhythm.alarm()
        sent_at = self._followed.sent_at
        # Of an order that is filled there is no more to know.
        asked = [o for o in orders if o.client_order_id in sent_at and o.status is not S.FILLED]
        if not asked:
            return
        since = min(hint.ts_event for hint in hints) - BEFORE_HINT
        asking = asyncio.gather(*(ask(self._venue, o, sent_at[o.client_order_id]) for o in asked))
        try:
            fills = await self._venue.fills(max(since, self._followed.opened_at))
            answers = await asking
        finally:
            asking.cancel()
        reports = [(o, a.report) for o, a in zip(asked, answers, strict=True) if a.report]
        missing = book_reports(self._cycle, self._market, reports, _theirs(fills, reports))
        if missing or len(reports) < len(asked):
            self._rhythm.alarm()
        else:
            self._rhythm.stir()

    async def _poll(self) -> None:
        """Ask about everything; pushes are answered meanwhile, as it can take its time."""
        polling = asyncio.create_task(sync(self._cycle, self._venue, self._market))
        polling.add_done_callback(lambda _: self._hints.wake())
        try:
            while not polling.done():
                await self._hints.wait()
                await self._answer(self._hints.take())
            found = polling.result()
            self._failures[LOOK] = 0
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
        self._rhythm.polled(holds=self._followed.holds)
        grave = {(a.client_order_id, a.kind): a for a in found if a.kind in GRAVE}
        for key in grave.keys() - self._alerted:
            tell_attention(self._cycle, grave[key])
        self._alerted = set(grave)

    def _failed(self, error: TradingError) -> None:
        """Try again later; tell a person when it goes on."""
        self._rhythm.put_off()
        self._failures[self._doing] += 1
        if isinstance(error, VenueUnavailable):
            with suppress(LedgerUnavailable):
                self._cycle.incident(told(error))
        if self._failures[self._doing] == BLIND_AFTER:
            severity = Severity.CRITICAL if self._cycle.live else Severity.WARNING
            when = f"{wiring.wall_clock():%Y-%m-%d %H:%M:%S}Z"
            text = (
                f"{when}: {BLIND_AFTER} times in a row the watch could not {self._doing}: {error}"
            )
            with suppress(LedgerUnavailable):  # that may be what is the matter
                alert(self._cycle.account, self._cycle.run_id, severity, Topic.WATCH_BLIND, text)


def _theirs(
    fills: Iterable[Fill], reports: Iterable[tuple[Order, OrderReport]]
) -> tuple[Fill, ...]:
    """The fills of these orders, under our ids; whose the others are, a poll finds out."""
    keys = {(r.instrument_id, r.venue_order_id): o.client_order_id for o, r in reports}
    return tuple(
        replace(fill, client_order_id=keys[fill.instrument_id, fill.venue_order_id])
        for fill in fills
        if (fill.instrument_id, fill.venue_order_id) in keys
    )


@asynccontextmanager
async def _holding(account: AccountId) -> AsyncIterator[None]:
    """Hold the account's lock; while others do, the loop goes on, and with it the stream.

    Raises LockTimeout when they hold it for too long.
    """
    timeout_s = wiring.settings().ledger_timeout_s
    guard = wiring.account_guard(account, 0)  # one try at a time
    with ExitStack() as held:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            try:
                held.enter_context(guard.hold())
                break
            except LockTimeout:
                if asyncio.get_running_loop().time() >= deadline:
                    text = f"account {account}: somebody else has held it for {timeout_s:g} s"
                    raise LockTimeout(text) from None
            await asyncio.sleep(random.uniform(0.002, 0.01))  # noqa: S311 - not a secret
        yield
