"""When a model is fitted again, and labels of a history by models of its own past."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pydantic import ValidationError

from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel
from execution.regime.base import RegimeModel
from execution.regime.config import BARS_MAX_MAX, RefitSchedule, RegimeSettings
from execution.regime.four import fit_four
from execution.regime.refit import (
    fit_latest,
    holding,
    label_since,
    needs_refit,
    unknown,
    walk_forward,
)
from execution.regime.volatility import fit_volatility
from tests.execution.regime.chains import history
from tests.execution.walks import assert_no_lookahead, random_walk

SCHEDULE = RefitSchedule(bars_min=500, bars_max=600, every_bars=100)


@cache
def fitted_at(bars: int) -> RegimeModel:
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


def test_history_that_was_scaled_as_a_whole_is_not_fitted_again():
    """Each dividend and split does it to adjusted bars; the model knows moves alone."""
    bars = history()[:650]
    prices = ("open", "high", "low", "close")
    dividend = bars.assign(**{name: bars[name] * 0.97 for name in prices})
    split = dividend.assign(**{name: bars[name] / 7 for name in prices}, volume=7 * bars["volume"])

    assert not needs_refit(fitted_at(600), dividend, SCHEDULE)
    assert not needs_refit(fitted_at(600), split, SCHEDULE)


def test_a_training_that_the_schedule_no_longer_allows_is_done_again():
    longer = RefitSchedule(bars_min=601, bars_max=700, every_bars=100)
    shorter = RefitSchedule(bars_min=500, bars_max=599, every_bars=100)

    assert needs_refit(fitted_at(600), history()[:650], longer)
    assert needs_refit(fitted_at(600), history()[:650], shorter)


def test_a_window_that_has_moved_on_is_compared_where_it_still_lies_in_the_training():
    """A feed of no more bars than a training gives a later first bar with every new one."""
    window = history()[60:650]
    restated, cut = window.copy(), window.drop(index=300)
    restated.loc[510, "high"] *= 1.001
    dividend = window.assign(**{p: window[p] * 0.97 for p in ("open", "high", "low", "close")})

    assert not needs_refit(fitted_at(600), window, SCHEDULE)
    assert not needs_refit(fitted_at(600), dividend, SCHEDULE)
    assert needs_refit(fitted_at(600), restated, SCHEDULE)
    assert needs_refit(fitted_at(600), cut, SCHEDULE)


def test_other_bars_of_the_same_days_are_fitted_for_themselves():
    """Two files of one symbol, the second a bar shorter than the training of the first."""
    other = random_walk(99, 1_000)
    assert list(other["ts_open"]) == list(history()["ts_open"])

    assert needs_refit(fitted_at(600), other[1:650], SCHEDULE)


def test_a_training_of_which_too_little_is_here_to_compare_is_done_again():
    """A hundred bars at least: unknown means no."""
    schedule = RefitSchedule(bars_min=300, bars_max=600, every_bars=500)

    assert not needs_refit(fitted_at(600), history()[500:], schedule)
    assert needs_refit(fitted_at(600), history()[501:], schedule)
    assert needs_refit(fitted_at(600), history()[600:], schedule)


def test_a_model_of_the_future_is_fitted_again():
    """A replay of the past may not use what was learned later."""
    assert needs_refit(fitted_at(600), history()[:550], SCHEDULE)
    # Even where too little of its training is here to see that these are other bars.
    assert needs_refit(fitted_at(900), history()[350:880], SCHEDULE)


def test_the_newest_model_that_may_be_used_is_the_one_that_holds():
    """One of the future and one that is out of date are passed over, whatever their order."""
    kept = [fitted_at(bars) for bars in (700, 500, 640, 620)]

    assert holding(kept, history()[:650], SCHEDULE) is fitted_at(640)
    assert holding(kept, history()[:630], SCHEDULE) is fitted_at(620)
    assert holding(kept, history()[:610], SCHEDULE) is None
    assert holding([], history()[:650], SCHEDULE) is None


def test_with_too_few_bars_no_model_holds():
    """A model of longer ago may be there; what is labeled now lacks its history."""
    assert holding([fitted_at(500)], history()[10:505], SCHEDULE) is None


def test_labels_do_not_depend_on_how_much_older_history_there_is():
    """A feed that once gives more, once less, must not change what is said of a bar."""
    model = fit_latest(fit_four, history()[200:700], SCHEDULE)

    whole = label_since(model, history())

    assert_frame_equal(label_since(model, history()[200:]), whole[200:], check_exact=True)
    assert_frame_equal(unknown(history()[:200]), whole[:200][["label", "confidence"]])


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


def test_fewer_bars_than_usual_are_enough_where_the_schedule_says_so():
    schedule = RefitSchedule(bars_min=150, bars_max=200, every_bars=50)

    assert fit_latest(fit_four, history()[:160], schedule).training.bars == 160


def test_no_fit_is_asked_to_learn_from_fewer_bars_than_the_schedule_says():
    """A model of one's own need not count its bars."""

    def careless(bars: pd.DataFrame, *, bars_min: int = 0) -> RegimeModel:
        raise AssertionError(f"asked with {len(bars)} bars")

    with pytest.raises(InputInvalid, match=r"bars=499"):
        fit_latest(careless, history()[:499], SCHEDULE)


def test_sums_are_never_so_long_that_cores_share_them():
    """Then the last digit of a fit, and its hash with it, would depend on the machine."""
    with pytest.raises(ValidationError, match=r"bars_max\n.*less than or equal to 10000"):
        RefitSchedule(bars_max=BARS_MAX_MAX + 1)


def test_a_run_asks_for_every_bar_that_a_model_may_have_to_see():
    assert RegimeSettings(bars_max=600, every_bars=100).bars_needed == 700


def test_a_schedule_that_can_never_fit_is_refused():
    with pytest.raises(ValidationError, match=r"bars_max=400 breaks bars_max >= "):
        RefitSchedule(bars_min=500, bars_max=400)
