from decimal import Decimal

import pytest

from data.store.books import Books
from data.store.verify import Finding, verify
from tests.execution.examples import ACCOUNT, OTHER


def test_exact_books_have_no_findings(traded: Books):
    assert verify(traded) == ()
    assert verify(traded, OTHER) == ()


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (
            "UPDATE orders SET cum_qty = cum_qty + 1e-12 WHERE client_order_id = 'order-a'",
            ["order order-a: stored filled order_qty=10.000000000000 cum_qty=10.000000000001"],
        ),
        (
            "UPDATE orders SET status = 'accepted' WHERE client_order_id = 'order-b'",
            ["order order-b: stored accepted"],
        ),
        (
            "UPDATE orders SET avg_px = avg_px - 1e-12 WHERE client_order_id = 'order-b'",
            ["order order-b: stored canceled"],
        ),
        (
            "DELETE FROM orders WHERE client_order_id = 'order-b'",
            ["no order for the intent order-b", "fill T-order-b-0", "fill T-order-b-1"],
        ),
        (
            "DELETE FROM intents WHERE client_order_id = 'order-b'",
            [
                *["order_events order-b", "orders order-b"],
                *["fill T-order-b-0: stored of order order-b, folded no such intent"],
                "fill T-order-b-1",
            ],
        ),
        (
            "UPDATE positions SET net_qty = net_qty + 1e-12 WHERE account = 'test'",
            ["position test AAPL.SCRIPTED: stored net_qty=8.000000000001"],
        ),
        (
            "UPDATE positions SET realized_pnl = 0 WHERE account = 'test'",
            ["position test AAPL.SCRIPTED: stored net_qty=8"],
        ),
        (
            "DELETE FROM positions WHERE account = 'other'",
            ["position other AAPL.SCRIPTED: stored no row, folded net_qty=4"],
        ),
        (
            "INSERT INTO positions VALUES ('third', 'AAPL.SCRIPTED', 1, 1, 0, 0, now())",
            ["position third AAPL.SCRIPTED: stored net_qty=1.000000000000 avg_px=1.000000000000"],
        ),
        (
            "DELETE FROM fills WHERE trade_id = 'T-order-b-1'",
            [
                "order order-b: stored canceled order_qty=10.000000000000 cum_qty=4",
                "position other AAPL.SCRIPTED",
            ],
        ),
        (
            "UPDATE fills SET last_qty = 30 WHERE trade_id = 'T-order-a-0'",
            [
                "order order-a: stored filled order_qty=10.000000000000 cum_qty=10",
                "order order-a: stored order_qty=10.000000000000, "
                "folded cum_qty=37.000000000000: filled more than was ordered",
                "position test AAPL.SCRIPTED",
            ],
        ),
        (
            "UPDATE fills SET side = 'sell' WHERE trade_id = 'T-order-b-0'",
            ["fill T-order-b-0: stored fill T-order-b-0 is a sell", "position other AAPL.SCRIPTED"],
        ),
        (
            "UPDATE fills SET venue_order_id = 'V-2' WHERE trade_id = 'T-order-a-0'",
            ["order order-a: stored venue orders V-2, V-order-a, folded at most one"],
        ),
        (
            "INSERT INTO order_events VALUES "
            "(99, 'order-a', 'again', 'submitted', NULL, '', now(), now(), NULL, NULL)",
            ["order order-a: stored sent again, folded filled"],
        ),
        (
            "DELETE FROM order_events WHERE status = 'canceled'",
            ["order order-b: stored canceled"],
        ),
        (
            "INSERT INTO order_events VALUES "
            "(99, 'nobody', 'new', 'accepted', NULL, '', now(), now(), NULL, NULL)",
            ["order_events nobody"],
        ),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_found_and_nothing_else(
    traded: Books, tamper: str, expected: list[str]
):
    traded.session.rows(tamper)

    found = [str(finding) for finding in verify(traded)]

    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def test_cash_summed_by_the_database_is_checked_too(traded: Books, monkeypatch: pytest.MonkeyPatch):
    cash = traded.cash(OTHER)["USD"]
    monkeypatch.setattr(Books, "cash", lambda *_: {"USD": Decimal(1)})

    assert verify(traded, OTHER) == (
        Finding(what="cash", key="other USD", stored="1", folded=str(cash)),
    )


def test_one_account_is_checked_alone(traded: Books):
    traded.session.rows("UPDATE positions SET net_qty = 1 WHERE account = 'test'")

    assert verify(traded, OTHER) == ()
    assert len(verify(traded, ACCOUNT)) == 1
