"""The price collar: between which prices an order may fill, and what that may cost.

A market order may fill anywhere within the collar around the mark, a stop within it around
its stop price, a limit order no worse than its limit. Nothing is known without the price.
"""

from __future__ import annotations

from decimal import Decimal

from execution.model.enums import OrderSide
from execution.model.money import ZERO, quantize
from execution.model.order import OrderIntent


def anchor(intent: OrderIntent, mark: Decimal | None) -> Decimal | None:
    """The price that the collar is around, quote per base unit."""
    return mark if intent.stop_px is None else intent.stop_px


def worst_px(intent: OrderIntent, mark: Decimal | None, collar_pct: Decimal) -> Decimal | None:
    """The worst price for us at which it may fill."""
    around = anchor(intent, mark)
    if intent.limit_px is not None:
        return intent.limit_px
    return None if around is None else around * (1 + intent.side.sign * collar_pct)


def worth_px(intent: OrderIntent, mark: Decimal | None, collar_pct: Decimal) -> Decimal | None:
    """The highest price at which it may fill; a short is worth as much as a long."""
    if intent.side is OrderSide.BUY:
        return worst_px(intent, mark, collar_pct)
    around = anchor(intent, mark)
    return None if around is None else max(around * (1 + collar_pct), intent.limit_px or ZERO)


def loss_max(
    intent: OrderIntent, qty: Decimal, mark: Decimal | None, collar_pct: Decimal
) -> Decimal | None:
    """What filling `qty` of it at the worst price takes from the equity at the mark, >= 0."""
    worst, around = worst_px(intent, mark, collar_pct), anchor(intent, mark)
    if worst is None or around is None:
        return None
    return quantize(max(ZERO, (worst - around) * intent.side.sign) * qty)
