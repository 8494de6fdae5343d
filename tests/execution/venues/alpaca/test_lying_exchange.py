"""The venue against an Alpaca that trades, remembers, and lies."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from execution.model.enums import OrderSide, OrderType, TimeInForce, TransferKind
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId
from execution.model.order import Order, OrderIntent
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.base import LookupOutcome, OrderHint, Permissions, SubmitOutcome
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter
from tests.execution.venues.alpaca.examples import AAPL, ACCOUNT, BTC, INSTRUMENTS, intent
from tests.venues.lying_exchange.alpaca_engine import AlpacaEngine
from tests.venues.lying_exchange.lies import AFTER, BEFORE, Fault, Kind, Lie
from tests.venues.lying_exchange.records import FeeIn, FeePolicy
from tests.venues.lying_exchange.server import LyingExchange

T = TypeVar("T")
D = Decimal
FEES = FeePolicy(rate=D("0.0025"), fee_in=FeeIn.RECEIVED)


def wall_clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def exchange() -> Iterator[LyingExchange]:
    with LyingExchange("alpaca") as exchange:
        yield exchange


@pytest.fixture
def engine(exchange: LyingExchange) -> AlpacaEngine:
    engine = exchange.engine("alpaca")
    assert isinstance(engine, AlpacaEngine)
    engine.open_account("key", {"USD": "1000000", "AAPL": "10"}, FEES)
    return engine


@pytest.fixture
def ask(
    exchange: LyingExchange, engine: AlpacaEngine, tmp_path: Path
) -> Callable[[Callable[[AlpacaVenue], Awaitable[T]]], T]:
    """Open a venue there, ask it things, and close it."""

    def run(question: Callable[[AlpacaVenue], Awaitable[T]], **options: object) -> T:
        async def go() -> T:
            keys = Keys(api_key="key", secret="secret")
            limiter = RateLimiter(tmp_path / "rates.sqlite")
            url = f"{exchange.url}/alpaca"
            opened = AlpacaVenue(
                INSTRUMENTS, ACCOUNT, keys, limiter, wall_clock, url, 2.0, **options
            )
            try:
                return await question(opened)
            finally:
                await opened.close()
                limiter.close()

        return asyncio.run(go())

    return run


def coins(number: int = 0, **changes: object) -> OrderIntent:
    """A wish for a hundredth of a coin; each number is another order."""
    wish = intent(
        instrument_id=BTC,
        order_qty=D("0.01"),
        time_in_force=TimeInForce.GTC,
        px_ref=D(50_000),
        **changes,
    )
    letters = "".join("abcdefghij"[int(digit)] for digit in f"{number:04}")
    return replace(wish, client_order_id=ClientOrderId(wish.client_order_id[:14] + letters))


def test_an_order_is_placed_filled_and_found(ask: Callable, engine: AlpacaEngine):
    async def trade(venue: AlpacaVenue) -> None:
        before = wall_clock()
        wish = await venue.quantize(intent(time_in_force=TimeInForce.DAY, order_qty=D("1.5")))
        sent = await venue.submit(wish, wall_clock())
        found = await venue.lookup(Order(intent=wish), before)
        (fill,) = await venue.fills(before)
        (holding,) = await venue.positions()
        (money,) = await venue.balances()

        assert SubmitOutcome.ACCEPTED is sent.outcome
        assert (found.outcome, found.report.status) == (LookupOutcome.FOUND, S.FILLED)
        assert sent.venue_order_id == found.report.venue_order_id == fill.venue_order_id
        assert (AAPL, OrderSide.BUY, D("1.5"), D(200)) == (
            fill.instrument_id,
            fill.side,
            fill.last_qty,
            fill.last_px,
        )
        assert (AAPL, D("11.5")) == (holding.instrument_id, holding.net_qty)
        assert ("USD", D(999_700)) == (money.currency, money.cash)
        assert await venue.open_orders() == ()

    ask(trade)


def test_an_order_rests_is_told_of_and_is_canceled(ask: Callable):
    async def trade(venue: AlpacaVenue) -> None:
        wish = intent(limit_px=D(150))
        sent = await venue.submit(wish, wall_clock())
        (resting,) = await venue.open_orders()
        canceled = await venue.cancel(Order(intent=wish), wall_clock())
        again = await venue.cancel(Order(intent=wish), wall_clock())
        found = await venue.lookup(Order(intent=wish), wall_clock())

        assert (wish.client_order_id, S.ACCEPTED) == (resting.client_order_id, resting.status)
        assert sent.venue_order_id == resting.venue_order_id
        assert SubmitOutcome.ACCEPTED is canceled.outcome
        assert SubmitOutcome.REJECTED is again.outcome  # it can end no more
        assert S.CANCELED is found.report.status
        assert await venue.open_orders() == ()

    ask(trade)


@pytest.mark.parametrize(
    "wish",
    [
        intent(order_type=OrderType.STOP, stop_px=D(250)),
        intent(order_type=OrderType.STOP_LIMIT, stop_px=D(250), limit_px=D(251)),
        intent(
            order_type=OrderType.TRAILING_STOP,
            trail_pct=D("0.05"),
            side=OrderSide.SELL,
            order_qty=D(5),
        ),
        coins(order_type=OrderType.STOP_LIMIT, stop_px=D(60_000), limit_px=D(60_001)),
        coins(order_type=OrderType.LIMIT, limit_px=D(40_000)),
    ],
    ids=lambda wish: f"{wish.instrument_id} {wish.order_type}",
)
def test_every_waiting_order_is_understood(ask: Callable, engine: AlpacaEngine, wish: OrderIntent):
    async def trade(venue: AlpacaVenue) -> None:
        sent = await venue.submit(wish, wall_clock())
        (resting,) = await venue.open_orders()

        assert SubmitOutcome.ACCEPTED is sent.outcome, sent.reason
        assert (wish.instrument_id, wish.order_qty) == (resting.instrument_id, resting.order_qty)

    ask(trade)
    (order,) = engine.open_orders("key")
    assert wish.order_type is order.type


def test_a_bracket_is_one_order_and_its_legs_are_told_by_themselves(ask: Callable):
    async def trade(venue: AlpacaVenue) -> None:
        wish = intent(
            time_in_force=TimeInForce.GTC, order_qty=D(2), stop_loss=D(190), take_profit=D(220)
        )
        sent = await venue.submit(wish, wall_clock())
        legs = await venue.open_orders()

        assert SubmitOutcome.ACCEPTED is sent.outcome
        assert {None} == {leg.client_order_id for leg in legs}
        assert {OrderSide.SELL} == {leg.side for leg in legs}
        assert [D(2), D(2)] == [leg.order_qty for leg in legs]

    ask(trade, native_groups=True)


def test_an_oco_leaves_a_stop_and_a_target(ask: Callable, engine: AlpacaEngine):
    async def trade(venue: AlpacaVenue) -> None:
        leaving = intent(
            side=OrderSide.SELL,
            reduce_only=True,
            limit_px=D(220),
            take_profit=D(220),
            stop_loss=D(190),
        )
        sent = await venue.submit(leaving, wall_clock())
        assert SubmitOutcome.ACCEPTED is sent.outcome, sent.reason
        assert len(await venue.open_orders()) == 2
        engine.set_price("AAPL/USD", "221")
        assert await venue.open_orders() == ()
        assert await venue.positions() == ()

    ask(trade, native_groups=True)


def test_fills_come_in_pages(ask: Callable, exchange: LyingExchange):
    async def trade(venue: AlpacaVenue) -> None:
        before = wall_clock()
        for number in range(105):
            sent = await venue.submit(coins(number), wall_clock())
            assert SubmitOutcome.ACCEPTED is sent.outcome
        fills = await venue.fills(before)

        assert 105 == len({fill.trade_id for fill in fills}) == len(fills)
        assert D("1.05") == sum(fill.last_qty for fill in fills)

    ask(trade)
    assert exchange.count(Kind.SUBMIT) == 105


def test_a_coins_fee_is_a_transfer_that_explains_the_holding(ask: Callable):
    async def trade(venue: AlpacaVenue) -> None:
        before = wall_clock()
        await venue.submit(coins(), wall_clock())
        (fill,) = await venue.fills(before)
        fees = await venue.transfers(before - timedelta(days=1))
        held = {p.instrument_id: p.net_qty for p in await venue.positions()}

        assert D(0) == fill.commission
        assert [(t.kind, t.currency) for t in fees] == [(TransferKind.FEE, "BTC")]
        assert held[BTC] == fill.last_qty + fees[0].amount == D("0.009975")

    ask(trade)


def test_money_that_moved_is_told_once_each(ask: Callable, engine: AlpacaEngine):
    engine.transfer("key", "USD", "500")
    engine.transfer("key", "USD", "-200")
    engine.activity("key", "DIV", "1.25", "AAPL", qty="10", per_share_amount="0.125")

    async def moved(venue: AlpacaVenue) -> list[tuple[TransferKind, Decimal]]:
        return [(t.kind, t.amount) for t in await venue.transfers(wall_clock() - timedelta(days=2))]

    assert {
        (TransferKind.DEPOSIT, D(500)),
        (TransferKind.WITHDRAWAL, D(-200)),
        (TransferKind.DIVIDEND, D("1.25")),
    } == set(ask(moved))


def test_blocks_and_hours_are_told_and_kept(
    ask: Callable, engine: AlpacaEngine, exchange: LyingExchange
):
    engine.block("key", "trading_blocked")
    engine.close_market()

    async def look(venue: AlpacaVenue) -> None:
        assert await venue.account_blocks() == ("trading_blocked=True",)
        refused = await venue.submit(intent(time_in_force=TimeInForce.DAY), wall_clock())
        assert SubmitOutcome.REJECTED is refused.outcome
        assert "the market is closed" in refused.reason

    ask(look)
    assert exchange.count(Kind.SUBMIT) == 0


def test_a_hint_comes_of_a_fill_and_the_clock_agrees(ask: Callable):
    async def listen(venue: AlpacaVenue) -> None:
        hints, heard = venue.hints(), []

        async def hear() -> None:
            async for hint in hints:
                heard.append(hint)
                if len(heard) == 2:
                    return

        hearing = asyncio.create_task(hear())
        await asyncio.sleep(0.3)
        sent = await venue.submit(coins(), wall_clock())
        async with asyncio.timeout(5):
            await hearing
        await hints.aclose()
        first: OrderHint = heard[0]

        assert (coins().client_order_id, sent.venue_order_id) == (
            first.client_order_id,
            first.venue_order_id,
        )
        assert abs(await venue.server_time() - wall_clock()) < timedelta(seconds=2)

    ask(listen)


@pytest.mark.parametrize("fault", sorted((BEFORE | AFTER) - {Fault.REJECTED_THEN_FILLED}))
def test_no_fault_on_the_wire_doubles_or_hides_an_order(
    ask: Callable, exchange: LyingExchange, fault: Fault
):
    """Whatever is said of the send, asking tells whether the order is there."""
    delay_s = 3.0 if fault in (Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER) else 0.2

    async def trade(venue: AlpacaVenue) -> None:
        exchange.lie(Lie(fault, delay_s=delay_s))
        sent = await venue.submit(coins(), wall_clock())
        found = await venue.lookup(Order(intent=coins()), wall_clock())

        there = fault in AFTER
        true = {SubmitOutcome.UNKNOWN, SubmitOutcome.ACCEPTED} if there else {SubmitOutcome.UNKNOWN}
        assert sent.outcome in true, sent
        assert (LookupOutcome.FOUND if there else LookupOutcome.ABSENT) is found.outcome

    ask(trade)
    assert exchange.count(Kind.SUBMIT) == 1


def test_a_taken_id_is_the_earlier_order(ask: Callable, engine: AlpacaEngine):
    """A lookup that could not see it yet led to a second send: the venue has one order."""

    async def trade(venue: AlpacaVenue) -> None:
        first = await venue.submit(coins(), wall_clock())
        second = await venue.submit(coins(), wall_clock())
        found = await venue.lookup(Order(intent=coins()), wall_clock())

        assert (first.outcome, second.outcome) == (SubmitOutcome.ACCEPTED, SubmitOutcome.UNKNOWN)
        assert first.venue_order_id == found.report.venue_order_id

    ask(trade)
    assert len(engine.orders("key")) == 1


def test_what_the_venue_refuses_is_rejected(ask: Callable):
    async def trade(venue: AlpacaVenue) -> None:
        dear = intent(order_qty=D(100_000), limit_px=D(200))
        sent = await venue.submit(dear, wall_clock())

        assert (sent.outcome, sent.reason) == (SubmitOutcome.REJECTED, "HTTP 403 code 40310000")

    ask(trade)


def test_the_keys_may_trade_unless_the_account_is_blocked(ask: Callable, engine: AlpacaEngine):
    """And never withdraw: the trading API has no call for it."""
    assert ask(lambda venue: venue.permissions()) == Permissions(trade=True, withdraw=False)
    engine.block("key", "account_blocked")
    assert ask(lambda venue: venue.permissions()) == Permissions(trade=False, withdraw=False)
