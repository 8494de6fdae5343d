"""Exact arithmetic for the books: Decimal, twelve places, rounded on purpose."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from execution.errors import InvariantBroken

QUANTUM = Decimal("1E-12")  # the ledger's DECIMAL(38,12)
WIDE = Context(prec=76)  # the product of two such numbers fits
ZERO = Decimal(0)


def quantize(value: Decimal) -> Decimal:
    """Round to the ledger's twelve places, half to even; refuse NaN and infinity."""
    if not value.is_finite():
        raise InvariantBroken(f"value={value} is not a number")
    return value.quantize(QUANTUM, context=WIDE)


def plain(value: Decimal) -> str:
    """The number as text, exactly: without an exponent and without zeros at its end."""
    text = f"{value:f}"  # not normalize(): it rounds to 28 digits
    return text.rstrip("0").rstrip(".") if "." in text else text


def round_down(qty: Decimal, increment: Decimal) -> Decimal:
    """Largest multiple of `increment` not above `qty`; both in base units, qty >= 0."""
    rounded = qty - qty % increment
    if not 0 <= rounded <= qty:  # not `assert`: -O would remove it
        raise InvariantBroken(f"rounded={rounded}, qty={qty}, increment={increment}")
    return rounded


def floor_to(px: Decimal, increment: Decimal) -> Decimal:
    """Largest multiple of `increment` not above `px`: the safe way for a buy limit."""
    return (px / increment).to_integral_value(ROUND_FLOOR) * increment


def ceil_to(px: Decimal, increment: Decimal) -> Decimal:
    """Smallest multiple of `increment` not below `px`: the safe way for a sell limit."""
    return (px / increment).to_integral_value(ROUND_CEILING) * increment
