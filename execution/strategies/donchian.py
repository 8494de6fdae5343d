"""Breakout of a price channel."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from execution.strategies.holding import hold
from execution.strategies.registry import strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class DonchianParams:
    """Lengths of the two channels, in bars."""

    entry_bars: int = 20
    exit_bars: int = 10


DEFAULT = DonchianParams()


@strategy("donchian")
def donchian(bars: pd.DataFrame, params: DonchianParams = DEFAULT) -> pd.Series[int]:
    """Enter on a close beyond the last 20 bars' range, leave beyond the opposite 10 bars'.

    The channel is that of the bars before: a bar cannot break out of itself. Flat until the
    first breakout. Donchian's rule as the Turtles traded it (Faith 2003, system 1).
    """
    high, low, close = bars["high"].shift(), bars["low"].shift(), bars["close"]
    return hold(
        enter_long=close > high.rolling(params.entry_bars).max(),
        exit_long=close < low.rolling(params.exit_bars).min(),
        enter_short=close < low.rolling(params.entry_bars).min(),
        exit_short=close > high.rolling(params.exit_bars).max(),
    )
