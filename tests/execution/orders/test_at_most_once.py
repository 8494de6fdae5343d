"""Random venues, random crashes: never two orders of one intent, never one on top of doubt."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId
from execution.model.order import IN_FLIGHT, TERMINAL, Order, OrderEvent, OrderIntent
from execution.orders.submission import resolve, submit_all
from execution.venues.base import LookupOutcome, LookupResult, SubmitOutcome, SubmitResult
from tests.execution.examples import MSFT, NOW, ListLedger, make_order
from tests.scripted_venue import (
    OnSubmit,
    ScriptedVenue,
    accepts,
    cannot_tell,
    found,
    not_sent,
    raises,
    rejects,
    times_out,
    times_out_after_accepting,
    unreachable,
)

WINDOW_S = 5.0  # how long a request may be under way before the venue takes it


class Crash(BaseException):
    """The process dies: nothing catches it, nothing is written after it."""


class World:
    """A ledger and a venue that outlive the processes working on them."""

    def __init__(self, submits: list[OnSubmit], lookups: list[str], crashes: list[str]) -> None:
        self.now = NOW
        self.orders = [
            make_order("a"),
            make_order("b"),  # on the same instrument
            make_order("c", intent={"instrument_id": MSFT}),
        ]
        self.ledger = ListLedger(*self.orders)
        self.crashes = crashes
        self.venue = WatchedVenue(self, submits, lookups)

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def record(self, event: OrderEvent) -> Order | None:
        """Commit, unless the process dies just before or just after."""
        crash = self.crashes.pop() if self.crashes else "no"
        if crash == "before":
            raise Crash
        after = self.ledger.record(event)
        if crash == "after":
            raise Crash
        return after

    async def process(self) -> None:
        """One run: settle what is in flight, then send what is not sent."""
        for order in self.ledger.orders.values():
            if order.status in IN_FLIGHT:
                await resolve(
                    order,
                    self.venue,
                    self.record,
                    self.clock,
                    sends=self.ledger.sends[order.client_order_id],
                    submitted_at=self.submitted_at(order.client_order_id),
                    validity_window_s=WINDOW_S,
                    sleep=self.sleep,
                )
        orders = list(self.ledger.orders.values())
        working = [order for order in orders if order.status not in TERMINAL]
        await submit_all(orders, working, self.venue, self.record, self.clock, self.ledger.sends)

    def submitted_at(self, key: ClientOrderId) -> datetime:
        return max(
            e.ts_init
            for e in self.ledger.story
            if isinstance(e, OrderEvent) and (e.client_order_id, e.status) == (key, S.SUBMITTED)
        )

    def live(self) -> None:
        """One process, which may die."""
        with contextlib.suppress(Crash):
            asyncio.run(self.process())


class WatchedVenue(ScriptedVenue):
    """Checks at every send that no other order of its instrument is in doubt.

    A request may also land late: it is taken at the send, and seen by lookups only when a
    little less than the validity window has passed.
    """

    def __init__(self, world: World, submits: list[OnSubmit], lookups: list[str]) -> None:
        super().__init__(on_submit=submits, fills=False)
        self.world = world
        self.moods = lookups
        self.seen_from: dict[ClientOrderId, datetime] = {}

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        for order in self.world.ledger.orders.values():
            same = order.intent.instrument_id == intent.instrument_id
            if same and order.client_order_id != intent.client_order_id:
                assert order.status not in IN_FLIGHT
        assert self.world.ledger.orders[intent.client_order_id].status is S.SUBMITTED
        return await super().submit(intent, now)

    async def lookup(self, order: Order, since: datetime) -> LookupResult:
        mood = self.moods.pop() if self.moods else "honest"
        if self.world.now < self.seen_from.get(order.client_order_id, self.world.now):
            return LookupResult(outcome=LookupOutcome.ABSENT)
        script = {"honest": found(), "unsure": cannot_tell(), "down": unreachable()}[mood]
        return script(self, order.client_order_id)


def lands_late(venue: ScriptedVenue, intent: OrderIntent, now: datetime) -> SubmitResult:
    assert isinstance(venue, WatchedVenue)
    venue.take(intent, now)
    venue.seen_from[intent.client_order_id] = now + timedelta(seconds=WINDOW_S)
    return SubmitResult(outcome=SubmitOutcome.UNKNOWN, ts_event=now, reason="timeout")


SUBMITS: list[Callable[[], OnSubmit]] = [
    accepts,
    rejects,
    not_sent,
    times_out,
    times_out_after_accepting,
    lambda: lands_late,
    lambda: raises(OSError("reset")),
    lambda: raises(OSError("reset"), after_accepting=True),
    lambda: raises(Crash()),
    lambda: raises(Crash(), after_accepting=True),
]


@settings(max_examples=400)
@given(
    submits=st.lists(st.sampled_from(SUBMITS), max_size=8),
    lookups=st.lists(st.sampled_from(["honest", "unsure", "down"]), max_size=20),
    crashes=st.lists(st.sampled_from(["no", "no", "before", "after"]), max_size=20),
)
def test_at_most_one_venue_order_an_intent(
    submits: list[Callable[[], OnSubmit]], lookups: list[str], crashes: list[str]
):
    world = World([make() for make in submits], lookups, crashes)

    for _ in range(4):
        world.live()
        assert len(world.venue.accepted) == len(set(world.venue.accepted))

    # Once everybody behaves every order comes to exactly one end, and the books know which.
    # A send that times out takes two lives: one to see that it is not there, one to resend.
    world.crashes.clear()
    world.venue.moods.clear()
    for _ in range(20):
        world.live()
    for key, order in world.ledger.orders.items():
        taken = world.venue.accepted.count(key)
        assert (order.status, taken) in {(S.ACCEPTED, 1), (S.REJECTED, 0)}


def test_the_watch_itself_would_see_a_second_order():
    """The venue dedupes nothing, so the promise rests on us alone."""
    venue, order = ScriptedVenue(), make_order()

    for _ in range(2):
        asyncio.run(venue.submit(order.intent, NOW))

    assert venue.accepted == [order.client_order_id] * 2
    with pytest.raises(AssertionError):
        assert len(venue.accepted) == len(set(venue.accepted))
