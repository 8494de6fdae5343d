"""How long regimes last, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.evaluation.spells import dwell, spells, switches, transitions

TEXTS = st.lists(st.sampled_from(["calm", "volatile", "unknown"]), min_size=1, max_size=60)


@given(labels=TEXTS)
def test_spells_put_together_are_the_labels(labels: list[str]):
    found = spells(labels)

    assert labels == [label for s in found for label in [s.label] * s.bars]
    assert [0, *(s.end for s in found)][:-1] == [s.begin for s in found]


def test_spells_cut_off_by_the_ends_do_not_say_how_long_a_regime_lasts():
    """The longest of all is usually the one that still goes on: its length is not known."""
    labels = ["unknown"] * 3 + ["calm"] * 9 + ["volatile"] * 2 + ["calm"] * 4
    labels += ["volatile"] * 6 + ["calm"] * 7

    calm, volatile = dwell(labels, ("calm", "volatile"))

    assert (calm.bars, calm.spells, calm.quartiles, calm.longest) == (20, 1, (4.0, 4.0, 4.0), 4)
    assert (
        volatile.bars,
        volatile.spells,
        volatile.quartiles,
        volatile.longest,
    ) == (8, 2, (3.0, 4.0, 5.0), 6)


def test_a_regime_that_never_came_has_no_quartiles():
    (trending,) = dwell(["calm", "volatile", "calm"], ("trending",))

    assert (trending.bars, trending.spells, trending.quartiles, trending.longest) == (0, 0, None, 0)


def test_moves_are_counted_from_row_to_column_and_not_over_what_is_unknown():
    labels = ["calm", "calm", "volatile", "unknown", "calm", "volatile", "volatile", "calm"]

    counts = transitions(labels, ("calm", "volatile"))

    assert counts.tolist() == [[1, 2], [1, 1]]


@given(labels=TEXTS)
def test_switches_are_the_moves_off_the_diagonal(labels: list[str]):
    counts = transitions(labels, ("calm", "volatile"))
    off = counts.sum() - np.trace(counts)

    expected = pytest.approx(1_000 * off / counts.sum()) if counts.sum() else None
    assert expected == switches(labels)
