"""Bars in, with what the fill model and the risk checks need of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self

import pandas as pd
from prefect import task

from data.feeds.base import AdjustsSome, Feed, KnowsGaps, NoBarYet, snapshot
from data.quality.expectation import Result
from data.schemas.bars import validate_bars
from execution.errors import ConfigInvalid, InputInvalid, VenueUnavailable
from execution.model.enums import AssetClass, RunMode
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.money import QUANTUM, quantize
from execution.model.symbols import resolve
from tasks import wiring
from tasks.artifacts import progress
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.policies import READS

BARS_LEAST = 1_000  # of history an instrument: strategies and the breaker look back as well
BAR_AGE_MAX = 2  # intervals of the feed
LONG_WEEKEND = timedelta(days=3)  # no stock is traded then; a calendar would know better


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the feed says, by instrument, at one moment."""

    instruments: Mapping[InstrumentId, Instrument]  # all that the feed knows
    bars: Mapping[InstrumentId, pd.DataFrame]
    snapshots: Mapping[InstrumentId, MarketSnapshot]
    price_age_max: Mapping[InstrumentId, timedelta]  # an older price is none
    replayed: bool  # bars of the past: their time stands in for the clock
    interval: timedelta | None = None  # length of the bars; None: there are none
    adjusted: frozenset[InstrumentId] = frozenset()  # scaled by later splits or dividends
    absent: Mapping[InstrumentId, pd.DatetimeIndex] = field(default_factory=dict)  # bars of nobody
    quality: tuple[Result, ...] = ()  # what of the bars is not as expected, and no error

    @classmethod
    def without_prices(cls, instrument_ids: Iterable[InstrumentId]) -> Self:
        """Enough to cancel and to book by: the instruments, and the clock."""
        instruments = {i: _bare(i) for i in instrument_ids}
        return cls(
            instruments=instruments,
            bars={i: pd.DataFrame() for i in instruments},
            snapshots={},
            price_age_max={},
            replayed=False,
        )

    @property
    def traded(self) -> dict[InstrumentId, Instrument]:
        """What this run trades: the instruments it has bars of."""
        return {i: self.instruments[i] for i in self.bars}

    @property
    def marks(self) -> dict[InstrumentId, Decimal]:
        """Last price by instrument, quote per base unit, however old."""
        return {i: s.last_px for i, s in self.snapshots.items()}

    @property
    def fresh_marks(self) -> dict[InstrumentId, Decimal]:
        """The marks young enough to trade on; exactly the age limit is.

        A price of the future is held to the same limit: clocks differ, but not by much.
        """
        now = self.clock()
        return {
            i: px
            for i, px in self.marks.items()
            if abs(now - self.snapshots[i].ts_event) <= self.price_age_max[i]
        }

    @property
    def ts_event(self) -> datetime:
        """Time of the newest price, UTC: of a quote, or of a bar's close."""
        return max(s.ts_event for s in self.snapshots.values())

    @property
    def clock(self) -> Callable[[], datetime]:
        """The market's clock: ours, or standing still at the last replayed bar."""
        if not self.replayed:
            return wiring.wall_clock
        moment = self.ts_event
        return lambda: moment


@task(name="load-market", **READS)
def load_market(cycle: Cycle) -> Market:
    """Read the newest closed bars of every instrument the run trades."""
    with cycle.stage("load-market", feed=cycle.config.feed, as_of=cycle.config.as_of) as outcome:
        market = read_market(cycle.config)
        outcome.update({str(i): len(bars) for i, bars in market.bars.items()})
        return market


def bars_source(config: RunConfig) -> str:
    """Where a run's bars come from: what is kept of bars is held against those from there alone."""
    return " ".join(filter(None, [config.feed, config.source, *map(str, config.bars)]))


def bars_wanted(config: RunConfig) -> int:
    """How many bars of an instrument a run asks its feed for."""
    return max(BARS_LEAST, config.regime.bars_needed)


def read_market(config: RunConfig) -> Market:
    """Bars and snapshots from the feed a config names.

    For a venue outside, the prices are what is traded now, not the last bar's close: a
    move since then counts. Raises InputInvalid without any bars, ConfigInvalid for old bars
    in such a mode, and VenueUnavailable when a feed has no price there.
    """
    feed = wiring.build_feed(config)
    replayed = config.as_of is not None or not feed.live
    quoted = config.mode in (RunMode.PAPER, RunMode.LIVE)
    if replayed and quoted:
        raise ConfigInvalid(f"{config.mode} mode needs prices of now, not a replay of old bars")
    known = {i.instrument_id: i for i in feed.instruments()}
    bars = read_bars(config, feed, bars_wanted(config))
    snapshots = {i: snapshot(i, frame, feed.interval) for i, frame in bars.items()}
    if quoted:  # last of all, so that the first price is not old when the last has come
        snapshots = {i: _at_last_price(feed, s) for i, s in snapshots.items()}
    quote_age_max = timedelta(seconds=config.limits.max_quote_age_s)
    return Market(
        instruments=known,
        bars=bars,
        snapshots=snapshots,
        price_age_max={
            i: quote_age_max if quoted else _bar_age_max(known[i], feed.interval) for i in bars
        },
        replayed=replayed,
        interval=feed.interval,
        adjusted=adjusted_bars(feed, bars),
        absent=absent_bars(feed, bars),
    )


def adjusted_bars(feed: Feed, instruments: Iterable[InstrumentId]) -> frozenset[InstrumentId]:
    """Those whose prices are scaled by later splits or dividends."""
    if isinstance(feed, AdjustsSome):
        return frozenset(i for i in instruments if feed.adjusts(i))
    return frozenset(instruments) if feed.adjusted else frozenset()


def absent_bars(
    feed: Feed, instruments: Iterable[InstrumentId]
) -> dict[InstrumentId, pd.DatetimeIndex]:
    """When bars should have opened that their source does not have, if the feed knows."""
    return {i: feed.absent(i) for i in instruments} if isinstance(feed, KnowsGaps) else {}


def read_bars(config: RunConfig, feed: Feed, limit: int) -> dict[InstrumentId, pd.DataFrame]:
    """The last `limit` closed bars of each instrument that a config names, or the feed has.

    Raises InputInvalid for a symbol that the feed does not know, and without any bars.
    """
    known = list(feed.instruments())
    chosen = [resolve(symbol, known) for symbol in config.symbols]
    bars = {}
    for instrument_id in progress(chosen or [i.instrument_id for i in known], "bars"):
        try:
            found = feed.bars(instrument_id, config.as_of, limit)
        except NoBarYet:
            if config.symbols:
                raise
            continue  # of all that the feed has, what was not traded yet is left out
        # Whoever wrote the feed: no frame gets past the gate.
        bars[instrument_id] = validate_bars(found, f"{config.feed} {instrument_id.symbol}")
    if not bars:
        raise InputInvalid(f"feed {config.feed}: no instrument had a closed bar by then")
    return bars


def at_prices_of_now(feed: Feed, market: Market) -> Market:
    """The same market at what is traded now; raises VenueUnavailable when the feed is down."""
    snapshots = {i: _at_last_price(feed, s) for i, s in market.snapshots.items()}
    return replace(market, snapshots=snapshots)


def _bare(instrument_id: InstrumentId) -> Instrument:
    """An instrument of which only the name is known."""
    _, pair, quote = instrument_id.symbol.partition("/")
    return Instrument(
        instrument_id=instrument_id,
        asset_class=AssetClass.CRYPTO if pair else AssetClass.EQUITY,
        base=instrument_id.base,
        quote=quote or "USD",
        px_increment=QUANTUM,
        qty_increment=QUANTUM,
    )


def _at_last_price(feed: Feed, bar: MarketSnapshot) -> MarketSnapshot:
    """Put the price that is traded now in place of the bar's close."""
    price = feed.last_price(bar.instrument_id)
    if price is None:
        raise VenueUnavailable(f"the feed has no price of now for {bar.instrument_id}")
    px, ts_event = price
    return replace(bar, last_px=quantize(px), ts_event=ts_event)


def _bar_age_max(instrument: Instrument, interval: timedelta) -> timedelta:
    """How old the close of a bar may be: the next one may come an interval late."""
    closed = LONG_WEEKEND if instrument.asset_class is AssetClass.EQUITY else timedelta()
    return BAR_AGE_MAX * interval + closed
