"""Models judged side by side: what a label was worth, and how steady it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from execution.evaluation.comparison import (
    JUDGES,
    Comparison,
    judged,
    likelihood_gain,
    refits_agree,
    scale_of,
    windows_agree,
)
from execution.evaluation.walking import Walk, hindsight, walk
from execution.model.regime import Training
from execution.regime.base import Progress, label, trained_on
from execution.regime.config import RefitSchedule
from execution.regime.four import FourRegimeModel, fit_four
from execution.regime.refit import walk_forward
from execution.regime.registry import MODELS
from execution.regime.volatility import VolatilityModel, fit_volatility
from tests.execution.regime.chains import KINDS, history

SCHEDULE = RefitSchedule(bars_min=500, bars_max=600, every_bars=100)


@cache
def walked() -> Walk:
    return walk(fit_volatility, history(), SCHEDULE)


def still(bars: int = 1_000) -> pd.DataFrame:
    """Bars whose volatility never changes: there are no levels to find."""
    calm = history(bars=bars).copy()
    moves = 0.01 * np.random.default_rng(9).standard_normal(bars)
    calm["close"] = calm["open"] = 100 * np.exp(np.cumsum(moves))
    calm["high"], calm["low"] = calm["close"] * 1.001, calm["close"] * 0.999
    return calm


def test_a_walk_is_the_walk_forward_with_its_models_kept():
    pd.testing.assert_frame_equal(
        walked().labels, walk_forward(fit_volatility, history(), SCHEDULE), check_exact=True
    )
    assert [(f.first, f.begin, f.end) for f in walked().fits[:3]] == [
        (0, 500, 600),
        (0, 600, 700),
        (100, 700, 800),
    ]
    assert walked().fits[-1].end == len(history())


def test_labels_of_levels_foretell_how_far_the_next_bar_moves():
    gains = likelihood_gain(walked(), history())

    assert len(gains) == len(history()) - SCHEDULE.bars_min - 1  # the last return is not known
    assert 1_000 * gains.mean() > 100


@dataclass(frozen=True)
class EveryOther:
    """A model that says low and high in turn, by the hour."""

    training: Training
    kind: str = "every-other"
    version: int = 1
    names: tuple[str, ...] = ("low", "high")

    def start(self) -> Progress:
        return Progress(bars=0, filtered=())

    def advance(self, progress: Progress, bars: pd.DataFrame) -> tuple[Progress, pd.DataFrame]:
        odd = (bars["ts_open"].dt.hour % 2).to_numpy()
        said = np.where(odd == 1, "high", "low").astype(object)
        return progress, pd.DataFrame({"label": said, "confidence": 1.0}, index=bars.index)


def fit_every_other(bars: pd.DataFrame, *, bars_min: int = 1) -> EveryOther:
    return EveryOther(trained_on(bars, bars_min))


def test_a_label_foretells_the_bar_after_it_and_not_its_own():
    """Large moves come at even hours, after what the model calls high: it is right there."""
    bars = still()
    even = (bars["ts_open"].dt.hour % 2 == 0).to_numpy()
    moves = np.where(even, 0.03, 0.001) * np.random.default_rng(2).standard_normal(len(bars))
    bars["close"] = 100 * np.exp(np.cumsum(moves))

    gains = likelihood_gain(walk(fit_every_other, bars, SCHEDULE), bars)

    assert gains.mean() > 0.3
    assert (gains[1::2].mean() > 0) and (gains[::2].mean() > 0)


def test_labels_of_a_market_without_levels_foretell_nothing():
    bars = still()
    gains = likelihood_gain(walk(fit_volatility, bars, SCHEDULE), bars)

    assert abs(1_000 * gains.mean()) < 10


def test_what_a_label_was_worth_does_not_change_when_later_bars_arrive():
    """The scales are those of the training; a later bar in them would be lookahead."""
    bars = history()
    whole = likelihood_gain(walked(), bars)

    for upto in (602, 655, 701):
        before = likelihood_gain(walk(fit_volatility, bars[:upto], SCHEDULE), bars[:upto])
        assert (before == whole[: len(before)]).all()


def test_the_scale_is_that_of_students_t_and_is_drawn_to_the_usual_where_bars_are_few():
    x = 0.02 * np.random.default_rng(1).standard_t(5, 20_000)

    assert scale_of(x, None) == pytest.approx(0.02, rel=0.03)
    assert scale_of(x[:0], 0.05) == pytest.approx(0.05)
    assert 0.02 < scale_of(x[:20], 0.05) < 0.05


def test_hindsight_judges_each_block_by_the_next_model_and_the_newest_by_none():
    """A block's judge has seen another block after it, so its last bars are judged as well."""
    seen = hindsight(walked(), history())

    known = np.isfinite(seen[:, 0])
    assert known.tolist() == [500 <= t < 900 for t in range(1_000)]
    assert seen[known].sum(axis=1) == pytest.approx(1.0)
    after = walked().fits[1]
    again = after.model.hindsight(history()[after.first : after.end])  # type: ignore[attr-defined]
    assert (seen[500:600] == again[500:600]).all()


def test_hindsight_knows_better_than_the_filter():
    """Smoothed labels are right more often, as the judge itself sees it."""
    seen = hindsight(walked(), history())
    right, said = judged(walked(), seen)

    known = np.isfinite(seen[:, 0])
    assert len(right) == len(said) == known.sum()
    assert 0.6 < right.mean() < seen[known].max(axis=1).mean()


@pytest.mark.parametrize("fit", [fit_volatility, fit_four], ids=["student-t", "four"])
def test_a_model_looks_back_over_just_the_bars_that_it_is_given(
    fit: Callable[[pd.DataFrame], VolatilityModel | FourRegimeModel],
):
    model = fit(history()[:600])

    seen = model.hindsight(history()[:600])

    assert seen.shape == (600, len(model.names))
    assert seen.sum(axis=1) == pytest.approx(1.0)
    assert not np.allclose(seen[:590], model.hindsight(history()[:620])[:590], atol=1e-9)


def test_refits_agree_wholly_only_when_they_say_the_same():
    share = refits_agree(walked(), history())
    assert share is not None
    assert 0.5 < share < 1

    model = walked().fits[0].model
    one = Walk(
        labels=label(model, history()),
        fits=tuple(replace(f, model=model, first=0) for f in walked().fits),
    )
    assert refits_agree(one, history()) == 1.0


def test_windows_agree_where_there_are_levels_and_need_bars_enough():
    agree = windows_agree(fit_volatility, history(), RefitSchedule(bars_max=1_000))

    assert agree is not None
    assert 0.9 < agree <= 1
    assert windows_agree(fit_volatility, history()[:600], SCHEDULE) is None


def test_every_registered_model_has_a_score_or_says_why_not():
    comparison = Comparison(history(), SCHEDULE)

    for name in KINDS:
        found = comparison.score(name)
        assert (found.problem, found.fits, found.bars) == ("", 5, 500), name
        assert all(
            0 <= share <= 1
            for share in (found.agreement, found.calibration_error, found.refits_agree)
            if share is not None
        )
    assert set(JUDGES.values()) <= set(MODELS)


def test_a_model_whose_package_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "hmmlearn.hmm", None)

    found = Comparison(history(), SCHEDULE).score("hmmlearn")

    assert "needs the package hmmlearn: pip install regent[regimes]" in found.problem
    assert found.gain is None


def test_too_few_bars_are_said_to_be_too_few():
    assert "500 bars are too few" in Comparison(history()[:500], SCHEDULE).score("four").problem
