"""What strategies compute from bars; each value from its bar and the ones before it alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import talib

# After so many periods what Wilder's smoothing began with weighs less than a millionth:
# (1 - 1/n) ** (15 n) < e ** -15.
WILDER_PERIODS = 15


def mean(values: pd.Series[float], bars: int) -> pd.Series[float]:
    """Simple mean of the last `bars`; NaN before."""
    return values.rolling(bars).mean()


def z_score(values: pd.Series[float], bars: int) -> pd.Series[float]:
    """Distance from the mean of the last `bars`, in their deviations (population's).

    0 where no value differs from another; NaN while there are too few.
    """
    window = values.rolling(bars)
    deviation = window.std(ddof=0)
    return ((values - window.mean()) / deviation).mask(deviation == 0, 0.0)


def highest(values: pd.Series[float], bars: int) -> pd.Series[float]:
    """Highest of the last `bars`; NaN before."""
    return values.rolling(bars).max()


def lowest(values: pd.Series[float], bars: int) -> pd.Series[float]:
    """Lowest of the last `bars`; NaN before."""
    return values.rolling(bars).min()


def rsi(close: pd.Series[float], bars: int) -> pd.Series[float]:
    """Wilder's relative strength index (1978), 0 to 100; NaN for the first `bars`.

    50 where the price has not moved for `bars`: TA-Lib says 0 there, as after a crash.
    """
    index = pd.Series(talib.RSI(np.asarray(close, dtype=np.float64), bars), index=close.index)
    still = (close.diff() != 0).rolling(bars).sum() == 0
    return index.mask(still & index.notna(), 50.0)


def atr(bars: pd.DataFrame, period: int) -> pd.Series[float]:
    """Wilder's average true range (1978), quote per base unit; NaN for the first `period`."""
    high, low, close = (bars[name].to_numpy(float) for name in ("high", "low", "close"))
    return pd.Series(talib.ATR(high, low, close, period), index=bars.index)
