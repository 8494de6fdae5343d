"""Alpaca's market: its clock, calendar and assets, and the data API's bars and last prices."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from tests.venues.lying_exchange.alpaca_engine import (
    CLOSES,
    NEW_YORK,
    OPENS,
    AlpacaEngine,
    is_session,
)
from tests.venues.lying_exchange.alpaca_words import (
    Said,
    asset_id,
    engine_of,
    engine_symbol,
    is_stock,
    iso,
    said_symbol,
)
from tests.venues.lying_exchange.candles import Candle
from tests.venues.lying_exchange.records import Refused
from tests.venues.lying_exchange.wire import Reply

if TYPE_CHECKING:
    from tests.venues.lying_exchange.server import Call

UNITS = {
    "Min": timedelta(minutes=1),
    "Hour": timedelta(hours=1),
    "Day": timedelta(days=1),
    "Week": timedelta(weeks=1),
}
BARS_MAX = 10_000


def clock(call: Call) -> Reply:
    """The hour in New York, and whether stocks trade: as the test set it."""
    engine, _ = engine_of(call), call.account
    now = engine.now()
    return Reply(
        {
            "timestamp": now.astimezone(NEW_YORK).isoformat(),
            "is_open": engine.market_open,
            "next_open": engine.next_open(now).isoformat(),
            "next_close": engine.next_close(now).isoformat(),
        }
    )


def calendar(call: Call) -> Reply:
    """Every weekday from `start` to `end`, in New York's hours."""
    today = call.engine.now().astimezone(NEW_YORK).date()
    start, end = (
        date.fromisoformat(text[:10]) if (text := call.params.get(name)) else other
        for name, other in (("start", today), ("end", today + timedelta(days=365)))
    )
    days = (start + timedelta(days=days) for days in range((end - start).days + 1))
    hours = {"open": f"{OPENS:%H:%M}", "close": f"{CLOSES:%H:%M}"}
    session = {"session_open": "0400", "session_close": "2000"}
    return Reply([{"date": d.isoformat(), **hours, **session} for d in days if is_session(d)])


def assets(call: Call) -> Reply:
    """Everything that can be traded."""
    wanted = call.params.get("asset_class")
    told = [_asset(engine_of(call), symbol) for symbol in call.engine.instruments]
    return Reply([asset for asset in told if wanted in (None, asset["class"])])


def asset(call: Call) -> Reply:
    """One asset; raises Refused."""
    engine, name = engine_of(call), call.params["symbol"]
    try:
        return Reply(_asset(engine, engine_symbol(engine, name)))
    except Refused as refused:
        raise Said(404, 40410000, f"asset not found for {name}") from refused


def _asset(engine: AlpacaEngine, symbol: str) -> dict[str, Any]:
    instrument, stock = engine.instruments[symbol], is_stock(symbol)
    told = {
        "id": asset_id(symbol),
        "class": "us_equity" if stock else "crypto",
        "exchange": "NASDAQ" if stock else "CRYPTO",
        "symbol": said_symbol(symbol),
        "name": said_symbol(symbol),
        "status": "active",
        "tradable": True,
        "marginable": stock,
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": True,
        "attributes": [],
    }
    steps = {
        "min_order_size": instrument.qty_min,
        "min_trade_increment": instrument.qty_step,
        "price_increment": instrument.px_step,
    }
    return told if stock else told | steps


def bars(call: Call) -> Reply:
    """Up to `limit` bars, all symbols together, and a token for more; the numbers are floats."""
    engine, params = engine_of(call), call.params
    interval, now = _interval(params["timeframe"]), engine.now()
    start = _time(params.get("start")) or now.astimezone(UTC).replace(hour=0, minute=0, second=0)
    end = min(_time(params.get("end")) or now, now)
    rows = [
        (name, bar)
        for name in params["symbols"].split(",")
        for bar in _bars(engine, engine_symbol(engine, name), interval, start, end)
    ]
    if params.get("sort") == "desc":
        rows.reverse()
    first = int(params.get("page_token") or 0)
    last = first + min(int(params.get("limit") or 1000), BARS_MAX)
    told: dict[str, list[dict[str, Any]]] = {}
    for name, bar in rows[first:last]:
        told.setdefault(name, []).append(bar)
    return Reply({"bars": told, "next_page_token": str(last) if last < len(rows) else None})


def _bars(
    engine: AlpacaEngine, symbol: str, interval: timedelta, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    count = min(max((end - start) // interval + 2, 0), 10 * BARS_MAX)
    stamped = [
        (_stamp(symbol, candle.ts_open, interval), candle)
        for candle in engine.candles(symbol, interval, start - interval, count)
    ]
    return [_bar(at, candle) for at, candle in stamped if at is not None and start <= at <= end]


def _stamp(symbol: str, at: datetime, interval: timedelta) -> datetime | None:
    """When a bar of this asset opens; None where it has no bar: stocks sleep."""
    if not is_stock(symbol):
        return at
    if interval >= timedelta(days=1):
        day = at.date()
        midnight = datetime.combine(day, time(0), NEW_YORK).astimezone(UTC)
        return midnight if is_session(day) or interval > timedelta(days=1) else None
    local = at.astimezone(NEW_YORK)
    return at if is_session(local.date()) and OPENS <= local.time() < CLOSES else None


def _bar(at: datetime, candle: Candle) -> dict[str, Any]:
    numbers = {"o": candle.open, "h": candle.high, "l": candle.low, "c": candle.close}
    told = {name: float(px) for name, px in numbers.items()}
    return {"t": _seconds(at), **told, "v": float(candle.volume), "n": 100, "vw": told["c"]}


def latest_trades(call: Call) -> Reply:
    """The last price of several symbols."""
    return _latest(call, "trades", lambda px: {"p": px, "s": 1.0, "i": 1, "x": "V", "c": []})


def latest_quotes(call: Call) -> Reply:
    """The same price on both sides: there is no spread."""
    return _latest(call, "quotes", lambda px: {"ap": px, "as": 1.0, "bp": px, "bs": 1.0, "c": []})


def _latest(call: Call, what: str, told: Any) -> Reply:  # noqa: ANN401
    engine = engine_of(call)
    now = iso(engine.now())
    names = call.params["symbols"].split(",")
    prices = {name: float(engine.price(engine_symbol(engine, name))) for name in names}
    return Reply({what: {name: {"t": now, **told(px)} for name, px in prices.items()}})


def _interval(timeframe: str) -> timedelta:
    """`5Min` is five minutes."""
    number = "".join(letter for letter in timeframe if letter.isdigit())
    return int(number or 1) * UNITS[timeframe.removeprefix(number)]


def _seconds(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
