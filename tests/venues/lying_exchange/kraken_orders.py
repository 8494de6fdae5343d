"""Kraken's orders: added, amended, canceled, and listed with their trades."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from execution.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from execution.model.money import ZERO
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.kraken_words import (
    alt_pair,
    answer,
    page,
    pair_of,
    sentence,
    symbol_of,
    txid,
    within,
)
from tests.venues.lying_exchange.records import Fill, NewOrder, Order, Refused, Trigger, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

TYPES = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop-loss": OrderType.STOP,
    "stop-loss-limit": OrderType.STOP_LIMIT,
    "take-profit": OrderType.STOP,
    "take-profit-limit": OrderType.STOP_LIMIT,
    "trailing-stop": OrderType.TRAILING_STOP,
}
STATUSES = {
    OrderStatus.ACCEPTED: "open",
    OrderStatus.PARTIALLY_FILLED: "open",
    OrderStatus.FILLED: "closed",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.REJECTED: "canceled",
}


def add(call: Call) -> Reply:
    """Place an order; with `validate`, only say what it would be."""
    try:
        asked = _asked(call)
    except (KeyError, ValueError, ArithmeticError) as error:
        raise Refused(Why.BAD_PARAMETER) from error
    said = {"descr": {"order": sentence(asked)}}
    if call.params.get("validate") in (True, "true"):
        return answer(said)
    order = call.engine.place(call.account, asked)
    return answer({**said, "txid": [order.order_id]})


def _asked(call: Call) -> NewOrder:
    """Read an order; parameters that Kraken does not know are ignored, as Kraken does."""
    params, engine = call.params, call.engine
    word, side = params["ordertype"], OrderSide(params["type"])
    deadline = params.get("deadline")
    if deadline and datetime.fromisoformat(deadline) < engine.now():
        raise Refused(Why.CLOCK)
    flags = {flag for flag in params.get("oflags", "").split(",") if flag}
    if word not in TYPES or flags - {"post", "fciq", "viqc"}:
        raise Refused(Why.BAD_PARAMETER, word)
    type_, volume = TYPES[word], Decimal(params["volume"])
    stops = type_ in (OrderType.STOP, OrderType.STOP_LIMIT)
    distance = params["price"].lstrip("+") if type_ is OrderType.TRAILING_STOP else ""
    by_rate = distance.endswith("%")
    limit = {OrderType.LIMIT: "price", OrderType.STOP_LIMIT: "price2"}.get(type_)
    buy_stop = (side is OrderSide.BUY) == word.startswith("stop-loss")
    return NewOrder(
        symbol=symbol_of(engine, params["pair"]),
        side=side,
        type=type_,
        qty=ZERO if "viqc" in flags else volume,
        quote_qty=volume if "viqc" in flags else None,
        limit_px=Decimal(params[limit]) if limit else None,
        stop_px=Decimal(params["price"]) if stops else None,
        trail=Decimal(distance) if distance and not by_rate else None,
        trail_rate=Decimal(distance.rstrip("%")) / 100 if by_rate else None,
        trigger=(Trigger.ABOVE if buy_stop else Trigger.BELOW) if stops else None,
        tif=TimeInForce(params.get("timeinforce", "GTC").lower()),
        expires_at=_expiry(params.get("expiretm", "0"), engine.now()),
        post_only="post" in flags,
        reduce_only=params.get("reduce_only") == "true",
        client_id=params.get("cl_ord_id"),
        memo={"ordertype": word, "price": params.get("price", "0"), "flags": ",".join(flags)},
    )


def _expiry(expiretm: str, now: datetime) -> datetime | None:
    """Seconds since 1970, or from now with a plus before them; 0 is never."""
    seconds = float(expiretm)
    if expiretm.startswith("+"):
        return now + timedelta(seconds=seconds)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def amend(call: Call) -> Reply:
    """Change an open order in place."""
    names = {"qty": "order_qty", "limit_px": "limit_price", "stop_px": "trigger_price"}
    changes = {ours: Decimal(call.params[n]) for ours, n in names.items() if n in call.params}
    order = _open_order(call)
    call.engine.amend(order.order_id, **changes)
    return answer({"amend_id": txid("A", len(call.engine.events))})


def cancel(call: Call) -> Reply:
    """Cancel one open order."""
    call.engine.cancel(_open_order(call).order_id)
    return answer({"count": 1})


def cancel_all(call: Call) -> Reply:
    """Cancel every open order, and count them."""
    orders = call.engine.open_orders(call.account)
    for order in orders:
        call.engine.cancel(order.order_id)
    return answer({"count": len(orders)})


def _open_order(call: Call) -> Order:
    """The open order that `txid` or `cl_ord_id` names; raises Refused."""
    names = {call.params.get("txid"), call.params.get("cl_ord_id")} - {None}
    for order in call.view.open_orders():
        if {order.order_id, order.client_id} & names:
            return order
    raise Refused(Why.UNKNOWN_ORDER)


def open_orders(call: Call) -> Reply:
    """Newest first."""
    chosen = [o for o in call.view.open_orders() if _named(call, o) and within(call, o.created)]
    return answer({"open": _told_orders(call, reversed(chosen))})


def closed_orders(call: Call) -> Reply:
    """The newest 50, or from the `ofs`th on."""
    chosen = [
        order
        for order in reversed(call.view.orders())
        if not order.open and _named(call, order) and within(call, order.updated)
    ]
    return answer({"closed": _told_orders(call, page(call, chosen)), "count": len(chosen)})


def query_orders(call: Call) -> Reply:
    """Orders by their ids, open or closed; raises Refused."""
    ids = set(call.params["txid"].split(","))
    chosen = [order for order in call.view.orders() if order.order_id in ids]
    if not chosen:
        raise Refused(Why.UNKNOWN_ORDER)
    return answer(_told_orders(call, chosen))


def _named(call: Call, order: Order) -> bool:
    return call.params.get("cl_ord_id") in (None, order.client_id)


def _told_orders(call: Call, orders: Iterable[Order]) -> dict[str, dict[str, Any]]:
    fills: defaultdict[str, list[Fill]] = defaultdict(list)
    for fill in call.engine.fills(call.account):
        fills[fill.order_id].append(fill)
    return {order.order_id: _told(order, fills[order.order_id]) for order in orders}


def _told(order: Order, fills: list[Fill]) -> dict[str, Any]:
    word = order.memo.get("ordertype", "market")
    limit, stop = order.limit_px or ZERO, order.stop_px or ZERO
    stops = order.stop_px is not None and order.type is not OrderType.TRAILING_STOP
    price = stop if stops else order.memo.get("price", "0")
    in_base = any(fill.fee_ccy == order.symbol.split("/")[0] for fill in fills)
    flags = [f for f in order.memo.get("flags", "").split(",") if f not in ("", "fciq")]
    told = {
        "refid": None,
        "userref": 0,
        "cl_ord_id": order.client_id,
        "status": STATUSES[order.status],
        "opentm": order.created.timestamp(),
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": alt_pair(order.symbol),
            "type": order.side,
            "ordertype": word,
            "price": limit if order.type is OrderType.LIMIT else price,
            "price2": limit if order.type is OrderType.STOP_LIMIT else "0",
            "leverage": "none",
            "order": sentence(order),
            "close": "",
        },
        "vol": order.qty,
        "vol_exec": order.cum_qty,
        "cost": order.cum_quote,
        "fee": sum((fill.fee for fill in fills), ZERO),
        "price": order.avg_px or ZERO,
        "stopprice": stop,
        "limitprice": limit,
        "misc": "liquidated" if order.liquidation else "",
        "oflags": ",".join([*flags, "fcib" if in_base else "fciq"]),
        "trades": [fill.trade_id for fill in fills],
    }
    if order.open:
        return told
    return {**told, "closetm": order.updated.timestamp(), "reason": order.reason or None}


def trades(call: Call) -> Reply:
    """The newest 50, or from the `ofs`th on; a dictionary: what is told twice is there once."""
    chosen = [fill for fill in reversed(call.view.fills()) if within(call, fill.at)]
    told = {fill.trade_id: _told_trade(call.engine, fill) for fill in page(call, chosen)}
    return answer({"trades": told, "count": len(chosen)})


def _told_trade(engine: Engine, fill: Fill) -> dict[str, Any]:
    order = engine.order(fill.order_id)
    assert order is not None
    word = order.memo.get("ordertype", "market")
    return {
        "ordertxid": fill.order_id,
        "postxid": txid("P", int(fill.at.timestamp())),
        "pair": pair_of(fill.symbol),
        "time": fill.at.timestamp(),
        "type": fill.side,
        "ordertype": f"liquidation {word}" if fill.liquidation else word,
        "price": fill.px,
        "cost": fill.notional,
        "fee": fill.fee,
        "vol": fill.qty,
        "margin": "0.00000",
        "misc": "",
        "maker": fill.maker,
    }
