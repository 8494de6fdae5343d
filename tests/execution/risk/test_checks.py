"""One check at a time: exactly the limit passes, a step past it and the unknown do not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.model.enums import OrderSide, OrderType, TradingState
from execution.model.enums import OrderStatus as S
from execution.model.order import IN_FLIGHT, OPEN
from execution.risk.limits import RiskLimits
from tests.execution.examples import AAPL, MSFT, NOW
from tests.execution.risk.views import facts, holding, make_view, passes, working

BUY, SELL = OrderSide.BUY, OrderSide.SELL
CENT = Decimal("0.01")
REDUCE: dict[str, Any] = {"side": SELL, "reduce_only": True}


@pytest.mark.parametrize(
    ("state", "opens", "reduces"),
    [
        (TradingState.ACTIVE, True, True),
        (TradingState.REDUCING, False, True),
        (TradingState.HALTED, False, False),
        (None, False, False),
    ],
)
def test_the_trading_state_says_who_may_pass(
    state: TradingState | None, opens: bool, reduces: bool
):
    """None: nobody ever said that this account may trade."""
    view = make_view(trading_state=state, positions=holding(AAPL=10))

    assert passes("trading_state", view) is opens
    assert passes("trading_state", view, **REDUCE) is reduces
    assert facts("trading_state", view) == f"trading_state={state} reduce_only=False"


@pytest.mark.parametrize(
    ("blocks", "passed", "told"),
    [
        ((), True, "blocks=none"),
        (
            ("trading_blocked=True", "status=ONBOARDING"),
            False,
            "blocks=trading_blocked=True,status=ONBOARDING",
        ),
        (None, False, "blocks=unknown"),
    ],
)
def test_an_account_that_the_venue_blocks_sends_nothing(
    blocks: tuple[str, ...] | None, passed: bool, told: str
):
    """None: the venue did not say, and that is a no."""
    view = make_view(blocks=blocks, positions=holding(AAPL=10))

    assert passes("account_free", view) is passed
    assert passes("account_free", view, **REDUCE) is passed
    assert facts("account_free", view) == told


@pytest.mark.parametrize(
    ("quarantined", "passed"),
    [
        (frozenset(), True),
        (frozenset({MSFT}), True),
        (frozenset({AAPL}), False),
        (frozenset({None}), False),
        (frozenset({MSFT, None}), False),
    ],
)
def test_a_quarantine_holds_its_instrument_and_that_of_the_account_holds_all(
    quarantined: frozenset[Any], passed: bool
):
    view = make_view(quarantined=quarantined, positions=holding(AAPL=10))

    assert passes("instrument_free", view) is passed
    assert passes("instrument_free", view, **REDUCE) is passed


@pytest.mark.parametrize("status", sorted(IN_FLIGHT))
def test_an_order_of_unknown_fate_holds_its_instrument_alone(status: S):
    view = make_view(working=(working("order-b", status=status),))

    assert not passes("instrument_free", view)
    assert facts("instrument_free", view) == "quarantined=False orders_in_flight=1"
    assert passes("instrument_free", view, instrument_id=MSFT)


@pytest.mark.parametrize("status", sorted(OPEN))
def test_an_open_order_holds_nothing(status: S):
    assert passes("instrument_free", make_view(working=(working("order-b", status=status),)))


@pytest.mark.parametrize(
    ("held", "side", "qty", "passed"),
    [
        (10, SELL, 10, True),
        (10, SELL, 11, False),
        (10, BUY, 1, False),
        (0, SELL, 1, False),
        (-10, BUY, 10, True),
        (-10, BUY, 11, False),
        (-10, SELL, 1, False),
    ],
)
def test_reduce_only_closes_at_most_what_is_held(
    held: int, side: OrderSide, qty: int, passed: bool
):
    """Else an order that no limit looks at could open or flip a position."""
    view = make_view(positions=holding(AAPL=held) if held else {})

    found = passes("reduce_only", view, side=side, order_qty=Decimal(qty), reduce_only=True)

    assert found is passed


def test_reduce_only_counts_the_sales_that_are_under_way():
    view = make_view(
        positions=holding(AAPL=10),
        working=(working("order-b", side=SELL, order_qty=Decimal(8), cum_qty=2),),
    )

    assert passes("reduce_only", view, order_qty=Decimal(4), **REDUCE)
    assert not passes("reduce_only", view, order_qty=Decimal(5), **REDUCE)
    assert facts("reduce_only", view, **REDUCE) == "reduce_only=True held=10 pending=6"


LEG: dict[str, Any] = REDUCE | {
    "order_type": OrderType.STOP,
    "stop_px": Decimal(95),
    "group_id": "entry",
    "parent_id": "entry",
}


def test_a_leg_closes_what_is_held_or_what_its_parent_is_still_to_open():
    entry = working("entry", order_qty=Decimal(10), cum_qty=4)
    under_way = make_view(working=(entry,), positions=holding(AAPL=4))

    assert passes("reduce_only", under_way, order_qty=Decimal(10), **LEG)
    assert not passes("reduce_only", under_way, order_qty=Decimal(11), **LEG)
    assert passes("reduce_only", make_view(positions=holding(AAPL=10)), **LEG)
    assert facts("reduce_only", under_way, **LEG) == (
        "reduce_only=True held=4 opening=6 protected=0"
    )


@pytest.mark.parametrize("parent", [{"side": SELL}, {"instrument_id": MSFT}, {"reduce_only": True}])
def test_a_leg_is_not_opened_by_an_order_that_opens_nothing_for_it(parent: dict[str, Any]):
    assert not passes("reduce_only", make_view(working=(working("entry", **parent),)), **LEG)
    assert not passes("reduce_only", make_view(), **LEG)


def test_what_one_group_protects_another_does_not():
    """Two stops for one position would sell it twice; the two legs of a group will not."""
    stop = working("order-b", order_qty=Decimal(10), **(LEG | {"group_id": "other"}))
    view = make_view(positions=holding(AAPL=10), working=(stop,))
    target = working("order-c", order_qty=Decimal(10), **(LEG | {"group_id": "entry"}))

    assert not passes("reduce_only", view, **LEG)
    assert facts("reduce_only", view, **LEG).endswith("protected=10")
    assert passes("reduce_only", make_view(positions=holding(AAPL=10), working=(target,)), **LEG)


def test_the_legs_of_an_entry_that_never_left_keep_no_other_from_being_protected():
    """Held for ever beside it, they would deny every bracket on their instrument."""
    never = {"parent_id": "never sent", "group_id": "never sent"}
    stale = working("stale", status=S.HELD, order_qty=Decimal(10), **(LEG | never))
    entry = working("entry", order_qty=Decimal(10))

    assert passes("reduce_only", make_view(working=(stale, entry)), **LEG)
    # Nor do they take more of a position than there is of it.
    holds = make_view(positions=holding(AAPL=10), working=(stale, entry))
    assert passes("reduce_only", holds, **LEG)
    assert not passes("reduce_only", holds, order_qty=Decimal(11), **LEG)
    # The entry on its way, they count in full.
    sent = working("never sent", order_qty=Decimal(10))
    assert facts("reduce_only", make_view(working=(stale, sent, entry)), **LEG) == (
        "reduce_only=True held=0 opening=20 protected=10"
    )


def test_what_protects_frees_nothing_and_uses_nothing():
    """A resting stop may never be reached: the position counts whole, and can be closed."""
    stop = working("stop", order_qty=Decimal(100), **LEG)
    view = make_view(cash=Decimal(90_000), positions=holding(AAPL=100), working=(stop,))

    assert passes("reduce_only", view, order_qty=Decimal(100), **REDUCE)
    assert passes("position_size", view, order_qty=Decimal(100))
    assert not passes("position_size", view, order_qty=Decimal(101))
    assert view.heading_for(AAPL) == 100


def test_covering_a_short_needs_no_buying_power_while_it_waits():
    cover = LEG | {"side": BUY, "stop_px": Decimal(105)}
    view = make_view(positions=holding(AAPL=-10), buying_power=Decimal(0))

    assert passes("buying_power", view, **cover)


def test_a_slice_that_we_hold_costs_what_the_venue_does_not_know_of_yet():
    held = working("slice", status=S.HELD, instrument_id=MSFT, order_qty=Decimal(10))
    view = make_view(buying_power=Decimal(2_019), working=(held,))

    assert not passes("buying_power", view)
    assert passes("buying_power", make_view(buying_power=Decimal(2_020), working=(held,)))


def test_opening_needs_the_least_confidence():
    assert passes("confidence", make_view(), confidence=Decimal("0.50"))
    assert not passes("confidence", make_view(), confidence=Decimal("0.4999"))
    assert passes("confidence", make_view(), confidence=Decimal(0), **REDUCE)


def test_facts_leave_out_the_zeros_that_the_books_add():
    told = facts("confidence", make_view(), confidence=Decimal("0.600000000000"))

    assert told == "confidence=0.6 min_confidence=0.50"


@pytest.mark.parametrize(("side", "qty"), [(BUY, 200), (SELL, 196)])
def test_one_position_is_worth_its_share_of_equity_at_most(side: OrderSide, qty: int):
    """20 % of 100,000 at 100; a short is sold at 102 at the highest, and counts as that."""
    assert passes("position_size", make_view(), side=side, order_qty=Decimal(qty))
    assert not passes("position_size", make_view(), side=side, order_qty=Decimal(qty + 1))


def test_a_position_counts_with_what_is_held_and_what_is_under_way():
    """150 held and 30 of 40 still to come leave room for 20."""
    view = make_view(
        cash=Decimal(85_000),
        positions=holding(AAPL=150),
        working=(working("order-b", order_qty=Decimal(40), cum_qty=10),),
    )

    assert passes("position_size", view, order_qty=Decimal(20))
    assert not passes("position_size", view, order_qty=Decimal(21))


def test_a_position_is_worth_its_mark_and_not_what_the_order_was_sized_at():
    view = make_view(marks={AAPL: Decimal(200)})

    assert passes("position_size", view, order_qty=Decimal(100), px_ref=Decimal(1))
    assert not passes("position_size", view, order_qty=Decimal(101), px_ref=Decimal(1))


def test_a_sale_that_has_not_filled_frees_nothing():
    """It may never fill, and then the buy comes on top of what is held."""
    view = make_view(
        cash=Decimal(80_000),
        positions=holding(AAPL=200),
        working=(working("order-b", order_qty=Decimal(200), side=SELL, reduce_only=True),),
    )

    assert not passes("position_size", view, order_qty=Decimal(1))
    assert not passes("positions_count", view, RiskLimits(max_positions=1), instrument_id=MSFT)
    tight = RiskLimits(max_exposure_pct=Decimal("0.20"))
    assert not passes("exposure", view, tight, instrument_id=MSFT, order_qty=Decimal(1))


def test_all_positions_together_are_worth_their_share_at_most():
    """80,000 held, 10,000 under way and 5,000 wished are 95 % of 100,000."""
    view = make_view(
        cash=Decimal(20_000),
        positions=holding(MSFT=800),
        working=(working("order-b", order_qty=Decimal(100)),),
    )

    assert passes("exposure", view, order_qty=Decimal(50))
    assert not passes("exposure", view, order_qty=Decimal(51))
    assert facts("exposure", view, order_qty=Decimal(51)) == (
        "exposure=95100.00 limit=95000.00 share=0.95"
    )


def test_a_short_does_not_make_room_for_a_long():
    view = make_view(cash=Decimal(190_000), positions=holding(MSFT=-900))

    assert passes("exposure", view, order_qty=Decimal(50))
    assert not passes("exposure", view, order_qty=Decimal(51))


def test_a_position_too_many_is_denied():
    view = make_view(positions=holding(MSFT=1), working=(working("order-b", instrument_id=MSFT),))

    assert passes("positions_count", view, RiskLimits(max_positions=2))
    assert not passes("positions_count", view, RiskLimits(max_positions=1))
    assert passes("positions_count", view, RiskLimits(max_positions=1), instrument_id=MSFT)


def test_an_order_under_way_counts_as_a_position():
    view = make_view(working=(working("order-b", instrument_id=MSFT),))

    assert not passes("positions_count", view, RiskLimits(max_positions=1))


def test_a_day_that_lost_its_share_opens_nothing_more():
    """Exactly 5 % of the day's first equity still passes."""
    assert passes("daily_loss", make_view(cash=Decimal(95_000)))
    assert not passes("daily_loss", make_view(cash=Decimal(95_000) - CENT))
    assert passes("daily_loss", make_view(cash=Decimal(110_000)))


def test_the_days_loss_counts_what_is_held_at_its_mark():
    """10,000 spent on 100 shares that are now worth 4,900: 5.1 % of 100,000 is lost."""
    view = make_view(cash=Decimal(90_000), positions=holding(AAPL=100), marks={AAPL: Decimal(49)})

    assert not passes("daily_loss", view)
    assert facts("daily_loss", view) == "daily_loss_pct=0.0510 max_daily_loss_pct=0.05"


def test_an_account_below_the_least_balance_opens_nothing():
    assert passes("min_balance", make_view(cash=Decimal(100)))
    assert not passes("min_balance", make_view(cash=Decimal(100) - CENT))


def test_a_buy_costs_what_may_be_spent_at_most_with_the_buffer():
    """10 at 100 with 1 % kept back."""
    assert passes("buying_power", make_view(buying_power=Decimal(1_010)))
    assert not passes("buying_power", make_view(buying_power=Decimal(1_010) - CENT))


def test_a_buy_costs_with_the_buys_that_the_venue_may_not_know_of():
    """What it holds open orders for, it has taken off its buying power already."""
    view = make_view(
        buying_power=Decimal(2_020),
        working=(
            working("order-b", instrument_id=MSFT, order_qty=Decimal(10), status=S.SUBMITTED),
            working("order-c", instrument_id=MSFT, order_qty=Decimal(500)),
            working("order-d", instrument_id=MSFT, side=SELL, order_qty=Decimal(500)),
        ),
    )

    assert passes("buying_power", view)
    assert not passes("buying_power", view, order_qty=Decimal(11))


def test_a_limit_buy_costs_its_limit():
    view = make_view(buying_power=Decimal(1_111))

    limit = {"order_type": OrderType.LIMIT, "limit_px": Decimal(110)}
    assert passes("buying_power", view, **limit)
    assert not passes("buying_power", view, **(limit | {"limit_px": Decimal(111)}))


def test_a_signal_may_be_as_old_as_the_limit_and_not_of_tomorrow():
    oldest = NOW - timedelta(hours=96)
    assert passes("signal_age", make_view(), signal_time=oldest)
    assert not passes("signal_age", make_view(), signal_time=oldest - timedelta(minutes=1))
    assert passes("signal_age", make_view(), signal_time=NOW)
    assert not passes("signal_age", make_view(), signal_time=NOW + timedelta(seconds=1))


def test_a_sale_needs_no_buying_power():
    assert passes("buying_power", make_view(buying_power=None), side=SELL)


@pytest.mark.parametrize(
    ("check", "unknown"),
    [
        ("trading_state", {"trading_state": None}),
        ("position_size", {"marks": {MSFT: Decimal(100)}}),
        ("exposure", {"marks": {MSFT: Decimal(100)}}),
        # A holding without a price: nobody knows what the account is worth.
        ("position_size", {"marks": {AAPL: Decimal(100)}}),
        ("exposure", {"marks": {AAPL: Decimal(100)}}),
        ("daily_loss", {"marks": {AAPL: Decimal(100)}}),
        ("min_balance", {"marks": {AAPL: Decimal(100)}}),
        ("daily_loss", {"equity_day_open": None}),
        ("daily_loss", {"equity_day_open": Decimal(0)}),
        ("daily_loss", {"equity_day_open": Decimal(-1)}),
        ("buying_power", {"buying_power": None}),
    ],
)
def test_unknown_means_no(check: str, unknown: dict[str, Any]):
    known = {"positions": holding(MSFT=1)}

    assert passes(check, make_view(**known))
    assert not passes(check, make_view(**(known | unknown)))


def test_exposure_names_the_instrument_without_a_price():
    view = make_view(marks={AAPL: Decimal(100)}, positions=holding(MSFT=1))

    assert facts("exposure", view) == "exposure=unknown no_price_for=MSFT.SCRIPTED"


OVER_EVERYTHING = {
    "cash": Decimal(-99_000),
    "buying_power": None,
    "positions": holding(AAPL=1_000, MSFT=1_000),
    "marks": {},
    "equity_day_open": None,
}


@pytest.mark.parametrize(
    "check",
    ["confidence", "position_size", "exposure", "positions_count", "daily_loss", "min_balance"],
)
def test_an_order_that_only_reduces_may_always_leave(check: str):
    """Over every limit, with nothing known: the way out stays open."""
    view = make_view(**OVER_EVERYTHING)
    limits = RiskLimits(max_positions=1)

    assert not passes(check, view, limits, confidence=Decimal(0))
    assert passes(check, view, limits, confidence=Decimal(0), **REDUCE)
