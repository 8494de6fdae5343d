"""What happens to orders and accounts as Prefect events, for automations to start from.

`regent.order.filled` and so on for orders, `regent.breaker.halted` for accounts.
"""

from __future__ import annotations

from prefect.context import FlowRunContext
from prefect.events import emit_event

from execution.model.identifiers import AccountId
from execution.model.order import Order
from execution.model.state_change import StateChange


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


def emit_breaker(account: AccountId, change: StateChange) -> None:
    """Tell Prefect of an account's new trading state, once it is in the ledger."""
    if FlowRunContext.get() is None:
        return
    emit_event(
        event=f"regent.breaker.{change.state}",
        resource={
            "prefect.resource.id": f"regent.account.{account}",
            "prefect.resource.name": account,
            "regent.account": account,
        },
        payload={
            "account": account,
            "state": change.state,
            "cause": change.cause,
            "reason": change.reason,
        },
    )
