"""What has risen goes on rising."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from execution.strategies.base import BarCount, strategy


@strategy("momentum", warmup_bars=lambda lookback_bars, threshold: lookback_bars + 1)
def momentum(
    bars: pd.DataFrame,
    lookback_bars: BarCount = 120,
    threshold: Annotated[float, Field(ge=0)] = 0.0,
) -> pd.Series[int]:
    """Long after a rise over 120 bars, short after a fall.

    Flat while the move is within `threshold`, a fraction, or there are too few bars. Time
    series momentum (Moskowitz, Ooi and Pedersen 2012), without its scaling by volatility.
    """
    move = bars["close"] / bars["close"].shift(lookback_bars) - 1
    beyond = move.where(move.abs() > threshold, 0.0)
    return pd.Series(np.sign(beyond), index=bars.index).astype("int64")
