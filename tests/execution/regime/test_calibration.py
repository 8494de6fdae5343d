"""How far confidences are from how often they were right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.regime.calibration import calibration_error

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=50)


def test_too_sure_here_and_too_unsure_there_do_not_make_up_for_each_other():
    """Two of four bars said .95 and half of them was right, two said .15 and half was right."""
    said = np.array([0.95, 0.95, 0.15, 0.15])
    right = np.array([1.0, 0.0, 1.0, 0.0])

    assert calibration_error(said, right) == pytest.approx((0.45 + 0.35) / 2)


def test_within_one_bin_they_do():
    assert calibration_error(np.array([0.51, 0.59]), np.array([0.1, 1.0])) == pytest.approx(0)


@given(said=SHARES)
def test_what_is_as_right_as_it_says_has_no_error(said: list[float]):
    assert calibration_error(np.array(said), np.array(said)) == 0


@given(said=SHARES, shift=st.floats(0, 1))
def test_it_lies_between_nothing_and_all(said: list[float], shift: float):
    values = np.array(said)

    assert 0 <= calibration_error(values, np.abs(values - shift)) <= 1
