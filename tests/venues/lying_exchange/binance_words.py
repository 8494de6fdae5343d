"""What Binance's spot API calls things: orders, fills and instruments in its own JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from execution.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from execution.model.money import ZERO
from tests.venues.lying_exchange.candles import Candle
from tests.venues.lying_exchange.records import (
    Event,
    Fill,
    Happening,
    Instrument,
    NewOrder,
    Order,
    Refused,
    Trigger,
    Why,
)
from tests.venues.lying_exchange.wire import Reply

TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.STOP,
    "TAKE_PROFIT_LIMIT": OrderType.STOP_LIMIT,
}
STATUSES = {
    OrderStatus.ACCEPTED: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
}
EXECUTIONS = {
    Happening.NEW: "NEW",
    Happening.TRADE: "TRADE",
    Happening.CANCELED: "CANCELED",
    Happening.EXPIRED: "EXPIRED",
}
# status, code, message
REFUSALS: dict[Why, tuple[int, int, str]] = {
    Why.UNKNOWN_KEY: (401, -2015, "Invalid API-key, IP, or permissions for action."),
    Why.UNKNOWN_SYMBOL: (400, -1121, "Invalid symbol."),
    Why.UNKNOWN_ORDER: (400, -2013, "Order does not exist."),
    Why.NOT_OPEN: (400, -2011, "Unknown order sent."),
    Why.DUPLICATE_CLIENT_ID: (400, -2010, "Duplicate order sent."),
    Why.INSUFFICIENT_FUNDS: (
        400,
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    Why.REDUCE_ONLY: (400, -1106, "Parameter 'reduceOnly' sent when not required."),
    Why.QTY_TOO_SMALL: (400, -1013, "Filter failure: LOT_SIZE"),
    Why.QTY_STEP: (400, -1013, "Filter failure: LOT_SIZE"),
    Why.PX_STEP: (400, -1013, "Filter failure: PRICE_FILTER"),
    Why.NOTIONAL_TOO_SMALL: (400, -1013, "Filter failure: NOTIONAL"),
    Why.WOULD_TAKE: (400, -2010, "Order would immediately match and take."),
    Why.WOULD_TRIGGER: (400, -2010, "Stop price would trigger immediately."),
    Why.NO_PRICE: (400, -2010, "Market is closed."),
    Why.BAD_PARAMETER: (400, -1102, "A mandatory parameter was not sent, or malformed."),
    Why.WINDOW_TOO_LONG: (400, -1127, "More than 24 hours between startTime and endTime."),
    Why.CLOCK: (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    Why.TOO_MANY_REQUESTS: (429, -1003, "Too much request weight used; IP banned."),
}
RECV_WINDOW_MS = 5000
AHEAD_MS = 1000  # a request may be this far in our future
BIPS = Decimal(10_000)
NO_LIST = -1


def decimal_of(params: Mapping[str, Any], name: str) -> Decimal | None:
    """Read a number; raises Refused for what is none."""
    if name not in params:
        return None
    try:
        return Decimal(params[name])
    except InvalidOperation:
        raise Refused(Why.BAD_PARAMETER, f"Illegal characters in '{name}'.") from None


def new_order(params: Mapping[str, Any], prefix: str = "") -> NewOrder:
    """Read an order's parameters; `prefix` is `above` or `below` for a leg of an OCO."""

    def named(name: str) -> str:
        return f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name

    kind, side = params[named("type")], params["side"]
    if kind not in TYPES or side not in ("BUY", "SELL"):
        raise Refused(Why.BAD_PARAMETER, "Invalid orderType or side.")
    client_id = params.get(named("clientOrderId") if prefix else "newClientOrderId")
    rising = kind.startswith("TAKE_PROFIT") == (side == "SELL")
    delta = decimal_of(params, named("trailingDelta"))
    return NewOrder(
        symbol=params["symbol"],
        side=OrderSide(side.lower()),
        type=TYPES[kind],
        qty=decimal_of(params, "quantity") or ZERO,
        quote_qty=decimal_of(params, "quoteOrderQty"),
        limit_px=decimal_of(params, named("price")),
        stop_px=decimal_of(params, named("stopPrice")),
        trail_rate=delta / BIPS if delta else None,
        trigger=Trigger.ABOVE if rising else Trigger.BELOW,
        tif=TimeInForce(params.get(named("timeInForce"), "GTC").lower()),
        post_only=kind == "LIMIT_MAKER",
        client_id=client_id,
        memo={"type": kind},
    )


def client_id_of(order: Order) -> str:
    """Every order at Binance has an id: one that was sent without gets one from it."""
    return order.client_id or f"{'autoclose-' if order.liquidation else 'venue-'}{order.order_id}"


def refuse(refused: Refused) -> Reply:
    """Say no in Binance's words."""
    status, code, message = REFUSALS[refused.why]
    return Reply({"code": code, "msg": message}, status)


def require_in_time(params: Mapping[str, Any], now: datetime) -> None:
    """Refuse a request that is not signed, or whose time is not about ours."""
    if "timestamp" not in params or "signature" not in params:
        raise Refused(Why.BAD_PARAMETER)
    age_ms = ms(now) - int(params["timestamp"])
    if not -AHEAD_MS < age_ms <= int(params.get("recvWindow", RECV_WINDOW_MS)):
        raise Refused(Why.CLOCK)


def order_json(order: Order) -> dict[str, Any]:
    """An order as `GET /api/v3/order` gives it."""
    return {
        "symbol": order.symbol.replace("/", ""),
        "orderId": int(order.order_id),
        "orderListId": int(order.group_id or NO_LIST),
        "clientOrderId": client_id_of(order),
        "price": eight(order.limit_px),
        "origQty": eight(order.qty),
        "executedQty": eight(order.cum_qty),
        "origQuoteOrderQty": eight(order.quote_qty),
        "cummulativeQuoteQty": eight(order.cum_quote),
        "status": STATUSES[order.status],
        "timeInForce": order.tif.value.upper(),
        "type": order.memo.get("type", "MARKET"),
        "side": order.side.value.upper(),
        "stopPrice": eight(order.stop_px),
        "icebergQty": eight(None),
        "time": ms(order.created),
        "updateTime": ms(order.updated),
        "isWorking": not order.waits,
        "workingTime": ms(order.created),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def placed_json(order: Order, fills: Sequence[Fill]) -> dict[str, Any]:
    """A new order as `POST /api/v3/order` answers it in full."""
    answer = order_json(order)
    for name in ("time", "updateTime", "isWorking", "stopPrice", "icebergQty"):
        del answer[name]
    trades = [
        {
            "price": eight(fill.px),
            "qty": eight(fill.qty),
            "commission": eight(fill.fee),
            "commissionAsset": fill.fee_ccy,
            "tradeId": int(fill.trade_id),
        }
        for fill in fills
    ]
    return answer | {"transactTime": ms(order.created), "fills": trades}


def trade_json(fill: Fill, order: Order) -> dict[str, Any]:
    """A fill as `GET /api/v3/myTrades` gives it: without any client id."""
    return {
        "symbol": fill.symbol.replace("/", ""),
        "id": int(fill.trade_id),
        "orderId": int(fill.order_id),
        "orderListId": int(order.group_id or NO_LIST),
        "price": eight(fill.px),
        "qty": eight(fill.qty),
        "quoteQty": eight(fill.notional),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_ccy,
        "time": ms(fill.at),
        "isBuyer": fill.side is OrderSide.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def report_json(event: Event) -> dict[str, Any]:
    """An `executionReport` of the user data stream."""
    order, fill = event.order, event.fill
    canceled = event.happening is Happening.CANCELED
    return {
        "e": "executionReport",
        "E": ms(event.at),
        "s": order.symbol.replace("/", ""),
        # A cancel has an id of its own, and names the order's as the original one.
        "c": f"cancel-{event.event_id}" if canceled else client_id_of(order),
        "C": client_id_of(order) if canceled else "",
        "S": order.side.value.upper(),
        "o": order.memo.get("type", "MARKET"),
        "f": order.tif.value.upper(),
        "q": eight(order.qty),
        "p": eight(order.limit_px),
        "P": eight(order.stop_px),
        "F": eight(None),
        "g": int(order.group_id or NO_LIST),
        "x": EXECUTIONS[event.happening],
        "X": STATUSES[order.status],
        "r": "NONE",
        "i": int(order.order_id),
        "l": eight(fill.qty if fill else None),
        "z": eight(order.cum_qty),
        "L": eight(fill.px if fill else None),
        "n": eight(fill.fee) if fill else "0",
        "N": fill.fee_ccy if fill else None,
        "T": ms(event.at),
        "t": int(fill.trade_id) if fill else -1,
        "I": event.event_id,
        "w": order.open and not order.waits,
        "m": fill.maker if fill else False,
        "M": False,
        "O": ms(order.created),
        "Z": eight(order.cum_quote),
        "Y": eight(fill.notional if fill else None),
        "Q": eight(order.quote_qty),
        "W": ms(order.created),
        "V": "EXPIRE_MAKER",
    }


def symbol_json(instrument: Instrument) -> dict[str, Any]:
    """An instrument as `GET /api/v3/exchangeInfo` gives it."""
    return {
        "symbol": instrument.joined,
        "status": "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": list(TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": eight(instrument.px_step),
                "maxPrice": "1000000.00000000",
                "tickSize": eight(instrument.px_step),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": eight(instrument.qty_min),
                "maxQty": "9000.00000000",
                "stepSize": eight(instrument.qty_step),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": eight(instrument.notional_min),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
    }


def kline_json(candle: Candle, closes_ms: int) -> list[Any]:
    """A candle as `GET /api/v3/klines` gives it."""
    return [
        ms(candle.ts_open),
        eight(candle.open),
        eight(candle.high),
        eight(candle.low),
        eight(candle.close),
        eight(candle.volume),
        closes_ms - 1,
        eight(candle.volume * candle.close),
        100,
        eight(candle.volume / 2),
        eight(candle.volume * candle.close / 2),
        "0",
    ]


def eight(number: Decimal | None) -> str:
    """Eight places, as Binance writes every amount; nothing is zero."""
    return f"{number or ZERO:.8f}"


def ms(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(at.timestamp() * 1000)


def at_ms(value: object) -> datetime:
    """The time of some milliseconds since the epoch."""
    return datetime.fromtimestamp(int(str(value)) / 1000, UTC)
