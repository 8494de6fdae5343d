"""What every regime model promises, whatever its kind."""

import json
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from execution.errors import ConfigInvalid, InputInvalid
from execution.model.enums import RegimeLabel
from execution.regime.base import (
    WARMUP_BARS,
    canonical,
    label,
    model_sha256,
    update,
)
from execution.regime.config import BARS_MIN, RefitSchedule
from execution.regime.registry import MODELS, analyse, choice, fit_or_why, load, require_four
from tests.execution.examples import AAPL
from tests.execution.regime.chains import KINDS, TRAIN, fitted, history
from tests.execution.walks import assert_no_lookahead, random_walk


def dumps(fields: dict[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@given(seed=st.integers(0, 2**32), upto=st.integers(1, 300))
@settings(max_examples=25, deadline=None)
def test_no_label_or_probability_changes_when_later_bars_arrive(kind: str, seed: int, upto: int):
    model = fitted(kind)

    assert_no_lookahead(lambda bars: label(model, bars), random_walk(seed, 300), upto)


@every_kind
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 199), max_size=6, unique=True))
@settings(max_examples=15, deadline=None)
def test_bars_cut_into_any_calls_are_labeled_as_in_one(kind: str, seed: int, cuts: list[int]):
    """One bar at a time is one of the ways; see the next test for all bars of a history."""
    model, bars = fitted(kind), random_walk(seed, 200)

    progress, parts = model.start(), []
    for begin, end in pairwise([0, *sorted(cuts), 200]):
        progress, part = model.advance(progress, bars[begin:end])
        parts.append(part)

    assert_frame_equal(label(model, bars), pd.concat(parts), check_exact=True)


@every_kind
def test_bar_by_bar_gives_exactly_the_batch(kind: str):
    model, bars = fitted(kind), history()[:120]

    progress, parts = model.start(), []
    for place in range(len(bars)):
        progress, one = update(model, progress, bars[place : place + 1])
        parts.append(one)

    assert_frame_equal(label(model, bars), pd.concat(parts), check_exact=True)


@every_kind
def test_a_model_that_was_kept_labels_to_the_bit_as_before(kind: str):
    model = fitted(kind)

    again = load(canonical(model))

    assert model == again
    assert model_sha256(model) == model_sha256(again)
    assert_frame_equal(label(model, history()), label(again, history()), check_exact=True)


@every_kind
def test_the_same_bars_give_the_same_model(kind: str):
    again = MODELS[kind].fit(history()[:TRAIN].copy())

    assert model_sha256(fitted(kind)) == model_sha256(again)


@every_kind
def test_a_models_hash_changes_with_the_bars_it_was_fitted_on(kind: str):
    other = MODELS[kind].fit(history()[: TRAIN - 1])

    assert model_sha256(fitted(kind)) != model_sha256(other)


@every_kind
def test_fitting_sees_nothing_after_its_bars(kind: str):
    """Prices after the training are absurd, and in the same frame."""
    bars = history().copy()
    bars.loc[TRAIN:, ["open", "high", "low", "close"]] *= 1e6

    assert model_sha256(fitted(kind)) == model_sha256(MODELS[kind].fit(bars[:TRAIN]))


@every_kind
def test_the_first_bars_of_a_history_are_unknown(kind: str):
    labels = label(fitted(kind), history())

    first, rest = labels[:WARMUP_BARS], labels[WARMUP_BARS:]
    assert {RegimeLabel.UNKNOWN.value} == set(first["label"])
    assert first["confidence"].max() == 0.0
    assert set(rest["label"]) <= set(fitted(kind).names)


@every_kind
def test_probabilities_are_shares_and_confidence_is_one_of_them(kind: str):
    labels = label(fitted(kind), history())[WARMUP_BARS:]
    shares = labels[[f"p_{name}" for name in fitted(kind).names]]

    assert np.allclose(shares.sum(axis=1), 1.0)
    assert labels["confidence"].between(0, 1).all()
    assert shares.to_numpy().min() >= 0


@every_kind
def test_too_few_bars_teach_nothing(kind: str):
    with pytest.raises(InputInvalid, match=rf"bars=499 breaks bars >= {BARS_MIN}.*unknown"):
        MODELS[kind].fit(history()[:499])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "bucket-adx"])
def test_bars_that_do_not_move_are_refused_or_fitted_without_a_fault(kind: str):
    """No level can be told from another; EWMA cuts say so by staying with one label."""
    flat = history().assign(open=7.0, high=7.0, low=7.0, close=7.0)
    if kind == "ewma-cut":
        assert label(MODELS[kind].fit(flat), flat)["label"][WARMUP_BARS:].nunique() == 1
        return

    with pytest.raises(InputInvalid, match=r"tell apart"):
        MODELS[kind].fit(flat)


@every_kind
@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_a_price_that_is_none_is_refused_before_it_spoils_what_follows(kind: str, wrong: float):
    bars = history()[:50].copy()
    bars.loc[30, "close"] = wrong

    with pytest.raises(InputInvalid, match=r"close=.* of bar 30 breaks a price above 0"):
        label(fitted(kind), bars)


@every_kind
def test_a_model_of_another_kind_or_version_is_not_read(kind: str):
    text = canonical(fitted(kind))
    other = json.loads(text) | {"kind": "crystal-ball"}
    newer = json.loads(text) | {"version": 99}
    more = json.loads(text) | {"typo": 1}

    for wrong in (*map(dumps, (other, newer, more)), text.replace(":", ": ", 1), "{}", "no"):
        with pytest.raises(InputInvalid):
            load(wrong)


def test_a_model_cannot_be_changed():
    model = fitted("four")

    assert {f.name for f in fields(model)} >= {"training", "calibration", "version"}  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        model.margin = 0.0  # type: ignore[attr-defined, misc]


def test_an_unknown_model_is_named_with_those_there_are():
    with pytest.raises(ConfigInvalid, match=r"'crystal-ball' is unknown; there are four, bucket"):
        choice("crystal-ball")


def test_a_regime_for_the_cycle_carries_the_last_bars_label():
    bars, model = history(), fitted("four")

    regime = analyse(model, AAPL, bars)

    last = label(model, bars).iloc[-1]
    assert (last["label"], last["confidence"]) == (regime.label.value, regime.confidence)
    assert (1_000, bars["ts_close"].iloc[-1]) == (regime.bars, regime.ts_event)


def test_a_regime_tells_which_model_has_said_it():
    regime = analyse(fitted("four"), AAPL, history())

    model = regime.model
    assert model is not None
    assert (model.kind, model.sha256) == ("four", model_sha256(fitted("four")))
    assert model.trained_to == history()["ts_close"].iloc[TRAIN - 1]
    assert str(model) == f"four {model.sha256[:8]}"
    assert regime.reason == ""


def test_without_a_model_the_regime_is_unknown_for_the_reason_given():
    regime = analyse(None, AAPL, history()[:30], "too few bars")

    assert (regime.label, regime.confidence) == (RegimeLabel.UNKNOWN, 0.0)
    assert (regime.model, regime.reason) == (None, "too few bars")


def test_what_cannot_be_fitted_is_told_and_no_error():
    """One instrument that does not move, or is young, must not stop the others."""
    flat = history().assign(open=7.0, high=7.0, low=7.0, close=7.0)

    model, reason = fit_or_why("four", history()[:311], RefitSchedule())
    assert model is None
    assert reason.startswith("before this bar, bars=311 breaks bars >= 500: too few to fit")
    model, reason = fit_or_why("four", flat, RefitSchedule())
    assert model is None
    assert reason.startswith("before this bar, high = low in half the bars or more")


def test_no_bars_and_bars_without_a_price_stop_the_run():
    """Those are faults of the input, and not of one market's history."""
    with pytest.raises(InputInvalid, match=r"no bars of AAPL.SCRIPTED"):
        analyse(None, AAPL, history()[:0])
    wrong = history()[:50].copy()
    wrong.loc[30, "open"] = 0.0
    with pytest.raises(InputInvalid, match=r"open=0.0 of bar 30 breaks a price above 0"):
        analyse(None, AAPL, wrong)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fuor", r"regime.model='fuor' is unknown; did you mean four\?"),
        ("crystal", r"regime.model='crystal' is unknown; there are four, bucket-adx"),
        ("student-t", r"'student-t' says two levels, not the four regimes .* four, bucket-adx"),
    ],
)
def test_a_run_takes_only_a_model_that_says_the_four_regimes(name: str, told: str):
    require_four("four")
    require_four("bucket-adx")
    with pytest.raises(ConfigInvalid, match=told):
        require_four(name)


def test_a_model_trained_on_later_bars_is_refused():
    """Replaying the past with a model of today would look ahead."""
    with pytest.raises(InputInvalid, match=r"lookahead"):
        analyse(fitted("four"), AAPL, history()[: TRAIN - 1])


def test_levels_alone_are_no_regime_for_strategies():
    with pytest.raises(ConfigInvalid, match=r"'student-t' does not say the four regimes"):
        analyse(fitted("student-t"), AAPL, history())


def test_another_margin_is_another_model():
    model = fitted("student-t")

    assert model_sha256(model) != model_sha256(replace(model, margin=0.0))  # type: ignore[type-var]


@every_kind
def test_a_bar_that_was_counted_already_is_refused(kind: str):
    """A feed that hands out the same bar twice would count its news twice."""
    model, bars = fitted(kind), history()[:60]
    progress, _ = model.advance(model.start(), bars[:40])

    with pytest.raises(InputInvalid, match=r"ts_open=.* of bar 0 breaks ts_open >= "):
        update(model, progress, bars[39:40])
    with pytest.raises(InputInvalid, match=r"of bar 1 breaks ts_open >= .*in order"):
        label(model, bars[::-1])


@every_kind
def test_an_update_is_one_bar(kind: str):
    model = fitted(kind)

    for bars in (history()[:0], history()[:2]):
        with pytest.raises(InputInvalid, match=r"breaks bars = 1"):
            update(model, model.start(), bars)
    with pytest.raises(InputInvalid, match=r"no bars"):
        label(model, history()[:0])
