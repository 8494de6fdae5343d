from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.feeds.sample import SampleFeed
from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel
from execution.regime.bars import bars_sha256
from execution.regime.config import RegimeConfig
from execution.regime.label import agreement, analyse, label_bars
from execution.regime.levels import variance
from tests.execution.examples import AAPL
from tests.execution.walks import assert_no_lookahead, random_walk


@given(seed=st.integers(0, 2**32), upto=st.integers(1, 400))
@settings(max_examples=25, deadline=None)
def test_no_label_changes_when_later_bars_arrive(seed: int, upto: int):
    assert_no_lookahead(label_bars, random_walk(seed, 400), upto)


@pytest.mark.parametrize("symbol", ["AAPL", "IBM"])
def test_no_label_of_real_bars_changes_when_later_bars_arrive(symbol: str):
    feed = SampleFeed()
    instrument_id = next(
        i.instrument_id for i in feed.instruments() if i.instrument_id.symbol == symbol
    )
    bars = feed.bars(instrument_id, None, 2_000)

    for upto in (1, 119, 120, 121, 500, 1_234, 1_999):
        assert_no_lookahead(label_bars, bars, upto)


def test_too_few_bars_are_unknown_with_no_confidence():
    labels = label_bars(random_walk(1, 121))

    assert list(labels["label"][:119]) == [RegimeLabel.UNKNOWN] * 119
    assert RegimeLabel.UNKNOWN not in set(labels["label"][119:])
    assert labels["confidence"][:119].max() == 0.0
    assert labels["confidence"].iloc[119] > 0


def scripted(log_ranges: list[float], drift: float) -> pd.DataFrame:
    """Bars that zigzag around a drift, each within a range of its own."""
    n = len(log_ranges)
    close = 100 * np.exp(drift * np.arange(n) + 0.002 * (-1.0) ** np.arange(n))
    half = np.array(log_ranges) / 2
    bars = random_walk(0, n)
    return bars.assign(
        open=close, close=close, high=close * np.exp(half), low=close * np.exp(-half)
    )


# Wide, middling and narrow bars by turns, so that "middling" lies between the quantiles.
HISTORY = [0.01] * 60 + [0.08] * 60 + [0.01] * 60 + [0.03] * 120


@pytest.mark.parametrize(
    ("last_ranges", "drift", "label"),
    [
        ([0.20] * 30, 0.0, RegimeLabel.VOLATILE),
        ([0.002] * 60, 0.0, RegimeLabel.CALM),
        ([0.03] * 60, 0.01, RegimeLabel.TRENDING),
        ([0.03] * 60, 0.0, RegimeLabel.MEAN_REVERTING),
    ],
)
def test_each_regime_is_told_from_the_others(
    last_ranges: list[float], drift: float, label: RegimeLabel
):
    bars = scripted(HISTORY + last_ranges, drift)

    regime = analyse(AAPL, bars)

    assert label is regime.label
    assert regime.confidence == 1.0


def test_confidence_is_the_share_of_recent_labels_that_agree():
    labels = pd.Series(["calm"] * 7 + ["volatile", "calm", "calm"], dtype=object)

    assert agreement(labels, 10).iloc[-1] == 0.9
    assert agreement(labels, 10).iloc[7] == 0.1


def test_variance_of_constant_ranges_is_parkinsons():
    bars = scripted([0.02] * 50, 0.0)

    assert 0.02**2 / (4 * np.log(2)) == pytest.approx(variance(bars, RegimeConfig()).iloc[-1])


def test_volatility_is_annualized_by_the_bars_that_came_per_year():
    """An hour's bars come 8,766 times a year, around the clock."""
    bars = scripted([0.02] * 300, 0.0)

    expected = 0.02 / np.sqrt(4 * np.log(2)) * np.sqrt(365.25 * 24)

    assert expected == pytest.approx(analyse(AAPL, bars).volatility)


def test_a_regime_says_exactly_which_bars_it_came_from():
    bars = random_walk(3, 150)
    restated = bars.copy()
    restated.loc[10, "volume"] += 1

    regime = analyse(AAPL, bars)

    assert (150, bars_sha256(bars)) == (regime.bars, regime.bars_sha256)
    assert bars["ts_close"].iloc[-1] == regime.ts_event
    assert len(regime.bars_sha256) == 64
    assert len({regime.bars_sha256, bars_sha256(restated), bars_sha256(bars[:-1])}) == 3


def test_bars_that_do_not_move_are_labeled_without_a_fault():
    flat = scripted([0.0] * 200, 0.0).assign(open=1.0, high=1.0, low=1.0, close=1.0)

    assert all(a == b for a, b in pairwise(label_bars(flat)["label"][119:]))


def test_no_bars_are_refused():
    with pytest.raises(InputInvalid, match=r"no bars of AAPL.SCRIPTED"):
        analyse(AAPL, random_walk(0, 1)[:0])


@pytest.mark.parametrize(
    "wrong", [{"calm_quantile": 0.9}, {"bars_min": 20}, {"decay": 1.0}, {"typo": 1}]
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        RegimeConfig(**wrong)
