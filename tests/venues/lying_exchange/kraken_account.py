"""Kraken's assets, pairs and prices, and an account's balances, transfers and ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.venues.lying_exchange.kraken_words import (
    ASSETS,
    alt,
    alt_pair,
    answer,
    decimals,
    pair_of,
    symbol_of,
    within,
)
from tests.venues.lying_exchange.records import Instrument
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call


def time(call: Call) -> Reply:
    """The clock, in whole seconds."""
    now = call.engine.now()
    rfc1123 = now.strftime("%a, %d %b %y %H:%M:%S +0000")
    return answer({"unixtime": int(now.timestamp()), "rfc1123": rfc1123})


def assets(call: Call) -> Reply:
    """Every currency under its old name."""
    return answer(
        {
            asset: {
                "aclass": "currency",
                "altname": alt(asset),
                "decimals": 10,
                "display_decimals": 5,
                "status": "enabled",
            }
            for asset in ASSETS.values()
        }
    )


def pairs(call: Call) -> Reply:
    """Every pair under its old name."""
    return answer({pair_of(i.symbol): _told_pair(i) for i in call.engine.instruments.values()})


def _told_pair(instrument: Instrument) -> dict[str, Any]:
    base, quote = ASSETS[instrument.base], ASSETS[instrument.quote]
    return {
        "altname": alt_pair(instrument.symbol),
        "wsname": f"{alt(base)}/{alt(quote)}",
        "aclass_base": "currency",
        "base": base,
        "aclass_quote": "currency",
        "quote": quote,
        "pair_decimals": decimals(instrument.px_step),
        "lot_decimals": decimals(instrument.qty_step),
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.1]],
        "fees_maker": [[0, 0.1]],
        "ordermin": instrument.qty_min,
        "costmin": instrument.notional_min,
        "tick_size": instrument.px_step,
        "status": "online",
    }


def ticker(call: Call) -> Reply:
    """The price of the pairs asked for, or of all; there is no spread."""
    pairs = call.params.get("pair")
    symbols = (
        [symbol_of(call.engine, pair) for pair in pairs.split(",")]
        if pairs
        else call.engine.instruments
    )
    told = {}
    for symbol in symbols:
        px = call.engine.price(symbol)
        best, day = [px, "1", "1.000"], [px, px]
        of_day = {"v": ["0", "0"], "p": day, "t": [0, 0], "l": day, "h": day, "o": px}
        told[pair_of(symbol)] = {"a": best, "b": best, "c": [px, "1"], **of_day}
    return answer(told)


def candles(call: Call) -> Reply:
    """What opened after `since`, or the last 720; the running one is the last."""
    engine, minutes = call.engine, int(call.params.get("interval", 1))
    symbol, interval = symbol_of(engine, call.params["pair"]), timedelta(minutes=minutes)
    since = call.params.get("since")
    start = engine.now() - 720 * interval
    if since is not None:
        start = max(start, datetime.fromtimestamp(int(since) + 1, UTC))
    rows = [
        [int(c.ts_open.timestamp()), c.open, c.high, c.low, c.close, c.close, c.volume, 1]
        for c in engine.candles(symbol, interval, start, 720)
    ]
    return answer({pair_of(symbol): rows, "last": rows[-2][0] if len(rows) > 1 else 0})


def balances(call: Call) -> Reply:
    """What there is of every currency, and what of it is on hold."""
    have = call.engine.balances(call.account)
    told = {ASSETS.get(c, c): {"balance": b.total, "hold_trade": b.locked} for c, b in have.items()}
    return answer(told)


def transfers(call: Call, sign: int) -> Reply:
    """Deposits (`sign` 1) or withdrawals (-1), newest first."""
    asset = call.params.get("asset")
    return answer(
        [
            {
                "method": "Bitcoin",
                "aclass": "currency",
                "asset": ASSETS[done.ccy],
                "refid": done.transfer_id,
                "txid": done.transfer_id,
                "info": "an address",
                "amount": abs(done.amount),
                "fee": "0.00000000",
                "time": int(done.at.timestamp()),
                "status": "Success",
            }
            for done in reversed(call.engine.transfers(call.account))
            if done.amount * sign > 0
            and asset in (None, ASSETS[done.ccy])
            and within(call, done.at)
        ]
    )


def ledger(call: Call) -> Reply:
    """What came and went, newest first; trades are in `TradesHistory`."""
    asset = call.params.get("asset")
    entries = {
        done.transfer_id: {
            "refid": done.transfer_id,
            "time": done.at.timestamp(),
            "type": "deposit" if done.amount > 0 else "withdrawal",
            "aclass": "currency",
            "asset": ASSETS[done.ccy],
            "amount": done.amount,
            "fee": "0.00000000",
            "balance": "0.00000000",
        }
        for done in reversed(call.engine.transfers(call.account))
        if asset in (None, "all", ASSETS[done.ccy]) and within(call, done.at)
    }
    return answer({"ledger": entries, "count": len(entries)})
