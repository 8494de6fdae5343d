"""What is held, whichever way it came, and what of it is too little to be traded."""

from __future__ import annotations

from decimal import Decimal

import pytest

from execution.model.identifiers import InstrumentId
from execution.model.position import Position
from execution.portfolio.holdings import holdings, is_dust
from tests.execution.examples import ACCOUNT, VENUE, make_instrument

BTC = InstrumentId("BTC/USDT", VENUE)


def bought(qty: str, avg_px: str = "100") -> Position:
    return Position(
        account=ACCOUNT, instrument_id=BTC, net_qty=Decimal(qty), avg_px=Decimal(avg_px)
    )


@pytest.mark.parametrize(
    ("positions", "cash", "qty", "avg_px"),
    [
        ([bought("2")], {}, "2", "100"),
        ([], {"BTC": "3"}, "3", "120"),  # at the mark: neither gain nor loss
        ([bought("2")], {"BTC": "2"}, "4", "110"),
        ([bought("2")], {"BTC": "-0.5"}, "1.5", "100"),  # a fee taken in it
    ],
)
def test_a_holding_is_what_was_traded_and_what_came_otherwise(
    positions: list[Position], cash: dict[str, str], qty: str, avg_px: str
):
    money = {"USDT": Decimal(1_000)} | {name: Decimal(amount) for name, amount in cash.items()}

    found = holdings(ACCOUNT, positions, money, {BTC: Decimal(120)}, "USDT")

    assert set(found) == {BTC}
    assert (found[BTC].net_qty, found[BTC].avg_px) == (Decimal(qty), Decimal(avg_px))


def test_what_is_gone_again_is_no_holding():
    cash = {"BTC": Decimal(-2), "DOGE": Decimal(5)}  # nothing here trades the other one

    assert holdings(ACCOUNT, [bought("2")], cash, {BTC: Decimal(120)}, "USDT") == {}


@pytest.mark.parametrize(
    ("qty", "dust"), [("0.0009", True), ("0.001", False), ("-0.0009", True), ("-0.001", False)]
)
def test_less_than_the_least_order_is_dust(qty: str, dust: bool):
    """Exactly the least can be sold; a fee in the base currency leaves less behind."""
    step = make_instrument(BTC, qty_increment=Decimal("0.0001"), qty_min=Decimal("0.001"))

    assert is_dust(bought(qty), step) is dust
