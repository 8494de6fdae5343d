from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.store.books import Books
from data.store.connection import Ledger
from execution.errors import InvariantBroken
from execution.model.enums import OrderSide, TransferKind
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId, RunId, VenueId
from execution.model.money import quantize
from execution.model.position import Position
from tests.execution.examples import (
    AAPL,
    ACCOUNT,
    MSFT,
    NOW,
    VENUE,
    make_fill,
    make_intent,
    make_transfer,
)

BTC = InstrumentId("BTC/USDT", VENUE)
SPOT = {AAPL: ("AAPL", "USD"), MSFT: ("MSFT", "USD"), BTC: ("BTC", "USDT")}


def book(books: Books, *fills: Fill) -> tuple[Fill, ...]:
    return books.fills.record_all(VENUE, fills, SPOT)


def test_a_fill_is_booked_once_and_moves_order_and_position_once(books: Books):
    books.orders.commit_intents(RunId("run-1"), "digest", [make_intent()], NOW)
    fill = make_fill(last_qty=Decimal(4), last_px=Decimal("100.5"), commission=Decimal("0.25"))

    assert books.fills.record(VENUE, fill, "AAPL", "USD")
    assert not books.fills.record(VENUE, fill, "AAPL", "USD")

    order = books.orders.get(ClientOrderId("order-a"))
    assert order is not None
    assert (S.PARTIALLY_FILLED, Decimal(4), Decimal("100.5")) == (
        order.status,
        order.cum_qty,
        order.avg_px,
    )
    assert books.positions.get(ACCOUNT, AAPL) == Position(
        account=ACCOUNT,
        instrument_id=AAPL,
        net_qty=Decimal(4),
        avg_px=Decimal("100.5"),
        commission=Decimal("0.25"),
    )
    assert (fill,) == books.fills.of(ACCOUNT) == books.fills.of_order(ClientOrderId("order-a"))


def test_a_batch_books_what_is_new_and_folds_all_of_it(books: Books):
    """One upsert a position: DuckDB would apply only the first of two in one statement."""
    books.orders.commit_intents(RunId("run-1"), "digest", [make_intent()], NOW)
    first = make_fill("T-1", last_qty=Decimal(4))
    second = make_fill("T-2", last_qty=Decimal(6), last_px=Decimal(110))
    elsewhere = make_fill("T-3", instrument_id=MSFT, client_order_id=None)
    book(books, first)

    new = book(books, first, second, elsewhere, second)

    assert (second, elsewhere) == new
    order = books.orders.get(ClientOrderId("order-a"))
    assert order is not None
    assert (S.FILLED, Decimal(10), Decimal(106)) == (order.status, order.cum_qty, order.avg_px)
    assert [(AAPL, Decimal(10), Decimal(106)), (MSFT, Decimal(10), Decimal(100))] == [
        (p.instrument_id, p.net_qty, p.avg_px) for p in books.positions.all(ACCOUNT)
    ]


def test_the_same_trade_id_is_another_trade_at_another_venue_or_account(books: Books):
    book(books, make_fill())

    assert books.fills.record(VenueId("elsewhere"), make_fill(), "AAPL", "USD")
    assert book(books, replace(make_fill(), account=AccountId("other"), client_order_id=None))


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_trade_id_that_comes_back_as_another_trade_is_not_swallowed(
    books: Books, in_one_batch: bool
):
    """Some venues count trades per symbol: dropping the second one would lose it."""
    first, second = make_fill(), make_fill(instrument_id=MSFT, client_order_id=None)
    if not in_one_batch:
        book(books, first)

    with pytest.raises(InvariantBroken, match=r"came again as buy 10 MSFT.SCRIPTED at 100"):
        book(books, first, second) if in_one_batch else book(books, second)


def test_a_fill_that_names_an_order_of_another_kind_is_refused(books: Books):
    books.orders.commit_intents(RunId("run-1"), "digest", [make_intent()], NOW)

    with pytest.raises(InvariantBroken, match=r"its order order-a a buy of AAPL.SCRIPTED"):
        book(books, make_fill(side=OrderSide.SELL))


def test_a_fill_of_an_order_that_is_not_ours_moves_the_position(books: Books):
    book(books, make_fill(client_order_id=ClientOrderId("somebody-else")))

    assert Decimal(10) == books.positions.get(ACCOUNT, AAPL).net_qty


def test_flat_positions_are_kept_but_not_open(books: Books):
    book(
        books,
        make_fill("T-1"),
        make_fill("T-2", side=OrderSide.SELL, last_px=Decimal(101), client_order_id=None),
    )

    assert books.positions.open(ACCOUNT) == ()
    [flat] = books.positions.all(ACCOUNT)
    assert (Decimal(0), Decimal(10)) == (flat.net_qty, flat.realized_pnl)
    assert Position(account=ACCOUNT, instrument_id=MSFT) == books.positions.get(ACCOUNT, MSFT)


def test_the_newest_fill_says_where_to_ask_on(books: Books):
    assert books.fills.latest_ts(ACCOUNT) is None

    book(books, make_fill("T-1", ts_event=NOW + timedelta(seconds=5)), make_fill("T-2"))

    assert NOW + timedelta(seconds=5) == books.fills.latest_ts(ACCOUNT)


def test_a_transfer_is_booked_once(books: Books):
    def record(amount: str) -> bool:
        return books.transfers.record(
            make_transfer(ACCOUNT, "opening", TransferKind.OPENING, "USD", Decimal(amount), NOW)
        )

    assert record("1000.01")
    assert not record("1000.01")
    assert {"USD": Decimal("1000.01")} == books.cash(ACCOUNT)
    with pytest.raises(InvariantBroken, match="came again as 5 USD"):
        record("5")


def test_cash_is_what_transfers_and_fills_leave(books: Books):
    for transfer_id, amount in (("in", "1000"), ("out", "-100")):
        books.transfers.record(
            make_transfer(ACCOUNT, transfer_id, TransferKind.DEPOSIT, "USD", Decimal(amount), NOW)
        )
    book(
        books,
        make_fill("T-1", last_qty=Decimal(2), last_px=Decimal("100.25"), commission=Decimal(1)),
        make_fill("T-2", last_qty=Decimal(1), last_px=Decimal(110), side=OrderSide.SELL,
                  client_order_id=None),
        # A fee in a third currency leaves that; a fee in the base leaves the holding.
        make_fill("T-3", instrument_id=BTC, last_qty=Decimal("0.5"), last_px=Decimal(50_000),
                  commission=Decimal("0.01"), commission_ccy="BNB"),
        make_fill("T-4", instrument_id=BTC, last_qty=Decimal("0.5"), last_px=Decimal(50_000),
                  commission=Decimal("0.001"), commission_ccy="BTC"),
    )  # fmt: skip

    assert {
        "USD": Decimal("808.5"),
        "USDT": Decimal(-50_000),
        "BNB": Decimal("-0.01"),
    } == books.cash(ACCOUNT)
    assert Decimal("0.999") == books.positions.get(ACCOUNT, BTC).net_qty
    assert books.cash(AccountId("nobody")) == {}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    trades=st.lists(
        st.tuples(
            st.sampled_from(OrderSide),
            st.decimals("0.000001", "20", places=6),
            # Half of these end in 5 in the thirteenth place of the product: the ties.
            st.sampled_from(["0.0000005", "0.0000015", "0.0000025", "0.00000000005", "1.2345675"]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_the_database_rounds_cash_as_the_domain_does(
    ledger: Ledger, trades: list[tuple[OrderSide, Decimal, str]]
):
    """A venue of ours rounds half to even; a cast in SQL alone would not."""
    fills = [
        make_fill(f"T-{n}", side=side, last_qty=qty, last_px=Decimal(px), client_order_id=None)
        for n, (side, qty, px) in enumerate(trades)
    ]
    with ledger.transaction() as books:
        books.session.rows("DELETE FROM fills")
        book(books, *fills)
        assert {"USD": sum(-f.side.sign * quantize(f.notional) for f in fills)} == books.cash(
            ACCOUNT
        )
