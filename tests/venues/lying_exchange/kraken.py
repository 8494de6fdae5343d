"""Kraken spot, as far as ccxt speaks it: `/0/public` and `/0/private`, every reply a 200.

Assets and pairs have Kraken's old names (`XXBT`, `XXBTZUSD`). A client order id is unique
among open orders only, closed ones come 50 at a time, and a key's nonces have to rise: two
processes on one key get `EAPI:Invalid nonce` sooner or later. No trade names its fee's
currency; an order's flags do (`fciq` quote, `fcib` base).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.lying_exchange import kraken_account as account
from tests.venues.lying_exchange import kraken_orders as orders
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.kraken_words import refuse, txid
from tests.venues.lying_exchange.lies import Kind
from tests.venues.lying_exchange.records import Dedupe, Instrument, Rules
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call, Handler, LyingExchange

NAME = "kraken"
PRICES = {"BTC/USD": "50000", "ETH/USD": "3000", "BTC/USDT": "50000", "ETH/USDT": "3000"}
__all__ = ["api_key", "make_engine", "refuse", "routes"]


class KrakenEngine(Engine):
    """An engine that remembers the last nonce of each key."""

    def __init__(
        self, instruments: Sequence[Instrument], rules: Rules, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(instruments, rules, clock)
        self.nonces: dict[str, int] = {}


def make_engine(clock: Callable[[], datetime]) -> KrakenEngine:
    """Kraken's rules, four instruments, and a price for each."""
    instruments = [
        Instrument(
            symbol=symbol,
            px_step=Decimal("0.1") if symbol.startswith("BTC") else Decimal("0.01"),
            qty_step=Decimal("0.00000001"),
            qty_min=Decimal("0.00005") if symbol.startswith("BTC") else Decimal("0.001"),
            notional_min=Decimal("0.5"),
        )
        for symbol in PRICES
    ]
    rules = Rules(
        dedupe=Dedupe.WHILE_OPEN,
        order_id=lambda number: txid("O", number),
        trade_id=lambda number: txid("T", number),
    )
    engine = KrakenEngine(instruments, rules, clock)
    for symbol, px in PRICES.items():
        engine.set_price(symbol, px)
    return engine


def api_key(headers: Mapping[str, str], params: Mapping[str, Any]) -> str | None:
    """The key is a header of its own."""
    return headers.get("API-Key")


def routes(exchange: LyingExchange) -> list[web.RouteDef]:
    """Public calls are GET, private ones POST."""
    public = {
        "Time": account.time,
        "Assets": account.assets,
        "AssetPairs": account.pairs,
        "Ticker": account.ticker,
        "OHLC": account.candles,
    }
    private: dict[str, tuple[Kind | Callable[[Mapping[str, Any]], Kind], Handler]] = {
        "BalanceEx": (Kind.QUERY, account.balances),
        "DepositStatus": (Kind.QUERY, lambda call: account.transfers(call, 1)),
        "WithdrawStatus": (Kind.QUERY, lambda call: account.transfers(call, -1)),
        "Ledgers": (Kind.QUERY, account.ledger),
        "AddOrder": (Kind.SUBMIT, orders.add),
        "AmendOrder": (Kind.AMEND, orders.amend),
        "CancelOrder": (Kind.CANCEL, orders.cancel),
        "CancelAll": (Kind.CANCEL, orders.cancel_all),
        "OpenOrders": (_kind_of_open_orders, orders.open_orders),
        "ClosedOrders": (Kind.LOOKUP, orders.closed_orders),
        "QueryOrders": (Kind.LOOKUP, orders.query_orders),
        "TradesHistory": (Kind.FILLS, orders.trades),
    }
    return [
        *(
            exchange.route(NAME, "GET", f"/0/public/{name}", Kind.QUERY, handler)
            for name, handler in public.items()
        ),
        *(
            exchange.route(NAME, "POST", f"/0/private/{name}", kind, _signed(handler))
            for name, (kind, handler) in private.items()
        ),
    ]


def _kind_of_open_orders(params: Mapping[str, Any]) -> Kind:
    return Kind.LOOKUP if "cl_ord_id" in params else Kind.OPEN_ORDERS


def _signed(handler: Handler) -> Handler:
    """A private call: with a known key, and a nonce above the key's last one."""

    def act(call: Call) -> Reply:
        key, engine = call.account, call.engine
        assert isinstance(engine, KrakenEngine)
        nonce = int(call.params.get("nonce", 0))
        if nonce <= engine.nonces.get(key, 0):
            return Reply({"error": ["EAPI:Invalid nonce"]})
        engine.nonces[key] = nonce
        return handler(call)

    return act
