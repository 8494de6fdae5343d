"""The compiled steps of a hidden Markov model: one forward step, used by everything.

Fitting, labeling a history and labeling one new bar call the same machine code, so what is
said of a bar is the same to the bit however the bars before it arrived. All of it lies in
this file because numba's cache on disk notes changes of a function's own file alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile at the first call; kept on disk where there is a place to write to."""
    try:
        return cast(F, njit(cache=True)(function))
    except RuntimeError:  # a read-only installation: compiled again by every process
        return cast(F, njit(function))


@compiled
def forward_step(before: Floats, transition: Floats, log_density: Floats, after: Floats) -> float:
    """Hamilton's filter (1989), one bar: write P(state | bars so far), return log p(bar | past).

    `transition[i, j]` is P(j now | i before); `log_density[j]` is log p(bar | state j).
    """
    states = before.size
    peak = -math.inf
    for j in range(states):
        peak = max(peak, log_density[j])
    total = 0.0
    for j in range(states):
        predicted = 0.0
        for i in range(states):
            predicted += before[i] * transition[i, j]
        after[j] = predicted * math.exp(log_density[j] - peak)
        total += after[j]
    for j in range(states):
        after[j] /= total
    return float(math.log(total) + peak)


@compiled
def forward(log_density: Floats, transition: Floats, start: Floats) -> tuple[Floats, float]:
    """Filter n bars: P(state | bars up to it), n × states, and the log likelihood.

    `start` is what is known before the first bar; the chain takes one step before it too.
    """
    bars, states = log_density.shape
    filtered = np.empty((bars, states))
    log_likelihood = 0.0
    before = start
    for t in range(bars):
        log_likelihood += forward_step(before, transition, log_density[t], filtered[t])
        before = filtered[t]
    return filtered, log_likelihood


@compiled
def smooth(
    log_density: Floats, transition: Floats, start: Floats
) -> tuple[Floats, Floats, Floats, float]:
    """Filter, then look back over all bars (Kim 1994). For training alone: it looks ahead.

    Returns filtered and smoothed probabilities (n × states), the expected transitions
    (states × states) and the log likelihood.
    """
    filtered, log_likelihood = forward(log_density, transition, start)
    bars, states = log_density.shape
    smoothed = np.empty((bars, states))
    smoothed[bars - 1] = filtered[bars - 1]
    moves = np.zeros((states, states))
    ratio = np.empty(states)
    for t in range(bars - 2, -1, -1):
        for j in range(states):
            predicted = 0.0
            for i in range(states):
                predicted += filtered[t, i] * transition[i, j]
            ratio[j] = smoothed[t + 1, j] / max(predicted, 1e-300)
        for i in range(states):
            back = 0.0
            for j in range(states):
                move = filtered[t, i] * transition[i, j] * ratio[j]
                moves[i, j] += move
                back += move
            smoothed[t, i] = back
    return filtered, smoothed, moves, log_likelihood


@compiled
def decide(
    log_density: Floats,
    transition: Floats,
    start: Floats,
    groups: Ints,
    usual: Floats,
    margin: float,
    label: int,
) -> tuple[Floats, Floats, Ints]:
    """Filter n bars and label each; `label` is the label before the first, -1 for none.

    States are summed into `groups`. A bar's label is the group whose probability is
    highest over how `usual` it is, and the last label stays until another beats it by
    `margin` (in log odds). Returns the filtered states, the groups' probabilities, the labels.
    """
    bars, states = log_density.shape
    filtered = np.empty((bars, states))
    probability = np.zeros((bars, usual.size))
    labels = np.empty(bars, np.int64)
    factor = math.exp(margin)
    before = start
    for t in range(bars):
        forward_step(before, transition, log_density[t], filtered[t])
        before = filtered[t]
        for i in range(states):
            probability[t, groups[i]] += filtered[t, i]
        best = 0
        for g in range(1, usual.size):
            if probability[t, g] / usual[g] > probability[t, best] / usual[best]:
                best = g
        if label < 0 or (
            probability[t, best] / usual[best] > factor * (probability[t, label] / usual[label])
        ):
            label = best
        labels[t] = label
    return filtered, probability, labels


@compiled
def student_t(x: Floats, loc: Floats, scale: Floats, nu: float) -> Floats:
    """Log density of Student's t, n × states; where x is NaN, 0: no evidence for any state."""
    out = np.zeros((x.size, loc.size))
    constant = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi)
    for t in range(x.size):
        if not math.isnan(x[t]):
            for j in range(loc.size):
                z = (x[t] - loc[j]) / scale[j]
                out[t, j] = constant - math.log(scale[j]) - (nu + 1) / 2 * math.log1p(z * z / nu)
    return out


@compiled
def log_returns(close: Floats, last: float) -> Floats:
    """Log return of each close over the one before; `last` comes before the first."""
    out = np.empty(close.size)
    for t in range(close.size):
        out[t] = math.log(close[t] / last)
        last = close[t]
    return out


@compiled
def log_ranges(high: Floats, low: Floats, floor: float) -> Floats:
    """Log of ln(high / low), which is about normal (Alizadeh, Brandt, Diebold 2002)."""
    out = np.empty(high.size)
    for t in range(high.size):
        out[t] = math.log(max(math.log(high[t] / low[t]), floor))
    return out


@compiled
def deviations(close: Floats, last: float, anchor: float, speed: float) -> tuple[Floats, float]:
    """How far the log price was from its anchor before each bar, and the anchor after all.

    The anchor is an exponentially weighted mean that takes `speed` of each new log price;
    NaN for `last` and `anchor` when there is no bar before the first.
    """
    out = np.empty(close.size)
    for t in range(close.size):
        out[t] = math.log(last) - anchor
        last = close[t]
        price = math.log(last)
        anchor = price if math.isnan(anchor) else anchor + speed * (price - anchor)
    return out, anchor


@compiled
def direction(
    returns: Floats, away: Floats, scale: float, nu: float, drift: float, pull: float
) -> Floats:
    """Log likelihood ratios over a driftless return of: up, down, pulled back; n × 3.

    `drift` is in units of `scale` a bar; `pull` is the share of the way `away` from the
    anchor that a bar is expected to go back. 0 where a return or a deviation is NaN.
    """
    out = np.zeros((returns.size, 3))
    for t in range(returns.size):
        z = returns[t] / scale
        d = away[t] / scale
        if not (math.isnan(z) or math.isnan(d)):
            base = math.log1p(z * z / nu)
            for j, expected in enumerate((drift, -drift, -pull * d)):
                e = z - expected
                out[t, j] = (nu + 1) / 2 * (base - math.log1p(e * e / nu))
    return out


@compiled
def between(x: Floats, knots: Floats, values: Floats) -> Floats:
    """Interpolate linearly between knots (rising); flat before the first and after the last."""
    out = np.empty(x.size)
    for t in range(x.size):
        k = 0
        while k < knots.size and knots[k] <= x[t]:
            k += 1
        if k == 0:
            out[t] = values[0]
        elif k == knots.size:
            out[t] = values[k - 1]
        else:
            share = (x[t] - knots[k - 1]) / (knots[k] - knots[k - 1])
            out[t] = values[k - 1] + share * (values[k] - values[k - 1])
    return out


@compiled
def jump_labels(x: Floats, centers: Floats, penalty: float, cost: Floats) -> Ints:
    """Online labels of a jump model (Nystrup 2020); `cost` per state is carried on in place.

    `x` is n × features, `centers` states × features; a bar's loss is half the squared
    distance to the center, a change of state costs `penalty`.
    """
    labels = np.empty(x.shape[0], np.int64)
    for t in range(x.shape[0]):
        lowest = cost.min()
        for j in range(cost.size):
            loss = 0.0
            for f in range(x.shape[1]):
                loss += 0.5 * (x[t, f] - centers[j, f]) ** 2
            cost[j] = min(cost[j], lowest + penalty) + loss
        cost -= cost.min()
        labels[t] = cost.argmin()
    return labels
