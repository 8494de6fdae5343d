"""What Binance tells of its markets, and of an account apart from its orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from tests.venues.lying_exchange.binance_words import (
    at_ms,
    eight,
    kline_json,
    ms,
    symbol_json,
)
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.records import Fill, Instrument, Order, Refused, Transfer, Why
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

Listed = TypeVar("Listed", Order, Fill, Transfer)
DAY_MS = 86_400_000
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
PAGE = 500

# Market data


def exchange_info(call: Call) -> Reply:
    """What is traded, in which steps."""
    symbols = [symbol_json(instrument) for instrument in call.engine.instruments.values()]
    return Reply({"timezone": "UTC", "serverTime": ms(call.engine.now()), "symbols": symbols})


def klines(call: Call) -> Reply:
    """Candles, oldest first."""
    text = call.params["interval"]
    interval = timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
    limit = int(call.params.get("limit", PAGE))
    now = call.engine.now()
    start = at_ms(call.params["startTime"]) if "startTime" in call.params else None
    symbol = call.engine.instrument(call.params["symbol"]).symbol
    # Without a start it is the newest; the running candle opened less than an interval ago.
    found = call.engine.candles(symbol, interval, start or now - limit * interval, limit)
    end_ms = int(call.params.get("endTime", ms(now)))
    return Reply(
        [kline_json(c, ms(c.ts_open + interval)) for c in found if ms(c.ts_open) <= end_ms]
    )


def ticker(call: Call) -> Reply:
    """The last price is all there is: it is bid, ask and average too."""
    if "symbol" in call.params:
        instrument = call.engine.instrument(call.params["symbol"])
        return Reply(_ticker_json(call.engine, instrument))
    return Reply([_ticker_json(call.engine, one) for one in call.engine.instruments.values()])


def _ticker_json(engine: Engine, instrument: Instrument) -> dict[str, Any]:
    last, now_ms = eight(engine.price(instrument.symbol)), ms(engine.now())
    prices = ("lastPrice", "bidPrice", "askPrice", "openPrice", "highPrice", "lowPrice")
    quantities = ("bidQty", "askQty", "lastQty", "volume")
    return {
        "symbol": instrument.joined,
        **dict.fromkeys(prices, last),
        "weightedAvgPrice": last,
        **dict.fromkeys(quantities, eight(Decimal(1))),
        "priceChange": eight(None),
        "priceChangePercent": "0.000",
        "quoteVolume": last,
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "count": 1,
    }


# The account


def account(call: Call) -> Reply:
    """The account's money."""
    rate = eight(call.engine.fees(call.account).rate)
    balances = call.engine.balances(call.account)
    return Reply(
        {
            "commissionRates": {"maker": rate, "taker": rate, "buyer": "0", "seller": "0"},
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "updateTime": ms(call.engine.now()),
            "accountType": "SPOT",
            "balances": [
                {"asset": ccy, "free": eight(have.free), "locked": eight(have.locked)}
                for ccy, have in balances.items()
            ],
            "permissions": ["SPOT"],
            "uid": sum(call.account.encode()),
        }
    )


def api_restrictions(call: Call) -> Reply:
    """What the key may do."""
    rights = call.engine.rights(call.account)
    may = {"enableReading": True, "enableSpotAndMarginTrading": "trade" in rights}
    return Reply(may | {"enableWithdrawals": "withdraw" in rights, "ipRestrict": False})


def coins(call: Call) -> Reply:
    """The currencies, and what there is of each."""
    have = call.engine.balances(call.account).items()
    return Reply(
        [
            {
                "coin": ccy,
                "name": ccy,
                "free": eight(balance.free),
                "locked": eight(balance.locked),
                "depositAllEnable": True,
                "withdrawAllEnable": True,
                "trading": True,
                "isLegalMoney": False,
                "networkList": [],
            }
            for ccy, balance in have
        ]
    )


def _transfers(call: Call) -> list[Transfer]:
    mine = call.engine.transfers(call.account)
    coin = call.params.get("coin")
    moved = [done for done in mine if coin in (None, done.ccy)]
    return in_window(call.params, moved, span_ms=90 * DAY_MS)


def deposits(call: Call) -> Reply:
    """What came in."""
    return Reply(
        [
            {
                "id": done.transfer_id,
                "amount": eight(done.amount),
                "coin": done.ccy,
                "network": "ETH",
                "status": 1,
                "address": "0x1",
                "addressTag": "",
                "txId": f"tx-{done.transfer_id}",
                "insertTime": ms(done.at),
                "transferType": 0,
            }
            for done in _transfers(call)
            if done.amount > 0
        ]
    )


def withdrawals(call: Call) -> Reply:
    """What went out."""
    return Reply(
        [
            {
                "id": done.transfer_id,
                "amount": eight(-done.amount),
                "transactionFee": "0",
                "coin": done.ccy,
                "status": 6,
                "address": "0x1",
                "txId": f"tx-{done.transfer_id}",
                "applyTime": f"{done.at:%Y-%m-%d %H:%M:%S}",
                "network": "ETH",
                "transferType": 0,
            }
            for done in _transfers(call)
            if done.amount < 0
        ]
    )


def in_window(
    params: Mapping[str, Any], listed: Sequence[Listed], span_ms: int = DAY_MS
) -> list[Listed]:
    """The first of a window with a start, else the newest; refused where it is too long."""
    start, end = (int(params[n]) if n in params else None for n in ("startTime", "endTime"))
    if start and end and end - start > span_ms:
        raise Refused(Why.WINDOW_TOO_LONG)
    times = [ms(item.created if isinstance(item, Order) else item.at) for item in listed]
    found = [
        item
        for item, at in zip(listed, times, strict=True)
        if (start is None or at >= start) and (end is None or at <= end)
    ]
    limit = int(params.get("limit", PAGE))
    return found[:limit] if start is not None or "fromId" in params else found[-limit:]
