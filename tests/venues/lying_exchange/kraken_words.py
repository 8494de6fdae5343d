"""How Kraken says things: assets, pairs, ids, orders in words, pages, and its errors."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from execution.model.enums import OrderType
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.records import NewOrder, Refused, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

T = TypeVar("T")
ASSETS = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD", "USDT": "USDT"}
PAGE = 50
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ERRORS = {
    Why.UNKNOWN_KEY: "EAPI:Invalid key",
    Why.UNKNOWN_SYMBOL: "EQuery:Unknown asset pair",
    Why.UNKNOWN_ORDER: "EOrder:Unknown order",
    Why.NOT_OPEN: "EOrder:Unknown order",
    Why.DUPLICATE_CLIENT_ID: "EGeneral:Invalid arguments:cl_ord_id",
    Why.INSUFFICIENT_FUNDS: "EOrder:Insufficient funds",
    Why.REDUCE_ONLY: "EOrder:Reduce only:No position exists",
    Why.QTY_TOO_SMALL: "EGeneral:Invalid arguments:volume minimum not met",
    Why.QTY_STEP: "EGeneral:Invalid arguments:volume",
    Why.PX_STEP: "EOrder:Invalid price",
    Why.NOTIONAL_TOO_SMALL: "EOrder:Cost minimum not met",
    Why.WOULD_TAKE: "EOrder:Post only order",
    Why.WOULD_TRIGGER: "EOrder:Invalid price",
    Why.NO_PRICE: "EService:Market in cancel_only mode",
    Why.BAD_PARAMETER: "EGeneral:Invalid arguments",
    Why.CLOCK: "EService:Deadline elapsed",
    Why.TOO_MANY_REQUESTS: "EAPI:Rate limit exceeded",
}


def refuse(refused: Refused) -> Reply:
    """Say no with a 200 and a list of errors."""
    return Reply({"error": [ERRORS.get(refused.why, ERRORS[Why.BAD_PARAMETER])]})


def answer(result: object) -> Reply:
    """A reply without errors."""
    return Reply({"error": [], "result": result})


def page(call: Call, rows: list[T]) -> list[T]:
    """Fifty rows, from the `ofs`th on."""
    start = int(call.params.get("ofs", 0))
    return rows[start : start + PAGE]


def within(call: Call, at: datetime) -> bool:
    """Whether `at` is after `start` and not after `end`, both in seconds."""
    start, end = call.params.get("start"), call.params.get("end")
    early = start is not None and at.timestamp() <= float(start)
    return not early and (end is None or at.timestamp() <= float(end))


def symbol_of(engine: Engine, name: str) -> str:
    """Find `XXBTZUSD`, `XBTUSD` or `BTC/USD`; raises Refused."""
    for symbol in engine.instruments:
        if name in (pair_of(symbol), alt_pair(symbol), symbol):
            return symbol
    raise Refused(Why.UNKNOWN_SYMBOL, name)


def pair_of(symbol: str) -> str:
    """Old pairs are made of the assets' names, newer ones of the short names."""
    base, quote = (ASSETS[ccy] for ccy in symbol.split("/"))
    return base + quote if quote.startswith("Z") else alt(base) + quote


def alt_pair(symbol: str) -> str:
    """`XBTUSD`."""
    return "".join(alt(ASSETS[ccy]) for ccy in symbol.split("/"))


def alt(asset: str) -> str:
    """An asset without the letter for its kind: `XBT`, `USD`."""
    return asset[1:] if len(asset) == 4 and asset[0] in "XZ" else asset


def decimals(step: Decimal) -> int:
    """How many decimals a step has."""
    return max(0, -int(step.normalize().as_tuple().exponent))


def txid(letter: str, number: int) -> str:
    """An id like Kraken's, `OABCDE-FGHIJ-KLMNOP`: the same for the same number."""
    digest = uuid.uuid5(uuid.NAMESPACE_OID, f"{letter}{number}").bytes
    text = "".join(ALPHABET[byte % 32] for byte in digest)
    return f"{letter}{text[:5]}-{text[5:10]}-{text[10:]}"


def sentence(order: NewOrder) -> str:
    """An order in words, such as `buy 0.1 XBTUSD @ stop loss 45000 -> limit 44000`."""
    word = order.memo.get("ordertype", "market").removesuffix("-limit").replace("-", " ")
    px = order.limit_px if order.type is OrderType.LIMIT else order.memo.get("price")
    at = "" if order.type is OrderType.MARKET else f" {px}"
    then = f" -> limit {order.limit_px:f}" if order.type is OrderType.STOP_LIMIT else ""
    volume = order.qty if order.quote_qty is None else order.quote_qty
    return f"{order.side} {volume:f} {alt_pair(order.symbol)} @ {word}{at}{then}"
