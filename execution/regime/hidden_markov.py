"""Fit a hidden Markov model with Student-t noise by EM, with priors that keep it honest.

What the priors are for was measured (tests/benchmarks/test_regimes_bench.py): where the
bars of the training held one state alone, a fit without them splits that state in two and
labels the next years by noise. So levels are expected to lie a factor of two apart until
the bars say otherwise, and states to last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from execution.errors import InputInvalid
from execution.regime.base import floats
from execution.regime.compiled import Floats, smooth, student_t

NUS = (4.0, 8.0, 50.0)  # the heavy tail, the usual one, and next to normal
STARTS = 3
SEED = 20_010_401
ITERATIONS_START, ITERATIONS_MAX = 60, 400
TOLERANCE_START, TOLERANCE = 1e-2, 1e-4  # of the log posterior, between two iterations
STAY, LEAVE = 25.0, 0.25  # made-up transitions before the first bar: 25 stays, 1/4 of each move
LEVEL_BARS = 5.0  # how many made-up bars say where each state lies


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenMarkov:
    """States in rising order of what tells them apart: scale, or location."""

    loc: tuple[float, ...]
    scale: tuple[float, ...]  # > 0; of Student's t, which is not its standard deviation
    nu: float  # degrees of freedom
    transition: tuple[tuple[float, ...], ...]  # row: from; each sums to 1
    stationary: tuple[float, ...]  # the share of bars in each state, in the long run
    log_likelihood: float  # of the training
    iterations: int  # of all starts and all nus
    converged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Where the states are looked for; `own` says what tells them apart."""

    loc: tuple[float, ...]
    scale: tuple[float, ...]
    own: str  # "scale": one location for all; "loc": one scale for all


@dataclass(slots=True)
class _Run:
    """One EM on its way."""

    loc: Floats
    scale: Floats
    nu: float
    transition: Floats
    objective: float = -np.inf
    log_likelihood: float = -np.inf
    iterations: int = 0
    converged: bool = False
    smoothed: Floats = field(default_factory=lambda: np.empty((0, 0)))


def stationary(transition: Floats) -> Floats:
    """Long-run share of each state: the solution of p = p · transition."""
    states = len(transition)
    system = np.eye(states) - transition + 1.0
    shares: Floats = np.linalg.solve(system.T, np.ones(states)).astype(np.float64)
    return shares


def sticky(moves: Floats) -> Floats:
    """Transition matrix from expected moves under the sticky prior."""
    counts = moves + LEAVE + (STAY - LEAVE) * np.eye(len(moves))
    matrix: Floats = counts / counts.sum(axis=1, keepdims=True)
    return matrix


def log_prior_sticky(transition: Floats) -> float:
    """Log of the sticky Dirichlet prior, up to a constant."""
    weights = LEAVE + (STAY - LEAVE) * np.eye(len(transition))
    return float((weights * np.log(transition)).sum())


def spread(x: Floats) -> tuple[float, float]:
    """Median and robust scale; refuses what does not move."""
    middle = float(np.median(x))
    scale = float(np.median(np.abs(x - middle))) / 0.6745 or float(np.std(x))
    if not np.isfinite(scale) or scale <= 0:
        raise InputInvalid("the bars do not move: there are no levels to tell apart")
    return middle, scale


def fit_student_t(x: Floats, prior: Prior) -> tuple[HiddenMarkov, Floats]:
    """Fit by several starts (seed fixed), then choose nu by the training's likelihood.

    `x`: finite, one value a bar. Returns the model and the smoothed probabilities of the
    training (n × states). Dempster, Laird, Rubin 1977; weights of Student's t: Peel,
    McLachlan 2000, Robust mixture modelling using the t distribution, section 3.
    """
    rng = np.random.default_rng(SEED)
    runs = [_start(prior, rng, number) for number in range(STARTS)]
    for run in runs:
        _climb(x, run, prior, ITERATIONS_START, TOLERANCE_START)
    best = max(runs, key=lambda run: run.objective)
    finals = [_Run(best.loc.copy(), best.scale.copy(), nu, best.transition.copy()) for nu in NUS]
    for run in finals:
        _climb(x, run, prior, ITERATIONS_MAX, TOLERANCE)
    chosen = max(finals, key=lambda run: run.objective)
    return _ordered(chosen, prior, sum(run.iterations for run in (*runs, *finals)))


def fit_from(x: Floats, prior: Prior, near: HiddenMarkov) -> tuple[HiddenMarkov, Floats]:
    """Fit as `fit_student_t` does, but from where a fit on much the same values has ended."""
    run = _Run(floats(near.loc), floats(near.scale), near.nu, floats(near.transition))
    _climb(x, run, prior, ITERATIONS_MAX, TOLERANCE)
    return _ordered(run, prior, run.iterations)


def _ordered(chosen: _Run, prior: Prior, iterations: int) -> tuple[HiddenMarkov, Floats]:
    """The model with its states in rising order, and their smoothed probabilities."""
    order = np.argsort(chosen.scale if prior.own == "scale" else chosen.loc, kind="stable")
    transition = chosen.transition[order][:, order]
    model = HiddenMarkov(
        loc=tuple(chosen.loc[order].tolist()),
        scale=tuple(chosen.scale[order].tolist()),
        nu=chosen.nu,
        transition=tuple(tuple(row) for row in transition.tolist()),
        stationary=tuple(stationary(transition).tolist()),
        log_likelihood=float(chosen.log_likelihood),
        iterations=iterations,
        converged=chosen.converged,
    )
    return model, chosen.smoothed[:, order]


def _start(prior: Prior, rng: Generator, number: int) -> _Run:
    """Begin at the prior's places, later starts somewhere around them."""
    states = len(prior.loc)
    jitter = 0.4 * rng.standard_normal(states) * (number > 0)
    loc, scale = np.array(prior.loc), np.array(prior.scale)
    if prior.own == "scale":
        scale = np.sort(scale * np.exp(jitter))
    else:
        loc = np.sort(loc + jitter * scale)
    transition = np.full((states, states), 0.02 / (states - 1))
    np.fill_diagonal(transition, 0.98)
    return _Run(loc, scale, NUS[1], transition)


def _climb(x: Floats, run: _Run, prior: Prior, iterations: int, tolerance: float) -> None:
    """Run EM until the log posterior stands still."""
    for _ in range(iterations):
        density = student_t(x, run.loc, run.scale, run.nu)
        _, run.smoothed, moves, run.log_likelihood = smooth(
            density, run.transition, stationary(run.transition)
        )
        objective = run.log_likelihood + log_prior_sticky(run.transition) + _log_prior(run, prior)
        run.iterations += 1
        run.converged = bool(objective - run.objective < tolerance)
        run.objective = objective
        if run.converged:
            return
        run.transition = sticky(moves)
        _maximize(x, run, prior)


def _log_prior(run: _Run, prior: Prior) -> float:
    """Log density of the states' places before the first bar, up to a constant."""
    center, scale = np.array(prior.loc), np.array(prior.scale)
    if prior.own == "scale":
        return float(-LEVEL_BARS * (np.log(run.scale) + scale**2 / (2 * run.scale**2)).sum())
    return float(-LEVEL_BARS / 2 * (((run.loc - center) / scale) ** 2).sum())


def _maximize(x: Floats, run: _Run, prior: Prior) -> None:
    """Place the states anew, each bar weighted by how likely it is theirs and no outlier."""
    z = (x[:, None] - run.loc) / run.scale
    weight = run.smoothed * (run.nu + 1) / (run.nu + z * z)
    if prior.own == "scale":
        pull = weight / run.scale**2
        run.loc = np.full_like(run.loc, (pull * x[:, None]).sum() / pull.sum())
        squares = (weight * (x[:, None] - run.loc) ** 2).sum(axis=0)
        center = LEVEL_BARS * np.array(prior.scale) ** 2
        run.scale = np.sqrt((squares + center) / (run.smoothed.sum(axis=0) + LEVEL_BARS))
        return
    precision = LEVEL_BARS / np.array(prior.scale) ** 2
    pull = weight / run.scale**2
    run.loc = ((pull * x[:, None]).sum(axis=0) + precision * np.array(prior.loc)) / (
        pull.sum(axis=0) + precision
    )
    squares = (weight * (x[:, None] - run.loc) ** 2).sum()
    run.scale = np.full_like(run.scale, np.sqrt(squares / len(x)))
