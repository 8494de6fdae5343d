"""What happens to orders as Prefect events, for automations: `regent.order.filled` and so on."""

from __future__ import annotations

from prefect.context import FlowRunContext
from prefect.events import emit_event

from execution.model.order import Order


def emit_order(order: Order) -> None:
    """Tell Prefect of an order's new status, once it is in the ledger.

    Events are a convenience and may be lost; the ledger is the record. Outside a flow there
    is nobody to tell.
    """
    if FlowRunContext.get() is None:
        return
    emit_event(
        event=f"regent.order.{order.status}",
        resource={
            "prefect.resource.id": f"regent.order.{order.client_order_id}",
            "prefect.resource.name": f"{order.intent.side} {order.intent.instrument_id}",
            "regent.account": order.intent.account,
        },
        payload={
            "client_order_id": order.client_order_id,
            "venue_order_id": order.venue_order_id,
            "instrument": str(order.intent.instrument_id),
            "side": order.intent.side,
            "order_qty": str(order.intent.order_qty),
            "cum_qty": str(order.cum_qty),
            "avg_px": str(order.avg_px),
            "reason": order.reason,
        },
    )
