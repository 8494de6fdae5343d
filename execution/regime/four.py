"""The four regimes: how far a bar ranges, and inside the middle, whether it goes or returns.

Three levels of the log range tell calm from volatile. What lies between is told by the
returns: trend (up or down by a drift) against pull towards an anchor. All five states are
one chain and one forward filter. Clusters of mixed features, named afterwards, do far worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from execution.errors import ConfigInvalid, InputInvalid
from execution.model.enums import RegimeLabel
from execution.model.regime import Training
from execution.regime.base import (
    WARMUP_BARS,
    Progress,
    check_next,
    floats,
    told,
    trained_on,
)
from execution.regime.calibration import Calibration
from execution.regime.compiled import (
    Floats,
    Ints,
    decide,
    deviations,
    direction,
    log_ranges,
    log_returns,
    smooth,
    student_t,
)
from execution.regime.config import BARS_MIN
from execution.regime.hidden_markov import (
    LEAVE,
    STAY,
    TOLERANCE,
    HiddenMarkov,
    Prior,
    fit_from,
    fit_student_t,
    log_prior_sticky,
    spread,
    stationary,
    sticky,
)
from execution.regime.out_of_fold import bars_alike, calibrate_out_of_fold

CALM, UP, DOWN, BACK, VOLATILE = range(5)  # the states of the chain
NAMES = tuple(
    label.value
    for label in (
        RegimeLabel.CALM,
        RegimeLabel.MEAN_REVERTING,
        RegimeLabel.TRENDING,
        RegimeLabel.VOLATILE,
    )
)
GROUPS: Ints = np.array([0, 2, 2, 1, 3], dtype=np.int64)  # state → place in NAMES
LEVELS: Ints = np.array([0, 1, 1, 1, 2], dtype=np.int64)  # state → level of the range
SWAPPED = [0, 2, 1, 3]  # NAMES with mean reverting and trending in each other's place

LEVEL_RATIO = 2.0  # neighboring levels of the range are looked for this far apart
RANGE_NOISE = 0.35  # of the log range around its level, before the bars say
RANGE_FLOOR = 0.1  # of the median range: a bar that hardly moved counts as this
RANGE_WEIGHT = 0.5  # neighboring ranges tell the same news twice: each counts half
ANCHOR_SPEED = 0.1  # the anchor takes a tenth of each new log price
NU = 8.0  # of returns inside the middle level
DRIFT, PULL = 0.3, 0.15  # before the bars say: of a bar's scale; of the way back
DRIFT_MIN, DRIFT_MAX, PULL_MIN, PULL_MAX = 0.05, 2.0, 0.02, 0.8
UNCALIBRATED = Calibration(said=(0.0, 1.0), right=(0.0, 1.0))
DIRECTION_BARS = 50.0  # how many made-up bars say so
ITERATIONS_MAX = 200
MARGIN = 0.5  # log odds by which another regime must win
USUAL_MIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """How returns inside the middle level go, in units of their own scale."""

    scale: float  # of Student's t
    nu: float
    drift: float  # a bar, up or down
    pull: float  # the share of the way to the anchor that is expected back
    anchor_speed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FourRegimeModel:
    """Calm, mean reverting, trending, volatile; from high, low and close."""

    kind: Literal["four"] = "four"
    version: Literal[2] = 2
    training: Training
    levels: HiddenMarkov  # of the log range: low, middle, high
    range_floor: float
    range_weight: float
    hindsight_weight: float  # of a range when those after it are known as well
    direction: Direction
    transition: tuple[tuple[float, ...], ...]  # of calm, up, down, back, volatile
    stationary: tuple[float, ...]
    iterations: int
    converged: bool
    margin: float
    warmup_bars: int = WARMUP_BARS
    calibration: Calibration

    @property
    def names(self) -> tuple[str, ...]:
        """The regimes."""
        return NAMES

    def start(self) -> Progress:
        """Each state is as likely as it is in the long run."""
        return Progress(bars=0, filtered=self.stationary)

    def advance(self, progress: Progress, bars: pd.DataFrame) -> tuple[Progress, pd.DataFrame]:
        """Label the next bars by their ranges, returns and deviations from the anchor."""
        ts_last = check_next(progress, bars)
        filtered, probability, labels, anchor = self.filtered(bars, progress)
        confidence = self.calibration(probability[np.arange(len(labels)), labels])
        carried = Progress(
            bars=progress.bars + len(bars),
            filtered=tuple(filtered[-1].tolist()),
            label=int(labels[-1]),
            ts_last=ts_last,
            last_close=float(bars["close"].iloc[-1]),
            anchor=anchor,
        )
        unknown = self.warmup_bars - progress.bars
        return carried, told(NAMES, labels, probability, confidence, unknown, bars.index)

    def filtered(
        self, bars: pd.DataFrame, progress: Progress
    ) -> tuple[Floats, Floats, Ints, float]:
        """Filtered states, probabilities of the names and labels of each bar; the anchor after."""
        density, anchor = _evidence(
            bars, progress, self.levels, self.range_floor, self.range_weight, self.direction
        )
        said = _decide(density, self.transition, self.stationary, self.margin, progress)
        return *said, anchor

    def hindsight(self, bars: pd.DataFrame) -> Floats:
        """P(name | all these bars), n × names: it looks ahead, so it may only judge labels."""
        start = self.start()
        check_next(start, bars)
        density, _ = _evidence(
            bars, start, self.levels, self.range_floor, self.hindsight_weight, self.direction
        )
        chain, usual = floats(self.transition), floats(self.stationary)
        return _by_regime(smooth(density, chain, usual)[1])


def _evidence(
    bars: pd.DataFrame,
    progress: Progress,
    levels: HiddenMarkov,
    range_floor: float,
    range_weight: float,
    way: Direction,
) -> tuple[Floats, float]:
    """Log density of each bar in each of the five states, and the anchor after them."""
    high, low, close = (bars[name].to_numpy(float) for name in ("high", "low", "close"))
    last = math.nan if progress.last_close is None else progress.last_close
    anchor = math.nan if progress.anchor is None else progress.anchor
    ranges = log_ranges(high, low, range_floor)
    density = range_weight * student_t(ranges, floats(levels.loc), floats(levels.scale), levels.nu)
    away, anchor = deviations(close, last, anchor, way.anchor_speed)
    states: Floats = density[:, LEVELS]
    states[:, UP : BACK + 1] += direction(
        log_returns(close, last), away, way.scale, way.nu, way.drift, way.pull
    )
    return states, anchor


def _decide(
    density: Floats,
    transition: tuple[tuple[float, ...], ...],
    usual: tuple[float, ...],
    margin: float,
    progress: Progress,
) -> tuple[Floats, Floats, Ints]:
    """Filter and label from where `progress` is."""
    shares = np.bincount(GROUPS, weights=floats(usual))
    return decide(
        density,
        floats(transition),
        floats(progress.filtered),
        GROUPS,
        np.maximum(shares, USUAL_MIN),
        margin,
        progress.label,
    )


def fit_four(
    bars: pd.DataFrame, margin: float = MARGIN, bars_min: int = BARS_MIN
) -> FourRegimeModel:
    """Fit on these bars alone; InputInvalid when they are too few or do not move."""
    if not (math.isfinite(margin) and margin >= 0):
        raise ConfigInvalid(f"margin={margin} breaks margin >= 0")
    model = _fit(bars, trained_on(bars, bars_min), margin)

    def fit_and_label(others: pd.DataFrame, bars: pd.DataFrame) -> tuple[Floats, Ints]:
        other = _fit(others, model.training, margin, near=model)  # thrown away
        _, probability, labels, _ = other.filtered(bars, other.start())
        return probability, labels

    return replace(
        model, calibration=calibrate_out_of_fold(bars, model.hindsight(bars), fit_and_label)
    )


def _fit(
    bars: pd.DataFrame, training: Training, margin: float, near: FourRegimeModel | None = None
) -> FourRegimeModel:
    """Fit all but the calibration; from `near` on, which was fitted on much the same bars."""
    levels, middle, floor = _fit_levels(bars, near)
    way, transition, smoothed, iterations, converged = _fit_direction(bars, levels, middle, floor)
    return FourRegimeModel(
        training=training,
        levels=levels,
        range_floor=floor,
        range_weight=RANGE_WEIGHT,
        hindsight_weight=_hindsight_weight(bars, levels, floor, smoothed),
        direction=way,
        transition=tuple(tuple(row) for row in transition.tolist()),
        stationary=tuple(stationary(transition).tolist()),
        iterations=levels.iterations + iterations,
        converged=levels.converged and converged,
        margin=margin,
        calibration=UNCALIBRATED,
    )


def _hindsight_weight(
    bars: pd.DataFrame, levels: HiddenMarkov, floor: float, smoothed: Floats
) -> float:
    """How much a range counts when all bars are known: the less, the more alike they are.

    Ranges that stay above or below their level for long are believed to be of another level,
    from both sides. A likelihood that takes dependent values for independent ones is made
    as flat as it should be by a power (Ribatet, Cooley, Davison 2012, Bayesian inference from
    composite likelihoods). The filter keeps its weight: it has to be quick, and whoever
    judges it need not.
    """
    ranges = log_ranges(bars["high"].to_numpy(float), bars["low"].to_numpy(float), floor)
    expected = smoothed @ floats(levels.loc)[LEVELS]
    return RANGE_WEIGHT / bars_alike(ranges - expected)


def _by_regime(states: Floats) -> Floats:
    """Sum the probabilities of the five states (n × 5) into the four regimes'."""
    return np.stack([states[:, g == GROUPS].sum(axis=1) for g in range(len(NAMES))], axis=1)


def _fit_levels(
    bars: pd.DataFrame, near: FourRegimeModel | None
) -> tuple[HiddenMarkov, Floats, float]:
    """Fit three levels of the log range; also P(middle) at each bar, and the floor."""
    high, low = bars["high"].to_numpy(float), bars["low"].to_numpy(float)
    usual = float(np.median(np.log(high / low)))
    floor = near.range_floor if near else RANGE_FLOOR * usual
    if floor <= 0:
        raise InputInvalid("high = low in half the bars or more: there are no ranges to tell apart")
    ranges = log_ranges(high, low, floor)
    center, _ = spread(ranges)
    step = math.log(LEVEL_RATIO)
    prior = Prior(loc=(center - step, center, center + step), scale=(RANGE_NOISE,) * 3, own="loc")
    levels, smoothed = (
        fit_from(ranges, prior, near.levels) if near else fit_student_t(ranges, prior)
    )
    return levels, smoothed[:, 1], floor


def _fit_direction(
    bars: pd.DataFrame, levels: HiddenMarkov, middle: Floats, floor: float
) -> tuple[Direction, Floats, Floats, int, bool]:
    """Learn drift, pull and the chain of five by EM; levels stay as they were fitted."""
    close = bars["close"].to_numpy(float)
    returns = log_returns(close, math.nan)
    away, _ = deviations(close, math.nan, math.nan, ANCHOR_SPEED)
    squares = np.nansum(middle * returns**2) / middle[1:].sum()
    scale = math.sqrt(squares * (NU - 2) / NU)
    if scale <= 0:
        raise InputInvalid("closes do not move: there is no direction to tell")
    z, d = (np.nan_to_num(x[1:] / scale) for x in (returns, away))
    way = Direction(scale=scale, nu=NU, drift=DRIFT, pull=PULL, anchor_speed=ANCHOR_SPEED)
    transition, log_prior = _chain(np.zeros((5, 5)))
    objective, converged, iterations = -math.inf, False, 0
    start = Progress(bars=0, filtered=())
    while True:
        density, _ = _evidence(bars, start, levels, floor, RANGE_WEIGHT, way)
        _, smoothed, moves, log_likelihood = smooth(density, transition, stationary(transition))
        iterations += 1
        offs = (way.drift - DRIFT) ** 2 + (way.pull - PULL) ** 2
        now = log_likelihood + log_prior - DIRECTION_BARS / 2 * offs
        converged, objective = now - objective < TOLERANCE, now
        if converged or iterations == ITERATIONS_MAX:
            return way, transition, smoothed, iterations, converged
        transition, log_prior = _chain(moves)
        way = _learned(way, z, d, smoothed[1:])


def _chain(moves: Floats) -> tuple[Floats, float]:
    """Transition matrix of the five states from expected moves, and its log prior.

    Up and down are alike, and trend and pull begin, last and end alike: how much of the
    middle is which cannot be learned from the bars of a few years, and a guess at it would
    be believed in every label.
    """
    among = np.zeros((4, 4))
    np.add.at(among, (GROUPS[:, None], GROUPS[None, :]), moves)
    regimes = sticky((among + among[SWAPPED][:, SWAPPED]) / 2)
    turned = moves[UP, DOWN] + moves[DOWN, UP]
    kept = moves[UP, UP] + moves[DOWN, DOWN]
    turn = float((turned + LEAVE) / (turned + kept + STAY + LEAVE))
    chain = regimes[GROUPS][:, GROUPS]
    chain[:, [UP, DOWN]] /= 2
    trend = regimes[GROUPS[UP], GROUPS[UP]]
    chain[UP : DOWN + 1, UP : DOWN + 1] = trend * np.array([[1 - turn, turn], [turn, 1 - turn]])
    log_prior = STAY * math.log(1 - turn) + LEAVE * math.log(turn)
    return chain, log_prior_sticky(regimes) + log_prior


def _learned(way: Direction, z: Floats, d: Floats, smoothed: Floats) -> Direction:
    """Drift and pull by weighted least squares, Student's weights, drawn to what is usual."""

    def weigh(state: int, expected: Floats | float) -> Floats:
        weight: Floats = smoothed[:, state] * (way.nu + 1) / (way.nu + (z - expected) ** 2)
        return weight

    up, down = weigh(UP, way.drift), weigh(DOWN, -way.drift)
    back = weigh(BACK, -way.pull * d)
    drift = ((up - down) @ z + DIRECTION_BARS * DRIFT) / (up.sum() + down.sum() + DIRECTION_BARS)
    pull = (-(back @ (z * d)) + DIRECTION_BARS * PULL) / (back @ (d * d) + DIRECTION_BARS)
    return Direction(
        scale=way.scale,
        nu=way.nu,
        drift=float(np.clip(drift, DRIFT_MIN, DRIFT_MAX)),
        pull=float(np.clip(pull, PULL_MIN, PULL_MAX)),
        anchor_speed=way.anchor_speed,
    )
