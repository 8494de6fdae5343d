"""How far a mean can be believed: bars near each other tell the same news twice.

So the unit that errors are computed from is never the bar but a cluster of neighbors.
"""

from __future__ import annotations

import math

import numpy as np

from execution.regime.compiled import Floats

SEED = 20_010_401
DRAWS = 5_000


def clustered_error(totals: Floats, bars: Floats) -> float:
    """Standard error of sum(totals) / sum(bars) over independent clusters; NaN below two.

    The ratio estimator's, by the delta method (Cochran 1977, Sampling Techniques, 6.3).
    """
    clusters = len(totals)
    if clusters < 2:
        return math.nan
    ratio = totals.sum() / bars.sum()
    influence = (totals - ratio * bars) / bars.sum()
    return float(np.sqrt(clusters / (clusters - 1) * (influence**2).sum()))


def draw_clusters(clusters: int, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """How often each cluster is drawn, with replacement; draws × clusters, seed fixed."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    return drawn.astype(np.float64)


def studentized(totals: Floats, bars: Floats, drawn: Floats) -> Floats:
    """How many of its own standard errors each draw's mean is off, sorted; for `interval`.

    The bootstrap-t (Efron, Tibshirani 1993, An Introduction to the Bootstrap, 12.5): unlike
    plain quantiles of means it is not too narrow for a few dozen clusters.
    """
    clusters = len(totals)
    mean = totals.sum() / bars.sum()
    size = drawn @ bars
    means = drawn @ totals / size
    squares = (
        drawn @ totals**2 - 2 * means * (drawn @ (totals * bars)) + means**2 * (drawn @ bars**2)
    )
    errors = np.sqrt(clusters / (clusters - 1) * np.maximum(squares, 0.0)) / size
    off: Floats = np.sort((means - mean) / np.maximum(errors, np.finfo(float).tiny))
    return off


def interval(totals: Floats, bars: Floats, off: Floats, level: float) -> tuple[float, float]:
    """Where the mean lies with probability `level` (0 to 1); `off` as of `studentized`."""
    mean, error = float(totals.sum() / bars.sum()), clustered_error(totals, bars)
    low, high = np.quantile(off, [(1 - level) / 2, (1 + level) / 2])
    return mean - float(high) * error, mean - float(low) * error


def batched(values: Floats) -> tuple[Floats, Floats]:
    """Totals and sizes of √n runs of neighbors: the clusters of what has no spells."""
    parts = np.array_split(values, max(1, math.isqrt(len(values))))
    return np.array([part.sum() for part in parts]), np.array([float(len(p)) for p in parts])
