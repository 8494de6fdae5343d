"""Learn how often labels are right from bars that the model which labels them has not seen.

On its own training a model looks surer than it will be on later bars. So each block of the
training is labeled by a model of the other blocks (Stone 1974, Cross-validatory choice and
assessment of statistical predictions), and the model of all blocks says who was right.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from execution.regime.bars import PRICES
from execution.regime.base import WARMUP_BARS
from execution.regime.calibration import Calibration, calibrate
from execution.regime.compiled import Floats, Ints

BLOCKS = 4  # long ones: bars beside each other are alike, so a short one would be seen
LAGS = 20  # bars after which what is left of a range's news is not told from chance

# Fit on the first bars given, and say of each of the second: P(name), and the label's place.
FitAndLabel = Callable[[pd.DataFrame, pd.DataFrame], tuple[Floats, Ints]]


def calibrate_out_of_fold(
    bars: pd.DataFrame, seen: Floats, fit_and_label: FitAndLabel
) -> Calibration:
    """Calibrate on each block of these bars as a model of the others labels it.

    `seen`: P(name | all bars), n × names, by which a label was right.
    """
    said, right = np.empty(len(bars)), np.empty(len(bars))
    edges = np.linspace(0, len(bars), BLOCKS + 1).astype(int).tolist()
    for begin, end in pairwise(edges):
        probability, labels = fit_and_label(without(bars, begin, end), bars[:end])
        rows = np.arange(begin, end)
        said[rows] = probability[rows, labels[rows]]
        right[rows] = seen[rows, labels[rows]]
    return calibrate(said[WARMUP_BARS:], right[WARMUP_BARS:])


def without(bars: pd.DataFrame, begin: int, end: int) -> pd.DataFrame:
    """Leave out a block; the bars after it are scaled so that no move is made up at the seam."""
    before, after = bars[:begin], bars[end:]
    if before.empty or after.empty:
        return pd.concat([before, after])
    scale = before["close"].iloc[-1] / bars["close"].iloc[end - 1]
    return pd.concat([before, after.assign(**{name: after[name] * scale for name in PRICES})])


def bars_alike(x: Floats) -> float:
    """How many values of a series say no more than one that stood alone would, >= 1.

    1 + 2 Σ ρ(k), by which the variance of a mean is larger than of independent values; the
    weights of Newey, West 1987 (A simple, positive semi-definite ... covariance matrix).
    """
    deviations = x - x.mean()
    variance = float(deviations @ deviations)
    if variance <= 0:
        return 1.0
    alike = 1.0
    for lag in range(1, min(LAGS, len(x) - 1) + 1):
        weight = 1 - lag / (LAGS + 1)
        alike += 2 * weight * float(deviations[lag:] @ deviations[:-lag]) / variance
    return max(1.0, alike)
