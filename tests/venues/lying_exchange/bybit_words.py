"""What Bybit's v5 API calls things: orders, executions and instruments in its own JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from execution.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from execution.model.money import ZERO
from tests.venues.lying_exchange.records import (
    Fill,
    Instrument,
    NewOrder,
    Order,
    Refused,
    Transfer,
    Trigger,
    Why,
)
from tests.venues.lying_exchange.wire import Reply

PLAIN_FILTER = "Order"
TIFS = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "PostOnly": TimeInForce.GTC,
}
# HTTP status, retCode, retMsg: all but what never reaches the trading engine comes with a 200
REFUSALS: dict[Why, tuple[int, int, str]] = {
    Why.UNKNOWN_KEY: (200, 10003, "API key is invalid."),
    Why.UNKNOWN_SYMBOL: (200, 170121, "Invalid symbol."),
    Why.UNKNOWN_ORDER: (200, 170213, "Order does not exist."),
    Why.NOT_OPEN: (200, 170213, "Order does not exist."),
    Why.DUPLICATE_CLIENT_ID: (200, 170141, "Duplicate clientOrderId"),
    Why.INSUFFICIENT_FUNDS: (200, 170131, "Insufficient balance."),
    Why.REDUCE_ONLY: (200, 110017, "Reduce-only rule not satisfied"),
    Why.QTY_TOO_SMALL: (200, 170136, "Order quantity lower than the minimum."),
    Why.QTY_STEP: (200, 170137, "Order volume decimal too long"),
    Why.PX_STEP: (200, 170134, "Order price decimal too long."),
    Why.NOTIONAL_TOO_SMALL: (200, 170140, "Transaction amount lower than the minimum."),
    Why.WOULD_TAKE: (200, 170218, "The LIMIT-MAKER order is rejected due to invalid price."),
    Why.WOULD_TRIGGER: (200, 170210, "New order rejected."),
    Why.NO_PRICE: (200, 170151, "The trading pair is not open yet"),
    Why.BAD_PARAMETER: (200, 10001, "Request parameter error."),
    Why.WINDOW_TOO_LONG: (200, 10001, "The time range between startTime and endTime is too long."),
    Why.CLOCK: (200, 10002, "invalid request, please check your server timestamp or recv_window"),
    Why.TOO_MANY_REQUESTS: (429, 10006, "Too many visits. Exceeded the API Rate Limit."),
}


def ok(result: Mapping[str, Any], now: datetime) -> Reply:
    """Wrap a result in the envelope that every answer has."""
    return Reply(
        {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": ms(now)}
    )


def refuse(refused: Refused) -> Reply:
    """Say no in Bybit's words."""
    status, code, message = REFUSALS[refused.why]
    return Reply({"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}}, status)


def decimal_of(params: Mapping[str, Any], name: str) -> Decimal | None:
    """Read a number; raises Refused for what is none."""
    if params.get(name) in (None, ""):
        return None
    try:
        return Decimal(params[name])
    except InvalidOperation:
        raise Refused(Why.BAD_PARAMETER, name) from None


def new_order(params: Mapping[str, Any], symbol: str, last: Decimal) -> NewOrder:
    """Read an order's parameters; which way its trigger is crossed depends on the price."""
    side = OrderSide(params["side"].lower())
    market = params["orderType"] == "Market"
    stop_px = decimal_of(params, "triggerPrice")
    qty = decimal_of(params, "qty") or ZERO
    unit = params.get("marketUnit") or ("quoteCoin" if side is OrderSide.BUY else "baseCoin")
    in_quote = market and unit == "quoteCoin"
    if stop_px is None:
        type_, filter_ = (OrderType.MARKET if market else OrderType.LIMIT), PLAIN_FILTER
    else:
        type_ = OrderType.STOP if market else OrderType.STOP_LIMIT
        filter_ = params.get("orderFilter", "StopOrder")
    tif = params.get("timeInForce", "IOC" if market else "GTC")
    if tif not in TIFS:
        raise Refused(Why.BAD_PARAMETER, "timeInForce")
    return NewOrder(
        symbol=symbol,
        side=side,
        type=type_,
        qty=ZERO if in_quote else qty,
        quote_qty=qty if in_quote else None,
        limit_px=None if market else decimal_of(params, "price"),
        stop_px=stop_px,
        trigger=None if stop_px is None else Trigger.ABOVE if stop_px > last else Trigger.BELOW,
        tif=TIFS[tif],
        post_only=tif == "PostOnly",
        client_id=params.get("orderLinkId") or None,
        memo={"filter": filter_, "unit": unit if market else "", "tif": tif},
    )


def exit_legs(params: Mapping[str, Any], entry: NewOrder) -> list[NewOrder]:
    """The take-profit and the stop-loss that were attached to an order, if any."""
    legs = []
    side = OrderSide.SELL if entry.side is OrderSide.BUY else OrderSide.BUY
    selling = side is OrderSide.SELL
    for name, short, above in (("takeProfit", "tp", selling), ("stopLoss", "sl", not selling)):
        stop_px = decimal_of(params, name)
        if stop_px is None:
            continue
        limit_px = decimal_of(params, f"{short}LimitPrice")
        legs.append(
            NewOrder(
                symbol=entry.symbol,
                side=side,
                type=OrderType.STOP_LIMIT if limit_px else OrderType.STOP,
                qty=entry.qty,
                limit_px=limit_px,
                stop_px=stop_px,
                trigger=Trigger.ABOVE if above else Trigger.BELOW,
                memo={"filter": "tpslOrder", "unit": "baseCoin", "tif": "GTC"},
            )
        )
    return legs


def status_of(order: Order) -> str:
    """Bybit's word for where an order is."""
    if order.open and order.waits:
        return "Untriggered"
    if order.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED):
        if order.cum_qty:
            return "PartiallyFilledCanceled"
        return "Deactivated" if order.waits else "Cancelled"
    words = {OrderStatus.ACCEPTED: "New", OrderStatus.PARTIALLY_FILLED: "PartiallyFilled"}
    return words.get(order.status, "Filled")


def order_json(order: Order, fills: Iterable[Fill]) -> dict[str, Any]:
    """An order as the realtime and the history endpoint give it."""
    fees: dict[str, Decimal] = {}
    for fill in fills:
        fees[fill.fee_ccy] = fees.get(fill.fee_ccy, ZERO) + fill.fee
    market = order.limit_px is None
    in_quote = order.quote_qty is not None
    leaves = order.leaves_qty if order.open else ZERO
    rejected = "EC_PostOnlyWillTakeLiquidity" if "post-only" in order.reason else "EC_NoError"
    return {
        "orderId": order.order_id,
        "orderLinkId": order.client_id or "",
        "symbol": order.symbol.replace("/", ""),
        "price": order.limit_px or ZERO,
        "qty": order.quote_qty if in_quote else order.qty,
        "side": order.side.value.capitalize(),
        "orderType": "Market" if market else "Limit",
        "orderStatus": status_of(order),
        "createType": "CreateByLiq" if order.liquidation else "CreateByUser",
        "cancelType": "CancelByUser" if order.status is OrderStatus.CANCELED else "UNKNOWN",
        "rejectReason": rejected,
        "timeInForce": order.memo.get("tif", "IOC"),
        "avgPrice": f"{order.avg_px:.8f}" if order.avg_px else "",
        "leavesQty": leaves,
        "leavesValue": leaves * (order.limit_px or ZERO),
        "cumExecQty": order.cum_qty,
        "cumExecValue": order.cum_quote,
        "cumExecFee": sum(fees.values(), ZERO),
        "cumFeeDetail": fees,
        "marketUnit": order.memo.get("unit", "baseCoin") if market else "",
        "stopOrderType": "" if order.stop_px is None else order.memo["filter"],
        "triggerPrice": order.stop_px or ZERO,
        "triggerDirection": {None: 0, Trigger.ABOVE: 1, Trigger.BELOW: 2}[order.trigger]
        if order.stop_px
        else 0,
        "triggerBy": "",
        "takeProfit": "0",
        "stopLoss": "0",
        "reduceOnly": order.reduce_only,
        "isLeverage": "0",
        "createdTime": str(ms(order.created)),
        "updatedTime": str(ms(order.updated)),
    }


def execution_json(fill: Fill, order: Order, rate: Decimal) -> dict[str, Any]:
    """A fill; a liquidation's is a `BustTrade`, without a client id."""
    return {
        "symbol": fill.symbol.replace("/", ""),
        "orderId": fill.order_id,
        "orderLinkId": fill.client_id or "",
        "side": fill.side.value.capitalize(),
        "orderPrice": order.limit_px or ZERO,
        "orderQty": order.qty,
        "leavesQty": order.leaves_qty,
        "orderType": "Market" if order.limit_px is None else "Limit",
        "stopOrderType": "",
        "execFee": fill.fee,
        "feeCoin": fill.fee_ccy,
        "feeCurrency": fill.fee_ccy,
        "feeRate": rate,
        "execId": fill.trade_id,
        "execPrice": fill.px,
        "execQty": fill.qty,
        "execType": "BustTrade" if fill.liquidation else "Trade",
        "execValue": fill.notional,
        "execTime": str(ms(fill.at)),
        "isMaker": fill.maker,
    }


def instrument_json(instrument: Instrument) -> dict[str, Any]:
    """An instrument as `instruments-info` gives it."""
    return {
        "symbol": instrument.joined,
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": instrument.qty_step,
            "quotePrecision": "0.00000001",
            "minOrderQty": instrument.qty_min,
            "maxOrderQty": "9000",
            "minOrderAmt": instrument.notional_min,
            "maxOrderAmt": "9000000",
        },
        "priceFilter": {"tickSize": instrument.px_step},
    }


def transfer_json(done: Transfer) -> dict[str, Any]:
    """A deposit or a withdrawal that is done."""
    shared = {
        "coin": done.ccy,
        "chain": "ETH",
        "amount": abs(done.amount),
        "txID": f"tx-{done.transfer_id}",
        "toAddress": "0x1",
        "tag": "",
    }
    at = str(ms(done.at))
    if done.amount > 0:
        return shared | {"id": done.transfer_id, "status": 3, "depositFee": "0", "successAt": at}
    own = {"withdrawId": done.transfer_id, "status": "success", "withdrawFee": "0"}
    return shared | own | {"createTime": at, "updateTime": at}


def ms(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(at.timestamp() * 1000)
