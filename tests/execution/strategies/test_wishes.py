"""What a strategy gives is checked, bar by bar, before anybody believes it."""

from pathlib import Path

import numpy as np
import pytest

from execution.errors import InputInvalid
from execution.strategies.wishes import ask, wishes
from tests.execution.strategies.user_files import IMPORTS, body
from tests.execution.walks import random_walk

BARS = random_walk(3, 40)
SAID = IMPORTS.count("\n") + 3  # the line of the expression


def complaint(folder: Path, said: str) -> str:
    strategy = body(folder, said)
    with pytest.raises(InputInvalid) as error:
        wishes(strategy, BARS)
    text = str(error.value)
    assert text.startswith(f"strategy mine ({folder / 'mine.py'}): ")
    assert "\n" not in text
    return text.partition("): ")[2]


@pytest.mark.parametrize(
    "said",
    [
        "np.ones(len(bars))",
        "pd.Series(1, index=bars.index)",
        "bars['close'] > 0",
        "pd.DataFrame({'side': 1.0}, index=bars.index)",
    ],
)
def test_a_side_may_come_as_an_array_a_series_or_a_frame(tmp_path: Path, said: str):
    frame = wishes(body(tmp_path, said), BARS)

    assert list(frame.columns) == ["side"]
    assert frame["side"].dtype == np.int64
    assert list(frame["side"]) == [1] * 40


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("1", "gives int, not a side for each bar (a series, an array, or a frame with side,"),
        ("None", "gives NoneType, not a side for each bar"),
        ("np.ones(41)", "gives 41 values for 40 bars"),
        ("np.ones((40, 2))", "gives ndarray, not a side for each bar"),
        ("pd.Series(1, index=range(41))", "gives 41 rows for 40 bars"),
        ("(bars['close'] > 0)[1:]", "gives 39 rows for 40 bars"),
        ("pd.Series(1, index=bars['ts_close'])", "its rows have another index than the bars"),
        ("bars['close'].sort_values() * 0", "its rows have another index than the bars"),
        (
            "pd.DataFrame({'side': 1, 'stop_los': 1}, index=bars.index)",
            "column 'stop_los' is unknown; did you mean stop_loss?",
        ),
        ("pd.DataFrame({'weight': 1}, index=bars.index)", "columns weight: wants side once"),
        (
            "pd.Series('long', index=bars.index)",
            "ValueError: could not convert string to float: 'long'",
        ),
        ("1 / 0", f"line {SAID}: ZeroDivisionError: division by zero (on 40 bars)"),
        ("bars['clsoe']", f"line {SAID}: KeyError: 'clsoe' (on 40 bars)"),
        ("exit()", f"line {SAID}: SystemExit: None (on 40 bars)"),
    ],
)
def test_what_is_no_wish_for_each_bar_is_refused(tmp_path: Path, said: str, problem: str):
    assert problem in complaint(tmp_path, said)


FRAME = "pd.DataFrame({{'side': 1, {}: {}}}, index=bars.index)"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("pd.Series(2, index=bars.index)", "column side: value 2 breaks side is 1, -1 or 0"),
        ("pd.Series(0.5, index=bars.index)", "column side: value 0.5 breaks side is"),
        ("bars['close'].shift(1) * 0", "column side: value (empty) breaks side is"),
        (FRAME.format("'weight'", 1.7), "column weight: value 1.7 breaks 0 <= weight <= 1"),
        (FRAME.format("'weight'", "np.nan"), "column weight: value (empty) breaks 0 <= weight"),
        (FRAME.format("'confidence'", -1), "column confidence: value -1 breaks 0 <= confidence"),
        (FRAME.format("'stop_loss'", "bars['close'] * 1.1"), "breaks stop_loss is above 0, on the"),
        (FRAME.format("'stop_loss'", "bars['close']"), "breaks stop_loss is above 0, on the los"),
        (FRAME.format("'stop_loss'", 0), "column stop_loss: value 0 breaks stop_loss is above"),
        (FRAME.format("'take_profit'", 1), "column take_profit: value 1 breaks take_profit is"),
        (FRAME.format("'take_profit'", "np.inf"), "column take_profit: value inf breaks take_p"),
    ],
)
def test_a_value_outside_its_rule_is_named_with_its_bar(tmp_path: Path, said: str, problem: str):
    told = complaint(tmp_path, said)

    assert told.startswith("bar 1 (2024-01-01T01:00:00+00:00), ")
    assert problem in told


def test_one_bad_bar_in_the_middle_is_found(tmp_path: Path):
    """A backtest would have traded on it."""
    said = "pd.Series(np.where(np.arange(len(bars)) == 17, np.nan, 1), index=bars.index)"

    assert complaint(tmp_path, said).startswith("bar 18 (2024-01-01T18:00:00+00:00), column side")


def test_no_stop_and_no_target_are_fine_and_so_is_any_of_who_is_flat(tmp_path: Path):
    said = (
        "pd.DataFrame({'side': np.arange(len(bars)) % 2,"
        " 'stop_loss': np.where(np.arange(len(bars)) % 2, np.nan, 1e9)}, index=bars.index)"
    )

    frame = wishes(body(tmp_path, said), BARS)

    assert set(frame["side"]) == {0, 1}


def test_before_its_warm_up_a_strategy_is_flat_whatever_it_says(tmp_path: Path):
    said = "pd.DataFrame({'side': bars['close'].shift(4) * 0 + 1, 'weight': .5}, index=bars.index)"

    frame = wishes(body(tmp_path, said, warmup_bars=5), BARS)

    assert list(frame["side"]) == [0] * 4 + [1] * 36
    assert frame["weight"][:4].isna().all()


def test_a_strategy_cannot_change_the_bars(tmp_path: Path):
    """Others are asked about the same ones after it."""
    bars = BARS.copy()

    ask(body(tmp_path, "bars.__setitem__('close', 0) or bars['close'] * 0"), bars)

    assert bars.equals(BARS)
