"""Models that other packages fit (`pip install regent[regimes]`), labeled by our own filter.

hmmlearn's own `predict_proba` and `decode` look ahead: they smooth. So only its fit is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Literal

import numpy as np
import pandas as pd

from execution.errors import ConfigInvalid, InputInvalid
from execution.model.regime import Training
from execution.regime import volatility
from execution.regime.base import WARMUP_BARS, floats, trained_on
from execution.regime.baselines import Recomputed, log_variance
from execution.regime.compiled import Floats, Ints, jump_labels, log_returns, smooth, student_t
from execution.regime.config import BARS_MIN
from execution.regime.hidden_markov import SEED, HiddenMarkov, stationary

NU_NORMAL = 1e6  # Student's t with so many degrees of freedom is normal
DECAYS = (0.8, 0.9)  # of the two log variances that the jump model clusters
JUMP_PENALTY = 3.0
STARTS = 4


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigInvalid(
            f"this model needs the package {name.partition('.')[0]}: pip install regent[regimes]"
        ) from error


def fit_hmmlearn(
    bars: pd.DataFrame, states: int = 2, margin: float | None = None, bars_min: int = BARS_MIN
) -> volatility.VolatilityModel:
    """Fit hmmlearn's Gaussian model, tuned for returns; our filter labels by it.

    Returns are scaled by 100 and both floors of the variance set to 1e-6: hmmlearn's
    defaults are larger than a day's variance.
    """
    if states not in volatility.NAMES:
        raise ConfigInvalid(f"states={states} breaks states in {sorted(volatility.NAMES)}")
    training = trained_on(bars, bars_min)
    returns = log_returns(bars["close"].to_numpy(float), math.nan)[1:]
    percent, chain = 100 * returns[:, None], _package("hmmlearn.hmm").GaussianHMM
    given = {"covars_prior": 1e-6, "min_covar": 1e-6, "n_iter": 200}
    # On arrays this small OpenMP's threads only wait for each other: 50 times the processor.
    with _package("threadpoolctl").threadpool_limits(1):
        starts = [chain(states, random_state=SEED + k, **given).fit(percent) for k in range(STARTS)]
    fitted = max(starts, key=lambda start: float(start.score(percent)))
    scale = np.sqrt(fitted.covars_[:, 0, 0]) / 100
    order = np.argsort(scale, kind="stable")
    # A chain that never leaves a state cannot be inverted: give each move a little chance.
    moves = np.maximum(fitted.transmat_[order][:, order], 1e-6)
    moves /= moves.sum(axis=1, keepdims=True)
    loc, usual = fitted.means_[order, 0] / 100, stationary(moves)
    density = student_t(returns, loc, scale[order], NU_NORMAL)
    _, smoothed, _, log_likelihood = smooth(density, moves, usual)
    markov = HiddenMarkov(
        loc=tuple(loc.tolist()),
        scale=tuple(scale[order].tolist()),
        nu=NU_NORMAL,
        transition=tuple(tuple(row) for row in moves.tolist()),
        stationary=tuple(usual.tolist()),
        log_likelihood=float(log_likelihood),
        iterations=int(fitted.monitor_.iter),
        converged=bool(fitted.monitor_.converged),
    )
    return volatility.from_markov("hmmlearn", training, markov, margin, returns, smoothed)


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpModel(Recomputed):
    """jumpmodels' clusters of log variances, with a penalty for each change (Nystrup 2020)."""

    kind: Literal["jumpmodels"] = "jumpmodels"
    version: Literal[2] = 2
    training: Training
    penalty: float
    mean: tuple[float, ...]  # of the features in the training
    deviation: tuple[float, ...]
    centers: tuple[tuple[float, ...], ...]  # rising volatility, in standardized features

    @property
    def names(self) -> tuple[str, ...]:
        """The levels, rising."""
        return volatility.NAMES[len(self.centers)]

    def places(self, bars: pd.DataFrame) -> Ints:
        """Label by the cheapest way to each bar, which no later bar changes."""
        x = (_features(bars) - floats(self.mean)) / floats(self.deviation)
        centers = floats(self.centers)
        return jump_labels(x, centers, self.penalty, np.zeros(len(centers)))


def _features(bars: pd.DataFrame) -> Floats:
    """Two log variances, a fast and a slow one, n × 2; the first bar counts as the second."""
    rows = np.maximum(np.arange(len(bars)), min(1, len(bars) - 1))
    return np.column_stack([log_variance(bars, decay) for decay in DECAYS])[rows]


def fit_jumpmodels(
    bars: pd.DataFrame, states: int = 2, penalty: float = JUMP_PENALTY, bars_min: int = BARS_MIN
) -> JumpModel:
    """Fit jumpmodels' discrete jump model on the training."""
    if states not in volatility.NAMES:
        raise ConfigInvalid(f"states={states} breaks states in {sorted(volatility.NAMES)}")
    training = trained_on(bars, bars_min)
    features = _features(bars)
    kept = features[WARMUP_BARS:]
    mean, deviation = kept.mean(axis=0), kept.std(axis=0)
    if not (deviation > 0).all():
        raise InputInvalid("the bars do not move: there are no levels to tell apart")
    model = _package("jumpmodels.jump").JumpModel(
        n_components=states, jump_penalty=penalty, random_state=SEED
    )
    model.fit((kept - mean) / deviation, sort_by="freq")
    centers = np.asarray(model.centers_, dtype=float)
    centers = centers[np.argsort(centers.sum(axis=1), kind="stable")]
    return JumpModel(
        training=training,
        penalty=penalty,
        mean=tuple(mean.tolist()),
        deviation=tuple(deviation.tolist()),
        centers=tuple(tuple(row) for row in centers.tolist()),
    )
