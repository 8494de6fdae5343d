"""How far what is held has moved in a day, in its usual size."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from math import log

import pandas as pd

from data.feeds.base import snapshot
from execution.model.identifiers import InstrumentId
from execution.model.market import MarketSnapshot
from execution.model.money import ZERO
from tasks.market_data import Market

DAY = timedelta(days=1)
# Between two closes of daily bars: sessions drift by an hour when clocks change.
SHORT_DAY = timedelta(hours=20)


def shocks(held: Iterable[InstrumentId], market: Market) -> dict[InstrumentId, Decimal | None]:
    """The last day's move of each; None: too little history. Without a fresh price: left out."""
    return {i: shock(market.snapshots[i], market.bars[i]) for i in held if i in market.fresh_marks}


def shock(now: MarketSnapshot, bars: pd.DataFrame) -> Decimal | None:
    """|log return| since about a day ago over the deviation of the daily ones before it.

    That day itself does not count towards what is usual: of the deviation of twenty returns
    no single one of them can be more than 4.4 times as large.
    """
    if len(bars) < 2:
        return None
    interval = pd.Timedelta(bars["ts_close"].diff().median()).to_pytimedelta()
    back = DAY if interval < DAY else SHORT_DAY
    before = bars[bars["ts_close"] <= pd.Timestamp(now.ts_event - back)]
    if before.empty:
        return None
    usual = snapshot(now.instrument_id, before, interval)
    move = abs(log(now.last_px) - log(usual.last_px))
    if not move:
        return ZERO
    return Decimal(repr(move)) / usual.volatility_day if usual.volatility_day else None
