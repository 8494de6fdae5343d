from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.errors import ConfigInvalid
from execution.model.enums import OrderSide
from execution.model.market import MarketSnapshot
from execution.venues.fill_model import FillModel
from tests.execution.examples import make_bar, make_instrument

INSTRUMENT = make_instrument()


def bar(**changes: object) -> MarketSnapshot:
    return make_bar(
        datetime(2024, 3, 1, 14, tzinfo=UTC), datetime(2024, 3, 1, 21, tzinfo=UTC), **changes
    )


def test_a_market_buy_pays_half_spread_and_square_root_impact():
    """100 of an ADV of 10,000 at 2 % a day: 100 · (1 + 0.00025 + 0.02 · √0.01) = 100.225."""
    px = FillModel().market_px(INSTRUMENT, OrderSide.BUY, Decimal(100), bar())

    assert px == Decimal("100.23")  # rounded up: against the buyer


def test_a_market_sell_gets_less_by_the_same_and_rounded_down():
    """100 · (1 - 0.00025 - 0.002) = 99.775, and the increment is a cent."""
    px = FillModel().market_px(INSTRUMENT, OrderSide.SELL, Decimal(100), bar())

    assert px == Decimal("99.77")


def test_the_impact_coefficient_scales_the_impact_alone():
    """Y = 2 on a four times larger order: 100 · (1 + 0.00025 + 2 · 0.02 · √0.04) = 100.825."""
    model = FillModel(impact_coefficient=Decimal(2))
    px = model.market_px(INSTRUMENT, OrderSide.BUY, Decimal(400), bar())

    assert px == Decimal("100.83")


@pytest.mark.parametrize("dry", [{"volume": Decimal(0)}, {"adv": Decimal(0)}])
def test_nothing_fills_where_nothing_trades(dry: dict[str, Decimal]):
    assert FillModel().market_px(INSTRUMENT, OrderSide.BUY, Decimal(1), bar(**dry)) is None


def test_a_sale_that_would_push_the_price_to_zero_does_not_fill():
    """√(1,000,000 / 1) · 0.02 is 2,000 %: the model has left the range where it means something."""
    huge = FillModel().market_px(
        INSTRUMENT, OrderSide.SELL, Decimal(1_000_000), bar(adv=Decimal(1))
    )

    assert huge is None


def test_a_bar_gives_at_most_its_share_less_what_it_gave_already():
    model, whole = FillModel(), bar(volume=Decimal(1_055))  # a tenth is 105.5

    assert model.qty_available(INSTRUMENT, Decimal(500), whole, Decimal(0)) == Decimal(105)
    assert model.qty_available(INSTRUMENT, Decimal(500), whole, Decimal(60)) == Decimal(45)
    assert model.qty_available(INSTRUMENT, Decimal(500), whole, Decimal(200)) == Decimal(0)
    assert model.qty_available(INSTRUMENT, Decimal(3), whole, Decimal(0)) == Decimal(3)


def test_a_limit_is_traded_through_only_past_it():
    """At the very limit others stand before us in the queue."""
    model, day = FillModel(), bar()  # 99 to 101

    assert not model.trades_through(OrderSide.BUY, Decimal(99), day)
    assert model.trades_through(OrderSide.BUY, Decimal("99.01"), day)
    assert not model.trades_through(OrderSide.SELL, Decimal(101), day)
    assert model.trades_through(OrderSide.SELL, Decimal("100.99"), day)


def test_commission_is_basis_points_of_the_notional():
    assert FillModel(commission_bps=Decimal(15)).commission(Decimal(1_000)) == Decimal("1.5")


@pytest.mark.parametrize(
    "wrong",
    [
        {"half_spread_bps": Decimal(-1)},
        {"impact_coefficient": Decimal(-1)},
        {"commission_bps": Decimal(10_000)},
        {"participation_max": Decimal(0)},
        {"participation_max": Decimal("1.01")},
    ],
)
def test_a_model_that_would_pay_us_is_refused(wrong: dict[str, Decimal]):
    with pytest.raises(ConfigInvalid, match=next(iter(wrong))):
        FillModel(**wrong)


@given(
    qty=st.integers(1, 100_000),
    volatility=st.decimals("0", "0.2", places=4),
    side=st.sampled_from(OrderSide),
)
def test_trading_always_costs(qty: int, volatility: Decimal, side: OrderSide):
    px = FillModel().market_px(INSTRUMENT, side, Decimal(qty), bar(volatility_day=volatility))

    assert px is not None
    assert (px - 100) * side.sign > 0
    assert px % INSTRUMENT.px_increment == 0
