"""Breakout of a price channel."""

from __future__ import annotations

import pandas as pd

from execution.strategies.base import BarCount, strategy
from execution.strategies.holding import HOLD_PERIODS, hold
from execution.strategies.indicators import highest, lowest


@strategy(
    "donchian",
    warmup_bars=lambda entry_bars, exit_bars: HOLD_PERIODS * max(entry_bars, exit_bars),
)
def donchian(
    bars: pd.DataFrame, entry_bars: BarCount = 20, exit_bars: BarCount = 10
) -> pd.Series[int]:
    """Enter on a close beyond the last 20 bars' range, leave beyond the opposite 10 bars'.

    The channel is that of the bars before: a bar cannot break out of itself. Flat until the
    first breakout. Donchian's rule as the Turtles traded it (Faith 2003, system 1).
    """
    high, low, close = bars["high"].shift(), bars["low"].shift(), bars["close"]
    return hold(
        enter_long=close > highest(high, entry_bars),
        exit_long=close < lowest(low, exit_bars),
        enter_short=close < lowest(low, entry_bars),
        exit_short=close > highest(high, exit_bars),
    )
