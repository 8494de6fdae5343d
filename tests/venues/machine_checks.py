"""What must hold of a world after every step, and once everybody is honest and has settled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from data.store.books import Books
from data.store.verify import verify
from execution.model.discrepancy import DiscrepancyKind
from execution.model.enums import OrderStatus as S
from execution.model.enums import TradingState
from execution.model.money import ZERO
from execution.model.order import IN_FLIGHT, OPEN, SENDABLE, Order
from execution.model.state_change import loosens
from execution.orders.groups import in_the_way
from tests.venues.lying_exchange.lies import Kind
from tests.venues.machine_parts import PASSPHRASE, PATIENCE_S, SECRET, WINDOW_S
from tests.venues.machine_world import World

ROUNDS_MIN = 4  # of waiting and asking, until all is settled
ID_PARAMS = ("newClientOrderId", "orderLinkId", "client_order_id", "cl_ord_id")
EVENTS = """
    SELECT client_order_id, status, ts_init FROM (
        SELECT seq, client_order_id, status, ts_init FROM order_events
        UNION ALL
        SELECT seq, client_order_id, 'filled', ts_init FROM fills WHERE client_order_id IS NOT NULL
    ) ORDER BY seq
"""
TEXTS = """
    SELECT table_name, column_name FROM information_schema.columns WHERE data_type = 'VARCHAR'
    AND table_catalog = 'store'
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One submit request as it came in at the exchange."""

    client_order_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger says."""

    orders: Mapping[str, Order]
    events: Mapping[str, Sequence[tuple[S, datetime]]]  # by order, in the ledger's own order
    state: TradingState
    by_breaker: bool  # its last word


class Checks:
    """The promises, checked when the ledger or the exchange has heard something new."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: tuple[object, ...] = ()

    def hold(self) -> None:
        """Raise AssertionError for the first promise that is broken."""
        world = self._world
        now = (world.ledger, world.ledger.changes, len(world.exchange.requests))
        if now == self._seen:
            return
        self._seen = now
        told, requests = _told(world), tuple(_requests(world))
        at_most_one_order_an_intent(world)
        nothing_sent_before_it_is_written(requests, told)
        nothing_sent_on_top_of_doubt(requests, told)
        halts_are_kept(world, told)
        assert world.exchange.crashes == []


def at_most_one_order_an_intent(world: World) -> None:
    counts = Counter(order.client_id for order in world.engine.orders(world.key))
    doubled = {key: n for key, n in counts.items() if key and n > 1}
    assert doubled == {}, f"more than one order of an intent: {doubled}"


def nothing_sent_before_it_is_written(requests: Sequence[Request], told: Told) -> None:
    """Every request has a SUBMITTED of its own, written before it came in."""
    sent: Counter[str] = Counter()
    for request in requests:
        key = request.client_order_id
        sent[key] += 1
        events = told.events.get(key, ())
        written = sum(status is S.SUBMITTED and at <= request.at for status, at in events)
        assert sent[key] <= written, f"{key}: send {sent[key]} was not written"


def nothing_sent_on_top_of_doubt(requests: Sequence[Request], told: Told) -> None:
    """While one order is in flight on an instrument, no other one reaches the exchange."""
    doubts = {key: tuple(_in_flight(events)) for key, events in told.events.items()}
    for request in requests:
        instrument_id = told.orders[request.client_order_id].intent.instrument_id
        for key, spans in doubts.items():
            other = key != request.client_order_id
            if other and told.orders[key].intent.instrument_id == instrument_id:
                for start, end in spans:
                    doubt = start < request.at and (end is None or request.at < end)
                    assert not doubt, f"{request} was sent while {key} was in flight"


def halts_are_kept(world: World, told: Told) -> None:
    """What a person has set stays in force, and nothing leaves that it forbids.

    The breaker may be stricter than the person, by its own word, and never looser.
    """
    tightened = told.by_breaker and loosens(told.state, world.state)
    assert told.state is world.state or tightened
    if world.state is TradingState.ACTIVE:
        return
    for key, events in told.events.items():
        sends = sum(status is S.SUBMITTED for status, _ in events)
        reduces = world.state is TradingState.REDUCING and told.orders[key].intent.reduce_only
        forbidden = sends > world.sends_at_halt.get(key, 0) and not reduces
        assert not forbidden, f"{key} was sent while trading was {world.state}"


def settle(world: World) -> None:
    """Everybody is honest and has time: ask, wait and send what is left, a few times over."""
    world.be_honest()
    for instrument_id in world.instruments:
        world.engine.set_liquidity(instrument_id.symbol, None)
    world.doom = None
    world.restart(PATIENCE_S)
    world.calm_down()
    if _told(world).state is not TradingState.ACTIVE:
        world.set_state(TradingState.ACTIVE)
    # Exits go one by one: each waits until the one before has filled.
    for _ in range(ROUNDS_MIN + len(world.wishes)):
        world.pass_time(WINDOW_S)
        for how in (world.look(), world.wish_again()):
            assert how in ("done", "none"), how
        orders = _told(world).orders.values()
        if not any(order.status in IN_FLIGHT | SENDABLE for order in orders):
            return


def books_equal_venue(world: World) -> None:
    """After `settle`: both sides have the same orders, fills, positions and cash."""
    found = world.found()
    told = _told(world)
    for order in told.orders.values():
        _same_order(world, order, told.orders.values())
    ours = [str(d) for d in found if d.kind is not DiscrepancyKind.EXTERNAL]
    assert ours == [], ours
    assert world.strangers or found == (), found
    with world.ledger.reading() as books:
        findings = verify(books)
        cash = books.cash(world.cycle.account)
        held = {p.instrument_id.base: p.net_qty for p in books.positions.all(world.cycle.account)}
        leaks = tuple(_leaks(books, (SECRET, PASSPHRASE, world.key)))
    assert findings == (), findings
    theirs = {c: b.total for c, b in world.engine.balances(world.key).items() if b.total}
    sums = {c: cash.get(c, ZERO) + held.get(c, ZERO) for c in cash.keys() | held.keys()}
    ours = {c: amount for c, amount in sums.items() if amount}
    assert ours == theirs, f"books {ours}, venue {theirs}"
    assert leaks == (), leaks


def _same_order(world: World, order: Order, orders: Iterable[Order]) -> None:
    theirs = world.engine.by_client_id(world.key, order.client_order_id)
    what = (
        f"{order.client_order_id} is {order.status}, {order.cum_qty.normalize():f} filled "
        f"({order.reason}); at the venue: {theirs}"
    )
    if not theirs:
        never = {S.CANCELED, S.REJECTED, S.DENIED}
        # An exit waits while another one rests at the venue: both would sell the same.
        waits = order.status is S.INITIALIZED and in_the_way(order.intent, orders)
        assert order.cum_qty == 0, what
        assert order.status in never or waits, what
        return
    assert len(theirs) == 1, what
    assert order.cum_qty == theirs[0].cum_qty, what
    assert order.status not in IN_FLIGHT | SENDABLE, what
    assert (order.status in OPEN) == theirs[0].open, what


def _leaks(books: Books, secrets: Sequence[str]) -> Iterator[str]:
    for table, column in books.session.rows(TEXTS):
        for secret in secrets:
            sql = f'SELECT count(*) FROM "{table}" WHERE contains("{column}", ?)'  # noqa: S608
            if books.session.rows(sql, secret)[0][0]:
                yield f"{table}.{column}"


def _told(world: World) -> Told:
    with world.ledger.reading() as books:
        rows = books.session.rows(EVENTS)
        orders = books.orders.all(world.cycle.account)
        last = books.trading_state.history(world.cycle.account)[-1]
    events: dict[str, list[tuple[S, datetime]]] = defaultdict(list)
    for key, status, at in rows:
        events[key].append((S(status), at))
    return Told(
        orders={o.client_order_id: o for o in orders},
        events=events,
        state=last.state,
        by_breaker=last.cause is not None and not last.by_person,
    )


def _requests(world: World) -> Iterator[Request]:
    for logged in world.requests:
        if logged.kind is Kind.SUBMIT:
            key = next(str(logged.params[name]) for name in ID_PARAMS if name in logged.params)
            yield Request(key, logged.at)


def _in_flight(events: Sequence[tuple[S, datetime]]) -> Iterator[tuple[datetime, datetime | None]]:
    """From when to when nobody knew; None: still. Asking to cancel proves nothing."""
    start: datetime | None = None
    for status, at in events:
        if status is S.SUBMITTED and start is None:
            start = at
        elif status not in IN_FLIGHT | {S.PENDING_CANCEL} and start is not None:
            yield start, at
            start = None
    if start is not None:
        yield start, None
