"""Bars in, with what the fill model and the risk checks need of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pandas as pd
from prefect import task

from data.feeds.base import snapshot
from execution.errors import ConfigInvalid, InputInvalid
from execution.model.enums import RunMode
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.symbols import resolve
from tasks import wiring
from tasks.artifacts import progress
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.policies import READS

BARS_MAX = 1_000  # of history an instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the feed says, by instrument, at one moment."""

    instruments: Mapping[InstrumentId, Instrument]  # all that the feed knows
    bars: Mapping[InstrumentId, pd.DataFrame]
    snapshots: Mapping[InstrumentId, MarketSnapshot]
    replayed: bool  # bars of the past: their time stands in for the clock

    @property
    def traded(self) -> dict[InstrumentId, Instrument]:
        """What this run trades: the instruments it has bars of."""
        return {i: self.instruments[i] for i in self.bars}

    @property
    def marks(self) -> dict[InstrumentId, Decimal]:
        """Last price by instrument, quote per base unit."""
        return {i: s.last_px for i, s in self.snapshots.items()}

    @property
    def ts_event(self) -> datetime:
        """Close of the newest bar, UTC."""
        return max(s.ts_event for s in self.snapshots.values())

    @property
    def clock(self) -> Callable[[], datetime]:
        """The market's clock: ours, or standing still at the last replayed bar."""
        moment = self.ts_event
        return (lambda: moment) if self.replayed else wiring.wall_clock


@task(name="load-market", **READS)
def load_market(cycle: Cycle) -> Market:
    """Read the newest closed bars of every instrument the run trades."""
    with cycle.stage("load-market", feed=cycle.config.feed, as_of=cycle.config.as_of) as outcome:
        market = read_market(cycle.config)
        outcome.update({str(i): len(bars) for i, bars in market.bars.items()})
        return market


def read_market(config: RunConfig) -> Market:
    """Bars and snapshots from the feed a config names.

    Raises InputInvalid without any, and ConfigInvalid for old bars where money is real.
    """
    feed = wiring.build_feed(config)
    replayed = config.as_of is not None or not feed.live
    if replayed and config.mode in (RunMode.PAPER, RunMode.LIVE):
        raise ConfigInvalid(f"{config.mode} mode needs prices of now, not a replay of old bars")
    known = {i.instrument_id: i for i in feed.instruments()}
    chosen = [resolve(symbol, known.values()) for symbol in config.symbols] or list(known)
    bars, snapshots = {}, {}
    for instrument_id in progress(chosen, "bars"):
        bars[instrument_id] = feed.bars(instrument_id, config.as_of, BARS_MAX)
        snapshots[instrument_id] = snapshot(instrument_id, bars[instrument_id], feed.interval)
    if not bars:
        raise InputInvalid(f"feed {config.feed}: there is no instrument to trade")
    return Market(instruments=known, bars=bars, snapshots=snapshots, replayed=replayed)
