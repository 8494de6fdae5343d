"""One instrument's analysis, from its bars alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from execution.evaluation.analysis import CONFIGURED, HOLD, NAMES, Analysis, analyse_instrument
from execution.evaluation.performance import ALL
from execution.model.enums import RegimeLabel
from execution.regime.config import RegimeSettings
from execution.regime.four import fit_four
from execution.regime.refit import fit_latest
from execution.regime.registry import analyse
from execution.strategies.base import Strategy
from execution.strategies.loading import load_file
from execution.strategies.registry import DEFAULT_STRATEGIES, STRATEGIES, choose, find
from tests.execution.examples import AAPL
from tests.execution.regime.chains import history

SETTINGS = RegimeSettings(bars_min=500, bars_max=600, every_bars=100)


OURS = [find(name) for name in STRATEGIES]


def made(bars: pd.DataFrame, judged: Sequence[Strategy] = OURS, **changes: bool) -> Analysis:
    return analyse_instrument(
        AAPL,
        bars,
        strategies=choose(DEFAULT_STRATEGIES),
        judged=judged,
        cost=0.001,
        regime=SETTINGS,
        **changes,  # type: ignore[arg-type]
    )


SELLS = """
from execution.strategies.base import strategy

@strategy("always_short", warmup_bars=1)
def always_short(bars):
    return bars["close"] * 0 - 1
"""


@pytest.fixture
def sells(tmp_path: Path) -> Strategy:
    """A strategy of a user's own."""
    path = tmp_path / "mine.py"
    path.write_text(SELLS)
    (mine,) = load_file(path)
    return mine.with_params({})


def test_the_last_label_is_the_one_that_a_run_trades_by():
    found = made(history())

    newest = fit_latest(fit_four, history()[:-1], SETTINGS)
    assert found.regime == analyse(newest, AAPL, history())
    assert found.regime.label.value == found.labels["label"].iloc[-1]
    assert found.regime.confidence == found.labels["confidence"].iloc[-1]
    assert (found.bars_missing, found.bars_labeled) == (0, 500)


def test_no_earlier_label_changes_when_later_bars_arrive():
    whole, before = made(history()).labels, made(history()[:800]).labels

    pd.testing.assert_frame_equal(whole[:799], before[:799], check_exact=True)


def test_the_regime_lasts_since_its_label_last_changed():
    found = made(history())

    texts = found.labels["label"].tolist()
    assert texts[-found.lasts :] == [texts[-1]] * found.lasts
    assert texts[-found.lasts - 1] != texts[-1]
    assert found.transitions.sum() == 499  # moves among 500 labeled bars


@pytest.mark.parametrize("bars", [1, 2, 120, 500])
def test_too_few_bars_are_unknown_and_it_says_how_many_are_missing(bars: int):
    found = made(history()[:bars])

    assert (found.regime.label, found.regime.confidence) == (RegimeLabel.UNKNOWN, 0.0)
    assert (found.bars_missing, found.bars_labeled, found.lasts) == (501 - bars, 0, 0)
    assert f"bars={bars - 1}" in found.regime.reason
    assert set(found.labels["label"]) == {"unknown"}
    assert len(found.labels) == bars
    assert {p.bars for p in found.performance} == {0}


def test_the_first_bar_with_a_model_has_a_regime_and_no_past():
    found = made(history()[:501])

    assert found.regime.label is not RegimeLabel.UNKNOWN
    assert (found.bars_labeled, found.lasts) == (1, 1)


def test_every_strategy_is_judged_in_every_regime(sells: Strategy):
    rows = {(p.regime, p.strategy) for p in made(history(), [*OURS, sells]).performance}

    everyone = {*STRATEGIES, "always_short", CONFIGURED, HOLD}
    assert rows == {(regime, name) for regime in (*NAMES, ALL) for name in everyone}


def test_a_strategy_that_wants_more_bars_is_left_out_and_the_others_are_judged(tmp_path: Path):
    """It may well fail on fewer than it declares."""
    path = tmp_path / "needy.py"
    path.write_text(
        SELLS.replace("always_short", "needy")
        .replace("warmup_bars=1", "warmup_bars=1001")
        .replace('bars["close"] * 0', 'bars["close"] * 0 * bars["close"].iloc[1000]')
    )
    (mine,) = load_file(path)

    rows = {p.strategy for p in made(history(), [*OURS, mine.with_params({})]).performance}

    assert rows == {*STRATEGIES, CONFIGURED, HOLD}


def test_a_short_side_counts_as_flat_unless_shorts_are_allowed(sells: Strategy):
    """Runs do not sell what is not held: a gain on it could not have been had."""

    def held(found: Analysis) -> set[int]:
        return {p.held for p in found.performance if p.strategy == sells.name and p.regime == ALL}

    judged = [*OURS, sells]
    assert held(made(history(), judged)) == {0}
    assert held(made(history(), judged, allow_short=True)) == {499}


def test_as_configured_holds_in_each_regime_what_is_named_for_it():
    found = made(history())

    def held(name: str, regime: str) -> int:
        (row,) = (p for p in found.performance if (p.strategy, p.regime) == (name, regime))
        return row.held

    for regime, name in DEFAULT_STRATEGIES.items():
        assert held(CONFIGURED, regime.value) == (held(name, regime.value) if name else 0)
    assert held(CONFIGURED, ALL) == sum(held(CONFIGURED, regime) for regime in NAMES)
    assert np.isfinite([p.mean for p in found.performance if p.regime == ALL]).all()
