"""Four exchanges with a matching engine, which lie: at most one order, and the truth of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest

from execution.model.enums import OrderSide, OrderStatus, OrderType, TransferKind
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.order import Order
from execution.venues.base import (
    LookupOutcome,
    OrderHint,
    Permissions,
    SubmitOutcome,
    SubmitResult,
)
from execution.venues.ccxt.venue import CcxtVenue
from execution.venues.keys import Keys
from tests.execution.venues.ccxt.places import (
    ACCOUNT,
    MARKET_IDS,
    FreeLimiter,
    instrument,
    intent,
)
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import AFTER, BEFORE, Fault, Kind, Lie
from tests.venues.lying_exchange.records import FeeIn, FeePolicy
from tests.venues.lying_exchange.server import LyingExchange

T = TypeVar("T")
FOUR = ("binance", "bybit", "coinbase", "kraken")
DEADLINE_S = 2.0
QTY = Decimal("0.01")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Place:
    """One exchange that lies, and an account at it."""

    name: str
    exchange: LyingExchange

    @property
    def engine(self) -> Engine:
        return self.exchange.engine(self.name)

    @property
    def symbol(self) -> str:
        return MARKET_IDS[self.name][1]

    def order(self, venue_order_id: str | None = None, **changes: object) -> Order:
        values = {"order_qty": QTY, "limit_px": Decimal(30000), "signal_time": now()}
        wanted = intent(self.name, **(values | changes))
        return Order(intent=wanted, venue_order_id=venue_order_id)

    def do(self, act: Callable[[CcxtVenue], Awaitable[T]]) -> T:
        """Act with a venue of its own."""

        async def run() -> T:
            instrument_id = InstrumentId(self.symbol, VenueId(self.name))
            venue = CcxtVenue(
                self.name,
                {instrument_id: instrument(self.name)},
                ACCOUNT,
                Keys(api_key="key", secret="c2VjcmV0"),
                FreeLimiter(),  # type: ignore[arg-type]
                now,
                endpoint=f"{self.exchange.url}/{self.name}",
                deadline_s=DEADLINE_S,
            )
            try:
                return await act(venue)
            finally:
                await venue.close()

        return asyncio.run(run())


@pytest.fixture(params=FOUR)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    name = request.param
    with LyingExchange(name) as exchange:
        quote = MARKET_IDS[name][1].partition("/")[2]
        fees = FeePolicy(fee_in=FeeIn.QUOTE if name in ("coinbase", "kraken") else FeeIn.RECEIVED)
        exchange.engine(name).open_account("key", {quote: "10000"}, fees)
        yield Place(name, exchange)


def test_an_order_is_placed_found_and_canceled(place: Place):
    async def act(venue: CcxtVenue) -> None:
        order = place.order()
        placed = await venue.submit(order.intent, now())
        assert placed.outcome is SubmitOutcome.ACCEPTED
        order = replace(order, venue_order_id=placed.venue_order_id)

        found = await venue.lookup(order, order.intent.signal_time)
        assert found.report is not None
        assert found.report.status is OrderStatus.ACCEPTED
        assert found.report.venue_order_id == placed.venue_order_id
        (resting,) = await venue.open_orders()
        assert resting.client_order_id == order.client_order_id
        assert resting.order_qty == QTY

        assert (await venue.cancel(order, now())).outcome is SubmitOutcome.ACCEPTED
        gone = await venue.lookup(order, order.intent.signal_time)
        assert gone.report is not None
        assert gone.report.status is OrderStatus.CANCELED
        assert await venue.open_orders() == ()
        again = await venue.cancel(order, now())
        assert again.outcome is SubmitOutcome.REJECTED, again

    place.do(act)


def test_what_was_bought_is_held_net_of_a_fee_in_kind(place: Place):
    async def act(venue: CcxtVenue) -> None:
        order = place.order(limit_px=None, order_type=OrderType.MARKET)
        placed = await venue.submit(order.intent, now())
        assert placed.outcome is SubmitOutcome.ACCEPTED
        fills = await venue.fills(order.intent.signal_time - timedelta(seconds=1))

        assert sum(fill.last_qty for fill in fills) == QTY
        assert {fill.venue_order_id for fill in fills} == {placed.venue_order_id}
        in_kind = sum(fill.commission for fill in fills if fill.commission_ccy == "BTC")
        assert sum(fill.commission for fill in fills) > 0
        (held,) = await venue.positions()
        assert held.net_qty == QTY - in_kind
        (money,) = await venue.balances()
        paid = sum(
            fill.notional + (fill.commission if fill.commission_ccy != "BTC" else 0)
            for fill in fills
        )
        assert money.cash == 10000 - paid

        found = await venue.lookup(order, order.intent.signal_time)
        assert found.report is not None
        assert (found.report.status, found.report.cum_qty) == (OrderStatus.FILLED, QTY)

    place.do(act)


@pytest.mark.parametrize("fault", sorted(AFTER - {Fault.REJECTED_THEN_FILLED, Fault.TRICKLED}))
def test_what_landed_is_unknown_and_then_found(place: Place, fault: Fault):
    place.exchange.lie(Lie(fault, delay_s=DEADLINE_S + 1))

    async def act(venue: CcxtVenue) -> None:
        order = place.order()
        result = await venue.submit(order.intent, now())
        assert result.outcome is SubmitOutcome.UNKNOWN, result
        found = await venue.lookup(order, order.intent.signal_time)
        assert found.outcome is LookupOutcome.FOUND, found

    place.do(act)
    assert place.exchange.count(Kind.SUBMIT) == 1
    assert len(place.engine.orders("key")) == 1


@pytest.mark.parametrize("fault", sorted(BEFORE))
def test_what_never_landed_is_unknown_and_then_absent(place: Place, fault: Fault):
    place.exchange.lie(Lie(fault, delay_s=DEADLINE_S + 1))

    async def act(venue: CcxtVenue) -> None:
        order = place.order()
        result = await venue.submit(order.intent, now())
        assert result.outcome is SubmitOutcome.UNKNOWN, result
        asked = await venue.lookup(order, order.intent.signal_time)
        assert asked.outcome is LookupOutcome.ABSENT, asked

    place.do(act)
    assert place.exchange.count(Kind.SUBMIT) == 1
    assert place.engine.orders("key") == []


def test_an_order_that_is_not_shown_at_first_is_found_later(place: Place):
    """The caller waits for the validity window before it believes in an absence."""
    place.exchange.lie(Lie(Fault.NOT_FOUND_AT_FIRST, frozenset({Kind.LOOKUP}), 1, None, delay_s=1))
    place.exchange.lie(
        Lie(Fault.NOT_FOUND_AT_FIRST, frozenset({Kind.OPEN_ORDERS}), 1, None, delay_s=1)
    )

    async def act(venue: CcxtVenue) -> list[LookupOutcome]:
        order = place.order()
        await venue.submit(order.intent, now())
        early = await venue.lookup(order, order.intent.signal_time)
        await asyncio.sleep(1.2)
        return [early.outcome, (await venue.lookup(order, order.intent.signal_time)).outcome]

    assert place.do(act) == [LookupOutcome.ABSENT, LookupOutcome.FOUND]


def test_a_refusal_is_a_refusal(place: Place):
    """For want of money; Coinbase says so in words that its library does not know for sure."""

    async def act(venue: CcxtVenue) -> SubmitResult:
        return await venue.submit(place.order(order_qty=Decimal(5)).intent, now())

    result = place.do(act)
    assert result.outcome is SubmitOutcome.REJECTED, result
    assert place.engine.orders("key") == []


def test_an_order_without_a_known_id_is_looked_up_before_it_is_canceled(place: Place):
    async def act(venue: CcxtVenue) -> None:
        order = place.order()
        await venue.submit(order.intent, now())
        assert (await venue.cancel(order, now())).outcome is SubmitOutcome.ACCEPTED
        assert await venue.open_orders() == ()

    place.do(act)


def test_duplicate_and_reordered_fills_are_told_once_and_in_order(place: Place):
    place.exchange.lie(Lie(Fault.DUPLICATE_FILLS, frozenset({Kind.FILLS}), times=None))
    place.exchange.lie(Lie(Fault.REORDERED_FILLS, frozenset({Kind.FILLS}), times=None))

    async def act(venue: CcxtVenue) -> None:
        for number in range(3):
            order = place.order(client_order_id=f"order{number}", limit_px=Decimal(60000))
            await venue.submit(order.intent, now())
        fills = await venue.fills(now() - timedelta(minutes=1))
        assert len(fills) == len({fill.trade_id for fill in fills}) == 3
        assert [fill.ts_event for fill in fills] == sorted(fill.ts_event for fill in fills)

    place.do(act)


def test_money_that_came_and_went_is_no_fill(place: Place):
    quote = place.symbol.partition("/")[2]
    place.engine.transfer("key", quote, "250.5")
    place.engine.transfer("key", quote, "-100")
    moved = place.do(lambda venue: venue.transfers(now() - timedelta(minutes=1)))
    assert {(one.kind, one.currency, one.amount) for one in moved} == {
        (TransferKind.DEPOSIT, quote, Decimal("250.5")),
        (TransferKind.WITHDRAWAL, quote, Decimal(-100)),
    }


@pytest.mark.parametrize("place", ["binance", "coinbase", "kraken"], indirect=True)
def test_a_stop_keeps_its_id_from_placing_to_its_fill(place: Place):
    """Where it does not, a fill could not be told to be the stop's: there we hold it."""
    limited = place.name == "coinbase"

    async def act(venue: CcxtVenue) -> None:
        bought = place.order(limit_px=None, order_type=OrderType.MARKET)
        await venue.submit(bought.intent, now())
        (held,) = await venue.positions()
        stop = place.order(
            client_order_id="stop",
            side=OrderSide.SELL,
            order_qty=held.net_qty.quantize(Decimal("0.00001"), "ROUND_DOWN"),
            order_type=OrderType.STOP_LIMIT if limited else OrderType.STOP,
            stop_px=Decimal(45000),
            limit_px=Decimal(44000) if limited else None,
            reduce_only=True,
        )
        placed = await venue.submit(stop.intent, now())
        assert placed.outcome is SubmitOutcome.ACCEPTED, placed
        place.engine.set_price(place.symbol, "44900")
        fills = await venue.fills(now() - timedelta(minutes=1))
        sold = [fill for fill in fills if fill.side is OrderSide.SELL]
        assert {fill.venue_order_id for fill in sold} == {placed.venue_order_id}
        found = await venue.lookup(stop, stop.intent.signal_time)
        assert found.report is not None
        assert found.report.status is OrderStatus.FILLED

    place.do(act)


@pytest.mark.parametrize("place", ["bybit", "kraken"], indirect=True)
def test_a_resting_order_is_amended_and_keeps_its_ids(place: Place):
    async def act(venue: CcxtVenue) -> None:
        order = place.order()
        placed = await venue.submit(order.intent, now())
        order = replace(order, venue_order_id=placed.venue_order_id)
        result = await venue.amend(order, Decimal("0.02"), Decimal(31000), now())
        assert result.outcome is SubmitOutcome.ACCEPTED, result
        (resting,) = await venue.open_orders()
        assert resting.venue_order_id == placed.venue_order_id
        assert resting.client_order_id == order.client_order_id
        assert resting.order_qty == Decimal("0.02")

    place.do(act)
    (order,) = place.engine.orders("key")
    assert order.limit_px == 31000


@pytest.mark.parametrize("place", ["binance", "coinbase"], indirect=True)
def test_what_would_lose_its_id_is_not_amended(place: Place):
    async def act(venue: CcxtVenue) -> SubmitResult:
        order = place.order()
        placed = await venue.submit(order.intent, now())
        order = replace(order, venue_order_id=placed.venue_order_id)
        return await venue.amend(order, Decimal("0.02"), None, now())

    result = place.do(act)
    assert result.outcome is SubmitOutcome.REJECTED
    assert result.reason == f"not amendable here: {place.name}, limit"


@pytest.mark.parametrize("place", ["binance"], indirect=True)
def test_a_fill_is_hinted_at_by_the_stream(place: Place):
    async def act(venue: CcxtVenue) -> tuple[OrderHint, str | None]:
        hints = venue.hints()
        first = asyncio.ensure_future(anext(hints))
        await asyncio.sleep(0.5)  # until it listens
        order = place.order()
        placed = await venue.submit(order.intent, now())
        hint = await asyncio.wait_for(first, 5)
        await hints.aclose()  # type: ignore[attr-defined]
        return hint, placed.venue_order_id

    hint, venue_order_id = place.do(act)
    assert hint.client_order_id == place.order().client_order_id
    assert hint.venue_order_id == venue_order_id


@pytest.mark.parametrize("place", ["binance", "bybit", "coinbase"], indirect=True)
def test_what_the_keys_may_do_is_told(place: Place):
    def told(*rights: str) -> Permissions:
        place.engine.permit("key", *rights)
        return place.do(lambda venue: venue.permissions())

    assert told("trade") == Permissions(trade=True, withdraw=False)
    assert told("trade", "withdraw") == Permissions(trade=True, withdraw=True)
    assert told() == Permissions(trade=False, withdraw=False)
