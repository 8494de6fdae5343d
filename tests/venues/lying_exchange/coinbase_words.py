"""How Coinbase says things: shapes of orders, statuses, ids, times, and refusals."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from execution.model.enums import OrderStatus, OrderType, TimeInForce
from tests.venues.lying_exchange.records import Instrument, Refused, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

SPACE = uuid.UUID("c01bba5e-0000-4000-8000-000000000000")
SHAPES = {
    "market_market_ioc": (OrderType.MARKET, TimeInForce.IOC),
    "limit_limit_gtc": (OrderType.LIMIT, TimeInForce.GTC),
    "limit_limit_gtd": (OrderType.LIMIT, TimeInForce.GTD),
    "limit_limit_fok": (OrderType.LIMIT, TimeInForce.FOK),
    "sor_limit_ioc": (OrderType.LIMIT, TimeInForce.IOC),
    "stop_limit_stop_limit_gtc": (OrderType.STOP_LIMIT, TimeInForce.GTC),
    "stop_limit_stop_limit_gtd": (OrderType.STOP_LIMIT, TimeInForce.GTD),
}
TIMES_IN_FORCE = {
    TimeInForce.GTC: "GOOD_UNTIL_CANCELLED",
    TimeInForce.GTD: "GOOD_UNTIL_DATE_TIME",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}
STATUSES = {
    OrderStatus.ACCEPTED: "OPEN",
    OrderStatus.PARTIALLY_FILLED: "OPEN",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELLED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "FAILED",
}

# Why an order is refused: `error`, and the `preview_failure_reason` that ccxt goes by.
FAILURES = {
    Why.UNKNOWN_SYMBOL: ("INVALID_PRODUCT_ID", "PREVIEW_INVALID_PRODUCT_ID"),
    Why.INSUFFICIENT_FUNDS: ("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND"),
    Why.QTY_TOO_SMALL: ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"),
    Why.NOTIONAL_TOO_SMALL: ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
    Why.QTY_STEP: ("INVALID_SIZE_PRECISION", "PREVIEW_INVALID_SIZE_PRECISION"),
    Why.PX_STEP: ("INVALID_PRICE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION"),
    Why.WOULD_TAKE: ("INVALID_LIMIT_PRICE_POST_ONLY", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
    Why.NO_PRICE: ("INVALID_NO_LIQUIDITY", "PREVIEW_INVALID_NO_LIQUIDITY"),
    Why.REDUCE_ONLY: ("UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG"),
    Why.BAD_PARAMETER: ("UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG"),
    Why.WOULD_TRIGGER: ("UNKNOWN_FAILURE_REASON", "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"),
    Why.DUPLICATE_CLIENT_ID: ("UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON"),
    Why.NOT_OPEN: ("UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON"),
}
NO_SUCH_ORDER = "order with this orderID was not found"


def refuse(refused: Refused) -> Reply:
    """Say no: by status for a bad key, a missing order or haste, else as to a new order."""
    if refused.why in (Why.UNKNOWN_KEY, Why.CLOCK):
        return Reply("Unauthorized", status=401)
    if refused.why is Why.UNKNOWN_ORDER:
        body = {"error": "unknown", "error_details": NO_SUCH_ORDER, "message": NO_SUCH_ORDER}
        return Reply(body, status=404)
    if refused.why is Why.TOO_MANY_REQUESTS:
        return Reply({"error": "rate_limit_exceeded", "message": "Too many requests"}, status=429)
    error, preview = FAILURES.get(refused.why, FAILURES[Why.BAD_PARAMETER])
    broke = refused.why is Why.INSUFFICIENT_FUNDS
    return Reply(
        {
            "success": False,
            "failure_reason": "UNKNOWN_FAILURE_REASON",
            "order_id": "",
            "error_response": {
                "error": error,
                "message": "Insufficient balance in source account" if broke else "",
                "error_details": "",
                "preview_failure_reason": preview,
            },
        }
    )


def instrument(call: Call) -> Instrument:
    """The product that the request is about; raises Refused."""
    return call.engine.instrument(call.params["product_id"].replace("-", "/"))


def product_id(symbol: str) -> str:
    """`BTC-USD`."""
    return symbol.replace("/", "-")


def account_id(account: str, ccy: str) -> str:
    """Every currency of an account has one of its own."""
    return made_id("account", account, ccy)


def number(value: str | None) -> Decimal | None:
    """A number that may be missing."""
    return None if value is None else Decimal(value)


def made_id(*parts: object) -> str:
    """A UUID that is the same for the same parts."""
    return str(uuid.uuid5(SPACE, "/".join(str(part) for part in parts)))


def iso(at: datetime) -> str:
    """UTC, to the microsecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
