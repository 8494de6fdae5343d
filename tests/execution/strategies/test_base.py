"""How a strategy is declared, and what it may be told."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from pydantic import Field

from execution.errors import ConfigInvalid
from execution.strategies.base import BarCount, Definition, declared_in, strategy
from tests.execution.walks import random_walk

BARS = random_walk(1, 5)


def definition(name: str) -> Definition:
    (found,) = [d for d in declared_in(sys.modules[__name__]) if d.name == name]
    return found


@strategy("function", warmup_bars=lambda bars_back, level, fitted: bars_back + 1)
def function(
    bars: pd.DataFrame,
    bars_back: BarCount = 3,
    *,
    level: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    fitted: Path | None = None,
) -> np.ndarray:
    return np.full(len(bars), bars_back)


@strategy("class", warmup_bars=2)
@dataclass(frozen=True)
class Held:
    side: int = 1

    def __call__(self, bars: pd.DataFrame) -> np.ndarray:
        return np.full(len(bars), self.side)


@strategy("untyped", warmup_bars=1)
def untyped(bars, length=4):  # type: ignore[no-untyped-def]  # noqa: ANN001
    return np.full(len(bars), length)


def test_a_strategy_runs_with_its_defaults_and_stays_a_function():
    ready = definition("function").with_params({})

    assert dict(ready.params) == {"bars_back": 3, "level": 0.5, "fitted": None}
    assert ready.warmup_bars == 4
    assert list(ready(BARS)) == [3] * 5
    assert list(function(BARS, 7)) == [7] * 5


def test_parameters_change_what_is_said_and_the_warm_up():
    ready = definition("function").with_params({"bars_back": 9})

    assert ready.warmup_bars == 10
    assert list(ready(BARS)) == [9] * 5


def test_an_object_of_a_class_is_made_once_with_the_parameters():
    ready = definition("class").with_params({"side": -1})

    assert list(ready(BARS)) == [-1] * 5
    assert ready.warmup_bars == 2


@pytest.mark.parametrize(
    ("name", "given", "problem"),
    [
        ("function", {"bars_bakc": 1}, "bars_bakc=1 is unknown to strategy function (tests"),
        ("function", {"bars_bakc": 1}, "; did you mean bars_back?"),
        ("function", {"zzz": 1}, "; there are bars_back, fitted, level"),
        ("function", {"bars_back": 0}, "Input should be greater than or equal to 1"),
        ("function", {"bars_back": 2.5}, "bars_back=2.5 of strategy function"),
        ("function", {"bars_back": "x"}, "Input should be a valid integer"),
        ("function", {"level": float("nan")}, "level=nan of strategy function"),
        ("function", {"level": 1}, "Input should be less than 1"),
        ("untyped", {"length": "x"}, "length='x' of strategy untyped"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_rule(name: str, given: dict[str, Any], problem: str):
    with pytest.raises(ConfigInvalid) as error:
        definition(name).with_params(given, "strategy_params.x.")

    assert str(error.value).startswith("strategy_params.x.")
    assert problem in str(error.value)


def test_text_from_a_command_line_becomes_what_the_parameter_is():
    params = definition("function").with_params({"bars_back": "7", "level": "0.25"}).params

    assert (params["bars_back"], params["level"]) == (7, 0.25)
    assert definition("untyped").with_params({"length": "5"}).params["length"] == 5


def test_the_record_has_the_hash_of_every_file_among_the_parameters(tmp_path: Path):
    """What a fitted model says hangs on its numbers as much as on its code."""
    model = tmp_path / "model.json"
    model.write_text("{}")

    told = definition("function").with_params({"fitted": str(model)}).document()

    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert {"fitted": digest} == told["files"]
    assert {"bars_back": 3, "level": 0.5, "fitted": model} == told["params"]


@pytest.mark.parametrize("name", ["emergency", "flat"])
def test_names_that_mean_something_here_are_reserved(name: str):
    """Orders of the emergency stop leave while the account is halted."""
    with pytest.raises(ConfigInvalid, match=f"strategy '{name}' is reserved"):
        strategy(name, warmup_bars=1)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "-a", "ä", "a\n"])
def test_a_name_is_plain(name: str):
    """A dot would be taken apart in the settings."""
    with pytest.raises(ConfigInvalid, match="a name is letters, digits, _ and -"):
        strategy(name, warmup_bars=1)


def no_default(bars: pd.DataFrame, length: int) -> None: ...
def takes_all(bars: pd.DataFrame, **others: int) -> None: ...
def takes_nothing() -> None: ...
def misspelled(bars: pd.DataFrame, length: "itn" = 3) -> None: ...  # type: ignore[name-defined]  # noqa: F821


class NotCalled: ...  # fmt: skip


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (no_default, "parameter length has no default"),
        (takes_all, "parameter \\*\\*others: int must be a plain one"),
        (takes_nothing, "its function takes bars first"),
        (misspelled, "an annotation cannot be read: NameError: name 'itn'"),
        (NotCalled, "its class has no __call__"),
        (partial(function, level=0.1), "@strategy goes on a function or a class"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "partial",
)
def test_what_cannot_be_a_strategy_is_refused_where_it_is_declared(made: Any, problem: str):  # noqa: ANN401
    with pytest.raises(ConfigInvalid, match=f"strategy 'x': {problem}"):
        strategy("x", warmup_bars=1)(made)


@pytest.mark.parametrize("warmup", [0, -1, 2.5, "9"])
def test_a_warm_up_is_a_number_of_bars(warmup: Any):  # noqa: ANN401
    made = definition("untyped")
    wrong = Definition(
        **{f: getattr(made, f) for f in made.__slots__ if f != "warmup"}, warmup=lambda **_: warmup
    )

    with pytest.raises(ConfigInvalid, match=r"strategy untyped .*warmup_bars=.* breaks"):
        wrong.with_params({})
