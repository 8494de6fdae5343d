"""How much the market moves: the variance of a bar's return, from its range."""

from __future__ import annotations

import numpy as np
import pandas as pd

from execution.regime.config import BucketConfig

SECONDS_YEAR = 365.25 * 24 * 3600


def variance(bars: pd.DataFrame, config: BucketConfig) -> pd.Series[float]:
    """Exponentially weighted variance of a bar's log return, from its range.

    Parkinson (1980), "The extreme value method for estimating the variance of the rate of
    return": sigma² = ln(high/low)² / (4 ln 2). It does not see gaps between bars. The
    weights are RiskMetrics' (1996): decay .94.
    """
    log_range = np.log(bars["high"].to_numpy(float) / bars["low"].to_numpy(float))
    bar = pd.Series(log_range**2 / (4 * np.log(2)), index=bars.index)
    return bar.ewm(alpha=1 - config.decay, adjust=False).mean()


def annualized(variances: pd.Series[float], bars: pd.DataFrame) -> pd.Series[float]:
    """Yearly volatility, a fraction; 0 at the first bar.

    A year holds as many bars as came per year so far, so it needs no calendar: about 252
    for a stock's days, 365 for a pair's, 8,766 for a pair's hours.
    """
    age = bars["ts_open"] - bars["ts_open"].iloc[0]
    years = age.dt.total_seconds().to_numpy() / SECONDS_YEAR
    bars_year = np.divide(np.arange(len(bars)), years, out=np.zeros(len(bars)), where=years > 0)
    return pd.Series(np.sqrt(variances.to_numpy() * bars_year), index=bars.index)
