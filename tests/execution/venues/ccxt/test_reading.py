"""What a venue's structures say of orders, fills, balances and transfers; or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from execution.errors import VenueUnavailable
from execution.model.enums import FillKind, OrderStatus, TransferKind
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId
from execution.model.reports import OrderReport
from execution.venues.ccxt import reading
from tests.execution.venues.ccxt.places import ACCOUNT, CID, NOW, instrument_id

BTC = instrument_id("binance")
ORDER = {
    "id": "9",
    "side": "buy",
    "status": "open",
    "amount": "2",
    "filled": "0",
    "timestamp": 1772366400000,
    "lastUpdateTimestamp": None,
}
TRADE = {
    "id": "7",
    "order": "9",
    "side": "sell",
    "amount": "0.5",
    "price": "100",
    "timestamp": 1772366400000,
    "fee": {"cost": "0.01", "currency": "BNB"},
    "info": {},
}


def order(qty: str | None = None, **changes: object) -> OrderReport:
    asked = None if qty is None else Decimal(qty)
    return reading.order_report({**ORDER, **changes}, BTC, ClientOrderId(CID), asked)


def trade(**changes: object) -> Fill:
    return reading.fill({**TRADE, **changes}, "BTCUSDT", BTC, ACCOUNT, None, NOW)


@pytest.mark.parametrize(
    ("status", "filled", "read"),
    [
        ("open", "0", OrderStatus.ACCEPTED),
        ("open", "1", OrderStatus.PARTIALLY_FILLED),
        ("canceling", "1", OrderStatus.PARTIALLY_FILLED),
        ("closed", "2", OrderStatus.FILLED),
        ("closed", "2.5", OrderStatus.FILLED),
        # Over, and the rest never comes: an order that stays open in the books blocks them.
        ("closed", "1.9", OrderStatus.CANCELED),
        ("closed", "0", OrderStatus.CANCELED),
        ("canceled", "1", OrderStatus.CANCELED),
        ("expired", "0", OrderStatus.EXPIRED),
        ("rejected", "0", OrderStatus.REJECTED),
    ],
)
def test_a_status_is_read_with_what_has_filled(status: str, filled: str, read: OrderStatus):
    assert order(status=status, filled=filled).status is read


def test_a_rejected_order_may_have_fills():
    """Bybit rejects the rest of what it has begun to fill."""
    report = order(status="rejected", filled="0.005")
    assert (report.status, report.cum_qty) == (OrderStatus.REJECTED, Decimal("0.005"))


def test_what_was_asked_for_is_ours_to_say_where_we_know_it():
    """A buy by its cost is told in other units by some venues."""
    assert order("3", amount="617").order_qty == 3
    assert order(amount="617").order_qty == 617
    assert order(amount=None, filled="1").order_qty == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"filled": None},
        {"filled": 0.5},
        {"filled": "x"},
        {"filled": "NaN"},
        {"filled": True},
        {"status": None},
        {"status": "strange"},
        {"id": None},
        {"id": ""},
        {"side": None},
        {"side": "long"},
        {"timestamp": None},
        {"timestamp": "soon"},
        {"timestamp": 0},
    ],
)
def test_an_order_with_something_missing_is_no_answer(changes: dict[str, Any]):
    with pytest.raises(VenueUnavailable):
        order(**changes)


def test_the_latest_time_is_the_orders():
    report = order(lastUpdateTimestamp=1772366401000)
    assert report.ts_event == datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)


def test_a_trades_id_has_its_market_in_it():
    """Binance counts the trades of each market from one."""
    assert trade().trade_id == "BTCUSDT:7"


def test_a_fee_in_a_third_currency_keeps_it():
    fill = trade()
    assert (fill.commission, fill.commission_ccy) == (Decimal("0.01"), "BNB")


def test_no_fee_is_none_in_the_quote():
    fill = trade(fee=None)
    assert (fill.commission, fill.commission_ccy) == (Decimal(0), "USDT")


def test_zero_fees_beside_the_real_one_do_not_count():
    fees = [{"cost": "0", "currency": "GT"}, {"cost": "0.2", "currency": "BTC"}]
    fill = trade(fee=None, fees=fees)
    assert (fill.commission, fill.commission_ccy) == (Decimal("0.2"), "BTC")


def test_a_forced_execution_is_told_apart():
    assert trade(info={"execType": "BustTrade"}).kind is FillKind.LIQUIDATION
    assert trade(info={"execType": "Trade"}).kind is FillKind.TRADE


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"fees": [{"cost": "1", "currency": "A"}, {"cost": "1", "currency": "B"}]}, "two"),
        ({"fee": {"cost": "-0.1", "currency": "BTC"}}, "rebate"),
        ({"fee": {"cost": "0.1", "currency": None}}, "currency"),
        ({"fee": {"cost": 0.1, "currency": "BTC"}}, "fee of"),
        ({"id": None}, "id of"),
        ({"order": None}, "order of"),
        ({"amount": "0"}, "no execution"),
        ({"price": "-1"}, "no execution"),
        ({"amount": 0.5}, "amount"),
        ({"side": ""}, "side"),
        ({"timestamp": None}, "time"),
    ],
)
def test_a_trade_that_cannot_be_booked_exactly_is_no_answer(changes: dict[str, Any], why: str):
    with pytest.raises(VenueUnavailable, match=why):
        trade(**changes)


def test_balances_leave_out_what_is_zero_and_keep_dust():
    told = {
        "total": {"BTC": "0.00000001", "ETH": "0", "USDT": "10"},
        "free": {"BTC": "0.00000001", "ETH": "0", "USDT": None},
    }
    read = reading.balances(told)
    assert set(read) == {"BTC", "USDT"}
    assert read["BTC"].cash == Decimal("1E-8")
    assert read["USDT"].buying_power == 10


@pytest.mark.parametrize("told", [{}, {"total": {}}, {"total": {"A": 1.5}, "free": {}}])
def test_a_balance_that_is_not_one_is_no_answer(told: dict[str, Any]):
    with pytest.raises(VenueUnavailable):
        reading.balances(told)


def moved(kind: TransferKind, **changes: object) -> list[tuple[str, str, Decimal]]:
    entry = {
        "id": "5",
        "currency": "USDT",
        "amount": "100",
        "status": "ok",
        "timestamp": 1772366400000,
        "fee": {"cost": "1.5", "currency": "USDT"},
    }
    read = reading.transfers({**entry, **changes}, kind, ACCOUNT)
    return [(one.transfer_id, one.kind, one.amount) for one in read]


def test_a_withdrawal_and_its_fee_are_two_movements():
    assert moved(TransferKind.WITHDRAWAL) == [
        ("withdrawal:5", "withdrawal", Decimal(-100)),
        ("withdrawal:5:fee", "fee", Decimal("-1.5")),
    ]


def test_a_deposit_is_what_arrived():
    assert moved(TransferKind.DEPOSIT) == [("deposit:5", "deposit", Decimal(100))]


def test_what_is_under_way_has_not_moved():
    assert moved(TransferKind.DEPOSIT, status="pending") == []
    assert moved(TransferKind.WITHDRAWAL, status="failed") == []


@pytest.mark.parametrize(
    "read",
    [
        lambda: reading.number(1.5, "x"),
        lambda: reading.number(None, "x"),
        lambda: reading.text(5, "x"),
        lambda: reading.moment(1.5, "x"),
        lambda: reading.moment(True, "x"),
    ],
)
def test_what_is_not_exact_is_refused(read: Callable[[], object]):
    with pytest.raises(VenueUnavailable, match="x: n"):
        read()
