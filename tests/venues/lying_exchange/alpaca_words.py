"""How Alpaca says things: symbols, ids, times, orders, and its codes for a refusal."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from execution.model.enums import OrderStatus, OrderType
from execution.model.money import ZERO
from tests.venues.lying_exchange.alpaca_engine import REPLACED, STOCKS, AlpacaEngine
from tests.venues.lying_exchange.records import Order, Refused, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

STATUSES = {
    OrderStatus.ACCEPTED: "new",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.REJECTED: "rejected",
}
FORBIDDEN, UNPROCESSABLE = 40310000, 42210000
CODES = {
    Why.UNKNOWN_KEY: (401, 40110000, "request is not authorized"),
    Why.UNKNOWN_SYMBOL: (422, UNPROCESSABLE, "asset not found"),
    Why.UNKNOWN_ORDER: (404, 40410000, "order not found"),
    Why.NOT_OPEN: (422, UNPROCESSABLE, "order is not cancelable"),
    Why.DUPLICATE_CLIENT_ID: (422, 40010001, "client_order_id must be unique"),
    Why.REDUCE_ONLY: (403, FORBIDDEN, "insufficient qty available for order"),
    Why.QTY_TOO_SMALL: (422, UNPROCESSABLE, "qty must be > 0"),
    Why.QTY_STEP: (422, UNPROCESSABLE, "qty increment is too small"),
    Why.PX_STEP: (
        422,
        UNPROCESSABLE,
        "sub-penny increment does not fulfill minimum pricing criteria",
    ),
    Why.NOTIONAL_TOO_SMALL: (403, FORBIDDEN, "cost basis must be >= minimal amount of order"),
    Why.WOULD_TAKE: (422, UNPROCESSABLE, "invalid order"),
    Why.WOULD_TRIGGER: (422, UNPROCESSABLE, "invalid stop_price"),
    Why.NO_PRICE: (422, UNPROCESSABLE, "no price for the asset"),
    Why.BAD_PARAMETER: (422, UNPROCESSABLE, "invalid order"),
    Why.CLOCK: (401, 40110000, "request is not authorized"),
    Why.TOO_MANY_REQUESTS: (429, 42910000, "rate limit exceeded"),
}


class Said(Refused):
    """A refusal in words of its own."""

    def __init__(self, status: int, code: int, message: str, **more: str) -> None:
        super().__init__(Why.BAD_PARAMETER, message)
        self.reply = Reply({"code": code, "message": message, **more}, status=status)


def invalid(message: str) -> Said:
    """An order that makes no sense."""
    return Said(422, UNPROCESSABLE, message)


def refuse(refused: Refused) -> Reply:
    """Say no with a status, and a code of Alpaca's own in the body."""
    if isinstance(refused, Said):
        return refused.reply
    if refused.why is Why.INSUFFICIENT_FUNDS:
        ccy = str(refused)
        message = f"insufficient balance for {ccy}"
        if ccy in ("USD", Why.INSUFFICIENT_FUNDS):
            message = "insufficient buying power"
        elif ccy in STOCKS:
            message = "insufficient qty available for order"
        return Reply({"code": FORBIDDEN, "message": message}, status=403)
    status, code, message = CODES.get(refused.why, CODES[Why.BAD_PARAMETER])
    return Reply({"code": code, "message": message}, status=status)


def engine_of(call: Call) -> AlpacaEngine:
    """The engine, known to be Alpaca's."""
    assert isinstance(call.engine, AlpacaEngine)
    return call.engine


def engine_symbol(engine: AlpacaEngine, name: str) -> str:
    """Find `AAPL`, `BTC/USD` or `BTCUSD`; raises Refused."""
    for symbol, instrument in engine.instruments.items():
        names = {instrument.base} if instrument.base in STOCKS else {symbol, instrument.joined}
        if name in names:
            return symbol
    raise Said(422, UNPROCESSABLE, f'asset "{name}" not found')


def said_symbol(symbol: str) -> str:
    """`AAPL` for a stock, `BTC/USD` for a coin."""
    base = symbol.split("/")[0]
    return base if base in STOCKS else symbol


def is_stock(symbol: str) -> bool:
    """Whether the engine's symbol is a stock's."""
    return symbol.split("/")[0] in STOCKS


def asset_id(symbol: str) -> str:
    """Every asset has a UUID."""
    return made_id("asset", symbol)


def made_id(*parts: object) -> str:
    """A UUID that is the same for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


def iso(at: datetime | None) -> str | None:
    """With nanoseconds, as Alpaca writes them."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def trimmed(told: dict[str, Any]) -> dict[str, Any]:
    """Every Decimal as a string without idle zeros."""
    return {
        name: f"{value.normalize():f}" if isinstance(value, Decimal) else value
        for name, value in told.items()
    }


def order_json(engine: AlpacaEngine, order: Order, *, nested: bool) -> dict[str, Any]:
    """An order, with its legs in it or without."""
    status, closed = status_of(engine, order), order.updated if not order.open else None
    by_rate = 100 * order.trail_rate if order.trail_rate is not None else None
    distance = order.trail if by_rate is None else order.trail_rate
    trailing = order.type is OrderType.TRAILING_STOP
    told = {
        "id": order.order_id,
        "client_order_id": order.client_id or made_id("client", order.order_id),
        "created_at": iso(order.created),
        "updated_at": iso(order.updated),
        "submitted_at": iso(order.created),
        "filled_at": iso(closed) if status == "filled" else None,
        "expired_at": iso(closed) if status == "expired" else None,
        "expires_at": iso(order.expires_at),
        "canceled_at": iso(closed) if status == "canceled" else None,
        "failed_at": None,
        "replaced_at": iso(closed) if status == REPLACED else None,
        "replaced_by": engine.replaced_by.get(order.order_id),
        "replaces": order.memo.get("replaces"),
        "asset_id": asset_id(order.symbol),
        "symbol": said_symbol(order.symbol),
        "asset_class": "us_equity" if is_stock(order.symbol) else "crypto",
        "notional": order.quote_qty,
        "qty": order.qty if order.quote_qty is None else None,
        "filled_qty": order.cum_qty,
        "filled_avg_price": order.avg_px,
        "order_class": order.memo.get("class", ""),
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "time_in_force": order.tif,
        "limit_price": order.limit_px,
        "stop_price": order.stop_px,
        "status": status,
        "extended_hours": order.memo.get("extended_hours") == "true",
        "legs": _legs(engine, order) if nested else None,
        "trail_percent": by_rate if trailing else None,
        "trail_price": order.trail if trailing else None,
        "hwm": _best(order, distance) if trailing else None,
    }
    return trimmed(told)


def status_of(engine: AlpacaEngine, order: Order) -> str:
    """Alpaca's word; a stop beside a live target is `held`, as is a leg before its entry."""
    if order.reason == REPLACED:
        return REPLACED
    if order.open and (order.held or _waits_beside_a_target(engine, order)):
        return "held"
    queued = is_stock(order.symbol) and not engine.market_open
    if order.status is OrderStatus.ACCEPTED and queued:
        return "accepted"
    return STATUSES[order.status]


def _waits_beside_a_target(engine: AlpacaEngine, order: Order) -> bool:
    if order.memo.get("leg") != "stop_loss":
        return False
    group = [o for o in engine.open_orders(order.account) if o.group_id == order.group_id]
    return any(other.order_id != order.order_id for other in group)


def legs_of(engine: AlpacaEngine, order: Order) -> list[Order]:
    """The orders that hang on this one; empty for one that hangs itself or stands alone."""
    group = order.memo.get("parent_of")
    orders = engine.orders(order.account) if group else []
    return [o for o in orders if o.group_id == group and "leg" in o.memo]


def _legs(engine: AlpacaEngine, order: Order) -> list[dict[str, Any]] | None:
    legs = legs_of(engine, order)
    return [order_json(engine, leg, nested=False) for leg in legs] or None


def _best(order: Order, distance: Decimal | None) -> Decimal:
    """The high water mark that a trailing stop was last set from."""
    stop = order.stop_px or ZERO
    if order.trail_rate is not None:
        return (stop / (1 + order.side.sign * order.trail_rate)).quantize(Decimal("0.01"))
    return stop - order.side.sign * (distance or ZERO)
