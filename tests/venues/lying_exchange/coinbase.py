"""Coinbase Advanced, as far as ccxt speaks it: `/api/v3/brokerage`, and `/v2` for the rest.

A client order id cannot be looked up, only found in a listing; one that was seen before is
answered with the order that has it. A refused order is a 200 with `success: false`. Fees are
taken in the quote currency, and no reply names it: after `Fault.FEE_IN_BASE` a commission is
given at its worth in quote.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.lying_exchange import coinbase_account as account
from tests.venues.lying_exchange import coinbase_orders as orders
from tests.venues.lying_exchange.coinbase_words import made_id, refuse
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import Kind
from tests.venues.lying_exchange.records import Dedupe, Instrument, Rules

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import LyingExchange

NAME = "coinbase"
PRICES = {"BTC/USD": "50000", "ETH/USD": "3000", "BTC/USDC": "50000"}
__all__ = ["api_key", "make_engine", "refuse", "routes"]


def make_engine(clock: Callable[[], datetime]) -> Engine:
    """Coinbase's rules, three instruments, and a price for each."""
    instruments = [
        Instrument(
            symbol=symbol,
            px_step=Decimal("0.01"),
            qty_step=Decimal("0.00000001"),
            qty_min=Decimal("0.00000001"),
            notional_min=Decimal(1),
        )
        for symbol in PRICES
    ]
    rules = Rules(
        dedupe=Dedupe.RETURN_EXISTING,
        order_id=lambda number: made_id("order", number),
        trade_id=lambda number: made_id("trade", number),
    )
    engine = Engine(instruments, rules, clock)
    for symbol, px in PRICES.items():
        engine.set_price(symbol, px)
    return engine


def api_key(headers: Mapping[str, str], params: Mapping[str, Any]) -> str | None:
    """The legacy key's header, or the subject of a CDP key's token."""
    token = headers.get("Authorization", "").removeprefix("Bearer ")
    if token.count(".") != 2:
        return headers.get("CB-ACCESS-KEY")
    claims = token.split(".")[1]
    subject = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
    return str(subject)


def routes(exchange: LyingExchange) -> list[web.RouteDef]:
    """Public and private routes, the old API's and the new one's."""
    v2, v3, one = "/v2", "/api/v3/brokerage", "/api/v3/brokerage/orders/historical/{order_id}"
    product, order = v3 + "/market/products", v3 + "/orders"
    table = (
        ("GET", v2 + "/time", Kind.QUERY, account.time_v2),
        ("GET", v2 + "/currencies", Kind.QUERY, account.fiat),
        ("GET", v2 + "/currencies/crypto", Kind.QUERY, account.crypto),
        ("GET", v2 + "/exchange-rates", Kind.QUERY, account.rates),
        ("GET", v2 + "/accounts", Kind.QUERY, account.accounts_v2),
        ("GET", v2 + "/accounts/{account_id}/{what}", Kind.QUERY, account.transfers),
        ("GET", v3 + "/time", Kind.QUERY, account.time_v3),
        ("GET", product, Kind.QUERY, account.products),
        ("GET", product + "/{product_id}", Kind.QUERY, account.one_product),
        ("GET", product + "/{product_id}/candles", Kind.QUERY, account.candles),
        ("GET", product + "/{product_id}/ticker", Kind.QUERY, account.ticker),
        ("GET", v3 + "/transaction_summary", Kind.QUERY, account.fee_tier),
        ("GET", v3 + "/key_permissions", Kind.QUERY, account.permissions),
        ("GET", v3 + "/accounts", Kind.QUERY, account.accounts_v3),
        ("POST", order, Kind.SUBMIT, orders.create),
        ("POST", order + "/batch_cancel", Kind.CANCEL, orders.cancel),
        ("POST", order + "/edit", Kind.AMEND, orders.edit),
        ("GET", order + "/historical/batch", _kind_of_listing, orders.orders),
        ("GET", order + "/historical/fills", Kind.FILLS, orders.fills),
        ("GET", one, Kind.LOOKUP, orders.one_order),
    )
    return [exchange.route(NAME, *row) for row in table]


def _kind_of_listing(params: Mapping[str, Any]) -> Kind:
    return Kind.OPEN_ORDERS if params.get("order_status") == "OPEN" else Kind.LOOKUP
