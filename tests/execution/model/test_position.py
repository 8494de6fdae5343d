from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.errors import InvariantBroken
from execution.model.enums import OrderSide
from execution.model.position import Position
from tests.execution.examples import AAPL, ACCOUNT, MSFT, make_fill

FLAT = Position(account=ACCOUNT, instrument_id=AAPL)
BUY, SELL = OrderSide.BUY, OrderSide.SELL


def after(*trades: tuple[OrderSide, str, str]) -> Position:
    position = FLAT
    for n, (side, qty, px) in enumerate(trades):
        fill = make_fill(f"T-{n}", side=side, last_qty=Decimal(qty), last_px=Decimal(px))
        position = position.apply(fill, "AAPL")
    return position


def books(position: Position) -> tuple[Decimal, Decimal, Decimal]:
    return position.net_qty, position.avg_px, position.realized_pnl


@pytest.mark.parametrize(
    ("trades", "expected"),
    [
        ([(BUY, "10", "100")], ("10", "100", "0")),
        ([(BUY, "10", "100"), (BUY, "30", "104")], ("40", "103", "0")),
        ([(BUY, "10", "100"), (SELL, "4", "110")], ("6", "100", "40")),
        ([(BUY, "10", "100"), (SELL, "10", "90")], ("0", "0", "-100")),
        ([(SELL, "10", "100")], ("-10", "100", "0")),
        ([(SELL, "10", "100"), (SELL, "10", "90")], ("-20", "95", "0")),
        ([(SELL, "10", "100"), (BUY, "4", "90")], ("-6", "100", "40")),
        # Through flat: the part that closes is realized, the rest opens at the new price.
        ([(BUY, "10", "100"), (SELL, "15", "110")], ("-5", "110", "100")),
        ([(SELL, "10", "100"), (BUY, "15", "110")], ("5", "110", "-100")),
    ],
)
def test_average_cost_in_realized_out(
    trades: list[tuple[OrderSide, str, str]], expected: tuple[str, str, str]
):
    assert books(after(*trades)) == tuple(Decimal(each) for each in expected)


def test_a_commission_in_quote_is_kept_apart_from_the_result():
    fill = make_fill(commission=Decimal("1.25"))

    position = FLAT.apply(fill, "AAPL").apply(make_fill("T-2", commission=Decimal(2)), "AAPL")

    assert position.commission == Decimal("3.25")
    assert books(position) == (Decimal(20), Decimal(100), Decimal(0))


def test_a_commission_in_the_base_currency_shrinks_the_holding():
    """Venues take it out of what was bought; expecting the gross holding never reconciles."""
    fill = make_fill(last_qty=Decimal(2), commission=Decimal("0.002"), commission_ccy="AAPL")

    position = FLAT.apply(fill, "AAPL")

    # 0.002 that cost 100 each are gone for nothing.
    assert books(position) == (Decimal("1.998"), Decimal(100), Decimal("-0.2"))
    assert position.commission == 0


def test_a_fill_of_another_instrument_is_a_broken_invariant():
    with pytest.raises(InvariantBroken, match=r"T-1 is not of AAPL\.SCRIPTED"):
        FLAT.apply(make_fill(instrument_id=MSFT), "MSFT")


TRADES = st.lists(
    st.tuples(
        st.sampled_from([BUY, SELL]),
        st.decimals("0.01", "50", places=2),
        st.decimals("1", "500", places=2),
    ),
    max_size=15,
)


@given(trades=TRADES, mark=st.decimals("1", "500", places=2))
def test_cash_and_holding_always_make_the_same_result(
    trades: list[tuple[OrderSide, Decimal, Decimal]], mark: Decimal
):
    """Realized plus unrealized is what the trades cost against the mark: nothing leaks."""
    position, cash = FLAT, Decimal(0)
    for n, (side, qty, px) in enumerate(trades):
        position = position.apply(make_fill(f"T-{n}", side=side, last_qty=qty, last_px=px), "AAPL")
        cash -= side.sign * qty * px

        assert position.avg_px >= 0
        assert (position.avg_px == 0) == (position.net_qty == 0)
    unrealized = position.net_qty * (mark - position.avg_px)
    # Each step rounds the average to twelve places, on at most 750 units.
    assert abs(position.realized_pnl + unrealized - (cash + position.net_qty * mark)) < Decimal(
        "1E-7"
    )
