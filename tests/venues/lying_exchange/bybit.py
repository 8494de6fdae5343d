"""Bybit v5 spot on a unified account, as ccxt speaks to it: `/bybit/v5`.

A client id is unique for ever; cancels and amendments are acknowledged, not confirmed; an
order that was canceled without a fill is in the history for a day only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.lying_exchange.bybit_words import (
    PLAIN_FILTER,
    decimal_of,
    execution_json,
    exit_legs,
    instrument_json,
    ms,
    new_order,
    ok,
    order_json,
    refuse,
    transfer_json,
)
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import Kind
from tests.venues.lying_exchange.records import Dedupe, Fill, Instrument, Order, Refused, Rules, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call, LyingExchange

__all__ = ["api_key", "make_engine", "refuse", "routes"]
NAME = "bybit"
FIRST_ID = 1_900_000_000_000_000_000
RECV_WINDOW_MS = 5000
AHEAD_MS = 1000  # a request may be this far in our future
CANCELED_KEPT = timedelta(days=1)
WINDOW_MAX_MS = 7 * 86_400_000
RECENT = 500  # how many closed orders the realtime endpoint still knows
MINUTES = {"D": 1440, "W": 10_080}
CANDLES = 200


def make_engine(clock: Callable[[], datetime]) -> Engine:
    """BTC/USDT at 50000 and ETH/USDT at 2500, with Bybit's steps."""
    instruments = [
        Instrument(
            symbol=symbol,
            px_step=Decimal(px_step),
            qty_step=Decimal(qty_step),
            qty_min=Decimal(qty_min),
            notional_min=Decimal(5),
        )
        for symbol, px_step, qty_step, qty_min in (
            ("BTC/USDT", "0.1", "0.000001", "0.000011"),
            ("ETH/USDT", "0.01", "0.00001", "0.00021"),
        )
    ]
    rules = Rules(
        dedupe=Dedupe.FOREVER,
        order_id=lambda number: str(FIRST_ID + number),
        trade_id=lambda number: str(FIRST_ID + number),
        post_only_cancels=True,
    )
    engine = Engine(instruments, rules, clock)
    engine.set_price("BTC/USDT", 50_000)
    engine.set_price("ETH/USDT", 2_500)
    return engine


def api_key(headers: Mapping[str, str], params: Mapping[str, Any]) -> str | None:
    """Find the key in its header."""
    return headers.get("X-BAPI-API-KEY")


def routes(exchange: LyingExchange) -> list[web.RouteDef]:
    """Every route under `/bybit`."""

    def open_(path: str, handler: Callable[[Call], Reply]) -> web.RouteDef:
        return exchange.route(NAME, "GET", f"/v5/{path}", Kind.QUERY, handler)

    def signed(
        method: str,
        path: str,
        kind: Kind | Callable[[Mapping[str, Any]], Kind],
        handler: Callable[[Call], Reply],
    ) -> web.RouteDef:
        return exchange.route(
            NAME, method, f"/v5/{path}", kind, lambda call: handler(_in_time(call))
        )

    return [
        open_("market/time", _time),
        open_("market/instruments-info", _instruments),
        open_("market/tickers", _tickers),
        open_("market/kline", _candles),
        signed("GET", "user/query-api", Kind.QUERY, _key_info),
        signed("GET", "account/info", Kind.QUERY, _account_info),
        signed("GET", "account/wallet-balance", Kind.QUERY, _wallet),
        signed("GET", "asset/coin/query-info", Kind.QUERY, _coins),
        signed("GET", "asset/deposit/query-record", Kind.QUERY, _deposits),
        signed("GET", "asset/withdraw/query-record", Kind.QUERY, _withdrawals),
        signed("POST", "order/create", Kind.SUBMIT, _submit),
        signed("POST", "order/amend", Kind.AMEND, _amend),
        signed("POST", "order/cancel", Kind.CANCEL, _cancel),
        signed("POST", "order/cancel-all", Kind.CANCEL, _cancel_all),
        signed("GET", "order/realtime", _kind_of_listing, _realtime),
        signed("GET", "order/history", Kind.LOOKUP, _history),
        signed("GET", "execution/list", Kind.FILLS, _executions),
    ]


def _kind_of_listing(params: Mapping[str, Any]) -> Kind:
    """The endpoint of the open orders is a lookup when it is asked for one of them."""
    named = params.get("orderLinkId") or params.get("orderId")
    return Kind.LOOKUP if named else Kind.OPEN_ORDERS


def _in_time(call: Call) -> Call:
    """Refuse a key that is not known, and a request that is not signed or from another time."""
    _ = call.account
    stamp, signature = (call.headers.get(f"X-BAPI-{n}") for n in ("TIMESTAMP", "SIGN"))
    if stamp is None or signature is None:
        raise Refused(Why.BAD_PARAMETER)
    age_ms = ms(call.engine.now()) - int(stamp)
    window_ms = int(call.headers.get("X-BAPI-RECV-WINDOW", RECV_WINDOW_MS))
    if not -AHEAD_MS < age_ms <= window_ms:
        raise Refused(Why.CLOCK)
    return call


# Market data


def _time(call: Call) -> Reply:
    now = call.engine.now()
    seconds = int(now.timestamp())
    return ok({"timeSecond": str(seconds), "timeNano": str(ms(now) * 1_000_000)}, now)


def _instruments(call: Call) -> Reply:
    """Spot only: there are no futures and no options here."""
    spot = call.params.get("category") == "spot"
    found = [instrument_json(one) for one in call.engine.instruments.values() if spot]
    result = {"category": call.params.get("category"), "list": found, "nextPageCursor": ""}
    return ok(result, call.engine.now())


def _tickers(call: Call) -> Reply:
    """The last price is all there is: it is bid and ask too."""
    wanted = call.params.get("symbol")
    found = []
    for instrument in call.engine.instruments.values():
        if wanted in (None, instrument.joined):
            last = call.engine.price(instrument.symbol)
            names = ("lastPrice", "bid1Price", "ask1Price", "highPrice24h", "lowPrice24h")
            quantities = dict.fromkeys(("bid1Size", "ask1Size", "volume24h"), "1")
            prices = dict.fromkeys((*names, "prevPrice24h", "turnover24h"), last)
            found.append({"symbol": instrument.joined, **prices, **quantities})
    return ok({"category": "spot", "list": found}, call.engine.now())


def _candles(call: Call) -> Reply:
    """Newest first, as Bybit lists them."""
    text = call.params["interval"]
    interval = timedelta(minutes=MINUTES.get(text) or int(text))
    limit, now = int(call.params.get("limit", CANDLES)), call.engine.now()
    symbol = call.engine.instrument(call.params["symbol"]).symbol
    start = now - limit * interval
    if "start" in call.params:
        start = datetime.fromtimestamp(int(call.params["start"]) / 1000, UTC)
    found = call.engine.candles(symbol, interval, start, limit)
    rows = [
        [str(ms(c.ts_open)), c.open, c.high, c.low, c.close, c.volume, c.volume * c.close]
        for c in reversed(found)
    ]
    return ok({"category": "spot", "symbol": call.params["symbol"], "list": rows}, now)


# The account


def _key_info(call: Call) -> Reply:
    info = {"id": "1", "apiKey": call.account, "readOnly": 0, "unified": 0, "uta": 1}
    rights = call.engine.rights(call.account)
    spot = ["SpotTrade"] if "trade" in rights else []
    wallet = ["AccountTransfer", *(["Withdraw"] if "withdraw" in rights else [])]
    info |= {"permissions": {"Spot": spot, "Wallet": wallet, "Options": []}}
    return ok(info | {"userID": sum(call.account.encode()), "isMaster": True}, call.engine.now())


def _account_info(call: Call) -> Reply:
    info = {"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6, "dcpStatus": "OFF"}
    return ok(info, call.engine.now())


def _wallet(call: Call) -> Reply:
    coins = [
        {
            "coin": ccy,
            "walletBalance": have.total,
            "equity": have.total,
            "locked": have.locked,
            "availableToWithdraw": "",
            "borrowAmount": "0",
            "accruedInterest": "0",
            "totalOrderIM": "0",
            "totalPositionIM": "0",
        }
        for ccy, have in call.engine.balances(call.account).items()
    ]
    account = {"accountType": "UNIFIED", "coin": coins}
    return ok({"list": [account]}, call.engine.now())


def _coins(call: Call) -> Reply:
    known = call.engine.balances(call.account)
    rows = [{"name": ccy, "coin": ccy, "remainAmount": "9000000", "chains": []} for ccy in known]
    return ok({"rows": rows}, call.engine.now())


def _deposits(call: Call) -> Reply:
    return _transfers(call, lambda amount: amount > 0)


def _withdrawals(call: Call) -> Reply:
    return _transfers(call, lambda amount: amount < 0)


def _transfers(call: Call, wanted: Callable[[Decimal], bool]) -> Reply:
    coin = call.params.get("coin")
    rows = [
        transfer_json(done)
        for done in reversed(call.engine.transfers(call.account))
        if wanted(done.amount) and coin in (None, done.ccy) and _in_window(call, done.at)
    ]
    return _page(call, rows, "rows")


# Orders


def _submit(call: Call) -> Reply:
    symbol = call.engine.instrument(call.params["symbol"]).symbol
    asked = new_order(call.params, symbol, call.engine.price(symbol))
    legs = exit_legs(call.params, asked)
    if legs:
        group_id = f"group-{len(call.engine.orders())}"
        order = call.engine.place_bracket(call.account, asked, legs, group_id)[0]
    else:
        order = call.engine.place(call.account, asked)
    return _acknowledged(order, call)


def _acknowledged(order: Order, call: Call) -> Reply:
    ids = {"orderId": order.order_id, "orderLinkId": order.client_id or ""}
    return ok(ids, call.engine.now())


def _named(call: Call) -> Order:
    """The order of an amendment or a cancel, as far as this request can see it."""
    order_id, client_id = call.params.get("orderId"), call.params.get("orderLinkId")
    order = call.view.find(order_id=order_id, client_id=client_id)
    if order is None:
        raise Refused(Why.UNKNOWN_ORDER)
    return order


def _amend(call: Call) -> Reply:
    order = call.engine.amend(
        _named(call).order_id,
        qty=decimal_of(call.params, "qty"),
        limit_px=decimal_of(call.params, "price"),
        stop_px=decimal_of(call.params, "triggerPrice"),
    )
    return _acknowledged(order, call)


def _cancel(call: Call) -> Reply:
    order = _named(call)
    # A stop that waits is another kind of order: one has to say that one means it.
    filter_ = order.memo.get("filter", PLAIN_FILTER) if order.waits else PLAIN_FILTER
    if order.open and call.params.get("orderFilter", PLAIN_FILTER) != filter_:
        raise Refused(Why.UNKNOWN_ORDER)
    return _acknowledged(call.engine.cancel(order.order_id), call)


def _cancel_all(call: Call) -> Reply:
    symbol = call.params.get("symbol")
    wanted = call.engine.instrument(symbol).symbol if symbol else None
    for order in call.engine.open_orders(call.account, wanted):
        now = call.engine.order(order.order_id)
        if now is not None and now.open:
            call.engine.cancel(order.order_id)
    return ok({"success": "1"}, call.engine.now())


def _realtime(call: Call) -> Reply:
    """The open orders; one that is named, or `openOnly=1`, also among the last that closed."""
    if _kind_of_listing(call.params) is Kind.LOOKUP or call.params.get("openOnly") == "1":
        found = call.view.orders()[-RECENT:]
    else:
        found = call.view.open_orders()
    return _listed(call, found)


def _history(call: Call) -> Reply:
    """What has closed; what was canceled without a fill is forgotten after a day."""
    now = call.engine.now()
    found = [
        order
        for order in call.view.orders()
        if not order.open and _in_window(call, order.created)
        if order.cum_qty or now - order.updated < CANCELED_KEPT
    ]
    return _listed(call, found)


def _listed(call: Call, orders: Iterable[Order]) -> Reply:
    """The orders that were asked for, newest first."""
    wanted = {name: call.params.get(name) for name in ("orderId", "orderLinkId", "symbol")}
    wanted["orderStatus"] = call.params.get("orderStatus")
    filter_ = call.params.get("orderFilter")
    fills: dict[str, list[Fill]] = {}
    for fill in call.engine.fills(call.account):
        fills.setdefault(fill.order_id, []).append(fill)
    rows = [
        order_json(order, fills.get(order.order_id, ()))
        for order in sorted(orders, key=lambda order: order.created, reverse=True)
        if filter_ in (None, order.memo.get("filter"))
    ]
    return _page(call, [row for row in rows if _is(row, wanted)])


def _is(row: Mapping[str, Any], wanted: Mapping[str, str | None]) -> bool:
    return all(value in (None, row[name]) for name, value in wanted.items())


def _executions(call: Call) -> Reply:
    """Newest first; ccxt asks for `execType=Trade`, which leaves liquidations out."""
    rate = call.engine.fees(call.account).rate
    wanted = {name: call.params.get(name) for name in ("symbol", "orderId", "orderLinkId")}
    wanted["execType"] = call.params.get("execType")
    orders = {order.order_id: order for order in call.engine.orders(call.account)}
    rows = [
        execution_json(fill, orders[fill.order_id], rate)
        for fill in reversed(call.view.fills())
        if _in_window(call, fill.at)
    ]
    return _page(call, [row for row in rows if _is(row, wanted)])


def _in_window(call: Call, at: datetime) -> bool:
    """Whether a time is in the window that was asked for: a week at most, the last by default."""
    start, end = (call.params.get(name) for name in ("startTime", "endTime"))
    if start and end and int(end) - int(start) > WINDOW_MAX_MS:
        raise Refused(Why.WINDOW_TOO_LONG)
    last = int(end) if end else int(start) + WINDOW_MAX_MS if start else ms(call.engine.now())
    return (int(start) if start else last - WINDOW_MAX_MS) <= ms(at) <= last


def _page(call: Call, rows: Sequence[Mapping[str, Any]], name: str = "list") -> Reply:
    """One page; the cursor is where the next one starts."""
    first, limit = int(call.params.get("cursor") or 0), int(call.params.get("limit", 50))
    more = str(first + limit) if first + limit < len(rows) else ""
    result = {"category": "spot", name: list(rows[first : first + limit]), "nextPageCursor": more}
    return ok(result, call.engine.now())
