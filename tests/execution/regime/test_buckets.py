"""The plain baseline, and the figures for people: variance, volatility a year."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from data.feeds.sample import SampleFeed
from execution.model.enums import RegimeLabel
from execution.regime.base import WARMUP_BARS, label
from execution.regime.baselines import fit_bucket_adx
from execution.regime.config import BucketConfig
from execution.regime.levels import annualized, variance
from tests.execution.walks import assert_no_lookahead, random_walk


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
    ("last_ranges", "drift", "expected"),
    [
        ([0.20] * 30, 0.0, RegimeLabel.VOLATILE),
        ([0.002] * 60, 0.0, RegimeLabel.CALM),
        ([0.03] * 60, 0.01, RegimeLabel.TRENDING),
        ([0.03] * 60, 0.0, RegimeLabel.MEAN_REVERTING),
    ],
)
def test_each_regime_is_told_from_the_others(
    last_ranges: list[float], drift: float, expected: RegimeLabel
):
    bars = scripted(HISTORY + last_ranges, drift)
    model = fit_bucket_adx(bars[: len(HISTORY)], bars_min=100)

    last = label(model, bars).iloc[-1]

    assert (last["label"], last["confidence"]) == (expected, 1.0)


def test_confidence_is_the_share_of_the_last_ten_labels_that_agree():
    """So it is no probability: it says how settled the label is."""
    bars = scripted(HISTORY + [0.20] * 30, 0.0)
    model = fit_bucket_adx(bars[: len(HISTORY)], bars_min=100)

    labels = label(model, bars)

    for row in range(WARMUP_BARS, len(bars)):
        recent = labels["label"].iloc[row - 9 : row + 1]
        if RegimeLabel.UNKNOWN not in set(recent):
            share = (recent == recent.iloc[-1]).mean()
            assert share == pytest.approx(labels["confidence"].iloc[row])
    assert labels["confidence"].nunique() > 3


@pytest.mark.parametrize("symbol", ["AAPL", "IBM"])
def test_no_label_of_real_bars_changes_when_later_bars_arrive(symbol: str):
    feed = SampleFeed()
    instrument_id = next(
        i.instrument_id for i in feed.instruments() if i.instrument_id.symbol == symbol
    )
    bars = feed.bars(instrument_id, None, 2_000)
    model = fit_bucket_adx(bars[:600])

    for upto in (1, 19, 20, 21, 500, 1_234, 1_999):
        assert_no_lookahead(lambda bars: label(model, bars), bars, upto)


def test_variance_of_constant_ranges_is_parkinsons():
    bars = scripted([0.02] * 50, 0.0)

    assert 0.02**2 / (4 * np.log(2)) == pytest.approx(variance(bars, BucketConfig()).iloc[-1])


def test_volatility_is_annualized_by_the_bars_that_came_per_year():
    """An hour's bars come 8,766 times a year, around the clock."""
    bars = scripted([0.02] * 300, 0.0)

    expected = 0.02 / np.sqrt(4 * np.log(2)) * np.sqrt(365.25 * 24)

    found = annualized(variance(bars, BucketConfig()), bars)
    assert expected == pytest.approx(found.iloc[-1])
    assert found.iloc[0] == 0


@pytest.mark.parametrize(
    "wrong", [{"calm_quantile": 0.9}, {"adx_period": 1}, {"decay": 1.0}, {"typo": 1}]
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        BucketConfig(**wrong)
