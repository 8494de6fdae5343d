"""When a model is fitted again, and labels of a history by models of its own past."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel
from execution.regime.four import fit_four
from execution.regime.refit import RefitSchedule, fit_latest, needs_refit, walk_forward
from execution.regime.volatility import fit_volatility
from tests.execution.regime.chains import history
from tests.execution.walks import assert_no_lookahead

SCHEDULE = RefitSchedule(bars_min=500, bars_max=600, every_bars=100)


def fitted_at(bars: int):
    return fit_latest(fit_four, history()[:bars], SCHEDULE)


def test_a_model_holds_for_so_many_bars_and_no_more():
    model = fitted_at(600)

    assert not needs_refit(model, history()[:600], SCHEDULE)
    assert not needs_refit(model, history()[:699], SCHEDULE)
    assert needs_refit(model, history()[:700], SCHEDULE)


def test_without_a_model_one_is_fitted_as_soon_as_there_are_bars_enough():
    assert not needs_refit(None, history()[:499], SCHEDULE)
    assert needs_refit(None, history()[:500], SCHEDULE)


def test_restated_history_is_fitted_again():
    restated = history()[:650].copy()
    restated.loc[10, "close"] *= 1.001
    later = history()[:650].copy()
    later.loc[640, "volume"] += 1

    assert needs_refit(fitted_at(600), restated, SCHEDULE)
    assert not needs_refit(fitted_at(600), later, SCHEDULE)


def test_a_window_that_has_moved_on_cannot_be_compared_and_is_no_reason():
    assert not needs_refit(fitted_at(600), history()[60:650], SCHEDULE)


def test_a_model_of_the_future_is_fitted_again():
    """A replay of the past may not use what was learned later."""
    assert needs_refit(fitted_at(600), history()[:550], SCHEDULE)


def test_a_fit_sees_at_most_so_many_bars():
    model = fitted_at(900)

    assert (600, history()["ts_close"].iloc[899]) == (model.training.bars, model.training.ts_last)


def test_too_few_bars_are_refused_by_the_fit():
    with pytest.raises(InputInvalid, match=r"bars=499"):
        fitted_at(499)


def test_walking_forward_no_label_changes_when_later_bars_arrive():
    def walked(bars: pd.DataFrame) -> pd.DataFrame:
        return walk_forward(fit_volatility, bars, SCHEDULE)[["label", "confidence"]]

    for upto in (1, 499, 500, 501, 600, 601, 733):
        assert_no_lookahead(walked, history(bars=800), upto)


def test_walking_forward_the_regime_is_unknown_until_there_are_bars_enough():
    labels = walk_forward(fit_volatility, history(), SCHEDULE)

    assert list(history().index) == list(labels.index)
    assert {RegimeLabel.UNKNOWN.value} == set(labels["label"][:500])
    assert labels["confidence"][:500].max() == 0.0
    assert RegimeLabel.UNKNOWN.value not in set(labels["label"][500:])
    assert np.isfinite(labels["p_low"][500:]).all()


def test_walking_forward_over_too_few_bars_says_unknown():
    labels = walk_forward(fit_volatility, history()[:30], SCHEDULE)

    assert [RegimeLabel.UNKNOWN.value] * 30 == list(labels["label"])


def test_a_schedule_that_can_never_fit_is_refused():
    with pytest.raises(ValidationError, match=r"bars_max=400 breaks bars_max >= "):
        RefitSchedule(bars_min=500, bars_max=400)
