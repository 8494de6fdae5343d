"""Binance's order endpoints: one function a request."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.venues.lying_exchange.binance_queries import in_window
from tests.venues.lying_exchange.binance_words import (
    client_id_of,
    ms,
    new_order,
    order_json,
    placed_json,
    refuse,
    trade_json,
)
from tests.venues.lying_exchange.records import Order, Refused, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

CLIENT_ID = "origClientOrderId"


def submit(call: Call) -> Reply:
    """Place an order, and answer as fully as was asked."""
    asked = new_order(_with_symbol(call))
    order = call.engine.place(call.account, asked)
    fills = [f for f in call.engine.fills(call.account) if f.order_id == order.order_id]
    answer = placed_json(order, fills)
    if call.params.get("newOrderRespType") == "ACK":
        ack = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")
        answer = {name: answer[name] for name in ack}
    return Reply(answer)


def find(call: Call, prefix: str = "") -> Order:
    """The order that a lookup, a cancel or an amendment names."""
    named = {
        "": ("orderId", "origClientOrderId"),
        "cancel": ("cancelOrderId", "cancelOrigClientOrderId"),
    }
    by_id, by_client_id = (call.params.get(name) for name in named[prefix])
    if by_id is None and by_client_id is None:
        raise Refused(Why.BAD_PARAMETER)
    order = call.view.find(order_id=by_id, client_id=by_client_id)
    symbol = call.engine.instrument(call.params["symbol"]).symbol
    if order is None or order.symbol != symbol:
        raise Refused(Why.UNKNOWN_ORDER)
    return order


def lookup(call: Call) -> Reply:
    """One order, by the venue's id or by the client's."""
    return Reply(order_json(find(call)))


def cancel(call: Call, prefix: str = "") -> Reply:
    """Cancel an order; `prefix` is `cancel` where the parameters say what to replace."""
    try:
        found = find(call, prefix)
    except Refused as refused:
        # A cancel calls an order that it does not know what it calls one that is closed.
        why = Why.NOT_OPEN if refused.why is Why.UNKNOWN_ORDER else refused.why
        raise Refused(why) from None
    return Reply(_canceled_json(call.engine.cancel(found.order_id)))


def _canceled_json(order: Order) -> dict[str, Any]:
    own = {"clientOrderId": f"cancel-{order.order_id}", "transactTime": ms(order.updated)}
    return order_json(order) | own | {"origClientOrderId": client_id_of(order)}


def cancel_all(call: Call) -> Reply:
    """Cancel every open order of a symbol."""
    symbol = call.engine.instrument(call.params["symbol"]).symbol
    found = call.engine.open_orders(call.account, symbol)
    if not found:
        raise Refused(Why.NOT_OPEN)
    for order in found:
        with suppress(Refused):  # the other leg of an OCO takes it along
            call.engine.cancel(order.order_id)
    done = [call.engine.order(order.order_id) or order for order in found]
    return Reply([_canceled_json(order) for order in done])


def cancel_replace(call: Call) -> Reply:
    """Cancel one order and send another: two steps, of which the second may fail alone."""
    answer: dict[str, Any] = {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED"}
    try:
        answer["cancelResponse"] = cancel(call, "cancel").body
        answer["cancelResult"] = "SUCCESS"
    except Refused as refused:
        answer["cancelResponse"] = refuse(refused).body
        if call.params["cancelReplaceMode"] == "STOP_ON_FAILURE":
            return _half_replaced(-2022, answer)
    try:
        answer["newOrderResponse"] = submit(call).body
        answer["newOrderResult"] = "SUCCESS"
    except Refused as refused:
        answer["newOrderResponse"] = refuse(refused).body
        answer["newOrderResult"] = "FAILURE"
    both = (answer["cancelResult"], answer["newOrderResult"])
    if both == ("SUCCESS", "SUCCESS"):
        return Reply(answer)
    return _half_replaced(-2022 if "SUCCESS" not in both else -2021, answer)


def _half_replaced(code: int, answer: dict[str, Any]) -> Reply:
    message = "Order cancel-replace is not fully successful."
    return Reply({"code": code, "msg": message, "data": answer}, 409 if code == -2021 else 400)


def open_orders(call: Call) -> Reply:
    """What may still fill, of one symbol or of all."""
    symbol = call.params.get("symbol")
    wanted = call.engine.instrument(symbol).symbol if symbol else None
    return Reply([order_json(order) for order in call.view.open_orders(wanted)])


def all_orders(call: Call) -> Reply:
    """The history of a symbol's orders, open ones too."""
    symbol = call.engine.instrument(call.params["symbol"]).symbol
    found = [order for order in call.view.orders() if order.symbol == symbol]
    if "orderId" in call.params:
        found = [order for order in found if int(order.order_id) >= int(call.params["orderId"])]
    return Reply([order_json(order) for order in in_window(call.params, found)])


def my_trades(call: Call) -> Reply:
    """The history of a symbol's fills."""
    found = call.view.fills(call.engine.instrument(call.params["symbol"]).symbol)
    if "orderId" in call.params:
        found = [fill for fill in found if fill.order_id == call.params["orderId"]]
    if "fromId" in call.params:
        found = [fill for fill in found if int(fill.trade_id) >= int(call.params["fromId"])]
    orders = {order.order_id: order for order in call.engine.orders(call.account)}
    return Reply(
        [trade_json(fill, orders[fill.order_id]) for fill in in_window(call.params, found)]
    )


# Two orders of which one cancels the other


def _with_symbol(call: Call) -> dict[str, Any]:
    return {**call.params, "symbol": call.engine.instrument(call.params["symbol"]).symbol}


def oco(call: Call) -> Reply:
    """Place two orders of which one cancels the other."""
    params, group_id = _with_symbol(call), str(len(call.engine.orders()) + 1)
    name = {"list": params.get("listClientOrderId", f"list-{group_id}")}
    legs = [new_order(params, prefix) for prefix in ("above", "below")]
    named = [replace(leg, memo={**leg.memo, **name}) for leg in legs]
    return Reply(_list_json(call.engine.place_oco(call.account, named, group_id)))


def order_list(call: Call) -> Reply:
    """The two orders of an OCO, by its id or by the client's."""
    return Reply(_list_json(_listed(call, "origClientOrderId")))


def cancel_list(call: Call) -> Reply:
    """Cancel both orders of an OCO."""
    legs = _listed(call, "listClientOrderId")
    call.engine.cancel(legs[0].order_id)
    return Reply(_list_json([call.engine.order(leg.order_id) or leg for leg in legs]))


def _listed(call: Call, by_name: str) -> list[Order]:
    """The legs of the newest OCO that a request names."""
    wanted = {call.params.get("orderListId"), call.params.get(by_name)} - {None}
    found = [
        order
        for order in call.view.orders()
        if order.group_id and wanted & {order.group_id, order.memo["list"]}
    ]
    if not found:
        raise Refused(Why.UNKNOWN_ORDER)
    return found[-2:]


def _list_json(orders: Sequence[Order]) -> dict[str, Any]:
    done = not any(order.open for order in orders)
    names = ("symbol", "orderId", "clientOrderId")
    reports = [order_json(order) for order in orders]
    return {
        "orderListId": reports[0]["orderListId"],
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE" if done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if done else "EXECUTING",
        "listClientOrderId": orders[0].memo["list"],
        "transactionTime": ms(orders[0].updated),
        "symbol": reports[0]["symbol"],
        "orders": [{name: report[name] for name in names} for report in reports],
        "orderReports": reports,
    }
