"""Plain models to beat, behind the same protocol; their past is kept and computed anew."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from execution.errors import ConfigInvalid
from execution.model.regime import Training
from execution.regime import four, volatility
from execution.regime.base import (
    WARMUP_BARS,
    Progress,
    check_next,
    told,
    trained_on,
)
from execution.regime.compiled import Floats, Ints, log_returns
from execution.regime.config import BARS_MIN, BucketConfig
from execution.regime.levels import variance
from execution.regime.trend import trend_strength

AGREEMENT_BARS = 10
CALM, MEAN_REVERTING, TRENDING, VOLATILE = range(4)  # places in four.NAMES


class Recomputed:
    """A model whose labels are computed from all bars so far: simple, and slow bar by bar.

    Its probabilities are the shares of the last ten labels: how settled it is, not more.
    """

    __slots__ = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What it can say."""
        raise NotImplementedError

    def places(self, bars: pd.DataFrame) -> Ints:
        """Place in `names` of each bar, from it and those before it alone."""
        raise NotImplementedError

    def start(self) -> Progress:
        """Nothing is known before the first bar."""
        return Progress(bars=0, filtered=())

    def advance(self, progress: Progress, bars: pd.DataFrame) -> tuple[Progress, pd.DataFrame]:
        """Label all bars so far, and hand out the new ones."""
        ts_last = check_next(progress, bars)
        past = bars if progress.past is None else pd.concat([progress.past, bars])
        places = self.places(past)
        is_it = pd.DataFrame(places[:, None] == np.arange(len(self.names))).astype(float)
        share = is_it.rolling(AGREEMENT_BARS, min_periods=1).sum().to_numpy() / AGREEMENT_BARS
        confidence = share[np.arange(len(places)), places]
        labels = told(self.names, places, share, confidence, WARMUP_BARS, past.index)
        carried = replace(
            progress, bars=len(past), label=int(places[-1]), past=past, ts_last=ts_last
        )
        return carried, labels.iloc[progress.bars :]


@dataclass(frozen=True, slots=True, kw_only=True)
class EwmaCutModel(Recomputed):
    """Levels of exponentially weighted volatility, cut where the training's clusters meet."""

    kind: Literal["ewma-cut"] = "ewma-cut"
    version: Literal[2] = 2
    training: Training
    decay: float
    cuts: tuple[float, ...]  # of the log variance, rising

    @property
    def names(self) -> tuple[str, ...]:
        """The levels, rising."""
        return volatility.NAMES[len(self.cuts) + 1]

    def places(self, bars: pd.DataFrame) -> Ints:
        """Count the cuts below each bar's variance."""
        places = np.searchsorted(self.cuts, log_variance(bars, self.decay), side="right")
        return places.astype(np.int64)


def log_variance(bars: pd.DataFrame, decay: float) -> Floats:
    """Log of the exponentially weighted variance of the returns (RiskMetrics 1996)."""
    returns = log_returns(bars["close"].to_numpy(float), math.nan)
    squares = pd.Series(np.nan_to_num(returns) ** 2)
    ewm = squares.ewm(alpha=1 - decay, adjust=False).mean().to_numpy()
    out: Floats = np.log(np.maximum(ewm, 1e-300))
    return out


def fit_ewma_cut(
    bars: pd.DataFrame, states: int = 2, decay: float = 0.9, bars_min: int = BARS_MIN
) -> EwmaCutModel:
    """Cut halfway between the centers of 1-dimensional k-means on the training."""
    if states not in volatility.NAMES:
        raise ConfigInvalid(f"states={states} breaks states in {sorted(volatility.NAMES)}")
    training = trained_on(bars, bars_min)
    x = log_variance(bars, decay)[WARMUP_BARS:]
    centers = np.quantile(x, (np.arange(states) + 0.5) / states)
    for _ in range(100):
        nearest = np.abs(x[:, None] - centers).argmin(axis=1)
        found = [
            x[nearest == k].mean() if (nearest == k).any() else c for k, c in enumerate(centers)
        ]
        centers = np.sort(np.array(found))
    cuts = (centers[1:] + centers[:-1]) / 2
    return EwmaCutModel(training=training, decay=decay, cuts=tuple(cuts.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAdxModel(Recomputed):
    """Volatility by the training's quantiles; in the middle, trending by ADX or not."""

    kind: Literal["bucket-adx"] = "bucket-adx"
    version: Literal[2] = 2
    training: Training
    decay: float
    adx_period: int
    adx_trending: float
    low: float  # variance at or below it: calm
    high: float  # at or above it: volatile

    @property
    def names(self) -> tuple[str, ...]:
        """The regimes."""
        return four.NAMES

    def places(self, bars: pd.DataFrame) -> Ints:
        """Level first, then the trend filter in the middle level."""
        config = BucketConfig(decay=self.decay, adx_period=self.adx_period)
        variances = variance(bars, config).to_numpy()
        trending = trend_strength(bars, config).to_numpy() > self.adx_trending
        return np.select(
            [variances >= self.high, variances <= self.low, trending],
            [VOLATILE, CALM, TRENDING],
            MEAN_REVERTING,
        ).astype(np.int64)


def fit_bucket_adx(
    bars: pd.DataFrame, config: BucketConfig | None = None, bars_min: int = BARS_MIN
) -> BucketAdxModel:
    """Take the quantiles of the training's variances."""
    config = config or BucketConfig()
    training = trained_on(bars, bars_min)
    variances = variance(bars, config)
    low, high = variances.quantile([config.calm_quantile, config.volatile_quantile])
    return BucketAdxModel(
        training=training,
        decay=float(config.decay),
        adx_period=config.adx_period,
        adx_trending=float(config.adx_trending),
        low=float(low),
        high=float(high),
    )
