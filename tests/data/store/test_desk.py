"""A bracket lives through restarts: all that a round needs is in the ledger."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from data.store.connection import Ledger
from data.store.desk import hold, load_desk
from data.store.verify import verify
from execution.model.enums import OrderSide, OrderType
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId, RunId
from execution.model.order import Order, OrderEvent, OrderIntent
from execution.orders.bracket import legs
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


class Process:
    """One life: it knows nothing but the ledger's path and the venue."""

    def __init__(self, ledger: Ledger, venue: ScriptedVenue) -> None:
        self.ledger, self.venue = Ledger(ledger.path, timeout_s=5), venue
        self.pens = Pens(record=self.record, save_trigger=self.save, hold=self.hold)

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
            return load_desk(books, ACCOUNT, {AAPL: Decimal(px)})

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
        assert load_desk(books, ACCOUNT, {}).orders == ()
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
        desk = load_desk(books, ACCOUNT, {AAPL: Decimal(100)})

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
        desk = load_desk(books, ACCOUNT, {})

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
