"""What the state machine acts on: an account at the lying exchange, its books, and a process.

A world is one account of one dialect, from its opening on. Its process may die and come back
with a new adapter, while the exchange and the ledger go on. Exchange, adapter and books have
one clock, which leaps when time is to pass: only what happens on the wire takes real time.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from data.store.books import Books
from execution.errors import SafetyViolation, VenueUnavailable
from execution.model.discrepancy import Discrepancy
from execution.model.enums import ExternalPolicy, TradingState
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, RunId
from execution.model.order import SENDABLE, TERMINAL, OrderEvent, OrderIntent
from execution.orders.submission import submit_all
from execution.risk.limits import RiskLimits
from tasks import wiring
from tasks.booking import record
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.opening import open_account
from tasks.reconciliation import compare_books
from tasks.sync import sync
from tests.venues.lying_exchange.lies import Fault, Lie
from tests.venues.lying_exchange.server import Logged, LyingExchange
from tests.venues.machine_parts import (
    DEADLINE_S,
    Clock,
    Death,
    WatchedLedger,
    instruments_of,
    market_of,
    open_adapter,
    snapshots_of,
)

CASH = Decimal(100_000)
PERSON = "Ann"
# A venue that lies all the time would have nothing opened at all: the breaker has other tests.
PATIENT = RiskLimits(
    max_failed_orders=10_000, max_venue_errors=10_000, max_discrepancies=10_000, cooldown_min=1
)


class World:
    """One account, its books under `home`, and the process that trades it."""

    def __init__(
        self,
        exchange: LyingExchange,
        dialect: str,
        clock: Clock,
        blank: Path,
        home: Path,
        skew_s: float,
        external: ExternalPolicy,
    ) -> None:
        self.exchange, self.dialect, self.clock, self.home = exchange, dialect, clock, home
        self.key = f"key-{uuid4().hex}"
        # An engine of its own: thousands of strangers' orders would only slow it down.
        module = import_module(f"tests.venues.lying_exchange.{dialect}")
        self.engine = module.make_engine(exchange.engines[dialect].now)
        exchange.engines[dialect] = self.engine
        self.skew_s = skew_s
        self.be_honest()
        exchange.requests.clear()  # of worlds before this one
        self.instruments = instruments_of(self.engine, dialect)
        self.quote = next(iter(self.instruments.values())).quote
        self.engine.open_account(self.key, {self.quote: CASH})
        self.config = RunConfig(
            mode="paper",
            venue=dialect,
            feed="lying",
            order_timeout_s=60,
            external=external,
            limits=PATIENT,
        )
        self._market = market_of(self.engine, self.instruments, clock.now())
        shutil.copy(blank, home)
        self.ledger = WatchedLedger(home / blank.name)
        self.state = TradingState.ACTIVE
        self.sends_at_halt: dict[ClientOrderId, int] = {}
        self.wishes: dict[ClientOrderId, OrderIntent] = {}
        self.strangers = False  # somebody else has traded, or the venue by force
        self.deaths = 0
        self.doom: tuple[str, int] | None = None
        self.loop = asyncio.new_event_loop()
        self._deadline_s = DEADLINE_S
        self._begin()
        try:
            self.loop.run_until_complete(open_account(self.cycle, self.venue, self.market))
        except BaseException:
            self.close()
            raise

    # A process's life

    def _begin(self) -> None:
        self.cycle = Cycle(run_id=RunId(f"run-{self.deaths}"), attempt=1, config=self.config)
        self.venue = open_adapter(
            self.exchange.url,
            self.dialect,
            self.key,
            self.config.account_id,
            self.instruments,
            self.clock,
            self.home,
            self._deadline_s,
        )
        self.ledger = WatchedLedger(self.ledger.path)
        wiring.open_ledger = lambda: self.ledger

    def restart(self, deadline_s: float = DEADLINE_S) -> None:
        """Another process takes over: a new adapter, the same ledger."""
        self.loop.run_until_complete(self.venue.close())
        self._deadline_s = deadline_s
        self._begin()

    def close(self) -> None:
        self.be_honest()
        self.loop.run_until_complete(self.venue.close())
        self.loop.close()
        shutil.rmtree(self.home)

    @property
    def market(self) -> Market:
        """The market at the prices of now."""
        snapshots = snapshots_of(self.engine, self.instruments, self.clock.now())
        return replace(self._market, snapshots=snapshots)

    @property
    def requests(self) -> list[Logged]:
        """What has come in at the exchange since this world began."""
        return list(self.exchange.requests)

    def live(self, work: Coroutine[Any, Any, object]) -> str:
        """Do one piece of work, unless doom strikes; say how it ended."""
        doom, self.doom = self.doom, None
        try:
            self.loop.run_until_complete(self._work(work, doom))
        except (Death, asyncio.CancelledError):
            self.deaths += 1
            self.restart()
            return "died"
        except VenueUnavailable as error:
            return f"unavailable: {error}"
        except SafetyViolation:
            with self.ledger.reading() as books:  # the breaker may be stricter than the person
                state = books.trading_state.get(self.cycle.account)
            assert state is not TradingState.ACTIVE
            return "stopped"
        finally:
            self.ledger.meet = lambda: None
        return "done"

    async def _work(
        self, work: Coroutine[Any, Any, object], doom: tuple[str, int] | None
    ) -> object:
        how, left = doom or ("", 0)
        if how == "wire":
            return await self._until_request(work, left)
        if how in ("ledger", "halt"):
            strike = self._die if how == "ledger" else self._halt_in_between
            self.ledger.meet = _countdown(left, strike)
        return await work

    async def _until_request(self, work: Coroutine[Any, Any, object], number: int) -> object:
        """Work until so many requests have come in, and die with the last one under way."""
        task, before = self.loop.create_task(work), len(self.exchange.requests)
        while not task.done() and len(self.exchange.requests) - before < number:
            await asyncio.wait({task}, timeout=0.0005)
        task.cancel()
        return await task

    def _die(self) -> None:
        raise Death

    def _halt_in_between(self) -> None:
        self.ledger.meet = lambda: None
        self.set_state(TradingState.HALTED)

    # What the process does

    def wish(self, intents: Iterable[OrderIntent]) -> str:
        """Commit and send, as a run does."""
        return self.live(self._wish(list(intents)))

    async def _wish(self, intents: list[OrderIntent]) -> None:
        self.wishes |= {i.client_order_id: i for i in intents}
        with wiring.open_ledger().transaction() as books:
            orders = books.orders.commit_intents(
                self.cycle.run_id, "digest", intents, self.clock.now()
            )
            working = books.orders.working(self.cycle.account)
            sends = {key: len(times) for key, times in books.orders.sends(orders).items()}
        await submit_all(orders, working, self.venue, record, self.clock.now, sends)

    def wish_again(self) -> str:
        """The next run wants the same: what was proven absent goes out under the same id."""
        with self.ledger.reading() as books:
            waiting = books.orders.by_status(self.cycle.account, SENDABLE)
        return self.wish([self.wishes[o.client_order_id] for o in waiting]) if waiting else "none"

    def look(self) -> str:
        return self.live(sync(self.cycle, self.venue, self.market))

    def reconcile(self) -> str:
        return self.live(compare_books(self.cycle, self.venue, self.market))

    def found(self) -> tuple[Discrepancy, ...]:
        """Compare the books, and nothing may go wrong meanwhile."""
        comparing = compare_books(self.cycle, self.venue, self.market)
        return self.loop.run_until_complete(comparing)

    def fills(self) -> tuple[Fill, ...]:
        """What is booked."""
        with self.ledger.reading() as books:
            return books.fills.of(self.cycle.account)

    def cancel(self, key: ClientOrderId) -> str:
        return self.live(self._cancel(key))

    async def _cancel(self, key: ClientOrderId) -> None:
        with wiring.open_ledger().reading() as books:
            order = books.orders.get(key)
        if order is None or order.status in TERMINAL:
            return
        unsent = order.status in SENDABLE
        status = S.CANCELED if unsent else S.PENDING_CANCEL
        name = "canceled" if unsent else f"pending_cancel:{order.cum_qty:f}"
        now = self.clock.now()
        event = OrderEvent(
            client_order_id=key,
            status=status,
            event_key=f"{key}:{name}",
            ts_event=now,
            ts_init=now,
            reason=f"canceled by {PERSON}",
        )
        record(event)
        if not unsent:
            await self.venue.cancel(order, now)

    # What others do

    def set_state(self, state: TradingState) -> None:
        """A person halts, reduces or resumes."""
        with self.ledger.transaction() as books:
            books.trading_state.set(self.cycle.account, state, "a test", PERSON, self.clock.now())
            self.sends_at_halt = _sends(books)
        self.state = state

    def pass_time(self, seconds: float) -> None:
        """Let it pass, for everybody."""
        self.clock.leap(seconds)

    def calm_down(self) -> None:
        """The prices of now have become usual: whatever they were, no move shocks the breaker."""
        self._market = market_of(self.engine, self.instruments, self.clock.now())

    def be_honest(self) -> None:
        """No lies but the one that never ends: whose clock is off stays off."""
        self.exchange.honest()
        if self.skew_s:
            skew = Lie(Fault.CLOCK_SKEW, times=None, delay_s=self.skew_s, dialect=self.dialect)
            self.exchange.lie(skew)


def _sends(books: Books) -> dict[ClientOrderId, int]:
    """How often each order was sent; all at once, as asking for each is slow."""
    sql = "SELECT client_order_id, count(*) FROM order_events WHERE status = ? GROUP BY ALL"
    return dict(books.session.rows(sql, S.SUBMITTED))


def _countdown(left: int, strike: Callable[[], None]) -> Callable[[], None]:
    """Call `strike` the so-manieth time."""
    steps = iter(range(left - 1, -1, -1))

    def meet() -> None:
        if next(steps, None) == 0:
            strike()

    return meet
