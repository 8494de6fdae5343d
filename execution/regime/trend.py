"""Whether the market goes somewhere."""

from __future__ import annotations

import pandas as pd
import talib

from execution.regime.config import BucketConfig


def trend_strength(bars: pd.DataFrame, config: BucketConfig) -> pd.Series[float]:
    """Wilder's average directional index (1978), 0 to 100; NaN until 2 * period - 1 bars."""
    high, low, close = (bars[name].to_numpy(float) for name in ("high", "low", "close"))
    return pd.Series(talib.ADX(high, low, close, config.adx_period), index=bars.index)
