"""How much the market moves: range-based variance, and its level among all seen so far."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pandas as pd

from execution.regime.config import RegimeConfig

SECONDS_YEAR = 365.25 * 24 * 3600


class Level(IntEnum):
    """Where today's variance lies among the variances so far."""

    LOW = -1
    MIDDLE = 0
    HIGH = 1


def variance(bars: pd.DataFrame, config: RegimeConfig) -> pd.Series[float]:
    """Exponentially weighted variance of a bar's log return, from its range.

    Parkinson (1980), "The extreme value method for estimating the variance of the rate of
    return": sigma² = ln(high/low)² / (4 ln 2). It does not see gaps between bars. The
    weights are RiskMetrics' (1996): decay .94.
    """
    log_range = np.log(bars["high"].to_numpy(float) / bars["low"].to_numpy(float))
    bar = pd.Series(log_range**2 / (4 * np.log(2)), index=bars.index)
    return bar.ewm(alpha=1 - config.decay, adjust=False).mean()


def levels(variances: pd.Series[float], config: RegimeConfig) -> pd.Series[int]:
    """Rank each variance among those up to and with itself: HIGH, MIDDLE or LOW.

    HIGH wins where the two quantiles coincide: too careful is the safe side.
    """
    seen = variances.expanding()
    high = variances >= seen.quantile(config.volatile_quantile)
    low = variances <= seen.quantile(config.calm_quantile)
    level = np.select([high, low], [Level.HIGH, Level.LOW], Level.MIDDLE)
    return pd.Series(level, index=variances.index)


def annualized(variances: pd.Series[float], bars: pd.DataFrame) -> pd.Series[float]:
    """Yearly volatility, a fraction; 0 at the first bar.

    A year holds as many bars as came per year so far, so it needs no calendar: about 252
    for a stock's days, 365 for a pair's, 8,766 for a pair's hours.
    """
    age = bars["ts_open"] - bars["ts_open"].iloc[0]
    years = age.dt.total_seconds().to_numpy() / SECONDS_YEAR
    bars_year = np.divide(np.arange(len(bars)), years, out=np.zeros(len(bars)), where=years > 0)
    return pd.Series(np.sqrt(variances.to_numpy() * bars_year), index=bars.index)
