"""Books against venue: nothing when they agree, each kind of disagreement both ways."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.enums import OrderSide, OrderType, TransferKind
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId, TradeId, VenueOrderId
from execution.model.order import IN_FLIGHT, OPEN, Order
from execution.model.position import Position
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.reconciliation.compare import NOT_OURS, Books, Reports, compare
from tests.execution.examples import AAPL, ACCOUNT, MSFT, NOW, make_fill, make_order, make_transfer


def an_order(cum_qty: str = "4", status: S = S.PARTIALLY_FILLED) -> Order:
    return make_order("order-a", status=status, cum_qty=Decimal(cum_qty))


def order_report(
    cum_qty: str = "4", client_order_id: str | None = "order-a", venue_order_id: str = "V-1"
) -> OrderReport:
    return OrderReport(
        client_order_id=ClientOrderId(client_order_id) if client_order_id else None,
        venue_order_id=VenueOrderId(venue_order_id),
        instrument_id=AAPL,
        side=OrderSide.BUY,
        status=S.PARTIALLY_FILLED,
        order_qty=Decimal(10),
        cum_qty=Decimal(cum_qty),
        ts_event=NOW,
    )


def position(qty: str) -> Position:
    return Position(account=ACCOUNT, instrument_id=AAPL, net_qty=Decimal(qty))


def position_report(qty: str) -> PositionReport:
    return PositionReport(instrument_id=AAPL, net_qty=Decimal(qty))


def balance(cash: str, currency: str = "USD") -> BalanceReport:
    return BalanceReport(currency=currency, cash=Decimal(cash), buying_power=Decimal(0))


def make_books(**changes: object) -> Books:
    values: dict[str, Any] = {
        "working": (an_order(),),
        "fills": frozenset({TradeId("T-1")}),
        "positions": {AAPL: position("4")},
        "cash": {"USD": Decimal("99600")},
    }
    return Books(**(values | changes))


def make_reports(**changes: object) -> Reports:
    values: dict[str, Any] = {
        "open_orders": (order_report(),),
        "fills": (make_fill("T-1", last_qty=Decimal(4)),),
        "positions": (position_report("4"),),
        "balances": (balance("99600"),),
    }
    return Reports(**(values | changes))


def found(kind: DiscrepancyKind, key: str, books: str, venue: str) -> tuple[Discrepancy, ...]:
    return (
        Discrepancy(
            kind=kind,
            key=key,
            books=books,
            venue=venue,
            instrument_id=None if kind is DiscrepancyKind.CASH else AAPL,
        ),
    )


def test_books_that_equal_the_venue_differ_in_nothing():
    assert compare(make_books(), make_reports()) == ()


def test_numbers_are_compared_and_not_how_they_are_written():
    """The ledger keeps twelve places, a venue says what it likes."""
    reports = make_reports(
        open_orders=(order_report("4.000000000000"),),
        positions=(position_report("4.0"),),
        balances=(balance("99600.000000000000"),),
    )

    assert compare(make_books(), reports) == ()


def test_empty_books_equal_an_empty_venue():
    books = Books(working=(), fills=frozenset(), positions={}, cash={})

    assert compare(books, Reports(open_orders=(), fills=(), positions=(), balances=())) == ()


@pytest.mark.parametrize(
    ("ours", "theirs", "key", "books", "venue"),
    [
        ((an_order(),), (), "order-a", "open, filled 4", "not open"),
        ((), (order_report(),), "order-a", "not open", "open, filled 4"),
        ((an_order("3"),), (order_report("4"),), "order-a", "open, filled 3", "open, filled 4"),
        ((an_order("5"),), (order_report("4"),), "order-a", "open, filled 5", "open, filled 4"),
    ],
    ids=["ours alone", "theirs alone", "theirs filled more", "ours filled more"],
)
def test_open_orders_that_differ(
    ours: tuple[Order, ...], theirs: tuple[OrderReport, ...], key: str, books: str, venue: str
):
    """An order of ours that rests there and is over here is no stranger's, whoever adopts."""
    ledger = make_books(working=ours, ended=frozenset() if ours else frozenset({"order-a"}))

    differences = compare(ledger, make_reports(open_orders=theirs), adopt=True)

    assert differences == found(DiscrepancyKind.ORDER, key, books, venue)


def test_an_amendment_that_was_never_written_is_seen():
    """The venue took it, and the process died before the books did."""
    limit = make_order(
        "order-a",
        intent={"order_type": OrderType.LIMIT, "limit_px": Decimal(99)},
        status=S.PARTIALLY_FILLED,
        cum_qty=Decimal(4),
    )
    amended = replace(order_report(), order_qty=Decimal(6))

    differences = compare(make_books(working=(limit,)), make_reports(open_orders=(amended,)))

    assert differences == found(
        DiscrepancyKind.ORDER, "order-a", "open, filled 4 of 10", "open, filled 4 of 6"
    )


def test_what_is_not_ours_is_flagged_until_it_is_adopted_or_accepted():
    """Books that are right can still hold what we did not do; a person should know."""
    stranger = order_report("1", client_order_id=None, venue_order_id="V-2")
    reports = make_reports(open_orders=(order_report(), stranger))
    by_hand = make_fill("T-9", client_order_id=None, last_qty=Decimal(2), last_px=Decimal(50))
    before = make_transfer(ACCOUNT, "opening AAPL", TransferKind.OPENING, "AAPL", Decimal(3), NOW)
    books = make_books(external=(by_hand,), brought=(before,))

    expected = (
        *found(DiscrepancyKind.EXTERNAL, "V-2", NOT_OURS, "buy 10, open, filled 1"),
        *found(DiscrepancyKind.EXTERNAL, "T-9", NOT_OURS, "buy 2 at 50"),
        *found(DiscrepancyKind.EXTERNAL, "opening AAPL", NOT_OURS, "opening of 3 AAPL"),
    )
    assert compare(books, reports) == expected
    assert compare(books, reports, adopt=True) == ()
    accepted = replace(books, accepted=frozenset({"V-2", "opening AAPL"}))
    assert compare(accepted, reports) == expected[1:2]


def test_an_asset_is_compared_in_all_however_it_came():
    """Bought, paid in before, or known by another name of the same asset: it is one holding."""
    books = make_books(cash={"USD": Decimal(99600), "AAPL": Decimal("1.5")})

    assert compare(books, make_reports(positions=(position_report("5.5"),))) == ()
    assert compare(books, make_reports(positions=(position_report("4"),))) == found(
        DiscrepancyKind.POSITION, "AAPL.SCRIPTED", "5.5", "4"
    )


@pytest.mark.parametrize(
    ("there", "differs"), [("4", False), ("3.99", False), ("3.989", True), ("4.001", True)]
)
def test_a_fee_that_is_taken_and_not_told_yet_is_no_difference(there: str, differs: bool):
    """Only ever less than we have, and by no more than the fee can be."""
    books = make_books(fees_due={"AAPL": Decimal("0.01")})

    found_there = compare(books, make_reports(positions=(position_report(there),)))

    assert [d.kind for d in found_there] == ([DiscrepancyKind.POSITION] if differs else [])


def test_an_order_is_known_by_the_venues_id_where_ours_is_not_told():
    reports = make_reports(open_orders=(order_report(client_order_id=None),))
    named = replace(an_order(), venue_order_id=VenueOrderId("V-1"))

    assert compare(make_books(working=(named,)), reports) == ()


@pytest.mark.parametrize("status", sorted(IN_FLIGHT))
@pytest.mark.parametrize("there", [True, False])
def test_an_order_whose_fate_is_unknown_is_not_reconciled(status: S, there: bool):
    books = make_books(working=(an_order(status=status),))
    reports = make_reports() if there else make_reports(open_orders=())

    (found,) = compare(books, reports)

    assert (found.kind, found.books) == (DiscrepancyKind.ORDER, "sent, its fate unknown")


@pytest.mark.parametrize("status", sorted(set(S) - OPEN - IN_FLIGHT))
def test_only_what_we_believe_open_must_be_open_there(status: S):
    books = make_books(working=(an_order(status=status),))

    assert compare(books, make_reports(open_orders=())) == ()


@pytest.mark.parametrize("status", sorted(OPEN))
def test_a_canceled_order_is_open_until_the_venue_says_that_it_ended(status: S):
    assert compare(make_books(working=(an_order(status=status),)), make_reports()) == ()


def test_a_fill_that_is_not_booked():
    fills = (make_fill("T-1"), make_fill("T-2", last_qty=Decimal("0.5"), side=OrderSide.SELL))

    assert compare(make_books(), make_reports(fills=fills)) == found(
        DiscrepancyKind.FILL, "T-2", "not booked", "sell 0.5 at 100"
    )


def test_a_booked_fill_that_the_venue_no_longer_lists_is_no_difference():
    """Venues forget old fills; the positions and the cash tell whether one never was."""
    assert compare(make_books(), make_reports(fills=())) == ()


@pytest.mark.parametrize(
    ("ours", "theirs"), [("4", "5"), ("4", None), (None, "4"), ("4", "-4"), ("0.000000000001", "0")]
)
def test_positions_that_differ(ours: str | None, theirs: str | None):
    books = make_books(positions={AAPL: position(ours)} if ours else {})
    reports = make_reports(positions=(position_report(theirs),) if theirs else ())

    assert compare(books, reports) == found(
        DiscrepancyKind.POSITION, "AAPL.SCRIPTED", ours or "0", theirs or "0"
    )


def test_a_position_of_nothing_is_no_position():
    assert compare(make_books(positions={}), make_reports(positions=(position_report("0"),))) == ()
    assert compare(make_books(positions={AAPL: position("0")}), make_reports(positions=())) == ()


@pytest.mark.parametrize(("theirs", "differs"), [("99600.01", False), ("99600.010001", True)])
def test_cash_may_differ_by_exactly_the_tolerance(theirs: str, differs: bool):
    reports = make_reports(balances=(balance(theirs),))

    differences = compare(make_books(), reports, tolerance=Decimal("0.01"))

    expected = found(DiscrepancyKind.CASH, "USD", "99600", theirs)
    assert differences == (expected if differs else ())


@pytest.mark.parametrize("theirs", ["99599.999999999999", "99600.000000000001"])
def test_without_a_tolerance_cash_is_exact(theirs: str):
    assert compare(make_books(), make_reports(balances=(balance(theirs),))) == found(
        DiscrepancyKind.CASH, "USD", "99600", theirs
    )


def test_cash_that_only_one_side_knows():
    assert compare(make_books(), make_reports(balances=())) == found(
        DiscrepancyKind.CASH, "USD", "99600", "0"
    )
    both = make_reports(balances=(balance("99600"), balance("0.5", "BTC")))
    assert compare(make_books(), both) == found(DiscrepancyKind.CASH, "BTC", "0", "0.5")


def test_every_difference_is_found_at_once():
    reports = make_reports(
        open_orders=(),
        fills=(make_fill("T-2", instrument_id=MSFT),),
        positions=(PositionReport(instrument_id=MSFT, net_qty=Decimal(1)),),
        balances=(balance("1"),),
    )

    differences = compare(make_books(), reports)

    assert [(d.kind.value, d.key) for d in differences] == [
        ("order", "order-a"),
        ("fill", "T-2"),
        ("position", "AAPL.SCRIPTED"),
        ("position", "MSFT.SCRIPTED"),
        ("cash", "USD"),
    ]
    assert [d.instrument_id for d in differences] == [AAPL, MSFT, AAPL, MSFT, None]
