import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.errors import InputInvalid, VenueUnavailable
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId
from execution.model.market import MarketSnapshot
from execution.venues.base import LookupOutcome, SubmitOutcome, SubmitResult, Venue
from execution.venues.fill_model import FillModel
from execution.venues.simulated import InMemoryAccounts, SimulatedOrder, SimulatedVenue
from tests.execution.examples import (
    AAPL,
    ACCOUNT,
    MSFT,
    VENUE,
    make_bar,
    make_instrument,
    make_intent,
    make_order,
)

T = TypeVar("T")
TSLA = InstrumentId("TSLA", VENUE)
CLOSE = datetime(2024, 3, 1, 21, tzinfo=UTC)
DAY = timedelta(days=1)
# Prices are the bar's own and fees a round 1 %, so that every number can be seen.
PLAIN = FillModel(
    half_spread_bps=Decimal(0), impact_coefficient=Decimal(0), commission_bps=Decimal(100)
)


def run(call: Awaitable[T]) -> T:
    async def main() -> T:
        return await call

    return asyncio.run(main())


def bar(day: int = 0, **changes: object) -> MarketSnapshot:
    """The daily bar that closes `day` days after CLOSE."""
    end = CLOSE + day * DAY
    return make_bar(end - timedelta(hours=6, minutes=30), end, **changes)


class Desk:
    """A venue, its account and a clock that stands at the last bar's close plus a minute."""

    def __init__(self, *bars: MarketSnapshot, cash: int = 100_000, model: FillModel = PLAIN):
        self.accounts = InMemoryAccounts()
        self.accounts.open(ACCOUNT, "USD", Decimal(cash))
        self.model = model
        self.restart()
        for each in bars or (bar(),):
            self.hear(each)

    def restart(self, **instrument: object) -> None:
        instruments = {AAPL: make_instrument(**instrument), MSFT: make_instrument(MSFT)}
        self.venue = SimulatedVenue(self.accounts, ACCOUNT, instruments, self.model, VENUE)

    def hear(self, each: MarketSnapshot) -> None:
        self.now = each.ts_event + timedelta(minutes=1)
        run(self.venue.on_market([each], self.now))

    def send(self, client_order_id: str = "order-a", **changes: object) -> SubmitResult:
        for key in {"order_qty", "limit_px"} & changes.keys():
            changes[key] = None if changes[key] is None else Decimal(changes[key])
        intent = make_intent(client_order_id, **changes)
        return run(self.venue.submit(intent, self.now))

    def order(self, client_order_id: str = "order-a") -> SimulatedOrder:
        order = self.accounts.order(ACCOUNT, ClientOrderId(client_order_id))
        assert order is not None
        return order

    @property
    def fills(self) -> list[tuple[str, int, Decimal]]:
        found = run(self.venue.fills(datetime(2000, 1, 1, tzinfo=UTC)))
        return [(fill.trade_id, int(fill.last_qty), fill.last_px) for fill in found]

    @property
    def cash(self) -> Decimal:
        return run(self.venue.balances())[0].cash

    @property
    def free(self) -> Decimal:
        return run(self.venue.balances())[0].buying_power

    @property
    def held(self) -> dict[str, Decimal]:
        return {p.instrument_id.symbol: p.net_qty for p in run(self.venue.positions())}


def test_the_simulated_venue_is_a_venue():
    assert isinstance(Desk().venue, Venue)


def test_a_market_order_fills_at_once_and_moves_cash_and_holding():
    """10 at 100 is 1,000, and 1 % of it is commission."""
    desk = Desk()

    result = desk.send()

    assert (result.outcome, result.venue_order_id) == (SubmitOutcome.ACCEPTED, "SIM-O-1")
    assert desk.fills == [("SIM-T-2", 10, Decimal(100))]
    assert (desk.order().status, desk.cash) == (S.FILLED, Decimal("98990"))
    assert desk.held == {"AAPL": Decimal(10)}


def test_a_round_trip_loses_the_costs_and_nothing_else():
    """Default costs on 10 of ADV 10,000: buy at 100.09, sell at 99.91, 10 bps each way."""
    desk = Desk(model=FillModel())

    desk.send("in")
    desk.send("out", side=OrderSide.SELL)

    assert [px for _, _, px in desk.fills] == [Decimal("100.09"), Decimal("99.91")]
    assert desk.cash == Decimal("100000") - Decimal("1.8") - Decimal("1.0009") - Decimal("0.9991")
    assert desk.held == {}


def test_the_same_id_again_is_the_same_order():
    desk = Desk()
    first = desk.send()

    again = desk.send()

    assert (first.outcome, first.venue_order_id) == (again.outcome, again.venue_order_id)
    assert desk.fills == [("SIM-T-2", 10, Decimal(100))]


def test_the_same_id_again_after_a_refusal_is_refused_again():
    """Even when it could be taken by now: the answer to an id never changes."""
    desk = Desk()
    desk.send(side=OrderSide.SELL)
    desk.send("other")

    again = desk.send(side=OrderSide.SELL)

    assert again.outcome is SubmitOutcome.REJECTED
    assert "no shorting" in again.reason


def test_an_order_larger_than_the_bars_share_is_filled_over_two_bars():
    """A tenth of 1,000 is 100, then a tenth of 300 is 30 of the 50 left, then the rest."""
    desk = Desk()

    desk.send(order_qty=150)
    assert (desk.order().status, desk.order().cum_qty) == (S.PARTIALLY_FILLED, Decimal(100))
    desk.hear(bar(1, last_px=Decimal(102), volume=Decimal(300)))
    desk.hear(bar(2, last_px=Decimal(103)))

    assert [(qty, px) for _, qty, px in desk.fills] == [
        (100, Decimal(100)),
        (30, Decimal(102)),
        (20, Decimal(103)),
    ]
    assert desk.order().status is S.FILLED


def test_all_orders_of_a_bar_share_its_volume_across_restarts():
    desk = Desk()
    desk.send("a", order_qty=80)

    desk.restart()
    desk.hear(bar())
    desk.send("b", order_qty=80)
    desk.restart()
    desk.hear(bar())

    assert [qty for _, qty, _ in desk.fills] == [80, 20]


def test_a_bar_without_volume_fills_nothing_and_the_order_waits():
    desk = Desk(bar(volume=Decimal(0)))

    assert desk.send().outcome is SubmitOutcome.ACCEPTED
    assert desk.fills == []
    assert desk.free == Decimal(100_000 - 1_010)

    desk.hear(bar(1))
    assert [qty for _, qty, _ in desk.fills] == [10]


def test_a_resting_limit_fills_at_its_limit_when_traded_through():
    desk = Desk()
    desk.send(limit_px=98)

    desk.hear(bar(1, low=Decimal(98)))  # touched
    assert desk.fills == []
    desk.hear(bar(2, low=Decimal("97.99")))  # gone through

    assert desk.fills == [("SIM-T-2", 10, Decimal(98))]


def test_a_bar_that_opened_before_the_order_cannot_fill_it():
    """Its low may have been before the order was there: that would be looking ahead."""
    desk = Desk()
    desk.now = CLOSE + DAY - timedelta(hours=1)  # inside the next bar
    desk.send(limit_px=98)

    desk.hear(bar(1, low=Decimal(90)))
    assert desk.fills == []
    desk.hear(bar(2, low=Decimal(90)))
    assert [qty for _, qty, _ in desk.fills] == [10]


def test_a_market_rest_takes_no_bar_that_had_ended_before_it_came():
    desk = Desk(bar(volume=Decimal(0)))
    desk.send()

    desk.hear(bar(volume=Decimal(1_000)))  # the same bar, restated

    assert desk.fills == []


def test_a_marketable_limit_fills_like_a_market_order_and_rests_at_its_limit():
    desk = Desk()

    desk.send(order_qty=130, limit_px=105)
    assert [(qty, px) for _, qty, px in desk.fills] == [(100, Decimal(100))]
    desk.hear(bar(1, low=Decimal(95)))

    assert desk.fills[1][1:] == (30, Decimal(105))


def test_a_limit_between_the_last_price_and_the_market_price_rests():
    """Market would pay 100.09 here, so a limit of 100.05 is not marketable."""
    desk = Desk(model=FillModel())

    desk.send(limit_px="100.05")

    assert desk.fills == []
    assert desk.order().status is S.ACCEPTED


def test_ioc_cancels_what_the_bar_cannot_fill():
    desk = Desk()

    desk.send(order_qty=150, time_in_force=TimeInForce.IOC)

    assert (desk.order().status, desk.order().cum_qty) == (S.CANCELED, Decimal(100))
    assert desk.order().reason == "ioc: 100 of 150 at once"


@pytest.mark.parametrize(("qty", "status", "done"), [(150, S.CANCELED, 0), (100, S.FILLED, 100)])
def test_fok_is_all_or_nothing(qty: int, status: S, done: int):
    desk = Desk()

    desk.send(order_qty=qty, time_in_force=TimeInForce.FOK)

    assert (status, Decimal(done)) == (desk.order().status, desk.order().cum_qty)


def test_a_day_order_ends_with_the_first_bar_of_a_later_day():
    desk = Desk()
    desk.send(limit_px=90, time_in_force=TimeInForce.DAY)

    desk.hear(bar(1))

    assert desk.order().status is S.EXPIRED
    assert desk.free == Decimal(100_000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"order_qty": "10.5"}, "order_qty=10.5 is not a positive multiple of 1"),
        ({"order_qty": 1}, "order_qty=1 is below qty_min=2"),
        ({"order_qty": 2}, "notional=200 is below notional_min=250"),
        ({"limit_px": "99.995"}, "limit_px=99.995 is not a positive multiple of 0.01"),
        ({"order_type": OrderType.STOP}, "order_type=stop is not supported"),
        ({"order_type": OrderType.TRAILING_STOP}, "order_type=trailing_stop is not supported"),
        ({"order_type": OrderType.LIMIT}, "limit_px=None does not go with order_type=limit"),
        ({"time_in_force": TimeInForce.GTD}, "time_in_force=gtd is not supported"),
        ({"side": OrderSide.SELL}, "more than the 0 held and free: no shorting"),
        ({"reduce_only": True}, "nothing to reduce"),
        ({"order_qty": 991}, "insufficient cash: cost=100091 with commission, free=100000"),
        ({"instrument_id": MSFT}, "no market data for MSFT.SCRIPTED"),
        ({"instrument_id": TSLA}, "unknown instrument TSLA.SCRIPTED"),
    ],
)
def test_what_a_venue_would_refuse_is_refused(changes: dict[str, Any], reason: str):
    desk = Desk()
    desk.restart(qty_min=Decimal(2), notional_min=Decimal(250))
    desk.hear(bar())

    result = desk.send(**changes)

    assert result.outcome is SubmitOutcome.REJECTED
    assert reason in result.reason
    assert (desk.fills, desk.order().status) == ([], S.REJECTED)


def test_an_instrument_in_another_currency_is_refused():
    desk = Desk()
    desk.restart(quote="EUR")
    desk.hear(bar())

    assert desk.send().reason == "quote=EUR is not the account's currency USD"


def test_open_buys_reserve_cash_and_open_sells_reserve_the_holding():
    desk = Desk()
    desk.send("hold")  # 10 held, 98,990 left
    desk.send("bid", limit_px=90, order_qty=1_000)  # claims 90,900
    desk.send("ask", limit_px=110, order_qty=6, side=OrderSide.SELL)

    assert (desk.cash, desk.free) == (Decimal(98_990), Decimal(8_090))
    assert "insufficient cash" in desk.send("more", order_qty=81).reason
    assert "more than the 4 held" in desk.send("out", order_qty=5, side=OrderSide.SELL).reason


def test_a_buy_without_a_known_price_claims_all_cash():
    """After a restart the venue has heard of no bar: it must not promise that money twice."""
    desk = Desk(bar(volume=Decimal(0)))
    desk.send()

    desk.restart()

    assert (desk.cash, desk.free) == (Decimal(100_000), Decimal(0))


def test_a_rest_that_became_too_dear_is_filled_as_far_as_the_cash_goes():
    """150 at 100 and 1 % was paid for; at 200 the 5,150 left after the first 100 buy 25."""
    desk = Desk(cash=15_250)
    desk.send(order_qty=150)

    desk.hear(bar(1, last_px=Decimal(200)))

    assert [qty for _, qty, _ in desk.fills] == [100, 25]
    assert (
        desk.order().status,
        desk.order().reason,
    ) == (S.CANCELED, "insufficient cash for the rest")
    assert desk.cash == Decimal(100)


def test_cancel_ends_an_open_order_once():
    desk = Desk()
    desk.send(limit_px=90)

    def cancel(key: str) -> SubmitResult:
        return run(desk.venue.cancel(make_order(key), desk.now))

    assert len(run(desk.venue.open_orders())) == 1
    assert cancel("order-a").outcome is SubmitOutcome.ACCEPTED
    assert run(desk.venue.open_orders()) == ()
    assert cancel("order-a").reason == "order order-a is canceled already"
    assert cancel("ghost").reason == "no order ghost"


def test_lookup_finds_what_was_taken_and_denies_what_was_not():
    desk = Desk()
    desk.send(order_qty=150)

    here = run(desk.venue.lookup(make_order(), CLOSE))
    gone = run(desk.venue.lookup(make_order("ghost"), CLOSE))

    assert here.report is not None
    assert (here.report.status, here.report.cum_qty) == (S.PARTIALLY_FILLED, Decimal(100))
    assert gone.outcome is LookupOutcome.ABSENT


def test_it_says_what_it_is_and_what_it_cannot_do():
    """Stops are not done here, so a dry run goes the way that we emulate them."""
    desk = Desk()
    desk.send(limit_px=90)
    venue, order = desk.venue, make_order()

    assert run(venue.account_uid()) == ACCOUNT
    assert venue.capabilities(AAPL).order_types == {OrderType.MARKET, OrderType.LIMIT}
    assert run(venue.transfers(CLOSE)) == ()
    amended = run(venue.amend(order, Decimal(1), Decimal(91), desk.now))
    assert (amended.outcome, amended.reason) == (
        SubmitOutcome.REJECTED,
        "the simulated venue amends no order",
    )
    with pytest.raises(VenueUnavailable, match="has no stream of order changes"):
        venue.hints()
    run(venue.close())


def test_its_time_is_what_it_was_told_last():
    desk = Desk()
    assert run(desk.venue.server_time()) == desk.now

    desk.restart()

    with pytest.raises(VenueUnavailable, match="has not been told the time yet"):
        run(desk.venue.server_time())


def test_an_intent_is_brought_into_the_instruments_steps():
    venue = Desk().venue

    assert run(venue.quantize(make_intent(order_qty=Decimal("3.7")))).order_qty == 3
    with pytest.raises(InputInvalid, match="below the venue's least 1"):
        run(venue.quantize(make_intent(order_qty=Decimal("0.7"))))
    with pytest.raises(InputInvalid, match="is not traded at scripted"):
        run(venue.quantize(make_intent(instrument_id=TSLA)))


@pytest.mark.parametrize("changes", [{"post_only": True}, {"display_qty": Decimal(1)}])
def test_what_it_does_not_do_it_refuses(changes: dict[str, object]):
    result = Desk().send(limit_px=90, **changes)

    assert result.outcome is SubmitOutcome.REJECTED
    assert "is not supported" in result.reason


def test_fills_are_told_from_a_time_on_by_when_the_venue_worked_them():
    """A fill may be of an older bar: asking since the last time must not miss it."""
    desk = Desk()
    desk.send()

    assert len(run(desk.venue.fills(desk.now))) == 1
    assert run(desk.venue.fills(desk.now + timedelta(seconds=1))) == ()


def test_an_older_bar_is_ignored():
    desk = Desk(bar(1, last_px=Decimal(110)))

    run(desk.venue.on_market([bar(0)], desk.now))
    desk.send()

    assert [px for _, _, px in desk.fills] == [Decimal(110)]


def test_orders_are_worked_oldest_first():
    """SIM-O-10 came after SIM-O-9, whatever the alphabet says."""
    desk = Desk()
    for n in range(12):
        desk.send(f"order-{n}", limit_px=95, order_qty=20)

    desk.hear(bar(1, low=Decimal(90)))

    assert [f"order-{n}" for n in range(5)] == [
        fill.client_order_id for fill in run(desk.venue.fills(CLOSE))
    ]


def test_an_account_must_be_opened_once_and_first():
    accounts = InMemoryAccounts()
    with pytest.raises(InputInvalid, match="'test' was never opened"):
        accounts.update(ACCOUNT, lambda state: (state, None))
    accounts.open(ACCOUNT, "USD", Decimal(1))
    with pytest.raises(InputInvalid, match="'test' exists already"):
        accounts.open(AccountId("test"), "USD", Decimal(1))


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(OrderSide),
        st.integers(1, 400),  # quantity
        st.none() | st.integers(80, 120),  # limit
        st.sampled_from([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.DAY]),
        st.integers(80, 120),  # close of the next bar
        st.integers(0, 3_000),  # its volume
    ),
    max_size=12,
)


@given(actions=ACTIONS)
def test_cash_and_holding_follow_the_fills_and_never_go_negative(actions: list[tuple[Any, ...]]):
    desk = Desk(cash=30_000, model=FillModel())
    given_by_bar: dict[datetime, Decimal] = {}
    for n, (side, qty, limit, tif, close, volume) in enumerate(actions):
        desk.send(f"order-{n}", side=side, order_qty=qty, limit_px=limit, time_in_force=tif)
        px = Decimal(close)
        desk.hear(bar(n + 1, last_px=px, high=px + 3, low=px - 3, volume=Decimal(volume)))
        given_by_bar[bar(n + 1).ts_event] = Decimal(volume)

        fills = run(desk.venue.fills(CLOSE))
        spent = sum((f.side.sign * f.notional + f.commission for f in fills), Decimal(0))
        held = sum((f.side.sign * f.last_qty for f in fills), Decimal(0))
        assert Decimal(30_000) - spent == desk.cash >= desk.free >= 0
        assert desk.held == ({"AAPL": held} if held else {})
        for f in fills:
            order = desk.order(str(f.client_order_id))
            assert order.limit_px is None or (f.last_px - order.limit_px) * f.side.sign <= 0
    taken = desk.accounts.update(ACCOUNT, lambda state: (state, state.taken))
    for (_, ts_bar), qty in taken.items():
        assert qty <= given_by_bar.get(ts_bar, Decimal(1_000)) / 10
