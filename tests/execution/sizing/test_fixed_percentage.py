from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.model.account import AccountView
from execution.model.enums import (
    AssetClass,
    OrderSide,
    OrderStatus,
    OrderType,
    RegimeLabel,
    TimeInForce,
    TradingState,
)
from execution.model.identifiers import InstrumentId, StrategyId, client_order_id
from execution.model.position import Position
from execution.model.signal import Signal
from execution.sizing.fixed_percentage import SizingConfig, size
from tests.execution.examples import AAPL, ACCOUNT, MSFT, VENUE, make_instrument, make_order

CLOSE = datetime(2024, 3, 1, 21, tzinfo=UTC)
BTC = InstrumentId("BTC/USDT", VENUE)
INSTRUMENTS = {
    AAPL: make_instrument(AAPL, qty_min=Decimal(1)),
    MSFT: make_instrument(MSFT),
    BTC: make_instrument(
        BTC,
        asset_class=AssetClass.CRYPTO,
        quote="USDT",
        qty_increment=Decimal("0.00001"),
        notional_min=Decimal(5),
    ),
}
MARKS = {AAPL: Decimal("428.91"), MSFT: Decimal(50), BTC: Decimal(60_000)}


def signal(side: int = 1, weight: str = "0.25", **changes: object) -> Signal:
    values: dict[str, Any] = {
        "instrument_id": AAPL,
        "ts_event": CLOSE,
        "regime": RegimeLabel.TRENDING,
        "side": side,
        "weight": Decimal(weight),
        "confidence": Decimal("0.8"),
        "strategy": StrategyId("donchian"),
    }
    return Signal(**(values | changes))


def account(
    cash: str = "100000", held: dict[InstrumentId, str] | None = None, **changes: object
) -> AccountView:
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "currency": "USD",
        "cash": Decimal(cash),
        "buying_power": Decimal(cash),
        "positions": {
            i: Position(account=ACCOUNT, instrument_id=i, net_qty=Decimal(qty), avg_px=Decimal(1))
            for i, qty in (held or {}).items()
        },
        "working": (),
        "marks": MARKS,
        "equity_day_open": Decimal(cash),
        "trading_state": TradingState.ACTIVE,
        "quarantined": frozenset(),
        "blocks": (),
        "ts": CLOSE,
    }
    return AccountView(**(values | changes))


def working(side: OrderSide, qty: int, instrument_id: InstrumentId = AAPL, **intent: object):
    values = {"side": side, "order_qty": Decimal(qty), "instrument_id": instrument_id} | intent
    return make_order(intent=values, status=OrderStatus.ACCEPTED)


def order_of(*signals: Signal, view: AccountView | None = None, **config: object):
    (intent,), () = size(signals, view or account(), INSTRUMENTS, SizingConfig(**config))
    return intent


def skip_of(*signals: Signal, view: AccountView | None = None, **config: object) -> str:
    (), (skipped,) = size(signals, view or account(), INSTRUMENTS, SizingConfig(**config))
    return skipped.reason


def test_the_weight_is_capped_and_the_quantity_rounded_down():
    intent = order_of(signal(weight="0.25"))

    assert (OrderSide.BUY, Decimal(46)) == (intent.side, intent.order_qty)  # 20,000 / 428.91
    assert (intent.order_type, intent.time_in_force) == (OrderType.MARKET, TimeInForce.DAY)
    assert ("entry", False, Decimal("428.91")) == (intent.leg, intent.reduce_only, intent.px_ref)
    assert (
        intent.reason
        == "donchian, trending: weight 0.25 capped at 0.20 of 100,000.00 → 46 at 428.91; 0 held"
    )
    assert (
        client_order_id(ACCOUNT, StrategyId("donchian"), AAPL, CLOSE, "entry", 0)
        == intent.client_order_id
    )


def test_crypto_is_good_till_canceled_and_bought_in_fractions():
    intent = order_of(signal(instrument_id=BTC, weight="0.1"))

    assert (Decimal("0.16666"), TimeInForce.GTC) == (intent.order_qty, intent.time_in_force)


def test_what_is_held_and_on_the_way_counts_towards_the_target():
    view = account(
        cash="82843.60", held={AAPL: "40"}, working=(working(OrderSide.BUY, 4),)
    )  # equity is 100,000

    intent = order_of(signal(weight="0.2"), view=view, rebalance_min_pct=Decimal(0))

    assert Decimal(2) == intent.order_qty
    assert intent.reason.endswith("40 held, 4 on the way")


def test_a_resting_stop_is_protection_and_not_a_sale_under_way():
    """Counted as a sale, it would make the position look gone and buy it a second time."""
    stop = working(OrderSide.SELL, 46, order_type=OrderType.STOP, reduce_only=True)
    view = account(cash="80270.14", held={AAPL: "46"}, working=(stop,))

    assert skip_of(signal(weight="0.2"), view=view).startswith("nothing to do")


def test_a_target_that_waits_is_protection_too():
    target = working(OrderSide.SELL, 46, limit_px=Decimal(500), reduce_only=True, group_id="entry")
    view = account(cash="80270.14", held={AAPL: "46"}, working=(target,))

    assert skip_of(signal(weight="0.2"), view=view).startswith("nothing to do")


def test_an_entry_is_followed_by_the_orders_that_protect_it():
    wish = signal(weight="0.2", stop_loss=Decimal("400.001"), take_profit=Decimal("500.001"))

    (entry, stop, target), skipped = size([wish], account(), INSTRUMENTS)

    assert skipped == ()
    assert (entry.leg, stop.leg, target.leg) == ("entry", "stop", "target")
    assert {leg.parent_id for leg in (stop, target)} == {entry.client_order_id}
    assert {leg.order_qty for leg in (entry, stop, target)} == {Decimal(46)}
    assert (stop.stop_px, target.limit_px) == (Decimal("400.01"), Decimal("500.01"))
    assert (stop.reduce_only, target.reduce_only) == (True, True)
    assert (stop.side, target.side) == (OrderSide.SELL, OrderSide.SELL)


def test_an_entry_that_cannot_be_protected_is_not_made():
    """Bought without the stop it asked for, it would be another wish."""
    assert skip_of(signal(stop_loss=Decimal(430))) == (
        "it cannot be protected: stop_loss=430 is on the wrong side of the price 428.91 for a buy"
    )
    assert "is on the wrong side" in skip_of(signal(take_profit=Decimal(420)))
    small = signal(instrument_id=BTC, quantity=Decimal("0.0001"), stop_loss=Decimal(40_000))
    assert "is worth less than the venue's least 5" in skip_of(small)


def test_an_exit_needs_no_protection():
    view = account(held={AAPL: "7"})

    assert order_of(signal(0, "0", stop_loss=Decimal(1)), view=view).leg == "exit"


def test_orders_of_other_instruments_do_not_count():
    view = account(working=(working(OrderSide.BUY, 40, MSFT),))

    assert Decimal(46) == order_of(signal(weight="0.2"), view=view).order_qty


def test_side_zero_sells_all_that_is_held():
    intent = order_of(signal(0, "0", stop_loss=Decimal(1)), view=account(held={AAPL: "7"}))

    assert (OrderSide.SELL, Decimal(7)) == (intent.side, intent.order_qty)
    assert (intent.leg, intent.reduce_only, intent.stop_loss) == ("exit", True, None)


def test_side_zero_with_a_quantity_closes_that_much():
    part = order_of(signal(0, "0", quantity=Decimal(3)), view=account(held={AAPL: "7"}))
    more = order_of(signal(0, "0", quantity=Decimal(30)), view=account(held={AAPL: "7"}))

    assert (Decimal(3), Decimal(7)) == (part.order_qty, more.order_qty)


def test_a_short_signal_closes_a_long_and_says_why_it_does_no_more():
    intent = order_of(signal(-1), view=account(held={AAPL: "7"}))

    assert (OrderSide.SELL, Decimal(7), True) == (intent.side, intent.order_qty, intent.reduce_only)
    assert "side -1 closes only, shorts are not allowed" in intent.reason


def test_a_short_signal_on_nothing_sells_nothing():
    assert skip_of(signal(-1)).startswith("nothing to do")


def test_a_buy_on_its_way_is_not_sold_before_it_is_held():
    view = account(working=(working(OrderSide.BUY, 10),))

    assert skip_of(signal(0, "0"), view=view).startswith("nothing to do")


def test_a_sale_on_its_way_is_not_made_twice():
    view = account(
        held={AAPL: "10"}, working=(working(OrderSide.SELL, 6), working(OrderSide.BUY, 5))
    )

    assert Decimal(4) == order_of(signal(0, "0"), view=view).order_qty


def test_shorts_are_sold_when_they_are_allowed():
    intent = order_of(signal(-1, "0.2"), allow_short=True)

    assert (OrderSide.SELL, Decimal(46)) == (intent.side, intent.order_qty)
    assert (intent.leg, intent.reduce_only) == ("entry", False)


def test_turning_over_is_an_entry_that_may_not_be_reduce_only():
    """A venue would cut a reduce-only order at flat."""
    intent = order_of(signal(-1, "0.2"), view=account(held={AAPL: "7"}), allow_short=True)

    assert (intent.reduce_only, intent.leg) == (False, "entry")
    assert intent.order_qty > 46


def test_a_short_that_is_held_is_bought_back_on_close():
    intent = order_of(signal(0, "0"), view=account(held={AAPL: "-7"}))

    assert (OrderSide.BUY, Decimal(7), True) == (intent.side, intent.order_qty, intent.reduce_only)


def test_an_explicit_quantity_overrides_the_weight_and_the_least_change():
    intent = order_of(signal(quantity=Decimal("2.9")))

    assert Decimal(2) == intent.order_qty


def test_a_price_makes_a_limit_that_is_never_worse_than_asked():
    buy = order_of(signal(price=Decimal("420.019")))
    sell = order_of(signal(0, "0", price=Decimal("420.011")), view=account(held={AAPL: "7"}))

    assert (OrderType.LIMIT, Decimal("420.01")) == (buy.order_type, buy.limit_px)
    assert Decimal("420.02") == sell.limit_px


def test_a_limit_below_the_smallest_price_is_skipped():
    assert "below the venue's least step" in skip_of(signal(price=Decimal("0.001")))


def test_a_small_change_is_left_alone_but_a_small_close_is_made():
    view = account(cash="81128.0", held={AAPL: "44"})

    assert "below 0.02 of equity" in skip_of(signal(weight="0.2"), view=view)
    assert Decimal(1) == order_of(signal(0, "0"), view=account(held={AAPL: "1"})).order_qty


def test_an_order_below_the_venues_minimum_is_skipped():
    assert "below the venue's least 5" in skip_of(
        signal(instrument_id=BTC, quantity=Decimal("0.00008"))
    )


@pytest.mark.parametrize("marks", [{}, {MSFT: Decimal(50)}])
def test_nothing_is_sized_without_a_price(marks: dict[InstrumentId, Decimal]):
    assert skip_of(signal(), view=account(marks=marks)) == "no price"


def test_an_unknown_equity_opens_nothing_but_still_closes():
    view = account(held={AAPL: "7", MSFT: "3"}, marks={AAPL: MARKS[AAPL]})

    assert "equity is not known" in skip_of(signal(), view=view)
    assert Decimal(7) == order_of(signal(0, "0"), view=view).order_qty


def test_no_equity_buys_nothing():
    assert "leaves nothing to invest" in skip_of(signal(), view=account(cash="-5"))


def test_an_instrument_that_is_not_traded_is_skipped():
    other = InstrumentId("TSLA", VENUE)

    assert "not traded here" in skip_of(signal(instrument_id=other))


def test_signals_on_one_instrument_are_netted_under_the_heaviest_winner():
    """The loser may be the heaviest of all: its stop would lie on the wrong side."""
    light = signal(1, "0.06", strategy=StrategyId("light"))
    heavy = signal(1, "0.09", strategy=StrategyId("heavy"))
    short = signal(-1, "0.10", strategy=StrategyId("short"), stop_loss=Decimal(500))

    intent = order_of(light, heavy, short)

    assert ("heavy", Decimal(11)) == (intent.strategy, intent.order_qty)  # 0.05 of 100,000
    assert intent.stop_loss is None


def test_signals_that_cancel_out_close():
    batch = (signal(1, "0.1"), signal(-1, "0.1", strategy=StrategyId("b")))

    assert order_of(*batch, view=account(held={AAPL: "7"})).reduce_only


def test_conflicting_quantities_are_refused():
    assert "different quantities" in skip_of(
        signal(quantity=Decimal(5)), signal(quantity=Decimal(6))
    )
    assert "different quantities" in skip_of(signal(quantity=Decimal(5)), signal())


@given(
    held=st.integers(0, 300),
    buys=st.integers(0, 100),
    sells=st.integers(0, 100),
    side=st.sampled_from([-1, 0, 1]),
    weight=st.decimals(0, 1, places=4),
)
def test_no_more_is_ever_sold_than_is_held(
    held: int, buys: int, sells: int, side: int, weight: Decimal
):
    orders = [working(s, q) for s, q in ((OrderSide.BUY, buys), (OrderSide.SELL, sells)) if q]
    view = account(held={AAPL: str(held)} if held else {}, working=tuple(orders))

    intents, skipped = size([signal(side, str(weight))], view, INSTRUMENTS)

    assert len(intents) + len(skipped) == 1
    for intent in intents:
        assert intent.order_qty % 1 == 0 and intent.order_qty > 0
        if intent.side is OrderSide.SELL:
            assert intent.order_qty + sells <= held
            assert intent.reduce_only
        else:
            worth = (held + intent.order_qty + buys - sells) * MARKS[AAPL]
            assert worth <= view.equity * Decimal("0.20")


def test_what_a_signal_says_of_its_order_is_what_is_made():
    wish = signal(
        instrument_id=MSFT,
        quantity=Decimal(10),
        price=Decimal(52),
        stop_px=Decimal(51),
        trail_pct=Decimal("0.05"),
        take_profit=Decimal(60),
        time_in_force=TimeInForce.GTD,
        expire_at=CLOSE + timedelta(hours=1),
        post_only=False,
        display_qty=Decimal(2),
    )

    (entry, stop, target), () = size([wish], account(), INSTRUMENTS)

    assert (entry.order_type, entry.limit_px, entry.stop_px) == (OrderType.STOP_LIMIT, 52, 51)
    assert (entry.time_in_force, entry.expire_at) == (TimeInForce.GTD, CLOSE + timedelta(hours=1))
    assert (entry.display_qty, entry.trail_pct) == (2, None)
    assert (stop.order_type, stop.trail_pct) == (OrderType.TRAILING_STOP, Decimal("0.05"))
    assert (stop.time_in_force, stop.expire_at, stop.stop_px) == (TimeInForce.GTC, None, None)
    assert (target.order_type, target.limit_px) == (OrderType.LIMIT, 60)


@pytest.mark.parametrize(
    ("price", "stop_px", "order_type"),
    [
        (None, None, OrderType.MARKET),
        (52, None, OrderType.LIMIT),
        (None, 51, OrderType.STOP),
        (52, 51, OrderType.STOP_LIMIT),
    ],
)
def test_the_prices_of_a_signal_make_the_type_of_its_order(
    price: int | None, stop_px: int | None, order_type: OrderType
):
    prices = {"price": price, "stop_px": stop_px}
    named = {name: Decimal(px) for name, px in prices.items() if px is not None}

    order = order_of(signal(instrument_id=MSFT, quantity=Decimal(10), **named))

    assert order.order_type is order_type
