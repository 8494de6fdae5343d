"""What only the venue and the feed can tell: symbols, rights of the keys, clock, balances."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from execution.errors import VenueUnavailable
from execution.model.enums import RunMode
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from execution.model.money import ZERO
from execution.model.symbols import resolve
from execution.monitoring import health
from execution.monitoring.health import Line, warned, well
from execution.venues.base import Venue
from tasks import wiring
from tasks.config import ALPACA, CCXT_PREFIX, RunConfig
from tasks.limit_symbols import require_known_symbols

RIGHTS, CLOCK, BALANCES = ASKED = ("rights of the keys", "clock", "balances")

Instruments = Mapping[InstrumentId, Instrument]


def symbols(config: RunConfig) -> tuple[Line, Instruments]:
    """Each wanted symbol is traded there now, and all are paid for in one currency."""
    feed = wiring.build_feed(config)
    known = {i.instrument_id: i for i in feed.instruments()}
    require_known_symbols(config.limits, known.values())
    chosen = [resolve(symbol, known.values()) for symbol in config.symbols] or list(known)
    instruments = {i: known[i] for i in chosen}
    currency = wiring.account_currency(config, instruments)
    facts = f"tradable={len(instruments)} currency={currency}"
    own = {config.venue, f"{CCXT_PREFIX}{config.venue}"}
    asked_venue = config.feed in own or config.venue in wiring.VENUES
    if config.mode in (RunMode.PAPER, RunMode.LIVE) and not asked_venue:
        own_feed = ALPACA if config.venue == ALPACA else f"{CCXT_PREFIX}{config.venue}"
        facts = f"{facts}, as {config.feed} says: nobody asked {config.venue}"
        return warned("symbols", facts, f"feed: {own_feed}, or none"), instruments
    return well("symbols", facts), instruments


async def ask(
    config: RunConfig,
    instruments: Instruments,
    tell: Callable[[tuple[str, list[Line] | Exception]], None],
) -> None:
    """Put the three questions to the venue at once, and `tell` each answer when it is there."""
    venue = wiring.build_venue(config, instruments)
    questions: dict[str, Callable[[], Awaitable[Line]]] = {
        RIGHTS: lambda: _rights(config, venue),
        CLOCK: lambda: _clock(venue),
        BALANCES: lambda: _balances(config, venue, instruments),
    }

    async def answer(name: str) -> None:
        try:
            tell((name, [await questions[name]()]))
        except Exception as error:  # noqa: BLE001 - it becomes the line's own failure
            tell((name, error))

    try:
        await asyncio.gather(*(answer(name) for name in questions))
    finally:
        await venue.close()


async def _rights(config: RunConfig, venue: Venue) -> Line:
    blocks = await venue.account_blocks()
    try:
        may = await venue.permissions()
    except VenueUnavailable as error:
        return warned(
            RIGHTS, f"not told: {error}", "look at the venue's page of API keys: trade, no withdraw"
        )
    return health.rights(RIGHTS, may, blocks, play_money=config.mode is RunMode.PAPER)


async def _clock(venue: Venue) -> Line:
    """The second question is the measure: the first one opens connections and loads markets."""
    await venue.server_time()
    before, began = wiring.wall_clock(), time.monotonic()
    theirs = await venue.server_time()
    half_trip_s = (time.monotonic() - began) / 2
    offset = theirs - (before + timedelta(seconds=half_trip_s))
    return health.clock(CLOCK, offset.total_seconds(), half_trip_s)


async def _balances(config: RunConfig, venue: Venue, instruments: Instruments) -> Line:
    money = {balance.currency: balance.cash for balance in await venue.balances()}
    holdings = [p for p in await venue.positions() if p.net_qty]
    if not instruments:
        return warned(BALANCES, f"currencies={len(money)}", "see symbols: the currency is unknown")
    currency = wiring.account_currency(config, instruments)
    minimum = config.limits.min_balance
    return health.money(BALANCES, money.get(currency, ZERO), currency, len(holdings), minimum)
