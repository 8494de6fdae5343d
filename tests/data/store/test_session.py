from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from data.store.books import Books
from execution.errors import InvariantBroken


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (datetime(2024, 3, 1, 21), "has no time zone"),  # noqa: DTZ001 - that is the point
        (0.1, "is a float: the books are Decimal"),
        (Decimal("0.0000000000001"), "more than the ledger's twelve places"),
        (Decimal("1e30"), "too many digits"),
        (Decimal("NaN"), "not a number"),
    ],
)
def test_what_the_database_would_change_without_a_word_is_refused(
    books: Books, value: object, message: str
):
    with pytest.raises(InvariantBroken, match=message):
        books.session.rows("SELECT ?", value)


def test_decimals_and_times_come_back_as_they_went_in(books: Books):
    ts = datetime(2024, 3, 1, 23, 5, 1, 123456, tzinfo=timezone(timedelta(hours=2)))
    amount = Decimal("1234567890123.123456789012")

    [(back, when)] = books.session.rows("SELECT ?, ?", amount, ts)

    assert (amount, ts) == (back, when)
    assert isinstance(back, Decimal)
    assert UTC is when.tzinfo


def test_a_batch_larger_than_one_statement_is_inserted_whole(books: Books):
    rows = [
        ("run", 1, "signals", "started", str(n), datetime(2024, 3, 1, tzinfo=UTC))
        for n in range(501)
    ]

    books.session.insert("stages", rows)

    assert [str(n) for n in range(501)] == [event.detail for event in books.stages.of("run")]
