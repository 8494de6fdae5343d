"""Alpaca's orders: what may be asked for stocks and coins, groups of orders, replacement."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.money import ZERO
from tests.venues.lying_exchange.alpaca_engine import AlpacaEngine
from tests.venues.lying_exchange.alpaca_words import (
    FORBIDDEN,
    Said,
    engine_of,
    engine_symbol,
    invalid,
    is_stock,
    made_id,
    order_json,
)
from tests.venues.lying_exchange.records import NewOrder, Order, Refused, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

COIN_TYPES = {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT}
COIN_TIMES = {TimeInForce.GTC, TimeInForce.IOC}
STOCK_TIMES = COIN_TIMES | {TimeInForce.DAY, TimeInForce.FOK}
RESTING = {TimeInForce.DAY, TimeInForce.GTC}
CENT = Decimal("0.01")
FIELDS = {
    OrderType.LIMIT: {"limit_price"},
    OrderType.STOP: {"stop_price"},
    OrderType.STOP_LIMIT: {"limit_price", "stop_price"},
}


def submit(call: Call) -> Reply:
    """A simple order, or a bracket, OCO or OTO group; with its legs in the reply."""
    account, engine, params = call.account, engine_of(call), call.params
    blocks = ", ".join(sorted(engine.blocks[account]))
    if blocks:
        raise Said(403, FORBIDDEN, f"account is blocked: {blocks}")
    class_ = params.get("order_class") or "simple"
    entry = _asked(engine, params, class_)
    if class_ == "simple":
        return _told(engine, _place(engine, account, entry))
    group = made_id("group", len(engine.orders()))
    entry = replace(entry, memo={**entry.memo, "parent_of": group})
    legs = _legs(engine, entry, params, class_)
    if class_ == "oco":
        if entry.side is OrderSide.BUY:
            raise invalid("oco orders must be exit orders")
        return _told(engine, engine.place_oco(account, [entry, *legs], group)[0])
    return _told(engine, engine.place_bracket(account, entry, legs, group)[0])


def _place(engine: AlpacaEngine, account: str, asked: NewOrder) -> Order:
    """Place it, and say in Alpaca's words how much was missing."""
    try:
        return engine.place(account, asked)
    except Refused as refused:
        if refused.why is not Why.INSUFFICIENT_FUNDS:
            raise
        ccy, have = str(refused), engine.balances(account)[str(refused)]
        if ccy == "USD":
            more = {"buying_power": f"{have.free:f}"}
            raise Said(403, FORBIDDEN, "insufficient buying power", **more) from refused
        what = "qty available for order" if is_stock(asked.symbol) else f"balance for {ccy}"
        text = f"insufficient {what} (requested: {asked.qty:f}, available: {have.free:f})"
        raise Said(403, FORBIDDEN, text, available=f"{have.free:f}") from refused


def _asked(engine: AlpacaEngine, params: dict[str, Any], class_: str) -> NewOrder:
    symbol = engine_symbol(engine, params.get("symbol", ""))
    type_, tif = _word(OrderType, params, "type"), _word(TimeInForce, params, "time_in_force")
    qty, notional = _number(params, "qty"), _number(params, "notional")
    if (qty is None) == (notional is None):
        raise invalid("qty or notional is required, and only one of them")
    for name in FIELDS.get(type_, set()):
        if class_ != "oco" and params.get(name) is None:
            raise invalid(f"{type_} orders require {name}")
    rate = _number(params, "trail_percent")
    if type_ is OrderType.TRAILING_STOP and rate is None and params.get("trail_price") is None:
        raise invalid("trailing stop orders must specify one of trail_price or trail_percent")
    target = _part(params, "take_profit") if class_ == "oco" else {}
    asked = NewOrder(
        symbol=symbol,
        side=_word(OrderSide, params, "side"),
        type=type_,
        qty=qty or ZERO,
        quote_qty=notional,
        limit_px=_number(params, "limit_price") or _number(target, "limit_price"),
        stop_px=_number(params, "stop_price"),
        trail=_number(params, "trail_price"),
        trail_rate=None if rate is None else rate / 100,
        tif=tif,
        expires_at=engine.next_close(engine.now()) if tif is TimeInForce.DAY else None,
        client_id=params.get("client_order_id") or made_id("client", len(engine.orders())),
        memo={
            "class": "" if class_ == "simple" else class_,
            "extended_hours": "true" if params.get("extended_hours") else "",
        },
    )
    _check(asked, class_)
    return asked


def _check(asked: NewOrder, class_: str) -> None:
    """What Alpaca will not do for a coin, or for a stock."""
    if not is_stock(asked.symbol):
        if asked.type not in COIN_TYPES:
            raise invalid("invalid order type for crypto order")
        if asked.tif not in COIN_TIMES:
            raise invalid("invalid crypto time_in_force")
        if class_ != "simple":
            raise invalid("crypto orders not allowed for advanced order_class")
        return
    if class_ not in ("simple", "bracket", "oco", "oto"):
        raise invalid(f"invalid order_class {class_}")
    stops = asked.type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
    allowed = RESTING if stops or class_ != "simple" else STOCK_TIMES
    if asked.tif not in allowed:
        raise invalid(f"invalid time_in_force {asked.tif} for this order")
    fractional = asked.quote_qty is not None or asked.qty % 1 != 0
    if fractional and asked.tif is not TimeInForce.DAY:
        raise invalid("fractional orders must be DAY orders")
    if fractional and class_ != "simple":
        raise invalid("fractional orders must be simple orders")
    resting_limit = asked.type is OrderType.LIMIT and asked.tif in RESTING
    if asked.memo["extended_hours"] and not resting_limit:
        raise invalid("extended hours order must be DAY or GTC limit orders")


def _legs(
    engine: AlpacaEngine, entry: NewOrder, params: dict[str, Any], class_: str
) -> list[NewOrder]:
    """The exits of a group, on the other side of its entry; an OCO's target is its parent."""
    stop, target = _part(params, "stop_loss"), _part(params, "take_profit")
    stop_px, target_px = _number(stop, "stop_price"), _number(target, "limit_price")
    if class_ in ("bracket", "oco") and (stop_px is None or (target_px or entry.limit_px) is None):
        raise invalid(f"{class_} orders require take_profit.limit_price and stop_loss.stop_price")
    if class_ == "oto" and (stop_px is None) == (target_px is None):
        raise invalid("oto orders require one of take_profit or stop_loss")
    base = entry.limit_px or entry.stop_px or engine.price(entry.symbol)
    sign = entry.side.sign
    exits = entry.side
    if class_ != "oco":
        exits = OrderSide.SELL if entry.side is OrderSide.BUY else OrderSide.BUY
    if stop_px is not None and class_ != "oco" and sign * (base - stop_px) < CENT:
        raise invalid("stop_loss.stop_price must be <= base_price - 0.01")
    if target_px is not None and class_ != "oco" and sign * (target_px - base) < CENT:
        raise invalid("take_profit.limit_price must be >= base_price + 0.01")
    memo = {"class": class_, "extended_hours": ""}
    common = replace(entry, side=exits, stop_px=None, limit_px=None, trail=None, trail_rate=None)
    legs = []
    if target_px is not None and class_ != "oco":
        legs.append(
            replace(
                common,
                type=OrderType.LIMIT,
                limit_px=target_px,
                client_id=made_id("target", len(engine.orders())),
                memo={**memo, "leg": "take_profit"},
            )
        )
    if stop_px is not None:
        limit_px = _number(stop, "limit_price")
        legs.append(
            replace(
                common,
                type=OrderType.STOP if limit_px is None else OrderType.STOP_LIMIT,
                stop_px=stop_px,
                limit_px=limit_px,
                client_id=made_id("stop", len(engine.orders())),
                memo={**memo, "leg": "stop_loss"},
            )
        )
    return legs


def amend(call: Call) -> Reply:
    """Replace an open order by a new one, with a new id and a new client id."""
    engine, params = engine_of(call), call.params
    order = _find(call)
    names = {"qty": "qty", "limit_px": "limit_price", "stop_px": "stop_price"}
    changes: dict[str, Any] = {
        ours: _number(params, theirs) for ours, theirs in names.items() if params.get(theirs)
    }
    trail = _number(params, "trail")
    if trail is not None:
        changes |= {"trail_rate": trail / 100} if order.trail_rate else {"trail": trail}
    if not changes:
        raise invalid("nothing to replace")
    client_id = params.get("client_order_id") or made_id("client", len(engine.orders()))
    return _told(engine, engine.replace_order(order.order_id, client_id, **changes))


def cancel(call: Call) -> Reply:
    """Cancel one, and with it the rest of its group: 204 and nothing."""
    call.engine.cancel(_find(call).order_id)
    return Reply("", status=204)


def cancel_all(call: Call) -> Reply:
    """Ask to cancel every open order: a status for each."""
    results = []
    for order in _open(call):
        current = call.engine.order(order.order_id)
        if current is not None and current.open:
            call.engine.cancel(order.order_id)
            results.append({"id": order.order_id, "status": 200})
    return Reply(results, status=207)


def by_id(call: Call) -> Reply:
    """One order by Alpaca's id; raises Refused."""
    return _told(engine_of(call), _find(call), nested=_nested(call))


def by_client_id(call: Call) -> Reply:
    """One order by the client's id; raises Refused."""
    client_id = call.params.get("client_order_id", "")
    order = call.view.find(client_id=client_id)
    if order is None:
        raise Said(404, 40410000, f"order not found for {client_id}")
    return _told(engine_of(call), order)


def listing(call: Call) -> Reply:
    """Open ones unless `status` says otherwise; newest first unless `direction` does."""
    engine, params = engine_of(call), call.params
    status, nested = params.get("status", "open"), _nested(call)
    after, until = (_time(params.get(name)) for name in ("after", "until"))
    symbols = {engine_symbol(engine, s) for s in params.get("symbols", "").split(",") if s}
    chosen = [
        order
        for order in (_open(call) if status == "open" else call.view.orders())
        if (status != "closed" or not order.open)
        and (not symbols or order.symbol in symbols)
        and params.get("side") in (None, order.side)
        and (after is None or order.created > after)
        and (until is None or order.created <= until)
        and not (nested and "leg" in order.memo)
    ]
    if params.get("direction", "desc") == "desc":
        chosen.reverse()
    page = chosen[: min(int(params.get("limit", 50)), 500)]
    return Reply([order_json(engine, order, nested=nested) for order in page])


def _open(call: Call) -> list[Order]:
    """What may still fill, and the legs that wait for their entry."""
    held = [order for order in call.view.orders() if order.open and order.held]
    return sorted([*call.view.open_orders(), *held], key=lambda order: order.created)


def close_position(call: Call) -> Reply:
    """Sell all of a holding, or a part, by an order whose client id the caller never chose."""
    engine, params = engine_of(call), call.params
    symbol = engine_symbol(engine, params["symbol"])
    have = engine.balances(call.account)[symbol.split("/")[0]]
    if not have.total:
        raise Said(404, 40410000, f"position not found: {params['symbol']}")
    part = (_number(params, "percentage") or Decimal(100)) / 100
    qty = _number(params, "qty") or (have.total * part).quantize(Decimal("1e-9"))
    asked = NewOrder(
        symbol=symbol,
        side=OrderSide.SELL,
        type=OrderType.MARKET,
        qty=qty,
        tif=TimeInForce.DAY if is_stock(symbol) else TimeInForce.GTC,
        client_id=made_id("client", len(engine.orders())),
        memo={"class": "", "extended_hours": ""},
    )
    return _told(engine, _place(engine, call.account, asked))


def _find(call: Call) -> Order:
    order = call.view.find(order_id=call.params["order_id"])
    if order is None:
        raise Said(404, 40410000, f"order not found for {call.params['order_id']}")
    return order


def _told(engine: AlpacaEngine, order: Order, *, nested: bool = True) -> Reply:
    return Reply(order_json(engine, order, nested=nested))


def _nested(call: Call) -> bool:
    return str(call.params.get("nested", "")).lower() == "true"


def _part(params: dict[str, Any], name: str) -> dict[str, Any]:
    return params.get(name) or {}


def _number(params: dict[str, Any], name: str) -> Decimal | None:
    """A number, which clients send as a string or as a float."""
    value = params.get(name)
    try:
        return None if value is None else Decimal(str(value))
    except ArithmeticError as error:
        raise invalid(f"invalid {name}: {value}") from error


def _word(kind: type[Any], params: dict[str, Any], name: str) -> Any:  # noqa: ANN401
    try:
        return kind(params.get(name))
    except ValueError as error:
        raise invalid(f"invalid {name}: {params.get(name)}") from error


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
