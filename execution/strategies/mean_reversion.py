"""Back to the mean."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from execution.strategies.holding import hold
from execution.strategies.registry import strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanReversionParams:
    """Length of the window in bars, and the entry in standard deviations."""

    window_bars: int = 20
    entry_z: float = 1.5


DEFAULT = MeanReversionParams()


@strategy("mean_reversion")
def mean_reversion(bars: pd.DataFrame, params: MeanReversionParams = DEFAULT) -> pd.Series[int]:
    """Buy 1.5 deviations below the mean of 20 closes, sell short above, leave at the mean.

    The deviation is the population's. Where no close differs from another, the price is at
    its mean. Flat while there are too few bars.
    """
    window = bars["close"].rolling(params.window_bars)
    deviation = window.std(ddof=0)
    z = ((bars["close"] - window.mean()) / deviation).where(deviation > 0, 0.0)
    return hold(
        enter_long=z < -params.entry_z,
        exit_long=z >= 0,
        enter_short=z > params.entry_z,
        exit_short=z <= 0,
    )
