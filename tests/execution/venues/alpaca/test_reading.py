import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from execution.model.enums import AssetClass, OrderSide, TransferKind
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import InstrumentId
from execution.model.reports import BalanceReport
from execution.venues.alpaca import reading, transfers
from execution.venues.alpaca.facts import ALPACA
from execution.venues.alpaca.reading import STATUS, Symbols
from tests.execution.examples import make_instrument
from tests.execution.venues.alpaca.examples import (
    AAPL,
    ACCOUNT,
    BTC,
    CLIENT_ORDER_ID,
    INSTRUMENTS,
    NOW,
    account_json,
    fill_json,
    order_json,
)

SYMBOLS = Symbols(INSTRUMENTS.values())
ETH_BTC = InstrumentId("ETH/BTC", ALPACA)
# Every word that Alpaca documents for an order.
STATUSES = {
    "new": S.ACCEPTED,
    "partially_filled": S.PARTIALLY_FILLED,
    "filled": S.FILLED,
    "done_for_day": S.ACCEPTED,
    "canceled": S.CANCELED,
    "expired": S.EXPIRED,
    "replaced": S.CANCELED,
    "pending_cancel": S.PENDING_CANCEL,
    "pending_replace": S.ACCEPTED,
    "pending_review": S.ACCEPTED,
    "accepted": S.ACCEPTED,
    "pending_new": S.ACCEPTED,
    "accepted_for_bidding": S.ACCEPTED,
    "stopped": S.ACCEPTED,
    "rejected": S.REJECTED,
    "suspended": S.ACCEPTED,
    "calculated": S.ACCEPTED,
    "held": S.ACCEPTED,
}


def read_order(**changes: object) -> object:
    return reading.order_report(order_json(**changes), SYMBOLS, NOW)


def moved(**changes: object) -> list[tuple[str, TransferKind, str, str]]:
    body = {
        "activity_type": "CSD",
        "id": "20240304000000000::5f596936-6f23-4cef-bdf1-3806aae57dbf",
        "date": "2024-03-04",
        "net_amount": "0",
        "status": "executed",
        **changes,
    }
    read = transfers.of(body, ACCOUNT, SYMBOLS)
    return [(t.transfer_id[19:23], t.kind, t.currency, str(t.amount)) for t in read]


def test_an_order_is_read_exactly():
    read = read_order(qty="10.123456789", filled_qty="0.000000001", status="partially_filled")

    assert read.client_order_id == CLIENT_ORDER_ID
    assert read.venue_order_id == "61e69015-8549-4bfd-b9c3-01e75843f47d"
    assert read.instrument_id == AAPL
    assert OrderSide.BUY is read.side
    assert Decimal("10.123456789") == read.order_qty
    assert Decimal("0.000000001") == read.cum_qty
    assert datetime(2024, 3, 4, 14, 59, 59, 987654, tzinfo=UTC) == read.ts_event


def test_every_documented_status_is_known():
    assert STATUSES == STATUS


@pytest.mark.parametrize(("word", "status"), STATUSES.items())
def test_a_status_is_read(word: str, status: S):
    assert status is read_order(status=word).status


def test_a_status_of_tomorrow_is_unknown_and_not_ended():
    """An order must not leave the books because Alpaca has learned a new word."""
    read = read_order(status="sleeping")

    assert S.UNKNOWN is read.status
    assert "'sleeping'" in read.reason


@pytest.mark.parametrize("word", ["pending_replace", "done_for_day", "held"])
def test_what_has_filled_in_part_is_not_called_untouched(word: str):
    assert S.PARTIALLY_FILLED is read_order(status=word, filled_qty="4").status


def test_a_replaced_order_names_its_successor():
    read = read_order(status="replaced", replaced_by="7b08df51-c1ac-453c-99f9-323a5f075f0d")

    assert read.reason == "replaced by 7b08df51-c1ac-453c-99f9-323a5f075f0d"


def test_an_id_that_is_not_of_our_form_was_not_placed_by_us():
    """Alpaca gives ids of its own to what a person, or the leg of a bracket, places."""
    read = read_order(client_order_id="eb9e2aaa-f71a-4f51-b5b4-52a6c565dad4", order_class="bracket")

    assert read.client_order_id is None
    assert read.reason == "of a bracket"


def test_an_order_for_an_amount_of_money_counts_what_it_filled():
    read = read_order(qty=None, notional="500", filled_qty="1.5")

    assert (Decimal("1.5"), "for an amount of money") == (read.order_qty, read.reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"qty": 10.5},
        {"qty": "NaN"},
        {"qty": "ten"},
        {"filled_qty": None},
        {"side": "hold"},
        {"id": 7, "updated_at": 7},
        {"updated_at": "2024-03-04T14:59:58"},
        {"client_order_id": None},
    ],
)
def test_what_is_not_exact_is_not_read(changes: dict[str, object]):
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_order(**changes)


def test_a_fill_is_read_exactly():
    read = reading.fill(fill_json(qty="0.00012345", price="43210.987654321"), ACCOUNT, SYMBOLS, NOW)

    assert read.trade_id == "20240304100001123::8efc7b9a-8b2b-4000-9955-d36e7db0df74"
    assert (Decimal("0.00012345"), Decimal("43210.987654321")) == (read.last_qty, read.last_px)
    assert datetime(2024, 3, 4, 15, 0, 1, 123000, tzinfo=UTC) == read.ts_event
    assert read.client_order_id is None
    assert (Decimal(0), "USD") == (read.commission, read.commission_ccy)
    assert read.ts_init == NOW


@pytest.mark.parametrize(
    ("side", "expected"),
    [("buy", OrderSide.BUY), ("sell", OrderSide.SELL), ("sell_short", OrderSide.SELL)],
)
def test_a_short_sale_is_a_sale(side: str, expected: OrderSide):
    assert expected is reading.fill(fill_json(side=side), ACCOUNT, SYMBOLS, NOW).side


@pytest.mark.parametrize("changes", [{"qty": "0"}, {"price": "-1"}, {"qty": "-4"}, {"id": ""}])
def test_a_fill_of_nothing_is_not_read(changes: dict[str, object]):
    with pytest.raises(ValueError, match=r"breaks > 0|a text is"):
        reading.fill(fill_json(**changes), ACCOUNT, SYMBOLS, NOW)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("AAPL", AAPL),
        ("BTC/USD", BTC),
        ("BTCUSD", BTC),
        ("MSFT", InstrumentId("MSFT", ALPACA)),
        ("BRK.B", InstrumentId("BRK.B", ALPACA)),
    ],
)
def test_both_spellings_of_a_pair_are_one(symbol: str, expected: InstrumentId):
    assert expected == SYMBOLS.of(symbol)


def position(symbol: str, qty: str, side: str = "long") -> dict[str, str]:
    return {"symbol": symbol, "qty": qty, "side": side}


def test_positions_are_of_what_we_trade_and_signed():
    body = [position("AAPL", "-4", "short"), position("BTCUSD", "0.09975"), position("MSFT", "1")]

    read = {p.instrument_id: p.net_qty for p in reading.positions(body, SYMBOLS)}

    assert {AAPL: Decimal(-4), BTC: Decimal("0.09975")} == read


def pair(symbol: str) -> object:
    base, _, quote = symbol.partition("/")
    instrument_id = InstrumentId(symbol, ALPACA)
    return make_instrument(instrument_id, asset_class=AssetClass.CRYPTO, base=base, quote=quote)


def test_a_coin_bought_with_another_is_held_against_the_dollar():
    symbols = Symbols([pair("ETH/BTC")])

    read = reading.positions([position("ETHUSD", "2")], symbols)

    assert [(ETH_BTC, Decimal(2))] == [(p.instrument_id, p.net_qty) for p in read]


def test_a_holding_that_two_instruments_could_claim_is_given_to_neither():
    """To call one of them flat would be a guess."""
    symbols = Symbols([pair("ETH/BTC"), pair("ETH/USDT")])

    with pytest.raises(ValueError, match="more than one instrument"):
        reading.positions([position("ETHUSD", "2")], symbols)


@pytest.mark.parametrize(
    "body",
    [None, {}, [{"symbol": "AAPL"}], [position("AAPL", "1", "both")], [position("AAPL", "x")]],
)
def test_positions_that_cannot_be_read_are_not_none(body: object):
    with pytest.raises((ValueError, KeyError, TypeError)):
        reading.positions(body, SYMBOLS)


def test_what_is_lent_is_no_buying_power_for_coins():
    stocks = reading.balance(account_json(), crypto=False)
    coins = reading.balance(account_json(), crypto=True)

    cash = Decimal("100000.12")
    assert BalanceReport(currency="USD", cash=cash, buying_power=Decimal("262113.632")) == stocks
    assert BalanceReport(currency="USD", cash=cash, buying_power=Decimal("98000.5")) == coins


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"trading_blocked": True}, ("trading_blocked=True",)),
        ({"account_blocked": True}, ("account_blocked=True",)),
        ({"trade_suspended_by_user": True}, ("trade_suspended_by_user=True",)),
        ({"trading_blocked": None}, ("trading_blocked=None",)),
        ({"status": "ACCOUNT_CLOSED"}, ("status=ACCOUNT_CLOSED",)),
        ({"crypto_status": "INACTIVE"}, ("crypto_status=INACTIVE",)),
    ],
)
def test_a_block_is_told_and_what_is_not_said_is_a_block(
    changes: dict[str, object], expected: tuple[str, ...]
):
    assert expected == reading.blocks(account_json(**changes), crypto=True)


def test_who_trades_no_coins_needs_no_leave_to():
    assert reading.blocks(account_json(crypto_status="INACTIVE"), crypto=False) == ()


K = TransferKind


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"net_amount": "500"}, [(K.DEPOSIT, "USD", "500")]),
        ({"activity_type": "CSW", "net_amount": "-200.5"}, [(K.WITHDRAWAL, "USD", "-200.5")]),
        ({"activity_type": "JNLC", "net_amount": "-1"}, [(K.WITHDRAWAL, "USD", "-1")]),
        (
            {"activity_type": "DIV", "net_amount": "1.02", "symbol": "T", "qty": "2"},
            [(K.DIVIDEND, "USD", "1.02")],
        ),
        ({"activity_type": "DIVNRA", "net_amount": "-0.31"}, [(K.DIVIDEND, "USD", "-0.31")]),
        ({"activity_type": "INT", "net_amount": "0.07"}, [(K.INTEREST, "USD", "0.07")]),
        ({"activity_type": "FEE", "net_amount": "-0.02"}, [(K.FEE, "USD", "-0.02")]),
        (
            {"activity_type": "CFEE", "symbol": "ETHUSD", "qty": "-0.000195", "price": "1884.5"},
            [(K.FEE, "ETH", "-0.000195")],
        ),
        (
            {"activity_type": "MISC", "symbol": "BTCUSD", "qty": "0.5"},
            [(K.DEPOSIT, "BTC", "0.5")],
        ),
        ({"activity_type": "JNLS", "symbol": "AAPL", "qty": "3"}, [(K.DEPOSIT, "AAPL", "3")]),
        (
            {"activity_type": "OPTRD", "symbol": "QS", "qty": "-100", "net_amount": "450"},
            [(K.DEPOSIT, "USD", "450"), (K.WITHDRAWAL, "QS", "-100")],
        ),
        ({"net_amount": "500", "status": "canceled"}, []),
        ({"activity_type": "FILL", "qty": "1", "symbol": "AAPL"}, []),
        ({"activity_type": "SPLIT", "net_amount": "0"}, []),
    ],
)
def test_what_moved_without_a_trade_is_typed(changes: dict[str, object], expected: list[object]):
    assert expected == [(kind, ccy, amount) for _, kind, ccy, amount in moved(**changes)]


def test_two_movements_of_one_activity_have_two_ids():
    body = {"activity_type": "OPTRD", "id": "1::a", "date": "2024-03-04", "net_amount": "450"}

    read = transfers.of({**body, "symbol": "QS", "qty": "-100"}, ACCOUNT, SYMBOLS)

    assert [t.transfer_id for t in read] == ["1::a", "1::a:asset"]


def test_what_names_only_its_day_ended_with_the_day_in_new_york():
    body = {"activity_type": "DIV", "id": "1::a", "date": "2024-03-04", "net_amount": "1"}
    timed = {**body, "created_at": "2024-03-05T12:00:00.5Z"}

    (by_day,) = transfers.of(body, ACCOUNT, SYMBOLS)
    (by_time,) = transfers.of(timed, ACCOUNT, SYMBOLS)

    assert datetime(2024, 3, 5, 4, 59, 59, 999999, tzinfo=UTC) == by_day.ts_event
    assert datetime(2024, 3, 5, 12, 0, 0, 500000, tzinfo=UTC) == by_time.ts_event


def test_numbers_in_json_are_exact_too():
    """A venue may write a price without its quotes; a float would have rounded it."""
    body = json.loads('{"qty": 12345678901234567.123456789}', parse_float=Decimal)

    assert Decimal("12345678901234567.123456789") == reading.number(body["qty"])
