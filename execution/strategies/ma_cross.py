"""Two moving averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from execution.strategies.registry import strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class MaCrossParams:
    """Lengths of the two averages, in bars."""

    fast_bars: int = 20
    slow_bars: int = 50


DEFAULT = MaCrossParams()


@strategy("ma_cross")
def ma_cross(bars: pd.DataFrame, params: MaCrossParams = DEFAULT) -> pd.Series[int]:
    """Long while the fast simple average is above the slow one, short while below.

    Flat while they are equal or there are too few bars for the slow one.
    """
    fast, slow = (bars["close"].rolling(n).mean() for n in (params.fast_bars, params.slow_bars))
    return pd.Series(np.sign((fast - slow).fillna(0.0)), index=bars.index).astype("int64")
