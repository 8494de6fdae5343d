"""A close that jumps out of what is usual."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from pydantic import Field

from execution.strategies.base import BarCount, strategy
from execution.strategies.holding import hold
from execution.strategies.indicators import WILDER_PERIODS, atr, mean

Ranges = Annotated[float, Field(gt=0)]  # in average true ranges


@strategy(
    "volatility_breakout",
    warmup_bars=lambda atr_bars, entry_atr, exit_bars, stop_atr: (
        WILDER_PERIODS * max(atr_bars, exit_bars)
    ),
)
def volatility_breakout(
    bars: pd.DataFrame,
    atr_bars: BarCount = 14,
    entry_atr: Ranges = 1.5,
    exit_bars: BarCount = 10,
    stop_atr: Ranges = 2.0,
) -> pd.DataFrame:
    """Enter when a close moves 1.5 average true ranges at once, leave across the 10 bars' mean.

    The range is that of the bars before the move. The stop lies 2 ranges from the close;
    there is none where that is not a price. Williams (1999), with Wilder's range (1978).
    """
    close, usual, middle = bars["close"], atr(bars, atr_bars), mean(bars["close"], exit_bars)
    move, far = close.diff(), entry_atr * usual.shift()
    side = hold(
        enter_long=move > far,
        exit_long=close < middle,
        enter_short=move < -far,
        exit_short=close > middle,
    )
    stop = close - side * stop_atr * usual
    return pd.DataFrame({"side": side, "stop_loss": stop.where((side != 0) & (stop > 0))})
