"""Back to the mean, by the relative strength index."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from pydantic import Field

from execution.strategies.base import BarCount, strategy
from execution.strategies.holding import hold
from execution.strategies.indicators import WILDER_PERIODS, rsi

MIDDLE = 50.0


@strategy("rsi_bands", warmup_bars=lambda rsi_bars, band: WILDER_PERIODS * rsi_bars)
def rsi_bands(
    bars: pd.DataFrame,
    rsi_bars: Annotated[BarCount, Field(ge=2)] = 14,
    band: Annotated[float, Field(gt=0, lt=50)] = 30.0,
) -> pd.Series[int]:
    """Buy when the index is below 30, sell short above 70, leave at 50 (Wilder 1978)."""
    index = rsi(bars["close"], rsi_bars)
    return hold(
        enter_long=index < band,
        exit_long=index >= MIDDLE,
        enter_short=index > 100 - band,
        exit_short=index <= MIDDLE,
    )
