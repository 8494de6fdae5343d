"""A fitted model plugs in as any other strategy: a class, and its numbers in a file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from execution.errors import ConfigInvalid
from execution.strategies.bias import check_lookahead, check_warmup
from execution.strategies.loading import load_file
from execution.strategies.wishes import wishes
from tests.execution.strategies.user_files import IMPORTS
from tests.execution.walks import random_walk

LEARNED = (
    '''"""Logistic regression on three past returns, fitted elsewhere and kept as JSON."""

import json
from pathlib import Path
'''
    + IMPORTS
    + """

@strategy("learned", warmup_bars=6)
class Learned:
    def __init__(self, model: Path = Path(__file__).with_name("model.json"), least: float = 0.55):
        fitted = json.loads(Path(model).read_text())
        self.weights, self.bias = np.array(fitted["weights"]), fitted["bias"]
        self.least = least

    def __call__(self, bars):
        returns = np.log(bars["close"]).diff()
        features = np.column_stack([returns.shift(n).rolling(3).sum() for n in range(3)])
        p_up = 1 / (1 + np.exp(-(features @ self.weights + self.bias)))
        side = np.select([p_up > self.least, p_up < 1 - self.least], [1, -1], 0)
        confidence = np.nan_to_num(np.maximum(p_up, 1 - p_up))
        return pd.DataFrame({"side": side, "confidence": confidence}, index=bars.index)
"""
)


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """The strategy's file, with the model of a logistic regression beside it."""
    bars = random_walk(2, 1_500)
    returns = np.log(bars["close"]).diff()
    frame = pd.DataFrame({n: returns.shift(n).rolling(3).sum() for n in range(3)})
    known = pd.concat([frame, (returns.shift(-1) > 0).rename("up")], axis=1).dropna()
    x = np.column_stack([known[[0, 1, 2]], np.ones(len(known))])
    weights = np.zeros(4)
    for _ in range(20):  # Newton's steps
        p = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (known["up"] - p) - 1e-3 * weights
        weights += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(4), slope)
    model = {"weights": weights[:3].tolist(), "bias": weights[3]}
    (tmp_path / "model.json").write_text(json.dumps(model))
    path = tmp_path / "learned.py"
    path.write_text(LEARNED)
    return path


def test_a_fitted_model_is_a_strategy_with_a_confidence_of_its_own(learned: Path):
    (definition,) = load_file(learned)

    said = wishes(definition.with_params({}), random_walk(3, 400))

    assert {-1, 1} <= set(said["side"])
    assert said["confidence"][5:].between(0.5, 1).all()


def test_a_fitted_model_is_checked_like_any_other(learned: Path):
    (definition,) = load_file(learned)
    strategy = definition.with_params({})

    assert check_lookahead(strategy, random_walk(3, 400), 60).differences == ()
    finding = check_warmup(strategy, random_walk(3, 400), 60)
    assert (finding.differences, finding.enough_bars) == ((), 6)


def test_the_record_tells_one_fitted_model_from_another(learned: Path):
    (definition,) = load_file(learned)
    before = definition.with_params({}).document()

    model = learned.with_name("model.json")
    model.write_text(json.dumps({"weights": [0, 0, 0], "bias": 1}))
    after = definition.with_params({}).document()

    assert before["sha256"] == after["sha256"]
    assert before["files"] != after["files"]
    assert set(wishes(definition.with_params({}), random_walk(3, 50))["side"]) == {0, 1}


def test_a_model_that_is_not_there_is_told_before_anything_is_traded(learned: Path):
    learned.with_name("model.json").unlink()
    (definition,) = load_file(learned)

    with pytest.raises(ConfigInvalid, match=r"strategy learned .* line \d+: FileNotFoundError"):
        definition.with_params({})
