"""Closing a position for an emergency stop: at the market, in as many orders as it takes.

The first order of a position is the leg "flatten"; what it leaves over "flatten 2", and so
on. The ids derive from the emergency's start, so whoever goes on with it sends nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from execution.model.enums import AssetClass, OrderSide, OrderType, TimeInForce
from execution.model.identifiers import client_order_id
from execution.model.instrument import Instrument
from execution.model.money import plain
from execution.model.order import EMERGENCY, IN_FLIGHT, SENDABLE, TERMINAL, Order, OrderIntent
from execution.model.position import Position

LEG = "flatten"


def closing(
    position: Position,
    instrument: Instrument,
    earlier: Sequence[Order],
    started_at: datetime,
    px_ref: Decimal,
    reason: str,
) -> OrderIntent | str:
    """The order that closes all of a position, or why none may be sent now.

    `earlier` are the emergency's orders for it so far. A short is bought back. One that was
    written and never left is the same order still; while one is on its way or rests at the
    venue there is no other.
    """
    under_way = [o for o in earlier if o.status not in TERMINAL | SENDABLE]
    if under_way:
        order = under_way[0]
        if order.status in IN_FLIGHT:
            return f"nobody knows whether the venue has {order.client_order_id}"
        left = f"{plain(order.leaves_qty)} of {plain(order.intent.order_qty)}"
        return f"{order.client_order_id} is at the venue with {left} still to fill"
    written = [o for o in earlier if o.status in SENDABLE]
    leg = written[0].intent.leg if written else _leg(len(earlier) + 1)
    stock = instrument.asset_class is AssetClass.EQUITY
    return OrderIntent(
        client_order_id=client_order_id(
            position.account, EMERGENCY, position.instrument_id, started_at, leg
        ),
        account=position.account,
        instrument_id=position.instrument_id,
        strategy=EMERGENCY,
        signal_time=started_at,
        leg=leg,
        side=OrderSide.SELL if position.net_qty > 0 else OrderSide.BUY,
        order_qty=abs(position.net_qty),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY if stock else TimeInForce.GTC,
        reduce_only=True,
        px_ref=px_ref,
        confidence=Decimal(1),
        reason=reason,
    )


def agreed(ours: Position, there_qty: Decimal | None) -> Position | None:
    """What both books and venue hold of it; None where they do not agree on anything.

    Only that much is surely there to be closed.
    """
    if there_qty is None or ours.net_qty * there_qty <= 0:
        return None
    if abs(ours.net_qty) <= abs(there_qty):
        return ours
    return Position(
        account=ours.account,
        instrument_id=ours.instrument_id,
        net_qty=there_qty,
        avg_px=ours.avg_px,
    )


def _leg(number: int) -> str:
    return LEG if number == 1 else f"{LEG} {number}"
