"""The orders that protect an entry: its stop and its target, bound as one group."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from execution.errors import InputInvalid
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.identifiers import client_order_id
from execution.model.instrument import Instrument
from execution.model.money import ZERO, plain
from execution.model.order import OrderIntent
from execution.orders.placement import quantized


def legs(
    entry: OrderIntent, instrument: Instrument, trail_pct: Decimal | None = None
) -> tuple[OrderIntent, ...]:
    """The stop and the target that an entry asks for; none for one that asks for none.

    With `trail_pct`, a fraction of the best price since, the stop trails.

    Each closes what the entry opens, is good till canceled and in the instrument's steps.
    Raises InputInvalid when one is on the wrong side of the price, or too small.
    """
    found = []
    check_exits(entry)
    if entry.stop_loss is not None:
        found.append(_leg(entry, "stop", OrderType.STOP, stop_px=entry.stop_loss))
    elif trail_pct is not None:
        stop = _leg(entry, "stop", OrderType.TRAILING_STOP)
        reason = f"trailing stop of {trail_pct:%} for {entry.client_order_id}"
        found.append(replace(stop, trail_pct=trail_pct, reason=reason))
    if entry.take_profit is not None:
        found.append(_leg(entry, "target", OrderType.LIMIT, limit_px=entry.take_profit))
    return tuple(quantized(leg, instrument) for leg in found)


def check_exits(entry: OrderIntent) -> None:
    """Raise InputInvalid when the stop or the target lies on the wrong side of the price."""
    px = entry.limit_px or entry.px_ref
    for name, exit_px, sign in (
        ("stop_loss", entry.stop_loss, 1),
        ("take_profit", entry.take_profit, -1),
    ):
        if exit_px is not None and (px - exit_px) * sign * entry.side.sign <= 0:
            raise InputInvalid(
                f"{name}={plain(exit_px)} is on the wrong side of the price {plain(px)} for a "
                f"{entry.side}"
            )


def _leg(
    entry: OrderIntent,
    name: str,
    order_type: OrderType,
    stop_px: Decimal | None = None,
    limit_px: Decimal | None = None,
) -> OrderIntent:
    """One exit of `entry`: "stop" of "entry", "stop 2/5" of "entry 2/5"."""
    leg = entry.leg.replace("entry", name, 1)
    at = plain(stop_px or limit_px or ZERO)
    return replace(
        entry,
        client_order_id=client_order_id(
            entry.account, entry.strategy, entry.instrument_id, entry.signal_time, leg
        ),
        leg=leg,
        side=OrderSide.SELL if entry.side is OrderSide.BUY else OrderSide.BUY,
        order_type=order_type,
        time_in_force=TimeInForce.GTC,
        reduce_only=True,
        reason=f"{name} at {at} for {entry.client_order_id}",
        limit_px=limit_px,
        stop_px=stop_px,
        stop_loss=None,
        take_profit=None,
        post_only=False,
        display_qty=None,
        expire_at=None,
        not_before=None,
        parent_id=entry.client_order_id,
        group_id=entry.client_order_id,
    )
