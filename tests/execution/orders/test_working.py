"""Whatever the price, the venue and crashes do: a position is closed once, and then all ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.errors import InputInvalid
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import VenueOrderId
from execution.model.money import ZERO
from execution.model.order import IN_FLIGHT, OPEN, TERMINAL, Order, OrderEvent, OrderIntent
from execution.orders.bracket import legs
from execution.orders.held import Trigger, lapsed, received
from execution.orders.placement import quantized
from execution.orders.splitting import twap
from execution.orders.submission import ENDED, ask, resolve, seen, submit_all
from execution.orders.working import Desk, Pens, clear_the_way, work
from execution.venues.base import SubmitOutcome, SubmitResult
from execution.venues.capabilities import Capabilities
from tests.execution.examples import (
    AAPL,
    NOW,
    ListLedger,
    make_event,
    make_fill,
    make_instrument,
    make_intent,
    make_order,
)
from tests.scripted_venue import EVERYTHING, ScriptedVenue

QTY = Decimal(10)
STOP = OrderType.STOP
PLAIN = Capabilities(
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset(TimeInForce),
)
ENTRY = make_intent("entry", stop_loss=Decimal(95), take_profit=Decimal(110))
BRACKET = (ENTRY, *legs(ENTRY, make_instrument()))


class Crash(BaseException):
    """The process dies: nothing catches it, nothing is written after it."""


class Exchange(ScriptedVenue):
    """Works resting orders at its price; what is asked of it may be lost, or come too late."""

    def __init__(self, capabilities: Capabilities = EVERYTHING) -> None:
        super().__init__(fills=False, capabilities=capabilities)
        self.px = Decimal(100)
        self.moods: list[str] = []
        self.terms: dict[VenueOrderId, OrderIntent] = {}
        self.share = Decimal(1)  # of an order, filled at a time

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        assert intent.order_type in self.capabilities(intent.instrument_id).order_types
        mood = self.moods.pop() if self.moods else ""
        if mood == "lost":
            self.submitted.append(intent.client_order_id)
            return SubmitResult(outcome=SubmitOutcome.NOT_SENT, ts_event=now, reason="lost")
        result = await super().submit(intent, now)
        if mood == "dies":
            raise Crash
        if mood == "silent":
            return SubmitResult(outcome=SubmitOutcome.UNKNOWN, ts_event=now, reason="timeout")
        return result

    def take(self, intent: OrderIntent, now: datetime) -> VenueOrderId:
        if intent.reduce_only:
            there = sum((r.order_qty - r.cum_qty for r in self._resting(OrderSide.SELL)), ZERO)
            assert there + intent.order_qty <= self.held, "more to sell than is held"
        venue_order_id = super().take(intent, now)
        self.terms[venue_order_id] = intent
        return venue_order_id

    async def cancel(self, order: Order, now: datetime) -> SubmitResult:
        mood = self.moods.pop() if self.moods else ""
        if mood == "lost":
            return SubmitResult(outcome=SubmitOutcome.UNKNOWN, ts_event=now, reason="timeout")
        if mood == "silent":  # it fills on the way
            self.match(now)
        result = await super().cancel(order, now)
        if mood == "dies":
            raise Crash
        return result

    def match(self, now: datetime) -> None:
        """Fill what the price has reached, `share` of it."""
        for report in self._resting(OrderSide.BUY) + self._resting(OrderSide.SELL):
            terms = self.terms[report.venue_order_id]
            begun = report.cum_qty > 0  # a stop that was reached stays a market order
            if terms.order_type is STOP and not begun and self.px > (terms.stop_px or ZERO):
                continue
            if terms.order_type is OrderType.LIMIT and self.px < (terms.limit_px or ZERO):
                continue
            left = report.order_qty - report.cum_qty
            part = max(Decimal(1), (left * self.share).to_integral_value())
            self.fill(report.client_order_id, min(left, part), self.px, now)

    @property
    def held(self) -> Decimal:
        return self._holdings.get(AAPL, ZERO)

    def _resting(self, side: OrderSide):
        return [r for r in self._orders.values() if r.status in OPEN and r.side is side]


class World:
    """Books and an exchange that outlive the processes working on them."""

    def __init__(self, exchange: Exchange, intents: Iterable[OrderIntent] = BRACKET) -> None:
        self.now = NOW
        self.exchange = exchange
        self.ledger = ListLedger(*(Order(intent=intent) for intent in intents))
        self.triggers: dict[str, Trigger] = {}
        self.crashes: list[str] = []
        self.told: list[tuple[str, str]] = []  # what was said to be unprotected
        self.may: dict[str, Any] = {}  # what the desk is told apart from the books

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def record(self, event: OrderEvent) -> Order | None:
        crash = self.crashes.pop() if self.crashes else "no"
        if crash == "before":
            raise Crash
        after = self.ledger.record(event)
        if crash == "after":
            raise Crash
        return after

    def hold(self, intent: OrderIntent, after: Order) -> Order:
        if intent.client_order_id not in self.ledger.orders:
            self.ledger._intents.append(intent)
        return self.ledger.orders[intent.client_order_id]

    def save(self, trigger: Trigger) -> None:
        self.triggers[trigger.client_order_id] = trigger

    @property
    def pens(self) -> Pens:
        return Pens(
            record=self.record,
            save_trigger=self.save,
            hold=self.hold,
            unprotected=lambda order, why: self.told.append((order.intent.leg, why)),
        )

    def desk(self) -> Desk:
        orders = self.ledger.orders
        fills = [item for item in self.ledger.story if isinstance(item, Fill)]
        return Desk(
            orders=tuple(orders.values()),
            intended={i.client_order_id: i for i in self.ledger._intents},
            received={
                key: received([f for f in fills if f.client_order_id == key], "AAPL")
                for key in orders
            },
            prices={AAPL: self.exchange.px},
            sends=self.ledger.sends,
            triggers=dict(self.triggers),
            lapsed=frozenset(
                key
                for key, order in orders.items()
                if lapsed(
                    order,
                    [
                        item
                        for item in self.ledger.story
                        if isinstance(item, OrderEvent) and item.client_order_id == key
                    ],
                )
            ),
            **(
                {
                    "positions": {AAPL: sum((f.side.sign * f.last_qty for f in fills), ZERO)},
                    "traded": frozenset({AAPL}),
                }
                | self.may
            ),
        )

    async def look(self) -> None:
        """Bring the books up to the venue: fates, ends, fills."""
        for key, order in self.ledger.orders.items():
            if order.status in IN_FLIGHT:
                sends = self.ledger.sends[key]
                await resolve(
                    order, self.exchange, self.record, self.clock, sends, NOW, 0.0, self.sleep
                )
            elif order.status in OPEN:
                answer = await ask(self.exchange, order, NOW)
                if answer.report is not None and answer.report.status in ENDED:
                    self.record(seen(order, answer.report, self.now))
        for fill in await self.exchange.fills(NOW):
            self.ledger.book_fill(fill)

    async def process(self, rounds: int = 4) -> None:
        """One run: look, and work until there is nothing to do."""
        await self.look()
        for _ in range(rounds):
            if not await work(self.desk(), self.exchange, self.pens, self.clock):
                return
            await self.look()

    def live(self) -> None:
        with contextlib.suppress(Crash):
            asyncio.run(self.process())

    def open(self) -> None:
        """Send the entry and hold its legs, as a plan does, and let it fill."""

        async def send() -> None:
            orders = list(self.ledger.orders.values())
            record, sends = self.ledger.record, self.ledger.sends
            await submit_all(orders, orders, self.exchange, record, self.clock, sends)
            self.exchange.match(self.now)
            await self.look()

        asyncio.run(send())

    def tick(self, px: object) -> None:
        self.now += timedelta(seconds=60)
        self.exchange.px = Decimal(str(px))
        self.exchange.match(self.now)
        self.live()

    def status(self, leg: str) -> S:
        return next(o.status for o in self.ledger.orders.values() if o.intent.leg == leg)

    def sent(self) -> list[tuple[str, OrderType, Decimal]]:
        return [(i.leg, i.order_type, i.order_qty) for i in self.exchange.sent]


def opened(capabilities: Capabilities) -> World:
    world = World(Exchange(capabilities))
    world.open()
    return world


def test_legs_are_held_until_the_entry_has_filled():
    """Sent at once they would have nothing to sell."""
    world = opened(PLAIN)

    assert world.sent() == [("entry", OrderType.MARKET, QTY)]
    assert (world.status("stop"), world.status("target")) == (S.HELD, S.HELD)


def test_a_stop_that_we_hold_goes_out_as_market_when_its_price_comes():
    world = opened(PLAIN)
    world.tick(96)
    assert len(world.sent()) == 1

    world.tick(95)
    world.tick(95)

    assert world.sent()[1:] == [("stop", OrderType.MARKET, QTY)]
    assert (world.status("stop"), world.status("target")) == (S.FILLED, S.CANCELED)
    reason = next(
        e.reason
        for e in world.ledger.story
        if getattr(e, "status", "") == "submitted" and e.client_order_id != "entry"
    )
    assert reason == "stop 95 reached at 95: sent as market"


def test_a_stop_that_the_venue_does_rests_there_and_makes_way_for_the_target():
    world = opened(EVERYTHING)
    world.tick(100)
    assert world.sent()[1:] == [("stop", OrderType.STOP, QTY)]

    world.tick(110)
    world.tick(110)

    assert world.sent()[2:] == [("target", OrderType.LIMIT, QTY)]
    assert world.exchange.held == 0
    assert {leg: world.status(leg) for leg in ("stop", "stop #2", "target")} == {
        "stop": S.CANCELED,
        "stop #2": S.CANCELED,
        "target": S.FILLED,
    }


def test_an_entry_that_did_not_fill_takes_its_legs_with_it():
    world = World(
        Exchange(PLAIN),
        [replace(BRACKET[0], limit_px=Decimal(150), order_type=OrderType.LIMIT), *BRACKET[1:]],
    )
    world.open()
    world.exchange.end(ENTRY.client_order_id, S.CANCELED)

    world.tick(100)

    assert (world.status("stop"), world.status("target")) == (S.CANCELED, S.CANCELED)


def test_a_part_that_filled_is_protected_in_its_own_quantity():
    world = World(Exchange(PLAIN))
    world.exchange.share = Decimal("0.4")
    world.open()
    world.exchange.end(ENTRY.client_order_id, S.CANCELED)
    world.exchange.share = Decimal(1)

    world.tick(100)
    world.tick(94)
    world.tick(94)

    assert world.sent()[1:] == [("stop", OrderType.MARKET, Decimal(4))]
    assert world.exchange.held == 0


def test_slices_go_out_at_their_time_and_each_is_sent_once():
    slices = twap(make_intent(), 5, 60, NOW, make_instrument())
    world = World(Exchange(PLAIN), slices)
    world.open()
    assert world.sent() == [("entry 1/5", OrderType.MARKET, Decimal(2))]

    for _ in range(6):
        world.tick(100)

    assert [leg for leg, _, _ in world.sent()] == [f"entry {n}/5" for n in range(1, 6)]
    assert world.exchange.held == QTY


def test_a_slice_that_was_not_sent_is_held_again_and_sent_at_the_next_round():
    world = World(Exchange(PLAIN), twap(make_intent(), 2, 60, NOW, make_instrument()))
    world.open()
    world.exchange.moods = ["lost"]

    world.tick(100)
    world.tick(100)

    assert world.exchange.held == QTY
    assert world.exchange.submitted.count(world.exchange.sent[-1].client_order_id) == 2


def test_a_date_that_the_venue_does_not_know_is_kept_by_us():
    terms = {"time_in_force": TimeInForce.GTD, "expire_at": NOW + timedelta(seconds=90)}
    venue = Exchange(replace(PLAIN, time_in_force=frozenset({TimeInForce.GTC})))
    world = World(venue, [make_intent(limit_px=Decimal(150), **terms)])
    world.open()
    assert venue.sent[0].time_in_force is TimeInForce.GTC

    world.tick(100)
    assert world.status("entry") is S.ACCEPTED
    world.tick(100)

    assert world.status("entry") is S.CANCELED


def test_an_exit_clears_the_way_and_is_sent_when_the_stop_is_gone():
    """Spot venues lock what a resting stop would sell: the exit would be refused."""
    exit_ = make_intent("exit", leg="exit", side=OrderSide.SELL, reduce_only=True)
    world = opened(EVERYTHING)
    world.tick(100)
    assert world.status("stop") is S.ACCEPTED

    async def leave() -> None:
        world.ledger._intents.append(exit_)
        exits = [world.ledger.orders[exit_.client_order_id]]
        everything = world.ledger.orders.values()
        early = await submit_all(exits, everything, world.exchange, world.record, world.clock, {})
        assert early[0].status is S.INITIALIZED
        await clear_the_way([exit_], world.desk(), world.exchange, world.pens, world.clock)
        await world.look()
        everything = world.ledger.orders.values()
        await submit_all(exits, everything, world.exchange, world.record, world.clock, {})
        world.exchange.match(world.now)

    asyncio.run(leave())
    world.tick(100)

    assert world.exchange.held == 0
    assert {o.status for o in world.ledger.orders.values()} <= TERMINAL
    assert [leg for leg, _, _ in world.sent()] == ["entry", "stop", "exit"]


def test_a_stop_that_takes_over_is_watched_though_we_died_before_it_was_held():
    """Its intent was written, and the process died before it said HELD."""
    world = opened(EVERYTHING)
    world.exchange.share = Decimal("0.3")
    world.tick(96)
    world.crashes = ["before"]
    world.tick(110)
    assert world.status("stop #2") is S.INITIALIZED
    world.crashes = []

    for px in (110, *[90] * 12):
        world.tick(px)

    assert world.status("stop #2") is S.FILLED
    assert world.exchange.held == 0


def test_two_stops_of_one_position_are_not_both_sent_in_one_round():
    """The exchange asserts that no more is to be sold than is held."""
    terms = {"side": OrderSide.SELL, "reduce_only": True, "order_type": STOP}
    stops = [
        make_intent(name, leg=name, stop_px=Decimal(95), **terms) for name in ("stop a", "stop b")
    ]
    world = World(Exchange(PLAIN), [make_intent("entry"), *stops])
    world.open()

    for _ in range(3):
        world.tick(94)

    assert [leg for leg, _, _ in world.sent()] == ["entry", "stop a"]
    assert (world.status("stop a"), world.status("stop b")) == (S.FILLED, S.CANCELED)


def test_what_is_too_small_to_be_sent_ends():
    class Coarse(Exchange):
        async def quantize(self, intent: OrderIntent) -> OrderIntent:
            return quantized(intent, make_instrument(qty_min=Decimal(5)))

    world = World(Coarse(PLAIN))
    world.exchange.share = Decimal("0.4")
    world.open()
    world.exchange.end(ENTRY.client_order_id, S.CANCELED)

    world.tick(94)

    assert world.status("stop") is S.CANCELED
    assert world.exchange.held == 4


def refuse_stops(world: World, count: int) -> None:
    """The next stops are refused, as by a venue that finds too little to sell."""
    submit = world.exchange.submit

    async def refusing(intent: OrderIntent, now: datetime) -> SubmitResult:
        nonlocal count
        if intent.leg.startswith("stop") and count:
            count -= 1
            world.exchange.submitted.append(intent.client_order_id)
            return SubmitResult(outcome=SubmitOutcome.REJECTED, ts_event=now, reason="no balance")
        return await submit(intent, now)

    world.exchange.submit = refusing  # type: ignore[method-assign]


def test_a_stop_that_is_refused_is_taken_over_by_the_next():
    world = opened(EVERYTHING)
    refuse_stops(world, 2)

    for _ in range(4):
        world.tick(100)

    assert (world.status("stop"), world.status("stop #2")) == (S.REJECTED, S.REJECTED)
    assert world.status("stop #3") is S.ACCEPTED
    assert world.told == []


def test_a_stop_that_was_reached_and_is_refused_is_sent_again():
    """As market: the venue has no stops."""
    world = opened(PLAIN)
    refuse_stops(world, 1)

    for _ in range(3):
        world.tick(94)

    assert world.sent()[1:] == [("stop #2", OrderType.MARKET, QTY)]
    assert world.exchange.held == 0


def test_a_position_that_cannot_be_protected_is_told_and_not_tried_for_ever():
    world = opened(EVERYTHING)
    refuse_stops(world, 99)

    for _ in range(9):
        world.tick(100)

    stops = [o for o in world.ledger.orders.values() if o.intent.order_type is STOP]
    assert [o.status for o in stops] == [S.REJECTED] * 4
    assert world.told[-1] == (
        "stop #4",
        "4 stops in a row ended unfilled, the last is rejected: no balance",
    )


def test_a_stop_that_the_venue_ends_is_taken_over():
    world = opened(EVERYTHING)
    world.tick(100)
    stop = next(o for o in world.ledger.orders.values() if o.intent.leg == "stop")
    world.exchange.end(stop.client_order_id, S.EXPIRED)

    world.tick(100)

    assert (world.status("stop"), world.status("stop #2")) == (S.EXPIRED, S.ACCEPTED)


def late_entry(status: S, first: int) -> World:
    """An entry that ended, `first` of it filled then; 10 fill in the end."""
    world = World(Exchange())
    for said in (S.SUBMITTED, status):
        world.ledger.record(make_event("entry", status=said))
    for leg in BRACKET[1:]:
        world.ledger.record(make_event(leg.client_order_id, status=S.HELD))
    if first:
        world.ledger.book_fill(make_fill("T-1", client_order_id="entry", last_qty=Decimal(first)))
    world.exchange._holdings[AAPL] = QTY
    return world


@pytest.mark.parametrize("status", [S.CANCELED, S.REJECTED])
def test_a_late_fill_of_an_entry_brings_its_legs_back(status: S):
    world = late_entry(status, 0)
    world.tick(100)
    assert (world.status("stop"), world.status("target")) == (S.CANCELED, S.CANCELED)

    world.ledger.book_fill(make_fill("T-2", client_order_id="entry", last_qty=QTY))
    world.tick(100)

    assert (world.status("stop #2"), world.status("target #2")) == (S.ACCEPTED, S.HELD)
    assert world.sent() == [("stop #2", STOP, QTY)]


def test_a_late_fill_of_an_entry_makes_its_stop_larger():
    world = late_entry(S.CANCELED, 4)
    world.tick(100)
    assert world.sent() == [("stop", STOP, Decimal(4))]

    world.ledger.book_fill(make_fill("T-2", client_order_id="entry", last_qty=Decimal(6)))
    world.tick(100)
    world.tick(100)

    assert world.sent()[1:] == [("stop #2", STOP, QTY)]
    assert (world.status("stop"), world.status("stop #2")) == (S.CANCELED, S.ACCEPTED)


def test_what_was_too_small_to_be_protected_is_protected_once_there_is_more():
    world = late_entry(S.CANCELED, 4)

    async def coarse(intent: OrderIntent) -> OrderIntent:
        return quantized(intent, make_instrument(qty_min=Decimal(5)))

    world.exchange.quantize = coarse  # type: ignore[method-assign]
    world.tick(100)
    assert (world.sent(), world.status("stop")) == ([], S.CANCELED)

    world.ledger.book_fill(make_fill("T-2", client_order_id="entry", last_qty=Decimal(6)))
    world.tick(100)

    assert world.sent() == [("stop #2", STOP, QTY)]


def test_a_stop_stays_while_its_target_could_not_be_sent():
    world = opened(EVERYTHING)
    world.tick(100)
    world.may = {"sends_allowed": False}

    world.tick(110)

    assert (world.status("stop"), world.status("target")) == (S.ACCEPTED, S.HELD)


def test_a_stop_stays_while_another_order_locks_its_instrument():
    world = opened(EVERYTHING)
    world.tick(100)
    other = make_order("other", status=S.UNKNOWN)
    desk = replace(world.desk(), orders=(*world.desk().orders, other), prices={AAPL: Decimal(110)})
    exit_ = make_intent("exit", leg="exit", side=OrderSide.SELL, reduce_only=True)

    changed = asyncio.run(work(desk, world.exchange, world.pens, world.clock))
    cleared = asyncio.run(clear_the_way([exit_], desk, world.exchange, world.pens, world.clock))

    assert changed == cleared == ()
    assert world.status("stop") is S.ACCEPTED


def test_a_stop_that_is_due_while_nothing_may_be_sent_is_told():
    world = opened(PLAIN)
    world.may = {"sends_allowed": False}

    world.tick(94)

    assert len(world.sent()) == 1
    assert world.told == [("stop", "stop 95 reached at 94: sent as market; it may not be sent")]


def test_a_slice_waits_while_nothing_may_be_opened_and_a_stop_does_not():
    slices = [
        replace(s, stop_loss=None) for s in twap(make_intent(), 2, 60, NOW, make_instrument())
    ]
    world = World(Exchange(PLAIN), [*slices, *BRACKET])
    world.open()
    sent = len(world.sent())
    world.may = {"may_open": lambda intent: "quarantined"}

    world.tick(94)
    assert [leg for leg, _, _ in world.sent()[sent:]] == ["stop"]
    assert world.status("entry 2/2") is S.HELD
    world.may = {}
    world.tick(94)

    assert [leg for leg, _, _ in world.sent()[sent + 1 :]] == ["entry 2/2"]


def test_what_the_venue_was_not_built_for_is_left_alone():
    """It may raise for an instrument that it does not know, and say nothing of its orders."""
    world = opened(EVERYTHING)
    world.tick(100)
    before = dict(world.ledger.orders)
    world.may = {"traded": frozenset()}
    exit_ = make_intent("exit", leg="exit", side=OrderSide.SELL, reduce_only=True)

    for px in (94.5, 110):
        world.exchange.px = Decimal(str(px))
        world.live()
    asyncio.run(clear_the_way([exit_], world.desk(), world.exchange, world.pens, world.clock))

    assert world.ledger.orders == before


def test_a_stop_that_the_venue_cannot_put_in_its_steps_waits_and_is_told():
    world = opened(PLAIN)

    async def stranger(intent: OrderIntent) -> OrderIntent:
        raise InputInvalid("not an instrument of this venue")

    world.exchange.quantize = stranger  # type: ignore[method-assign]
    world.tick(94)

    assert world.status("stop") is S.HELD
    assert world.told == [("stop", "not an instrument of this venue")]


def test_a_stop_goes_out_for_what_is_there():
    """A fee that no fill told of is gone from the holding."""
    world = opened(PLAIN)
    world.may = {"positions": {AAPL: Decimal("9.975")}}

    world.tick(94)

    assert world.sent()[1:] == [("stop", OrderType.MARKET, Decimal("9.975"))]


MOODS = st.lists(st.sampled_from(["", "", "lost", "silent", "dies"]), max_size=6)
CRASHES = st.lists(st.sampled_from(["no", "no", "no", "before", "after"]), max_size=12)
TICKS = st.tuples(st.sampled_from([90, 94, 96, 100, 105, 110, 115]), MOODS, CRASHES)


@settings(max_examples=300, deadline=None)
@given(
    capabilities=st.sampled_from([PLAIN, EVERYTHING]),
    share=st.sampled_from([Decimal("0.3"), Decimal(1)]),
    ticks=st.lists(TICKS, max_size=12),
    last=st.sampled_from([90, 115]),
)
def test_an_oco_pair_closes_the_position_once_whatever_happens(
    capabilities: Capabilities,
    share: Decimal,
    ticks: list[tuple[int, list[str], list[str]]],
    last: int,
):
    """The exchange asserts at each order that no more is to be sold than is held."""
    world = opened(capabilities)
    world.exchange.share = share
    for px, moods, crashes in ticks:
        world.exchange.moods, world.crashes = list(moods), list(crashes)
        world.tick(px)
        assert 0 <= world.exchange.held <= QTY

    world.exchange.moods, world.crashes = [], []
    for _ in range(10):
        world.tick(last)
    # Closed, or still watched: a target that made way for a stop does not come back.
    watched = {o.status for o in world.ledger.orders.values() if o.intent.order_type is STOP}
    assert not world.exchange.held or watched & {S.HELD, S.ACCEPTED}
    for _ in range(10):
        world.tick(90)

    orders = world.ledger.orders.values()
    assert world.exchange.held == 0
    assert {o.status for o in orders} <= TERMINAL
    assert sum(o.cum_qty for o in orders if o.intent.protects) == QTY
    assert len(world.exchange.accepted) == len(set(world.exchange.accepted))
