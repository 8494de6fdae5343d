"""Errors of means over clusters of neighbors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from execution.evaluation.sampling import (
    batched,
    clustered_error,
    draw_clusters,
    interval,
    studentized,
)


def test_clusters_of_one_size_have_the_textbook_error():
    totals = np.array([2.0, 4.0, 9.0, 1.0])
    bars = np.full(4, 2.0)

    assert clustered_error(totals, bars) == pytest.approx(np.std(totals / 2, ddof=1) / 2)


def test_one_cluster_says_nothing_of_its_error():
    assert math.isnan(clustered_error(np.array([3.0]), np.array([7.0])))


def test_neighbors_that_tell_the_same_news_count_once():
    """Ten copies of each value are ten times the bars and no more news."""
    values = np.random.default_rng(3).standard_normal(50)
    once = clustered_error(values, np.ones(50))

    assert clustered_error(10 * values, np.full(50, 10.0)) == pytest.approx(once)


def test_the_bootstrap_agrees_with_the_formula_where_there_are_many_clusters():
    rng = np.random.default_rng(4)
    bars = rng.integers(1, 30, 300).astype(float)
    totals = bars * 0.1 + np.sqrt(bars) * rng.standard_normal(300)

    low, high = interval(totals, bars, studentized(totals, bars, draw_clusters(300)), 0.95)

    error = clustered_error(totals, bars)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert (low + high) / 2 == pytest.approx(totals.sum() / bars.sum(), abs=error / 5)


def test_an_interval_of_few_clusters_is_wider_than_the_normal_one():
    """With a dozen clusters the error itself is uncertain; Student's t knows, so must this."""
    totals, bars = np.random.default_rng(5).standard_normal(12), np.ones(12)

    low, high = interval(totals, bars, studentized(totals, bars, draw_clusters(12)), 0.99)

    assert high - low > 2 * 2.576 * clustered_error(totals, bars) * 1.1


def test_a_few_large_gains_make_the_upper_side_wider():
    """Of what is skewed to the right too little is seen as often as not: more may be to come."""
    totals, bars = np.random.default_rng(6).lognormal(0, 1, 40), np.ones(40)

    low, high = interval(totals, bars, studentized(totals, bars, draw_clusters(40)), 0.95)

    assert high - totals.mean() > 1.3 * (totals.mean() - low)


def test_the_same_history_gives_the_same_interval():
    assert (draw_clusters(7) == draw_clusters(7)).all()
    assert (draw_clusters(7).sum(axis=1) == 7).all()


def test_batches_are_neighbors_and_lose_nothing():
    totals, sizes = batched(np.arange(10.0))

    assert sizes.tolist() == [4, 3, 3]
    assert totals.tolist() == [6.0, 15.0, 24.0]
