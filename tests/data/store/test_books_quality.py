"""Every expectation of the books catches the fault that it is there for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from data.quality.books import BOOKS, SUITES
from data.quality.expectation import Result, look
from data.quality.ledger import read_books
from data.quality.rules import DEFAULT_RULES, QualityRules
from data.store.books import Books
from data.store.equity import EquityPoint
from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.identifiers import RunId
from tests.execution.examples import ACCOUNT, NOW

TWICE = """
    CREATE OR REPLACE TABLE {0} AS (
        SELECT * FROM {0} UNION ALL (SELECT * FROM {0} WHERE {1} LIMIT 1)
    )
"""
POINT = EquityPoint(
    account=ACCOUNT,
    run_id=RunId("run-1"),
    currency="USD",
    cash=Decimal(4_000),
    holdings=Decimal(1_000),
    equity=Decimal(5_000),
    unrealized_pnl=Decimal(0),
    realized_pnl=Decimal(0),
    ts_event=NOW,
    ts_init=NOW,
)


@pytest.fixture
def kept(traded: Books) -> Books:
    """Books with two looks at their worth."""
    traded.equity.append(POINT)
    traded.equity.append(replace(POINT, ts_init=NOW + timedelta(hours=1)))
    return traded


def sql(text: str) -> Callable[[Books], None]:
    return lambda books: [books.session.rows(part) for part in text.split(";")] and None


def waiting(books: Books) -> None:
    """A trade that is not ours, and that nobody has accepted."""
    found = Discrepancy(kind=DiscrepancyKind.EXTERNAL, key="T-x", books="not ours", venue="sell 2")
    books.discrepancies.replace(ACCOUNT, RunId("run-1"), [found], NOW)


# By expectation what breaks it, and what else is broken then.
PLANTED: dict[str, tuple[Callable[[Books], None], set[str]]] = {
    "order_ids_unique": (
        sql(TWICE.format("intents", "client_order_id = 'order-a'")),
        {"orders_add_up"},
    ),
    "order_rows_complete": (
        sql("DELETE FROM orders WHERE client_order_id = 'order-b'"),
        {"fills_have_orders"},
    ),
    "orders_add_up": (
        sql("UPDATE orders SET avg_px = 1 WHERE client_order_id = 'order-a'"),
        set(),
    ),
    "order_status_known": (
        sql("UPDATE orders SET status = 'lost' WHERE client_order_id = 'order-a'"),
        {"fills_have_orders", "working_orders_open"},
    ),
    "working_orders_open": (
        sql("UPDATE orders SET status = 'accepted' WHERE client_order_id = 'order-a'"),
        {"orders_add_up"},
    ),
    "filled_orders_whole": (
        sql("UPDATE orders SET cum_qty = 0 WHERE client_order_id = 'order-a'"),
        {"orders_add_up"},
    ),
    "order_times_rising": (
        sql("UPDATE orders SET updated_at = '2000-01-01' WHERE client_order_id = 'order-a'"),
        set(),
    ),
    "trade_ids_unique": (
        sql(TWICE.format("fills", "trade_id = 'T-x'")),
        {"positions_add_up"},
    ),
    "fills_have_orders": (
        sql("UPDATE fills SET client_order_id = 'nobody' WHERE trade_id = 'T-x'"),
        set(),
    ),
    "external_fills_accepted": (waiting, set()),
    "commission_currency_known": (
        sql("UPDATE fills SET commission_ccy = 'DOGE' WHERE trade_id = 'T-order-a-0'"),
        set(),
    ),
    "fill_times_past": (
        sql("UPDATE fills SET ts_event = ts_init + INTERVAL 6 SECOND WHERE trade_id = 'T-x'"),
        set(),
    ),
    "positions_add_up": (sql("UPDATE positions SET net_qty = 1 WHERE account = 'other'"), set()),
    "cash_covered": (
        sql("INSERT INTO transfers VALUES ('test', 'out', 'withdrawal', 'USD', -9000, now())"),
        set(),
    ),
    "equity_not_negative": (
        sql("UPDATE equity SET equity = -1, cash = -1001"),
        set(),
    ),
    "equity_adds_up": (sql("UPDATE equity SET cash = 1"), set()),
    "equity_times_rising": (
        lambda books: books.equity.append(replace(POINT, ts_init=NOW - timedelta(days=1))),
        set(),
    ),
}


def results(books: Books, rules: QualityRules = DEFAULT_RULES) -> list[Result]:
    samples = read_books(books)
    return [f.result for name, suite in SUITES.items() for f in look(suite, samples[name], rules)]


def broken(books: Books, rules: QualityRules = DEFAULT_RULES) -> set[str]:
    return {r.expectation for r in results(books, rules) if not r.met}


def test_exact_books_meet_everything(kept: Books):
    assert broken(kept) == set()


@pytest.mark.parametrize("name", [name for name in BOOKS if name != "cash_adds_up"])
def test_each_expectation_catches_its_planted_fault(kept: Books, name: str):
    """One that is registered without a fault of its own fails here."""
    plant, also = PLANTED[name]
    plant(kept)

    assert broken(kept) == {name} | also


def test_cash_summed_wrongly_by_the_database_is_caught(
    kept: Books, monkeypatch: pytest.MonkeyPatch
):
    """No row can be tampered with so that one sum moves and the other stays."""
    monkeypatch.setattr(Books, "cash", lambda *_: {"USD": Decimal(1)})

    assert broken(kept) == {"cash_adds_up"}


def test_a_fault_names_the_row_and_what_the_facts_say(kept: Books):
    PLANTED["positions_add_up"][0](kept)

    (result,) = (r for r in results(kept) if not r.met)

    assert "row 1, column net_qty: value position other AAPL.SCRIPTED: stored " in str(result)


def test_borrowed_money_is_no_fault_where_leverage_lends_it(kept: Books):
    kept.session.rows("UPDATE equity SET equity = 20000, cash = 19000")
    PLANTED["cash_covered"][0](kept)

    assert broken(kept) == {"cash_covered"}
    assert broken(kept, QualityRules(leverage_max=2)) == set()


def test_books_without_a_row_meet_everything(books: Books):
    assert broken(books) == set()
    assert {r.rows for r in results(books)} == {0}


def test_a_market_buy_that_brought_less_for_its_money_is_whole(kept: Books):
    """The venue was told what to spend, not what to bring."""
    kept.session.rows("UPDATE orders SET cum_qty = 9 WHERE client_order_id = 'order-a'")

    assert broken(kept) == {"orders_add_up"}
