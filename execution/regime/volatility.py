"""Volatility regimes: a Student-t hidden Markov model of the returns, filtered forward."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from execution.errors import ConfigInvalid
from execution.model.regime import Training
from execution.regime.base import (
    WARMUP_BARS,
    Progress,
    calibrate_on_training,
    check_next,
    floats,
    told,
    trained_on,
)
from execution.regime.calibration import Calibration
from execution.regime.compiled import Floats, decide, log_returns, smooth, student_t
from execution.regime.config import BARS_MIN
from execution.regime.hidden_markov import HiddenMarkov, Prior, fit_student_t, spread

NAMES = {2: ("low", "high"), 3: ("low", "middle", "high")}
LEVEL_RATIO = 2.0  # neighboring levels are looked for this far apart
MARGINS = {2: 1.0, 3: 0.25}  # log odds; measured: fewer switches for less than .01 of accuracy
USUAL_MIN = 0.02  # a state that was hardly seen is not called at every chance


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityModel:
    """Two or three levels of volatility of close-to-close returns."""

    kind: Literal["student-t", "hmmlearn"] = "student-t"
    version: Literal[2] = 2
    training: Training
    markov: HiddenMarkov
    margin: float  # log odds by which another level must win
    warmup_bars: int = WARMUP_BARS
    calibration: Calibration

    @property
    def names(self) -> tuple[str, ...]:
        """The levels, rising."""
        return NAMES[len(self.markov.scale)]

    def start(self) -> Progress:
        """Each level is as likely as it is in the long run."""
        return Progress(bars=0, filtered=self.markov.stationary)

    def advance(self, progress: Progress, bars: pd.DataFrame) -> tuple[Progress, pd.DataFrame]:
        """Label the next bars by their returns; the first bar of a history has none."""
        ts_last = check_next(progress, bars)
        close = bars["close"].to_numpy(float)
        last = math.nan if progress.last_close is None else progress.last_close
        filtered, probability, labels = _decide(
            self.markov, self.margin, log_returns(close, last), progress
        )
        confidence = self.calibration(probability[np.arange(len(labels)), labels])
        carried = Progress(
            bars=progress.bars + len(bars),
            filtered=tuple(filtered[-1].tolist()),
            label=int(labels[-1]),
            ts_last=ts_last,
            last_close=float(close[-1]),
        )
        unknown = self.warmup_bars - progress.bars
        return carried, told(self.names, labels, probability, confidence, unknown, bars.index)

    def hindsight(self, bars: pd.DataFrame) -> Floats:
        """P(name | all these bars), n × names: it looks ahead, so it may only judge labels."""
        check_next(self.start(), bars)
        returns = log_returns(bars["close"].to_numpy(float), math.nan)
        chain = self.markov
        density = student_t(returns, floats(chain.loc), floats(chain.scale), chain.nu)
        smoothed: Floats = smooth(density, floats(chain.transition), floats(chain.stationary))[1]
        return smoothed


def _decide(
    markov: HiddenMarkov, margin: float, returns: Floats, progress: Progress
) -> tuple[Floats, Floats, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Filter and label returns from where `progress` is."""
    density = student_t(returns, floats(markov.loc), floats(markov.scale), markov.nu)
    return decide(
        density,
        floats(markov.transition),
        floats(progress.filtered),
        np.arange(len(markov.loc)),
        np.maximum(floats(markov.stationary), USUAL_MIN),
        margin,
        progress.label,
    )


def fit_volatility(
    bars: pd.DataFrame, states: int = 2, margin: float | None = None, bars_min: int = BARS_MIN
) -> VolatilityModel:
    """Fit on these bars alone; InputInvalid when they are too few or do not move.

    `margin`: log odds by which another level must win before the label changes; 0 for the
    plain argmax of the filtered over the stationary probability.
    """
    if states not in NAMES:
        raise ConfigInvalid(f"states={states} breaks states in {sorted(NAMES)}")
    training = trained_on(bars, bars_min)
    returns = log_returns(bars["close"].to_numpy(float), math.nan)[1:]
    middle, scale = spread(returns)
    # Two levels: the usual one, and one above it; three: one below it as well.
    factors = LEVEL_RATIO ** (np.arange(states) - (states - 2.0))
    prior = Prior(loc=(middle,) * states, scale=tuple((scale * factors).tolist()), own="scale")
    markov, smoothed = fit_student_t(returns, prior)
    return from_markov("student-t", training, markov, margin, returns, smoothed)


def from_markov(
    kind: Literal["student-t", "hmmlearn"],
    training: Training,
    markov: HiddenMarkov,
    margin: float | None,
    returns: Floats,
    smoothed: Floats,
) -> VolatilityModel:
    """Make the model of a fitted chain, and calibrate it on the returns it was fitted on."""
    margin = MARGINS[len(markov.loc)] if margin is None else margin
    if not (math.isfinite(margin) and margin >= 0):
        raise ConfigInvalid(f"margin={margin} breaks margin >= 0")
    before = Progress(bars=0, filtered=markov.stationary)
    _, probability, labels = _decide(markov, margin, returns, before)
    return VolatilityModel(
        kind=kind,
        training=training,
        markov=markov,
        margin=margin,
        calibration=calibrate_on_training(probability, labels, smoothed),
    )
