"""What a watch does with pushes that come, or come twice, late, wrong or never.

The venue is scripted and lives in the test's own process, so a test can make it fill an
order and push, or not push, exactly when it wants to. A watch that only listens never polls
but once at its start: what it books later, it has booked because of a push.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from data.store.connection import Ledger
from data.store.runs import RunStatus
from execution.errors import VenueUnavailable
from execution.model.alert import Alert
from execution.model.discrepancy import Discrepancy
from execution.model.enums import OrderStatus as S
from execution.model.enums import TradingState
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, VenueOrderId
from execution.model.order import Order, OrderEvent, OrderIntent
from execution.orders.submission import submit_all
from execution.venues.base import OrderHint, SubmitOutcome, SubmitResult
from tasks import wiring
from tasks.booking import record
from tasks.cycle import Cycle, open_cycle
from tasks.hints import Patience
from tasks.market_data import Market
from tasks.monitoring import monitor_orders, watch_account
from tasks.rhythm import Pace
from tasks.watch import LISTENERS, telling, watch
from tests.cycles import plan_cycle
from tests.flows.commands import press_ctrl_c, start
from tests.scripted_venue import (
    OnSubmit,
    ScriptedVenue,
    accepts,
    cannot_tell,
    found,
    times_out_after_accepting,
)
from tests.tasks.test_live_gate import CONFIG, log, set_state

__all__ = ["log"]

NEVER_S = 3600.0
EVENTUALLY_S = 8.0
IMPATIENT = Patience(silence_s=NEVER_S, reconnect_min_s=0.01, reconnect_max_s=0.05)
LISTENS = Pace(poll_min_s=NEVER_S, poll_max_s=NEVER_S, reconcile_every_s=None, patience=IMPATIENT)
POLLS = replace(LISTENS, poll_min_s=0.02, poll_max_s=0.1)
HALF = Decimal("0.5")


class StreamingVenue(ScriptedVenue):
    """A scripted venue whose stream is in the test's hands; its orders rest until it says so."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as its parent takes them
        super().__init__(fills=False, **options)
        self.streams = 0  # opened so far
        self.polls = 0  # how often fills were asked for
        self.reachable = True
        self._pushes: asyncio.Queue[OrderHint | Exception | None] = asyncio.Queue()

    def push(self, order: Order, ts_event: datetime | None = None, *, named: bool = True) -> None:
        """Push a hint of an order; without `named` under the venue's own id alone."""
        report = self._newest(order.client_order_id)
        self.push_ids(order.client_order_id if named else None, report.venue_order_id, ts_event)

    def push_ids(
        self,
        client_order_id: ClientOrderId | None,
        venue_order_id: VenueOrderId | None,
        ts_event: datetime | None = None,
    ) -> None:
        """Push a hint of any ids."""
        hint = OrderHint(
            client_order_id=client_order_id,
            venue_order_id=venue_order_id,
            ts_event=ts_event or self.clock(),
        )
        self._pushes.put_nowait(hint)

    def break_stream(self, error: Exception | None = None) -> None:
        """End the stream that is open, or let it raise."""
        self._pushes.put_nowait(error)

    def hints(self) -> AsyncIterator[OrderHint]:
        self.streams += 1
        return self._stream()

    async def _stream(self) -> AsyncIterator[OrderHint]:
        while (pushed := await self._pushes.get()) is not None:
            if isinstance(pushed, Exception):
                raise pushed
            yield pushed

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        self.polls += 1
        if not self.reachable:
            raise VenueUnavailable("scripted: the venue cannot be reached")
        return await super().fills(since)

    def trade(self, order: Order, share: Decimal = Decimal(1)) -> None:
        """Fill a share of what was ordered, now."""
        intent = order.intent
        self.fill(
            order.client_order_id, intent.order_qty * share, intent.px_ref, wiring.wall_clock()
        )


@dataclass
class Scene:
    """A live account with orders that rest at the venue."""

    cycle: Cycle
    market: Market
    venue: StreamingVenue
    orders: tuple[Order, ...] = ()

    def watch(self, act: Callable[[], Awaitable[None]], pace: Pace = LISTENS) -> list[Order]:
        """Watch, do `act` once the watch has looked around, and end it; return what it told."""
        told: list[Order] = []

        async def play() -> None:
            watching = asyncio.create_task(watch(self.cycle, self.venue, self.market, pace))
            try:
                await eventually(lambda: self.venue.polls > 0 and self.venue.streams > 0, watching)
                await act()
                assert not watching.done()
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

        with telling(told.append):
            asyncio.run(play())
        return told


async def eventually(holds: Callable[[], bool], watching: asyncio.Task[None] | None = None) -> None:
    """Wait until something holds; what ended the watch before that is raised."""
    deadline = asyncio.get_running_loop().time() + EVENTUALLY_S
    while not holds():
        if watching is not None and watching.done():
            watching.result()
        assert asyncio.get_running_loop().time() < deadline, "it never came about"
        await asyncio.sleep(0.01)


def place(
    on_submit: OnSubmit | Sequence[OnSubmit], log: Path, **changes: object
) -> Iterator[Scene]:
    """Write the orders of a plan and send them to a venue whose stream a test controls."""
    with open_cycle(CONFIG.model_copy(update=changes)) as cycle:
        market, planned = plan_cycle(cycle)
        scene = Scene(cycle, market, StreamingVenue(log=log, on_submit=on_submit))
        scene.orders = asyncio.run(send(scene, planned.plan.intents))
        assert len(scene.orders) == 2
        yield scene


async def send(scene: Scene, intents: Iterable[OrderIntent]) -> tuple[Order, ...]:
    """Write orders and send them, as a run does."""
    clock = scene.market.clock
    with wiring.open_ledger().transaction() as books:
        written = books.orders.commit_intents(scene.cycle.run_id, "0" * 64, intents, clock())
    return await submit_all(written, (), scene.venue, record, clock, {})


@pytest.fixture
def scene(log: Path) -> Iterator[Scene]:
    yield from place(accepts(), log)


def now(order: Order) -> Order:
    """The order as the books have it."""
    with wiring.open_ledger().reading() as books:
        found = books.orders.get(order.client_order_id)
    assert found is not None
    return found


def booked(scene: Scene) -> tuple[Fill, ...]:
    with wiring.open_ledger().reading() as books:
        return books.fills.of(scene.cycle.account)


def events(order: Order, status: S) -> list[OrderEvent]:
    with wiring.open_ledger().reading() as books:
        return [e for e in books.orders.events(order.client_order_id) if e.status is status]


def alerts(topic: str) -> list[Alert]:
    with wiring.open_ledger().reading() as books:
        return [a for a in books.alerts.latest(100) if a.topic == topic]


def discrepancies(scene: Scene) -> tuple[Discrepancy, ...]:
    with wiring.open_ledger().reading() as books:
        return books.discrepancies.open(scene.cycle.account)


@pytest.mark.parametrize("named", [True, False])
def test_a_push_is_booked_and_told_without_any_poll(scene: Scene, named: bool):
    """Some venues push only their own id."""
    first, second = scene.orders

    async def act() -> None:
        scene.venue.trade(first, HALF)
        scene.venue.push(first, named=named)
        await eventually(lambda: now(first).status is S.PARTIALLY_FILLED)
        scene.venue.trade(first, HALF)
        scene.venue.push(first, named=named)
        await eventually(lambda: now(first).status is S.FILLED)

    told = scene.watch(act)
    assert now(first).cum_qty == first.intent.order_qty
    assert [(o.client_order_id, o.status) for o in told] == [
        (first.client_order_id, S.PARTIALLY_FILLED),
        (first.client_order_id, S.FILLED),
    ]
    assert scene.venue.polls == 3  # at the start, and one a push
    assert now(second) == second
    assert LISTENERS == []


def test_a_lost_push_is_made_up_for_by_polling(scene: Scene):
    first, _ = scene.orders

    async def act() -> None:
        scene.venue.trade(first)
        await eventually(lambda: now(first).status is S.FILLED)

    scene.watch(act, POLLS)


def test_polls_grow_rare_while_nothing_happens_and_come_again_with_a_push(scene: Scene):
    pace = replace(LISTENS, poll_min_s=0.1, poll_max_s=NEVER_S)

    async def act() -> None:
        await asyncio.sleep(2.0)
        quiet = scene.venue.polls
        assert 3 <= quiet <= 5  # after 0, 0.1, 0.3, 0.7 and 1.5 s, each a little late
        scene.venue.push(scene.orders[0])
        await eventually(lambda: scene.venue.polls >= quiet + 3)

    scene.watch(act, pace)


@pytest.mark.parametrize("error", [None, RuntimeError("a library's bug"), VenueUnavailable("x")])
def test_a_stream_that_breaks_is_opened_again_and_its_gap_polled(
    scene: Scene, error: Exception | None
):
    """What happened while there was no stream is pushed by nobody."""
    first, second = scene.orders
    pace = replace(LISTENS, poll_min_s=0.2, poll_max_s=NEVER_S)

    async def act() -> None:
        await asyncio.sleep(3.2)  # polled after 0, 0.2, 0.6, 1.4 and 3.0 s; next after 6.2 s
        polls = scene.venue.polls
        scene.venue.trade(first)
        scene.venue.break_stream(error)
        await eventually(lambda: scene.venue.polls > polls)
        await eventually(lambda: now(first).status is S.FILLED)
        await eventually(lambda: scene.venue.streams == 2)
        scene.venue.trade(second)
        scene.venue.push(second)
        await eventually(lambda: now(second).status is S.FILLED)

    started = wiring.wall_clock()
    scene.watch(act, pace)
    assert wiring.wall_clock() - started < timedelta(seconds=6.2)


def test_a_silent_stream_is_opened_again(scene: Scene):
    """A connection can be dead for long before anything says so."""
    patience = replace(IMPATIENT, silence_s=0.05)

    async def act() -> None:
        await eventually(lambda: scene.venue.streams >= 3)

    scene.watch(act, replace(LISTENS, patience=patience))


def test_a_stream_that_cannot_be_opened_is_tried_less_and_less(scene: Scene):
    patience = Patience(reconnect_min_s=1, reconnect_max_s=4)
    for failures, limit_s in enumerate((1, 2, 4, 4)):
        delays = [patience.delay_s(failures) for _ in range(200)]
        assert 0 <= min(delays) < limit_s / 4  # full jitter: anything from none at all
        assert limit_s * 3 / 4 < max(delays) <= limit_s
    assert patience.delay_s(100_000) <= 4


def test_pushes_that_are_doubled_reordered_or_old_book_nothing_twice(scene: Scene):
    first, _ = scene.orders
    long_ago = wiring.wall_clock() - timedelta(hours=5)

    async def act() -> None:
        scene.venue.trade(first, HALF)
        for _ in range(5):
            scene.venue.push(first)
        scene.venue.end(first.client_order_id, S.CANCELED)
        for ts_event in (None, long_ago, None):
            scene.venue.push(first, ts_event)
            await asyncio.sleep(0.05)
        await eventually(lambda: now(first).status is S.CANCELED)
        polls = scene.venue.polls
        scene.venue.push(first, long_ago)
        await eventually(lambda: scene.venue.polls > polls)

    told = scene.watch(act)
    assert len(booked(scene)) == 1
    assert now(first).cum_qty == first.intent.order_qty * HALF
    assert len(events(first, S.CANCELED)) == 1
    assert [o.status for o in told].count(S.CANCELED) == 1


def test_a_push_of_nobodys_order_makes_it_poll(scene: Scene):
    """It may be of an order that was placed by hand: what that did is in the fills."""
    pace = replace(LISTENS, poll_min_s=0.2, poll_max_s=NEVER_S)
    first, _ = scene.orders
    by_hand = replace(first.intent, client_order_id=ClientOrderId("by-hand"))

    async def act() -> None:
        await asyncio.sleep(1.7)  # polled after 0, 0.2, 0.6 and 1.4 s; next after 3.0 s
        venue_order_id = scene.venue.take(by_hand, wiring.wall_clock())
        scene.venue.fill(by_hand.client_order_id, Decimal(1), by_hand.px_ref, wiring.wall_clock())
        scene.venue.push_ids(None, venue_order_id)
        async with asyncio.timeout(1.0):
            await eventually(lambda: len(booked(scene)) == 1)

    scene.watch(act, pace)
    assert booked(scene)[0].client_order_id is None
    assert len(alerts("external trade")) == 1


def test_an_order_of_unknown_fate_is_adopted_at_its_push(scene: Scene):
    """The push of an order whose answer never came is the soonest sign of it."""
    first, _ = scene.orders
    intent = replace(first.intent, client_order_id=ClientOrderId("unanswered"))

    async def act() -> None:
        scene.venue._on_submit = times_out_after_accepting()
        sent = await send(scene, (intent,))
        assert sent[0].status is S.UNKNOWN
        scene.venue.trade(sent[0], HALF)
        scene.venue.push(sent[0])
        await eventually(lambda: now(sent[0]).status is S.PARTIALLY_FILLED)
        assert len(events(sent[0], S.ACCEPTED)) == 1

    scene.watch(act)


def test_a_push_of_an_order_that_was_refused_and_taken_books_its_fills_as_ours(scene: Scene):
    """Without the push they would look like a stranger's: the books have no venue id for it."""
    first, _ = scene.orders
    intent = replace(first.intent, client_order_id=ClientOrderId("refused-and-taken"))

    def lie(venue: ScriptedVenue, intent: OrderIntent, now: datetime) -> SubmitResult:
        venue.take(intent, now)
        return SubmitResult(outcome=SubmitOutcome.REJECTED, ts_event=now, reason="a lie")

    async def act() -> None:
        scene.venue._on_submit = lie
        sent = await send(scene, (intent,))
        assert sent[0].status is S.REJECTED
        scene.venue.trade(sent[0])
        scene.venue.push(sent[0])
        await eventually(lambda: now(sent[0]).status is S.FILLED)

    scene.watch(act)
    assert [fill.client_order_id for fill in booked(scene)] == [intent.client_order_id]
    assert alerts("external trade") == []


def test_a_push_is_answered_while_a_poll_takes_its_time(log: Path):
    """An order that nobody can tell of is asked for again and again, seconds apart."""
    for scene in place([accepts(), times_out_after_accepting()], log):
        first, second = scene.orders
        assert second.status is S.UNKNOWN
        untold = {second.client_order_id}
        scene.venue._on_lookup = lambda venue, key, untold=untold: (
            cannot_tell() if key in untold else found()
        )(venue, key)

        async def play(scene: Scene = scene, first: Order = first) -> None:
            watching = asyncio.create_task(watch(scene.cycle, scene.venue, scene.market, LISTENS))
            await eventually(lambda: len(scene.venue.lookups) > 1, watching)
            scene.venue.trade(first)
            scene.venue.push(first)
            async with asyncio.timeout(1):  # the poll takes 7.5 s
                await eventually(lambda: now(first).status is S.FILLED, watching)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

        asyncio.run(play())
        assert now(second).status is S.UNKNOWN


def test_the_end_of_an_order_is_booked_with_its_fills_and_not_before(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    """A venue may list a fill later than the end of its order; ended, it would look complete."""
    first, _ = scene.orders
    listed = StreamingVenue.fills

    async def none_yet(self: StreamingVenue, since: datetime) -> tuple[Fill, ...]:
        self.polls += 1
        return ()

    async def act() -> None:
        monkeypatch.setattr(StreamingVenue, "fills", none_yet)
        scene.venue.trade(first, HALF)
        scene.venue.end(first.client_order_id, S.CANCELED)
        scene.venue.push(first)
        polls = scene.venue.polls
        await eventually(lambda: scene.venue.polls > polls)
        await asyncio.sleep(0.1)
        assert now(first).status is S.ACCEPTED
        monkeypatch.setattr(StreamingVenue, "fills", listed)
        scene.venue.push(first)
        await eventually(lambda: now(first).status is S.CANCELED)

    scene.watch(act)
    assert now(first).cum_qty == first.intent.order_qty * HALF


def test_an_overdue_order_is_canceled_and_what_filled_first_or_later_is_booked(
    log: Path, monkeypatch: pytest.MonkeyPatch
):
    """A fill can land while our cancel is in flight, and be listed after it is confirmed."""
    cancel = StreamingVenue.cancel

    async def fill_then_cancel(self: StreamingVenue, order: Order, now: datetime) -> SubmitResult:
        self.trade(order, HALF)
        return await cancel(self, order, now)

    monkeypatch.setattr(StreamingVenue, "cancel", fill_then_cancel)
    for scene in place(accepts(), log, order_timeout_s=1):
        first, _ = scene.orders

        async def act(scene: Scene = scene, first: Order = first) -> None:
            await eventually(lambda: now(first).status is S.CANCELED)
            assert now(first).cum_qty == first.intent.order_qty * HALF
            scene.venue.trade(first, HALF / 2)
            await eventually(lambda: len(booked(scene)) == 3)

        scene.watch(act, POLLS)
        assert now(first).cum_qty == first.intent.order_qty * HALF * 3 / 2
        assert now(first).status is S.CANCELED
        assert len(alerts("order overdue")) == 2


def test_a_halt_does_not_stop_the_watch(scene: Scene):
    """What is open when trading stops still fills."""
    set_state(TradingState.HALTED)
    first, _ = scene.orders

    async def act() -> None:
        scene.venue.trade(first)
        scene.venue.push(first)
        await eventually(lambda: now(first).status is S.FILLED)

    scene.watch(act)


def test_a_watch_ends_when_its_time_is_over(scene: Scene):
    started = wiring.wall_clock()
    asyncio.run(watch(scene.cycle, scene.venue, scene.market, LISTENS, for_s=0.3))
    assert timedelta(seconds=0.3) <= wiring.wall_clock() - started < timedelta(seconds=2)


def test_a_watch_ends_when_nothing_is_under_way_any_more(scene: Scene):
    async def play() -> None:
        async with asyncio.timeout(EVENTUALLY_S):
            watching = asyncio.create_task(
                watch(
                    scene.cycle,
                    scene.venue,
                    scene.market,
                    LISTENS,
                    until=lambda under_way: not under_way,
                )
            )
            for order in scene.orders:
                assert not watching.done()
                scene.venue.trade(order)
                scene.venue.push(order)
                await eventually(lambda order=order: now(order).status is S.FILLED)  # type: ignore[misc]
            await watching

    asyncio.run(play())


def test_a_venue_out_of_reach_is_asked_on_and_a_person_is_told_once(scene: Scene):
    first, _ = scene.orders

    async def act() -> None:
        scene.venue.reachable = False
        scene.venue.trade(first)
        polls = scene.venue.polls
        await eventually(lambda: scene.venue.polls > polls + 6)
        assert now(first).status is S.ACCEPTED
        scene.venue.reachable = True
        await eventually(lambda: now(first).status is S.FILLED)

    scene.watch(act, POLLS)
    assert len(alerts("watch blind")) == 1
    assert "cannot be reached" in alerts("watch blind")[0].text


def test_books_that_differ_quarantine_once_and_are_lifted_when_they_agree(scene: Scene):
    first, _ = scene.orders
    instrument = first.intent.instrument_id

    async def act() -> None:
        scene.venue._holdings[instrument] = Decimal(7)
        await eventually(lambda: bool(discrepancies(scene)))
        polls = scene.venue.polls
        await eventually(lambda: scene.venue.polls > polls + 9)  # it is found again and again
        assert [d.instrument_id for d in discrepancies(scene)] == [instrument]
        scene.venue._holdings[instrument] = Decimal(0)
        await eventually(lambda: not discrepancies(scene))

    scene.watch(act, replace(LISTENS, reconcile_every_s=0.02))
    assert len(alerts("books differ")) == 1


def test_others_trade_on_beside_a_watch(scene: Scene):
    """The account's lock is held for one piece of work; while others have it the stream flows."""
    first, _ = scene.orders

    async def act() -> None:
        def hold() -> None:
            with wiring.account_guard(scene.cycle.account).hold():
                scene.venue.trade(first)
                asyncio.run_coroutine_threadsafe(pushed(), loop).result(EVENTUALLY_S)
                assert now(first).status is S.ACCEPTED

        async def pushed() -> None:
            scene.venue.push(first)
            await eventually(lambda: scene.venue._pushes.empty())

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(hold)
        await eventually(lambda: now(first).status is S.FILLED)

    scene.watch(act, replace(POLLS, reconcile_every_s=0.02))


def test_two_watches_side_by_side_book_each_fill_once(scene: Scene, log: Path):
    for order in scene.orders:
        for _ in range(4):
            scene.venue.trade(order, Decimal("0.25"))
    ready, ended = threading.Barrier(2), []

    def look() -> None:
        venue = StreamingVenue(log=log)
        for order in scene.orders:
            venue.push(order)
        ready.wait()
        asyncio.run(watch(scene.cycle, venue, scene.market, POLLS, for_s=1.0))
        ended.append(venue.polls)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ended) == 2
    assert min(ended) > 1
    assert len(booked(scene)) == 8
    for order in scene.orders:
        assert now(order).status is S.FILLED
        assert now(order).cum_qty == order.intent.order_qty


@pytest.mark.parametrize("fills", [True, False])
def test_a_run_stays_with_its_orders_until_they_end_or_its_time_is_over(
    log: Path, monkeypatch: pytest.MonkeyPatch, fills: bool
):
    monitor_s = 120 if fills else 1  # so long that it is not time that ends it
    for scene in place(accepts(), log, monitor_s=monitor_s):
        monkeypatch.setitem(wiring.VENUES, "scripted", lambda *_, venue=scene.venue: venue)
        if fills:
            timers = [threading.Timer(0.5, scene.venue.trade, [order]) for order in scene.orders]
            for timer in timers:
                timer.start()
        started = wiring.wall_clock()
        monitor_orders.fn(scene.cycle, scene.market)
        took = wiring.wall_clock() - started
        statuses = {now(order).status for order in scene.orders}
        assert statuses == ({S.FILLED} if fills else {S.ACCEPTED})
        assert (took < timedelta(seconds=monitor_s)) is fills


def test_ctrl_c_is_how_a_watch_is_meant_to_end(log: Path, monkeypatch: pytest.MonkeyPatch):
    for scene in place(accepts(), log):
        monkeypatch.setitem(wiring.VENUES, "scripted", lambda *_, venue=scene.venue: venue)
        pressing = threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT])
        pressing.start()
        watch_account.fn(scene.cycle, scene.market, None, 60)
        pressing.join()
        with wiring.open_ledger().reading() as books:
            stages = books.stages.of(scene.cycle.run_id)
        assert [s.event for s in stages if s.stage == "watch"] == ["started", "completed"]


@pytest.mark.slow
def test_the_command_watches_until_ctrl_c_and_its_run_is_complete(tmp_path: Path):
    """Through Prefect: the flow, its task, and the interrupt that ends both."""
    process = start(tmp_path, "watch", "--as-of", "2013-03-01")
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "Ctrl-C ends it" in line:
                break
        deadline = time.monotonic() + 60
        while not watching(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        press_ctrl_c(process)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert out.count("ORDERS") == 2  # what was open at first, and what is left
    with Ledger(tmp_path / "ledger.duckdb").reading() as books:
        (run,) = books.runs.recent(books.runs.accounts(), 2)
    assert run.status is RunStatus.COMPLETED


def watching(home: Path) -> bool:
    """Whether the only run there has come to its watch."""
    with Ledger(home / "ledger.duckdb").reading() as books:
        runs = books.runs.recent(books.runs.accounts(), 1)
        return any(s.stage == "watch" for run in runs for s in books.stages.of(run.run_id))
