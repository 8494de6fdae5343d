"""Calibration on bars that the labeling model has not seen, and how alike values are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from execution.regime import four
from execution.regime.compiled import Floats, Ints
from execution.regime.four import FourRegimeModel, fit_four
from execution.regime.out_of_fold import (
    BLOCKS,
    bars_alike,
    calibrate_out_of_fold,
    without,
)
from tests.execution.walks import random_walk


def autoregressive(share: float, n: int, seed: int) -> Floats:
    """Values of which each keeps so much of the one before."""
    noise, x = np.random.default_rng(seed).standard_normal(n), np.zeros(n)
    for t in range(1, n):
        x[t] = share * x[t - 1] + noise[t]
    return x


def test_no_block_is_labeled_by_a_model_that_has_seen_it():
    """And each block is labeled once, by what comes before it alone."""
    bars, asked = random_walk(3, 403), []

    def fit_and_label(others: pd.DataFrame, upto: pd.DataFrame) -> tuple[Floats, Ints]:
        held_out = sorted(set(bars.index) - set(others.index))
        assert held_out[-1] == upto.index[-1]
        asked.extend(held_out)
        return np.full((len(upto), 2), 0.5), np.zeros(len(upto), np.int64)

    calibrate_out_of_fold(bars, np.full((len(bars), 2), 0.5), fit_and_label)

    assert asked == list(bars.index)


def test_confidence_is_how_often_the_unseen_bars_were_right():
    """Sure of itself everywhere, and right in three of four by what is known later."""
    bars = random_walk(3, 400)
    seen = np.tile([0.75, 0.25], (400, 1))

    def certain(others: pd.DataFrame, upto: pd.DataFrame) -> tuple[Floats, Ints]:
        return np.tile([0.99, 0.01], (len(upto), 1)), np.zeros(len(upto), np.int64)

    calibration = calibrate_out_of_fold(bars, seen, certain)

    assert calibration(np.array([0.99])) == pytest.approx([0.75])


@pytest.mark.parametrize(("begin", "end"), [(0, 100), (100, 250), (300, 400)])
def test_leaving_a_block_out_makes_no_move_up(begin: int, end: int):
    bars = random_walk(5, 400)

    rest = without(bars, begin, end)

    def moves(frame: pd.DataFrame) -> pd.DataFrame:
        logs = np.log(frame[["open", "high", "low", "close"]])
        return logs.sub(np.log(frame["close"]).shift(1), axis=0)

    outside = [i for i in bars.index if not begin <= i < end]
    assert list(rest.index) == outside
    first = outside[0]
    expected, found = (moves(f).loc[rest.index].drop(first) for f in (bars, rest))
    assert np.allclose(expected, found, atol=1e-12)


def test_independent_values_stand_alone_and_a_constant_says_nothing_of_it():
    x = np.random.default_rng(1).standard_normal(5_000)

    assert bars_alike(x) == pytest.approx(1.0, abs=0.15)
    assert bars_alike(np.ones(50)) == 1.0
    assert bars_alike(np.array([1.0, -1.0] * 50)) == 1.0  # never less than itself


def test_values_that_keep_half_of_the_last_say_a_third_as_much():
    """An autoregression of .5: (1 + .5) / (1 - .5) = 3, less what the weights cut off."""
    assert bars_alike(autoregressive(0.5, 20_000, 2)) == pytest.approx(3.0, rel=0.15)


def test_the_judge_counts_ranges_less_where_they_are_alike():
    """Volatility that wanders inside its level is else taken for another level, and surely."""
    bars = random_walk(7, 1_000)
    wander = np.exp(0.5 * autoregressive(0.9, 1_000, 3) * (1 - 0.9**2) ** 0.5)
    center = np.log(bars["high"] * bars["low"]) / 2
    half = np.log(bars["high"] / bars["low"]) / 2 * wander
    wandering = bars.assign(high=np.exp(center + half), low=np.exp(center - half))

    plain, rough = fit_four(bars), fit_four(wandering)

    assert rough.hindsight_weight < plain.hindsight_weight <= four.RANGE_WEIGHT


def test_confidence_is_learned_from_other_bars_than_the_fit(monkeypatch: pytest.MonkeyPatch):
    """Four fits besides the one of all bars, each of three quarters of them."""
    sizes, fit = [], four._fit

    def counted(bars: pd.DataFrame, *args: object, **near: object) -> FourRegimeModel:
        sizes.append(len(bars))
        return fit(bars, *args, **near)  # type: ignore[arg-type]

    monkeypatch.setattr(four, "_fit", counted)
    fit_four(random_walk(5, 600))

    assert sizes == [600] + [450] * BLOCKS
