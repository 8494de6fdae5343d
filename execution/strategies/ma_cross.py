"""Two moving averages."""

from __future__ import annotations

import numpy as np
import pandas as pd

from execution.strategies.base import BarCount, strategy
from execution.strategies.indicators import mean


@strategy("ma_cross", warmup_bars=lambda fast_bars, slow_bars: max(fast_bars, slow_bars))
def ma_cross(
    bars: pd.DataFrame, fast_bars: BarCount = 20, slow_bars: BarCount = 50
) -> pd.Series[int]:
    """Long while the fast simple average is above the slow one, short while below.

    Flat while they are equal or there are too few bars for the slow one.
    """
    fast, slow = mean(bars["close"], fast_bars), mean(bars["close"], slow_bars)
    return pd.Series(np.sign((fast - slow).fillna(0.0)), index=bars.index).astype("int64")
