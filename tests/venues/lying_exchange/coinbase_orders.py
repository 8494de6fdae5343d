"""Coinbase's orders: created, canceled, edited, and listed with their fills."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from execution.model.enums import OrderSide, OrderStatus
from execution.model.money import ZERO
from tests.venues.lying_exchange.coinbase_words import (
    FAILURES,
    SHAPES,
    STATUSES,
    TIMES_IN_FORCE,
    instrument,
    iso,
    made_id,
    number,
    product_id,
)
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.records import FeeIn, Fill, NewOrder, Order, Refused, Trigger, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

PAGE_MAX = 1000


def create(call: Call) -> Reply:
    """Place an order, or find the one that has its client id."""
    account, params = call.account, call.params
    try:
        asked = _asked(call)
    except (KeyError, ValueError, ArithmeticError) as error:
        raise Refused(Why.BAD_PARAMETER) from error
    order = call.engine.place(account, asked)
    answer = {
        "order_id": order.order_id,
        "product_id": params["product_id"],
        "side": params["side"],
        "client_order_id": params["client_order_id"],
    }
    return Reply(
        {
            "success": True,
            "failure_reason": "UNKNOWN_FAILURE_REASON",
            "order_id": order.order_id,
            "success_response": answer,
            "order_configuration": params["order_configuration"],
        }
    )


def _asked(call: Call) -> NewOrder:
    params = call.params
    shapes = params.get("order_configuration") or {}
    shape = next(iter(shapes), "")
    if shape not in SHAPES or not params.get("client_order_id"):
        raise Refused(Why.BAD_PARAMETER, shape)
    config = shapes[shape]
    type_, tif = SHAPES[shape]
    up = config.get("stop_direction") == "STOP_DIRECTION_STOP_UP"
    fees = call.engine.fees(call.account)
    spent = number(config.get("quote_size"))
    if spent is not None and fees.fee_in is FeeIn.QUOTE:
        spent /= 1 + fees.rate  # the size to spend includes the fee
    end = config.get("end_time")
    return NewOrder(
        symbol=instrument(call).symbol,
        side=OrderSide(params["side"].lower()),
        type=type_,
        qty=number(config.get("base_size")) or ZERO,
        quote_qty=spent,
        limit_px=number(config.get("limit_price")),
        stop_px=number(config.get("stop_price")),
        trigger=(Trigger.ABOVE if up else Trigger.BELOW) if "stop_price" in config else None,
        tif=tif,
        expires_at=datetime.fromisoformat(end) if end else None,
        post_only=bool(config.get("post_only")),
        client_id=params["client_order_id"],
        memo={"configuration": json.dumps(shapes)},
    )


def cancel(call: Call) -> Reply:
    """Cancel several: each of them may fail by itself."""
    view, results = call.view, []
    for order_id in call.params["order_ids"]:
        order = view.find(order_id=order_id)
        reason = "UNKNOWN_CANCEL_FAILURE_REASON"
        if order is None:
            reason = "UNKNOWN_CANCEL_ORDER"
        elif not order.open:
            filled = order.status is OrderStatus.FILLED
            reason = "ORDER_IS_FULLY_FILLED" if filled else "DUPLICATE_CANCEL_REQUEST"
        done = order is not None and order.open
        if done:
            call.engine.cancel(order_id)
        results.append({"success": done, "failure_reason": reason, "order_id": order_id})
    return Reply({"results": results})


def edit(call: Call) -> Reply:
    """Only what rests as a limit order until canceled can be changed."""
    order = _find(call)
    shape = next(iter(json.loads(order.memo["configuration"])))
    reason = ""
    if not order.open:
        reason = "ORDER_IS_FULLY_FILLED" if order.leaves_qty == 0 else "ORDER_NOT_FOUND"
    elif shape != "limit_limit_gtc":
        reason = "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"
    if reason:
        return Reply({"success": False, "errors": [{"edit_failure_reason": reason}]})
    qty, px = number(call.params.get("size")), number(call.params.get("price"))
    try:
        call.engine.amend(order.order_id, qty=qty, limit_px=px)
    except Refused as refused:
        preview = FAILURES.get(refused.why, FAILURES[Why.BAD_PARAMETER])[1]
        return Reply({"success": False, "errors": [{"preview_failure_reason": preview}]})
    return Reply({"success": True, "errors": []})


def _find(call: Call) -> Order:
    order = call.view.find(order_id=call.params["order_id"])
    if order is None:
        raise Refused(Why.UNKNOWN_ORDER)
    return order


def one_order(call: Call) -> Reply:
    """One order by its own id; raises Refused."""
    order = _find(call)
    return Reply({"order": _told(order, _fills_by_order(call.engine)[order.order_id])})


def orders(call: Call) -> Reply:
    """Newest first, from `start_date` on; `order_status` and `product_id` narrow it."""
    statuses = set(call.query.get("order_status", STATUSES.values()))
    orders = call.view.open_orders() if statuses == {"OPEN"} else call.view.orders()
    chosen = [
        order
        for order in reversed(orders)
        if STATUSES[order.status] in statuses
        and call.params.get("product_id") in (None, product_id(order.symbol))
        and _within(call, order.created, "start_date", "end_date")
    ]
    page, cursor = _page(call, chosen)
    fills = _fills_by_order(call.engine)
    told = [_told(order, fills[order.order_id]) for order in page]
    return Reply({"orders": told, "sequence": "0", "has_next": bool(cursor), "cursor": cursor})


def fills(call: Call) -> Reply:
    """Newest first; `product_id` and an order's id narrow it."""
    chosen = [
        fill
        for fill in reversed(call.view.fills())
        if call.params.get("product_id") in (None, product_id(fill.symbol))
        and call.params.get("order_id", call.params.get("order_ids")) in (None, fill.order_id)
        and _within(call, fill.at, "start_sequence_timestamp", "end_sequence_timestamp")
    ]
    page, cursor = _page(call, chosen)
    told = [
        {
            "entry_id": made_id("entry", fill.trade_id),
            "trade_id": fill.trade_id,
            "order_id": fill.order_id,
            "trade_time": iso(fill.at),
            "trade_type": "FILL",
            "price": fill.px,
            "size": fill.qty,
            "commission": _commission(fill),
            "product_id": product_id(fill.symbol),
            "sequence_timestamp": iso(fill.at),
            "liquidity_indicator": "MAKER" if fill.maker else "TAKER",
            "size_in_quote": False,
            "user_id": made_id(fill.account),
            "side": fill.side.upper(),
        }
        for fill in page
    ]
    return Reply({"fills": told, "cursor": cursor})


def _told(order: Order, fills: list[Fill]) -> dict[str, Any]:
    fees = sum((_commission(fill) for fill in fills), ZERO)
    signed = fees if order.side is OrderSide.BUY else -fees
    trigger = "STOP_PENDING" if order.waits else "STOP_TRIGGERED"
    return {
        "order_id": order.order_id,
        "product_id": product_id(order.symbol),
        "user_id": made_id(order.account),
        "order_configuration": _configuration(order),
        "side": order.side.upper(),
        "client_order_id": order.client_id or "",
        "status": STATUSES[order.status],
        "time_in_force": TIMES_IN_FORCE[order.tif],
        "created_time": iso(order.created),
        "last_fill_time": iso(fills[-1].at) if fills else None,
        "completion_percentage": 100 * order.cum_qty / order.qty,
        "filled_size": order.cum_qty,
        "average_filled_price": order.avg_px or ZERO,
        "number_of_fills": str(len(fills)),
        "filled_value": order.cum_quote,
        "pending_cancel": False,
        "size_in_quote": order.quote_qty is not None,
        "total_fees": fees,
        "size_inclusive_of_fees": order.quote_qty is not None,
        "total_value_after_fees": order.cum_quote + signed,
        "trigger_status": trigger if order.stop_px else "INVALID_ORDER_TYPE",
        "order_type": order.type.upper(),
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": not order.open,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": order.reason,
        "is_liquidation": order.liquidation,
    }


def _configuration(order: Order) -> dict[str, Any]:
    """What was asked for, with the size and the price of the last edit."""
    shapes: dict[str, Any] = json.loads(order.memo.get("configuration", "{}"))
    for config in shapes.values():
        config |= {"base_size": order.qty} if "base_size" in config else {}
        config |= {"limit_price": order.limit_px} if "limit_price" in config else {}
    return shapes


def _fills_by_order(engine: Engine) -> defaultdict[str, list[Fill]]:
    by_order: defaultdict[str, list[Fill]] = defaultdict(list)
    for fill in engine.fills():
        by_order[fill.order_id].append(fill)
    return by_order


def _commission(fill: Fill) -> Decimal:
    in_base = fill.fee_ccy == fill.symbol.split("/")[0]
    return fill.fee * fill.px if in_base else fill.fee


def _page(call: Call, rows: list[Any]) -> tuple[list[Any], str]:
    """One page, and the cursor to the next: empty where there is none."""
    start = int(call.params.get("cursor") or 0)
    end = start + min(int(call.params.get("limit", PAGE_MAX)), PAGE_MAX)
    return rows[start:end], str(end) if end < len(rows) else ""


def _within(call: Call, at: datetime, since: str, until: str) -> bool:
    """Whether `at` is in the half-open interval that two parameters name."""
    start, end = call.params.get(since), call.params.get(until)
    early = start is not None and at < datetime.fromisoformat(start)
    return not early and (end is None or at < datetime.fromisoformat(end))
