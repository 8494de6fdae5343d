from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tasks import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.500000000000", "0.5"),
        ("100", "100"),
        ("1E+3", "1,000"),
        ("1234567.890", "1,234,567.89"),
        ("-0.00000001", "-0.00000001"),
        ("0E-12", "0"),
        (
            "12345678901234567890123456.123456789012",
            "12,345,678,901,234,567,890,123,456.123456789012",
        ),
    ],
)
def test_a_quantity_is_exact(value: str, text: str):
    assert figures.quantity(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("65000", "65,000.00"),
        ("101.500000000000", "101.50"),
        ("101.123456789012", "101.1235"),
        ("0.00001234", "0.00001234"),
        ("0.5", "0.50"),
    ],
)
def test_a_price_has_the_places_that_say_something(value: str, text: str):
    assert figures.price(Decimal(value)) == text


def test_what_is_not_known_is_a_dash():
    assert figures.price(None) == figures.money(None, "USD") == figures.percent(None) == "–"


def test_money_is_never_minus_zero():
    assert figures.money(Decimal("-0.004"), "USD") == "0.00 USD"


def test_a_time_is_told_in_utc():
    berlin = timezone(timedelta(hours=2))
    assert figures.when(datetime(2024, 6, 1, 1, 30, tzinfo=berlin)) == "2024-05-31 23:30Z"
