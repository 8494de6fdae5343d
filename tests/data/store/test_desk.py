"""A bracket lives through restarts: all that a round needs is in the ledger."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from data.store.books import Books
from data.store.connection import Ledger
from data.store.desk import hold, load_desk
from data.store.verify import verify
from execution.model.enums import OrderSide, OrderType
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId, InstrumentId, RunId
from execution.model.order import Order, OrderEvent, OrderIntent
from execution.orders.bracket import legs
from execution.orders.groups import successor
from execution.orders.held import Trigger
from execution.orders.submission import ENDED, ask, seen, submit_all
from execution.orders.working import Desk, Pens, work
from tests.execution.examples import (
    AAPL,
    ACCOUNT,
    NOW,
    VENUE,
    make_event,
    make_fill,
    make_instrument,
    make_intent,
)
from tests.scripted_venue import ScriptedVenue

ENTRY = make_intent("entry", stop_loss=Decimal(95), take_profit=Decimal(110))
STOP, TARGET = legs(ENTRY, make_instrument())


def holdings(books: Books) -> dict[InstrumentId, Decimal]:
    return {p.instrument_id: p.net_qty for p in books.positions.open(ACCOUNT)}


class Process:
    """One life: it knows nothing but the ledger's path and the venue."""

    def __init__(self, ledger: Ledger, venue: ScriptedVenue) -> None:
        self.ledger, self.venue = Ledger(ledger.path, timeout_s=5), venue
        self.told: list[tuple[str, str]] = []
        self.pens = Pens(
            record=self.record,
            save_trigger=self.save,
            hold=self.hold,
            unprotected=lambda order, why: self.told.append((order.intent.leg, why)),
        )

    def record(self, event: OrderEvent) -> Order | None:
        with self.ledger.transaction() as books:
            return books.orders.append(event)

    def save(self, trigger: Trigger) -> None:
        with self.ledger.transaction() as books:
            books.triggers.save(trigger)

    def hold(self, intent: OrderIntent, after: Order) -> Order:
        with self.ledger.transaction() as books:
            return hold(books, intent, after, NOW)

    def desk(self, px: int) -> Desk:
        with self.ledger.reading() as books:
            desk = load_desk(books, ACCOUNT, {AAPL: Decimal(px)}, holdings(books))
        return replace(desk, traded=frozenset({AAPL}))

    async def round(self, px: int) -> tuple[Order, ...]:
        changed = await work(self.desk(px), self.venue, self.pens, lambda: NOW)
        await self.look()
        return changed

    async def look(self) -> None:
        with self.ledger.reading() as books:
            working = books.orders.working(ACCOUNT)
        for order in working:
            answer = await ask(self.venue, order, NOW)
            if answer.report is not None and answer.report.status in ENDED:
                self.record(seen(order, answer.report, NOW))
        for fill in await self.venue.fills(NOW):
            with self.ledger.transaction() as books:
                books.fills.record(VENUE, fill, "AAPL", "USD")


def test_a_bracket_is_worked_to_its_end_by_processes_that_know_only_the_ledger(ledger: Ledger):
    venue = ScriptedVenue(fills=False)

    async def live() -> None:
        first = Process(ledger, venue)
        with first.ledger.transaction() as books:
            orders = books.orders.commit_intents(
                RunId("run-1"), "digest", [ENTRY, STOP, TARGET], NOW
            )
        await submit_all(orders, orders, venue, first.record, lambda: NOW, {})
        assert {o.status for o in first.desk(100).orders} == {S.HELD, S.ACCEPTED}
        venue.fill(ENTRY.client_order_id, Decimal(10), Decimal(100), NOW)
        await first.look()

        await Process(ledger, venue).round(100)
        assert [i.leg for i in venue.sent] == ["entry", "stop"]

        won = Process(ledger, venue)
        assert [o.intent.leg for o in await won.round(110)] == ["stop #2", "stop"]
        await Process(ledger, venue).round(110)
        assert venue.sent[-1].client_order_id == TARGET.client_order_id
        venue.fill(TARGET.client_order_id, Decimal(10), Decimal(110), NOW)

        last = Process(ledger, venue)
        await last.look()
        await last.round(110)

    asyncio.run(live())

    with ledger.reading() as books:
        ends = {o.intent.leg: o.status for o in books.orders.all(ACCOUNT)}
        assert ends == {
            "entry": S.FILLED,
            "stop": S.CANCELED,
            "target": S.FILLED,
            "stop #2": S.CANCELED,
        }
        assert load_desk(books, ACCOUNT, {}, holdings(books)).orders == ()
        assert books.positions.open(ACCOUNT) == ()
        successor = next(o for o in books.orders.all(ACCOUNT) if o.intent.leg == "stop #2")
        assert books.orders.origin(successor.client_order_id) == ("run-1", "digest")
        assert verify(books) == ()


def test_a_desk_has_what_is_alive_with_its_kin_and_no_more(ledger: Ledger):
    """A leg is judged by its parent and its siblings, which may have ended long ago."""
    stranger = make_intent("stranger")
    with ledger.transaction() as books:
        books.orders.commit_intents(RunId("run-1"), "d", [ENTRY, STOP, TARGET, stranger], NOW)
        for intent in (STOP, TARGET):
            books.orders.append(make_event(intent.client_order_id, status=S.HELD))
        books.orders.append(make_event(TARGET.client_order_id, status=S.CANCELED))
        for key in ("entry", "stranger"):
            for status in (S.SUBMITTED, S.ACCEPTED):
                books.orders.append(make_event(key, status=status))
            fill = make_fill(
                f"T-{key}",
                client_order_id=ClientOrderId(key),
                commission=Decimal("0.01"),
                commission_ccy="AAPL",
            )
            books.fills.record(VENUE, fill, "AAPL", "USD")

    with ledger.reading() as books:
        desk = load_desk(books, ACCOUNT, {AAPL: Decimal(100)}, holdings(books))

    assert {o.intent.leg for o in desk.orders} == {"entry", "stop", "target"}
    assert desk.received == {"entry": Decimal("9.99")}
    assert desk.positions == {AAPL: Decimal("19.98")}
    assert desk.sends == {"entry": 1, STOP.client_order_id: 0, TARGET.client_order_id: 0}
    assert desk.intended[STOP.client_order_id] == STOP


def test_new_terms_leave_the_first_ones_known(ledger: Ledger):
    """A group's budget counts from what was asked for, not from what was released of it."""
    stop = replace(STOP, parent_id=None)
    with ledger.transaction() as books:
        books.orders.commit_intents(RunId("run-1"), "d", [stop], NOW)
        for status, terms in ((S.HELD, {}), (S.SUBMITTED, {"order_qty": Decimal(4)})):
            books.orders.append(make_event(stop.client_order_id, status=status, **terms))

    with ledger.reading() as books:
        desk = load_desk(books, ACCOUNT, {}, holdings(books))

    assert [o.intent.order_qty for o in desk.orders] == [Decimal(4)]
    assert desk.intended[stop.client_order_id].order_qty == Decimal(10)


def test_a_trailing_stop_goes_on_from_where_the_last_process_saw_it(ledger: Ledger):
    """99 is 10 % below 110, which only the first process saw."""
    trail = make_intent(
        "trail",
        side=OrderSide.SELL,
        reduce_only=True,
        order_type=OrderType.TRAILING_STOP,
        trail_pct=Decimal("0.10"),
    )
    plain = frozenset({OrderType.MARKET, OrderType.LIMIT})
    venue = ScriptedVenue()
    venue = ScriptedVenue(
        capabilities=replace(venue.capabilities(AAPL), order_types=plain), fills=False
    )
    with ledger.transaction() as books:
        books.orders.commit_intents(RunId("run-1"), "d", [trail], NOW)
        books.orders.append(make_event("trail", status=S.HELD))
        bought = make_fill(client_order_id=None, ts_event=NOW - timedelta(days=1))
        books.fills.record(VENUE, bought, "AAPL", "USD")

    for px in (110, 100, 99):
        asyncio.run(Process(ledger, venue).round(px))
        assert len(venue.sent) == (px == 99)

    assert venue.sent[0].order_type is OrderType.MARKET


def booked(ledger: Ledger, trade_id: str, client_order_id: str | None, qty: int) -> None:
    """A fill of so many, sold when negative; fees were taken in the base currency of a buy."""
    with ledger.transaction() as books:
        fill = make_fill(
            trade_id,
            client_order_id=client_order_id,
            side=OrderSide.BUY if qty > 0 else OrderSide.SELL,
            last_qty=Decimal(abs(qty)),
            commission=Decimal(1) if qty > 0 else Decimal(0),
            commission_ccy="AAPL",
        )
        books.fills.record(VENUE, fill, "AAPL", "USD")


def ended(ledger: Ledger, *intents: OrderIntent) -> None:
    """The entry is rejected, and its legs end with it: nothing was brought."""
    with ledger.transaction() as books:
        books.orders.commit_intents(RunId("run-1"), "d", [ENTRY, *intents], NOW)
        for status in (S.SUBMITTED, S.REJECTED):
            books.orders.append(make_event("entry", status=status))
        for intent in intents:
            key = f"{intent.client_order_id}:unneeded"
            books.orders.append(
                make_event(intent.client_order_id, status=S.CANCELED, event_key=key)
            )


def test_the_legs_of_an_order_that_filled_late_are_on_the_desk_though_all_have_ended(
    ledger: Ledger,
):
    ended(ledger, STOP, TARGET)
    assert Process(ledger, ScriptedVenue()).desk(100).orders == ()

    booked(ledger, "T-1", "entry", 10)

    desk = Process(ledger, ScriptedVenue()).desk(100)
    assert {o.intent.leg for o in desk.orders} == {"entry", "stop", "target"}
    assert desk.lapsed == {STOP.client_order_id, TARGET.client_order_id}
    assert (desk.received, desk.positions) == ({"entry": Decimal(9)}, {AAPL: Decimal(9)})


def test_a_late_fill_is_protected_by_a_process_that_knows_only_the_ledger(ledger: Ledger):
    venue = ScriptedVenue(fills=False)
    ended(ledger, STOP, TARGET)
    booked(ledger, "T-1", "entry", 10)

    for _ in range(2):
        asyncio.run(Process(ledger, venue).round(100))

    assert [(i.leg, i.order_qty) for i in venue.sent] == [("stop #2", Decimal(9))]


def test_a_position_that_was_closed_takes_its_legs_off_the_desk(ledger: Ledger):
    """Its stop would sell what another order has bought since."""
    ended(ledger, STOP, TARGET)
    booked(ledger, "T-1", "entry", 10)
    booked(ledger, "T-2", None, -9)
    booked(ledger, "T-3", None, 10)

    desk = Process(ledger, ScriptedVenue()).desk(100)

    assert (desk.orders, desk.positions) == ((), {AAPL: Decimal(9)})


def test_a_lost_stop_without_a_parent_is_on_the_desk_while_its_position_is_open(ledger: Ledger):
    stop = replace(STOP, parent_id=None, group_id=None)
    booked(ledger, "T-1", None, 10)
    with ledger.transaction() as books:
        books.orders.commit_intents(RunId("run-1"), "d", [stop], NOW)
        for status in (S.SUBMITTED, S.ACCEPTED, S.EXPIRED):
            books.orders.append(make_event(stop.client_order_id, status=status))

    assert Process(ledger, ScriptedVenue()).desk(100).lapsed == {stop.client_order_id}
    booked(ledger, "T-2", None, -9)
    booked(ledger, "T-3", None, 10)
    assert Process(ledger, ScriptedVenue()).desk(100).orders == ()


def test_a_stop_that_takes_over_goes_on_from_where_the_last_one_was(ledger: Ledger):
    """Started again at today's price, a trailing stop would give back what it had locked in."""
    trail = make_intent("trail", order_type=OrderType.TRAILING_STOP, trail_pct=Decimal("0.10"))
    seen_px = Trigger(client_order_id=trail.client_order_id, extreme_px=Decimal(110), ts_event=NOW)
    with ledger.transaction() as books:
        (after,) = books.orders.commit_intents(RunId("run-1"), "d", [trail], NOW)
        books.triggers.save(seen_px)
        held = hold(books, successor(trail, Decimal(10)), after, NOW)

        found = books.triggers.of([held.client_order_id])

    assert found == {held.client_order_id: replace(seen_px, client_order_id=held.client_order_id)}
