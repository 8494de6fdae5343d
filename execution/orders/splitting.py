"""A large order in slices over time, so that the market feels less of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from execution.errors import InputInvalid
from execution.model.enums import OrderType
from execution.model.identifiers import client_order_id
from execution.model.instrument import Instrument
from execution.model.order import OrderIntent


def twap(
    intent: OrderIntent, count: int, spacing_s: float, start: datetime, instrument: Instrument
) -> tuple[OrderIntent, ...]:
    """Split a market or limit order into equal slices, `spacing_s` apart from `start` on.

    Together they are exactly the order: legs "entry 1/5" to "entry 5/5", an id each, what
    the increments leave over in the last. Each is as large as the venue's minima ask, so
    there may be fewer than `count` (>= 1), and their reason says so; where two are not
    possible the order is given back as it is. The first is due at once, the others are held
    until their time. An entry's stop and target go with each slice: make them from the
    slices with `bracket.legs`, not from the order.

    Raises InputInvalid for another order type, a count below 1 or a negative spacing, and
    for an order that is a slice already, or that waits for something itself.
    """
    _check(intent, count, spacing_s)
    slices = count
    while slices > 1 and not _large_enough(intent, slices, instrument):
        slices -= 1
    if slices == 1:
        return (intent,)
    part = instrument.quantize_qty(intent.order_qty / slices)
    asked = f" ({count} asked for, each must be the venue's least)" if slices < count else ""
    last_qty = intent.order_qty - part * (slices - 1)
    return tuple(
        _slice(
            replace(
                intent,
                order_qty=last_qty if number == slices else part,
                not_before=start + timedelta(seconds=spacing_s * (number - 1)),
                reason=f"{intent.reason}; slice {number} of {slices}{asked}",
            ),
            f"{intent.leg} {number}/{slices}",
        )
        for number in range(1, slices + 1)
    )


def _check(intent: OrderIntent, count: int, spacing_s: float) -> None:
    if count < 1 or spacing_s < 0:
        raise InputInvalid(f"count={count} spacing_s={spacing_s}: count >= 1, spacing_s >= 0")
    plain = intent.order_type in {OrderType.MARKET, OrderType.LIMIT}
    waits = intent.parent_id or intent.group_id or intent.not_before
    if not plain or waits or "/" in intent.leg:
        raise InputInvalid(
            f"{intent.client_order_id}: leg={intent.leg!r} order_type={intent.order_type} is not "
            "split: only a market or limit order is, that waits for nothing and is no slice"
        )


def _large_enough(intent: OrderIntent, slices: int, instrument: Instrument) -> bool:
    """Whether each slice, and what protects it, can be sent."""
    part = instrument.quantize_qty(intent.order_qty / slices)
    least = max(instrument.qty_min, instrument.qty_increment)
    prices = (intent.px_ref, intent.limit_px, intent.stop_loss, intent.take_profit)
    px_min = min(px for px in prices if px is not None)
    return part >= least and part * px_min >= instrument.notional_min


def _slice(intent: OrderIntent, leg: str) -> OrderIntent:
    key = client_order_id(
        intent.account, intent.strategy, intent.instrument_id, intent.signal_time, leg
    )
    return replace(intent, client_order_id=key, leg=leg)
