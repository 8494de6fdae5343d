"""Alpaca's account: its money and blocks, positions, and activities (fills and all else)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from execution.model.money import ZERO
from tests.venues.lying_exchange.alpaca_engine import Activity, AlpacaEngine
from tests.venues.lying_exchange.alpaca_words import (
    Said,
    asset_id,
    engine_of,
    engine_symbol,
    is_stock,
    iso,
    made_id,
    said_symbol,
    status_of,
    trimmed,
)
from tests.venues.lying_exchange.records import Fill, Transfer
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

BLOCKS = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
PAGE_MAX = 100
TRADES = "FILL"


def account(call: Call) -> Reply:
    """A paper account in cash: nothing is borrowed, so buying power is what is free."""
    engine, key = engine_of(call), call.account
    usd, equity = engine.balances(key)["USD"], engine.equity(key)
    blocks = {flag: flag in engine.blocks[key] for flag in BLOCKS}
    told = {
        "id": made_id("account", key),
        "account_number": f"PA{made_id('number', key)[:8].upper()}",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "cash": usd.total,
        "buying_power": usd.free,
        "regt_buying_power": usd.free,
        "non_marginable_buying_power": usd.free,
        "portfolio_value": equity,
        "equity": equity,
        "last_equity": engine.last_equity[key],
        "long_market_value": equity - usd.total,
        "short_market_value": "0",
        "initial_margin": "0",
        "maintenance_margin": "0",
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": "1",
        "shorting_enabled": False,
        "transfers_blocked": False,
        "created_at": "2026-01-02T14:30:00.000000Z",
        **blocks,
    }
    return Reply(trimmed(told))


def positions(call: Call) -> Reply:
    """Everything that is held."""
    engine = engine_of(call)
    return Reply(list(_positions(engine, call.account).values()))


def position(call: Call) -> Reply:
    """One holding; raises Refused."""
    engine, name = engine_of(call), call.params["symbol"]
    held = _positions(engine, call.account).get(engine_symbol(engine, name))
    if held is None:
        raise Said(404, 40410000, "position does not exist")
    return Reply(held)


def _positions(engine: AlpacaEngine, key: str) -> dict[str, dict[str, Any]]:
    fills = engine.fills(key)
    have = engine.balances(key)
    return {
        symbol: _position(engine, symbol, have[i.base].total, have[i.base].free, fills)
        for symbol, i in engine.instruments.items()
        if have[i.base].total
    }


def _position(
    engine: AlpacaEngine, symbol: str, qty: Decimal, free: Decimal, fills: Iterable[Fill]
) -> dict[str, Any]:
    px = engine.price(symbol)
    entry_px = _entry_px([fill for fill in fills if fill.symbol == symbol], px)
    gain, gain_rate = qty * (px - entry_px), px / entry_px - 1
    told = {
        "asset_id": asset_id(symbol),
        "symbol": said_symbol(symbol).replace("/", ""),  # orders have the slash, positions not
        "exchange": "NASDAQ" if is_stock(symbol) else "CRYPTO",
        "asset_class": "us_equity" if is_stock(symbol) else "crypto",
        "asset_marginable": False,
        "avg_entry_price": entry_px,
        "qty": qty,
        "qty_available": free,
        "side": "long",
        "market_value": qty * px,
        "cost_basis": qty * entry_px,
        "unrealized_pl": gain,
        "unrealized_plpc": gain_rate,
        "unrealized_intraday_pl": gain,
        "unrealized_intraday_plpc": gain_rate,
        "current_price": px,
        "lastday_price": px,
        "change_today": "0",
    }
    return trimmed(told)


def _entry_px(fills: Iterable[Fill], px: Decimal) -> Decimal:
    """The average price of what was bought and is still held; `px` without a purchase."""
    qty = cost = ZERO
    for fill in fills:
        if fill.side.sign > 0:
            qty, cost = qty + fill.qty, cost + fill.notional
        elif qty:
            sold = min(fill.qty, qty)
            qty, cost = qty - sold, cost * (qty - sold) / qty
    return cost / qty if qty else px


def activities(call: Call) -> Reply:
    """Newest first unless `direction` says otherwise; a page ends at an id, the next's token."""
    engine, params = engine_of(call), call.params
    types = {t for t in params.get("activity_types", params.get("type", "")).split(",") if t}
    after, until = (_time(params.get(name)) for name in ("after", "until"))
    rows: list[tuple[datetime, dict[str, Any]]] = []
    if not types or TRADES in types:
        done = _done_with(engine.fills(call.account))
        rows += [(f.at, _fill_json(engine, f, done[f.trade_id])) for f in call.view.fills()]
    others = _others(engine, call.account)
    rows += [(o.at, _other_json(o)) for o in others if not types or o.type in types]
    chosen = [
        row for at, row in rows if (after is None or at > after) and (until is None or at <= until)
    ]
    falling = params.get("direction", "desc") == "desc"
    if falling:
        chosen.reverse()
    token = params.get("page_token")
    if token:
        chosen = [row for row in chosen if (row["id"] < token if falling else row["id"] > token)]
    return Reply(chosen[: min(int(params.get("page_size", PAGE_MAX)), PAGE_MAX)])


def _done_with(fills: Iterable[Fill]) -> dict[str, Decimal]:
    """By trade: how much of its order was filled with it."""
    of_order: dict[str, Decimal] = {}
    of_trade: dict[str, Decimal] = {}
    for fill in fills:
        of_order[fill.order_id] = of_order.get(fill.order_id, ZERO) + fill.qty
        of_trade[fill.trade_id] = of_order[fill.order_id]
    return of_trade


def _fill_json(engine: AlpacaEngine, fill: Fill, done: Decimal) -> dict[str, Any]:
    """A trade; its fee is not in it but an activity of its own."""
    order = engine.order(fill.order_id)
    assert order is not None
    told = {
        "id": _activity_id(fill.at, fill.trade_id),
        "activity_type": TRADES,
        "transaction_time": iso(fill.at),
        "type": "fill" if done == order.qty else "partial_fill",
        "price": fill.px,
        "qty": fill.qty,
        "side": fill.side,
        "symbol": said_symbol(fill.symbol),
        "leaves_qty": order.qty - done,
        "order_id": fill.order_id,
        "cum_qty": done,
        "order_status": status_of(engine, order),
    }
    return trimmed(told)


def _others(engine: AlpacaEngine, key: str) -> list[Activity]:
    """What was scripted, and what follows from transfers and from the fees of coins."""
    made = [done for account, done in engine.activities if account == key]
    made += [_of_transfer(done) for done in engine.transfers(key)]
    made += [_of_fee(fill) for fill in engine.fills(key) if fill.fee]
    return sorted(made, key=lambda done: done.at)


def _of_transfer(done: Transfer) -> Activity:
    cash = done.ccy == "USD"
    return Activity(
        activity_id=made_id(done.transfer_id),
        type=("CSD" if done.amount > 0 else "CSW") if cash else "MISC",
        net=done.amount if cash else ZERO,
        at=done.at,
        symbol=None if cash else f"{done.ccy}USD",
        fields={} if cash else {"qty": done.amount},
    )


def _of_fee(fill: Fill) -> Activity:
    """A coin's fee: dollars, or a part of the coin that was bought."""
    in_dollars = fill.fee_ccy == "USD"
    return Activity(
        activity_id=made_id("fee", fill.trade_id),
        type="CFEE",
        net=-fill.fee if in_dollars else ZERO,
        at=fill.at,
        symbol=fill.symbol.replace("/", ""),
        fields={} if in_dollars else {"qty": -fill.fee, "price": fill.px},
    )


def _other_json(done: Activity) -> dict[str, Any]:
    told = {
        "id": _activity_id(done.at, done.activity_id),
        "activity_type": done.type,
        "date": f"{done.at:%Y-%m-%d}",
        "net_amount": done.net,
        "description": "",
        "status": "executed",
        **({"symbol": done.symbol} if done.symbol else {}),
        **done.fields,
    }
    return trimmed(told)


def _activity_id(at: datetime, id_: str) -> str:
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{id_}"


def _time(text: str | None) -> datetime | None:
    """A time or a date; without a zone it is UTC."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
