"""Numbers and times as people read them; None is a dash."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from execution.model.order import OrderIntent

DASH = "–"
PLACES_MIN, PLACES_MAX, PLACES_MAX_BELOW_ONE = 2, 4, 8


def quantity(value: Decimal) -> str:
    """Exactly, with thousands separators and no trailing zeros."""
    text = f"{value:,f}"  # not normalize(): it rounds to 28 digits
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(value: Decimal | None) -> str:
    """Two to four places; up to eight below one, where two would say nothing."""
    if value is None:
        return DASH
    places = PLACES_MAX if abs(value) >= 1 else PLACES_MAX_BELOW_ONE
    whole, _, part = f"{value:,.{places}f}".partition(".")
    return f"{whole}.{part.rstrip('0'):0<{PLACES_MIN}}"


def money(value: Decimal | None, currency: str = "") -> str:
    """Two places with thousands separators, and the currency behind."""
    if value is None:
        return DASH
    # Adding zero turns -0.00 into 0.00.
    return f"{round(value, 2) + 0:,.2f} {currency}".rstrip()


def percent(value: Decimal | float | None, places: int = 2) -> str:
    """A fraction as percent."""
    return DASH if value is None else f"{value:.{places}%}"


def number(value: float | None, places: int) -> str:
    """To so many places, with thousands separators."""
    return DASH if value is None else f"{value:,.{places}f}"


def bps(value: float | None) -> str:
    """A fraction in hundredths of a percent, with its sign."""
    return DASH if value is None else f"{1e4 * value:+.2f}"


def when(value: datetime) -> str:
    """To the minute, UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def terms(intent: OrderIntent) -> str:
    """How an order's price and time are set: `limit 2,900.00, post-only, after its entry`."""
    prices = [price(px) for px in (intent.stop_px, intent.limit_px) if px is not None]
    trail = [] if intent.trail_pct is None else [percent(intent.trail_pct)]
    shown = [] if intent.display_qty is None else [f"showing {quantity(intent.display_qty)}"]
    return ", ".join(
        [
            " ".join([intent.order_type.replace("_", " "), *prices, *trail]),
            *(["post-only"] if intent.post_only else []),
            *shown,
            *([] if intent.expire_at is None else [f"until {when(intent.expire_at)}"]),
            *([] if intent.not_before is None else [f"not before {when(intent.not_before)}"]),
            *([] if intent.parent_id is None else ["after its entry"]),
        ]
    )


def decimal(value: float) -> Decimal:
    """The shortest decimal that is this float; for people, never for the books."""
    return Decimal(repr(float(value)))
