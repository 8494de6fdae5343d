"""The filter against other people's figures, and the fit against the truth it was made from."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from execution.errors import InputInvalid
from execution.regime import hidden_markov
from execution.regime.compiled import between, forward, jump_labels, smooth, student_t
from execution.regime.hidden_markov import Prior, fit_student_t, spread, stationary


def two_levels(seed: int, bars: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Returns of two levels, 1 and 2.5, each for a hundred bars or so."""
    rng = np.random.default_rng(seed)
    states = np.cumsum(rng.random(bars) < 0.01) % 2
    return states, np.where(states, 2.5, 1.0) * rng.standard_t(4, bars)


PRIOR = Prior(loc=(0.0, 0.0), scale=(1.2, 2.4), own="scale")


def test_student_t_is_scipys():
    x, loc, scale = np.linspace(-9, 9, 41), np.array([0.1, -0.2]), np.array([0.7, 2.0])

    ours = student_t(x, loc, scale, 4.0)

    theirs = stats.t.logpdf(x[:, None], 4.0, loc, scale)
    assert np.abs(ours - theirs).max() < 1e-13


def test_a_bar_without_a_return_says_nothing():
    density = student_t(np.array([np.nan]), np.zeros(2), np.ones(2), 4.0)
    transition = np.array([[0.9, 0.1], [0.3, 0.7]])

    filtered, log_likelihood = forward(density, transition, stationary(transition))

    assert log_likelihood == 0.0
    assert np.allclose(filtered[0], [0.75, 0.25])


def test_an_impossible_looking_bar_does_not_break_the_filter():
    """A crash of a thousand deviations must leave probabilities, not NaN."""
    x = np.array([0.0, 1e6, 0.0])
    transition = np.array([[0.99, 0.01], [0.01, 0.99]])

    filtered, _ = forward(student_t(x, np.zeros(2), np.ones(2), 1e6), transition, np.full(2, 0.5))

    assert np.isfinite(filtered).all()
    assert np.allclose(filtered.sum(axis=1), 1.0)


def test_smoothed_probabilities_are_those_of_all_paths_counted_out():
    """Five bars and two states: every path of states can be written down."""
    rng = np.random.default_rng(3)
    density, transition = rng.normal(size=(5, 2)), np.array([[0.8, 0.2], [0.4, 0.6]])
    start = stationary(transition)
    paths = np.array(np.meshgrid(*[[0, 1]] * 5)).reshape(5, -1).T
    weight = np.array(
        [
            np.log(start[p[0]])
            + sum(np.log(transition[a, b]) for a, b in pairwise(p))
            + density[np.arange(5), p].sum()
            for p in paths
        ]
    )
    share = np.exp(weight) / np.exp(weight).sum()

    _, smoothed, moves, log_likelihood = smooth(density, transition, start)

    assert np.log(np.exp(weight).sum()) == pytest.approx(log_likelihood, abs=1e-12)
    assert np.allclose(smoothed[:, 1], share @ paths, atol=1e-12)
    assert share @ (np.diff(paths, axis=1) == 1).sum(axis=1) == pytest.approx(moves[0, 1])


def test_the_fit_finds_the_levels_and_the_tail():
    _, x = two_levels(1)

    model, smoothed = fit_student_t(x, PRIOR)

    assert model.converged
    assert model.nu == 4.0
    assert model.scale == pytest.approx((1.0, 2.5), rel=0.1)
    assert model.transition[0][0] == pytest.approx(0.99, abs=0.01)
    assert smoothed.shape == (2_000, 2)


def test_normal_returns_are_given_a_normal_tail():
    states, _ = two_levels(2)
    x = np.where(states, 2.5, 1.0) * np.random.default_rng(2).standard_normal(2_000)

    assert fit_student_t(x, PRIOR)[0].nu == 50.0


def test_one_level_alone_is_not_split_in_two():
    """Without the prior a training of one state gives two states a hair apart."""
    for seed in range(5):
        x = np.random.default_rng(seed).standard_t(5, 2_000)
        middle, scale = spread(x)
        prior = Prior(loc=(middle, middle), scale=(scale, 2 * scale), own="scale")

        model, _ = fit_student_t(x, prior)

        assert model.scale[1] / model.scale[0] > 1.4


def test_no_step_of_em_loses_likelihood():
    """The log posterior is what EM raises; a wrong step of it would show as a fall."""
    for own, x in (("scale", two_levels(4)[1]), ("loc", two_levels(4)[0] * 1.5 - 0.3)):
        x = x + 0.3 * np.random.default_rng(9).standard_normal(2_000)
        prior = Prior(loc=(-0.2, 0.2), scale=(1.0, 2.0) if own == "scale" else (0.4, 0.4), own=own)
        run = hidden_markov._start(prior, np.random.default_rng(0), 0)
        seen = []
        for _ in range(40):
            hidden_markov._climb(x, run, prior, 1, -np.inf)
            seen.append(run.objective)
        assert min(np.diff(seen)) > -1e-8, own


def test_what_does_not_move_is_refused():
    with pytest.raises(InputInvalid, match=r"do not move"):
        spread(np.zeros(100))


def test_a_jump_model_pays_for_each_change():
    x = np.array([[0.0], [0.0], [1.0], [0.0], [1.0], [1.0], [1.0], [1.0]])
    centers = np.array([[0.0], [1.0]])

    assert list(x[:, 0]) == list(jump_labels(x, centers, 0.0, np.zeros(2)))
    assert list(jump_labels(x, centers, 0.9, np.zeros(2))) == [0, 0, 0, 0, 0, 1, 1, 1]


def test_between_knots_is_numpys_interpolation():
    knots, values = np.array([0.2, 0.5, 0.9]), np.array([0.1, 0.6, 0.7])
    x = np.linspace(0, 1, 101)

    assert np.abs(np.interp(x, knots, values) - between(x, knots, values)).max() < 1e-15
