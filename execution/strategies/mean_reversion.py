"""Back to the mean, by the distance from it."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from pydantic import Field

from execution.strategies.base import BarCount, strategy
from execution.strategies.holding import HOLD_PERIODS, hold
from execution.strategies.indicators import z_score


@strategy("mean_reversion", warmup_bars=lambda window_bars, entry_z: HOLD_PERIODS * window_bars)
def mean_reversion(
    bars: pd.DataFrame,
    window_bars: BarCount = 20,
    entry_z: Annotated[float, Field(gt=0)] = 1.5,
) -> pd.Series[int]:
    """Buy 1.5 deviations below the mean of 20 closes, sell short above, leave at the mean.

    The deviation is the population's. Where no close differs from another, the price is at
    its mean. Flat while there are too few bars.
    """
    z = z_score(bars["close"], window_bars)
    return hold(
        enter_long=z < -entry_z,
        exit_long=z >= 0,
        enter_short=z > entry_z,
        exit_short=z <= 0,
    )
