"""What the models compute from bars: never from later ones, and the same in any pieces."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.regime.calibration import calibrate
from execution.regime.compiled import (
    Floats,
    compiled,
    deviations,
    direction,
    log_ranges,
    log_returns,
)
from execution.regime.config import BucketConfig
from execution.regime.levels import annualized, variance
from execution.regime.trend import trend_strength
from tests.execution.walks import random_walk


def columns(bars: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    high, low, close = (bars[name].to_numpy(float) for name in ("high", "low", "close"))
    return high, low, close


FEATURES: dict[str, Callable[[pd.DataFrame], Floats]] = {
    "return": lambda bars: log_returns(columns(bars)[2], math.nan),
    "range": lambda bars: log_ranges(*columns(bars)[:2], 1e-4),
    "deviation": lambda bars: deviations(columns(bars)[2], math.nan, math.nan, 0.1)[0],
    "direction": lambda bars: direction(
        log_returns(columns(bars)[2], math.nan),
        deviations(columns(bars)[2], math.nan, math.nan, 0.1)[0],
        0.01,
        8.0,
        0.3,
        0.15,
    ),
    "variance": lambda bars: variance(bars, BucketConfig()).to_numpy(),
    "volatility": lambda bars: annualized(variance(bars, BucketConfig()), bars).to_numpy(),
    "trend": lambda bars: trend_strength(bars, BucketConfig()).to_numpy(),
}


@pytest.mark.parametrize("name", FEATURES)
@given(seed=st.integers(0, 2**32), upto=st.integers(1, 200))
@settings(max_examples=25, deadline=None)
def test_no_feature_changes_when_later_bars_arrive(name: str, seed: int, upto: int):
    bars = random_walk(seed, 200)

    np.testing.assert_array_equal(FEATURES[name](bars[:upto]), FEATURES[name](bars)[:upto])


@given(seed=st.integers(0, 2**32), cut=st.integers(1, 199))
@settings(max_examples=25, deadline=None)
def test_features_go_on_where_they_were(seed: int, cut: int):
    close = columns(random_walk(seed, 200))[2]

    first, anchor = deviations(close[:cut], math.nan, math.nan, 0.1)
    rest, end = deviations(close[cut:], close[cut - 1], anchor, 0.1)
    whole, whole_end = deviations(close, math.nan, math.nan, 0.1)

    np.testing.assert_array_equal(whole, np.concatenate([first, rest]))
    assert whole_end == end
    later = log_returns(close[cut:], close[cut - 1])
    np.testing.assert_array_equal(log_returns(close, math.nan)[cut:], later)


def test_direction_speaks_for_what_happened():
    """Up a lot: up; down a lot: down; back towards the anchor from far above: back."""
    returns, away = np.array([0.03, -0.03, -0.01]), np.array([0.0, 0.0, 0.10])

    ratios = direction(returns, away, 0.01, 8.0, 0.5, 0.15)

    assert list(ratios[:2].argmax(axis=1)) == [0, 1]
    assert ratios[2, 2] > ratios[2, 0]
    assert np.allclose(ratios[:2, 2], 0.0)


def test_nothing_is_said_of_direction_before_there_is_a_return():
    ratios = direction(np.array([np.nan]), np.array([np.nan]), 0.01, 8.0, 0.3, 0.15)

    assert not ratios.any()


def test_a_bar_without_a_range_counts_as_the_floor():
    assert math.log(1e-4) == log_ranges(np.array([5.0]), np.array([5.0]), 1e-4)[0]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_confidence_rises_with_probability_and_stays_a_share(seed: int):
    rng = np.random.default_rng(seed)
    said = rng.random(500)
    confidence = calibrate(said, (rng.random(500) < said**2).astype(float))

    grid = confidence(np.linspace(0, 1, 101))

    assert (np.diff(grid) >= 0).all()
    assert grid[0] >= 0
    assert grid[-1] <= 1


def test_a_filter_that_boasts_is_taken_down():
    """Who says .9 and is right half the time is believed .5."""
    said = np.repeat([0.6, 0.9], 200)
    right = np.tile([1.0, 0.0], 200)

    confidence = calibrate(said, right)

    assert confidence(np.array([0.9]))[0] == pytest.approx(0.5)


def test_where_nothing_can_be_kept_on_disk_it_compiles_all_the_same():
    """A read-only installation has no place for numba's cache."""
    space: dict[str, Callable[[float], float]] = {}
    exec("def twice(x): return 2.0 * x", space)  # noqa: S102 - a function without a file

    assert compiled(space["twice"])(1.5) == 3.0
