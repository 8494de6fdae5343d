"""Coinbase's products and prices, and an account's balances, fees and transfers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.venues.lying_exchange.coinbase_words import (
    account_id,
    instrument,
    iso,
    made_id,
    product_id,
)
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.records import Instrument, Transfer
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

FIAT = frozenset({"USD"})
GRANULARITIES = {
    "ONE_MINUTE": timedelta(minutes=1),
    "FIVE_MINUTE": timedelta(minutes=5),
    "FIFTEEN_MINUTE": timedelta(minutes=15),
    "THIRTY_MINUTE": timedelta(minutes=30),
    "ONE_HOUR": timedelta(hours=1),
    "TWO_HOUR": timedelta(hours=2),
    "SIX_HOUR": timedelta(hours=6),
    "ONE_DAY": timedelta(days=1),
}


def time_v2(call: Call) -> Reply:
    """The clock, in whole seconds."""
    now = call.engine.now()
    return Reply({"data": {"epoch": int(now.timestamp()), "iso": iso(now)}})


def time_v3(call: Call) -> Reply:
    """The clock, in milliseconds."""
    now = call.engine.now().timestamp()
    millis = {"epochSeconds": str(int(now)), "epochMillis": str(int(now * 1000))}
    return Reply({"iso": iso(call.engine.now()), **millis})


def fiat(call: Call) -> Reply:
    """Currencies that are money."""
    return Reply({"data": [{"id": ccy, "name": ccy, "min_size": "0.01"} for ccy in FIAT]})


def crypto(call: Call) -> Reply:
    """Currencies that are coins."""
    coins = {i.base for i in call.engine.instruments.values()} | {"USDC"}
    named = [
        {"asset_id": made_id(c), "code": c, "name": c, "type": "crypto"} for c in sorted(coins)
    ]
    return Reply({"data": named})


def rates(call: Call) -> Reply:
    """Nothing is converted here: a dollar is a dollar."""
    return Reply({"data": {"currency": "USD", "rates": {"USD": "1.0"}}})


def products(call: Call) -> Reply:
    """Every pair; no futures."""
    futures = call.params.get("product_type") == "FUTURE"
    instruments = [] if futures else list(call.engine.instruments.values())
    listed = [_product(call.engine, one) for one in instruments]
    return Reply({"products": listed, "num_products": len(listed)})


def one_product(call: Call) -> Reply:
    """One pair."""
    return Reply(_product(call.engine, instrument(call)))


def _product(engine: Engine, traded: Instrument) -> dict[str, Any]:
    return {
        "product_id": product_id(traded.symbol),
        "price": engine.price(traded.symbol),
        "base_increment": traded.qty_step,
        "quote_increment": traded.px_step,
        "price_increment": traded.px_step,
        "base_min_size": traded.qty_min,
        "base_max_size": "3400",
        "quote_min_size": traded.notional_min,
        "quote_max_size": "150000000",
        "base_currency_id": traded.base,
        "quote_currency_id": traded.quote,
        "product_type": "SPOT",
        "status": "online",
        "trading_disabled": False,
        "is_disabled": False,
        "alias": "",
        "alias_to": [],
    }


def candles(call: Call) -> Reply:
    """From `start` to `end`, newest first."""
    start, end = (datetime.fromtimestamp(int(call.params[e]), UTC) for e in ("start", "end"))
    interval = GRANULARITIES[call.params["granularity"]]
    opened = call.engine.candles(instrument(call).symbol, interval, start, 350)
    listed = [
        {
            "start": str(int(candle.ts_open.timestamp())),
            "low": candle.low,
            "high": candle.high,
            "open": candle.open,
            "close": candle.close,
            "volume": candle.volume,
        }
        for candle in reversed(opened)
        if candle.ts_open <= end
    ]
    return Reply({"candles": listed})


def ticker(call: Call) -> Reply:
    """The last price; there is no spread."""
    px, now = call.engine.price(instrument(call).symbol), call.engine.now()
    trade = {
        "trade_id": str(int(now.timestamp() * 1000)),
        "product_id": call.params["product_id"],
        "price": px,
        "size": "1",
        "time": iso(now),
        "side": "BUY",
    }
    return Reply({"trades": [trade], "best_bid": px, "best_ask": px})


def permissions(call: Call) -> Reply:
    """What the key may do, and whose it is."""
    rights = call.engine.rights(call.account)
    can = {"can_view": True, "can_trade": "trade" in rights, "can_transfer": "withdraw" in rights}
    portfolio = {"portfolio_uuid": made_id(call.account), "portfolio_type": "DEFAULT"}
    return Reply(can | portfolio)


def fee_tier(call: Call) -> Reply:
    """The account's fees, as fractions."""
    rate = call.engine.fees(call.account).rate
    tier = {"pricing_tier": "Advanced 1", "taker_fee_rate": rate, "maker_fee_rate": rate}
    return Reply({"fee_tier": tier, "total_balance": ""})


def accounts_v2(call: Call) -> Reply:
    """What is locked is not told here: this balance is the total."""
    listed = [
        {
            "id": account_id(call.account, ccy),
            "name": f"{ccy} Wallet",
            "primary": False,
            "type": "fiat" if ccy in FIAT else "wallet",
            "currency": {"code": ccy, "name": ccy, "type": "fiat" if ccy in FIAT else "crypto"},
            "balance": {"amount": balance.total, "currency": ccy},
            "resource": "account",
        }
        for ccy, balance in call.engine.balances(call.account).items()
    ]
    return Reply({"pagination": {"next_starting_after": None}, "data": listed})


def accounts_v3(call: Call) -> Reply:
    """What is free and what is on hold, by currency."""
    listed = [
        {
            "uuid": account_id(call.account, ccy),
            "name": f"{ccy} Wallet",
            "currency": ccy,
            "available_balance": {"value": balance.free, "currency": ccy},
            "hold": {"value": balance.locked, "currency": ccy},
            "default": True,
            "active": True,
            "type": "ACCOUNT_TYPE_FIAT" if ccy in FIAT else "ACCOUNT_TYPE_CRYPTO",
            "ready": True,
        }
        for ccy, balance in call.engine.balances(call.account).items()
    ]
    return Reply({"accounts": listed, "has_next": False, "cursor": "", "size": len(listed)})


def transfers(call: Call) -> Reply:
    """`transactions` are all of one currency's; `deposits` and `withdrawals` are of fiat only."""
    wanted, what = call.params["account_id"], call.params["what"]
    listed = []
    for done in reversed(call.engine.transfers(call.account)):
        resource = "deposits" if done.amount > 0 else "withdrawals"
        fits = what == "transactions" or (what == resource and done.ccy in FIAT)
        if fits and wanted == account_id(call.account, done.ccy):
            listed.append(_transfer(done, what.removesuffix("s")))
    return Reply({"pagination": {"next_starting_after": None}, "data": listed})


def _transfer(done: Transfer, resource: str) -> dict[str, Any]:
    amount = done.amount if resource == "transaction" else abs(done.amount)
    return {
        "id": made_id(done.transfer_id),
        "type": "send" if resource == "transaction" else "",
        "status": "completed",
        "amount": {"amount": amount, "currency": done.ccy},
        "fee": {"amount": "0.00", "currency": done.ccy},
        "network": {"status": "confirmed", "network_name": "ethereum"},
        "created_at": iso(done.at),
        "updated_at": iso(done.at),
        "resource": resource,
        "committed": True,
    }
