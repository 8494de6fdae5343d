"""Strategies by name, and which one runs in which regime."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pandas as pd

from execution.errors import ConfigInvalid
from execution.model.enums import RegimeLabel
from execution.model.order import EMERGENCY

F = TypeVar("F", bound="Callable[..., pd.Series[int]]")

# Called with bars alone, each uses its default parameters.
STRATEGIES: dict[str, Callable[..., pd.Series[int]]] = {}

# None closes what is held. UNKNOWN is not here: with too little history nothing is wished.
DEFAULT_STRATEGIES: dict[RegimeLabel, str | None] = {
    RegimeLabel.TRENDING: "donchian",
    RegimeLabel.CALM: "ma_cross",
    RegimeLabel.MEAN_REVERTING: "mean_reversion",
    RegimeLabel.VOLATILE: None,
}


def strategy(name: str) -> Callable[[F], F]:
    """Register a strategy: a function of (bars, params) giving a side for each bar.

    The side is 1 long, -1 short or 0 flat, wanted from the bar's close on; it may depend on
    that bar and the ones before it alone. Raises ConfigInvalid for a name that is reserved:
    orders of that name leave while an account is halted.
    """
    if name == EMERGENCY:
        raise ConfigInvalid(
            f"strategy {name!r} is reserved: orders of that name are the emergency stop's own; "
            "give it another name"
        )

    def register(function: F) -> F:
        STRATEGIES[name] = function
        return function

    return register


def sides(name: str, bars: pd.DataFrame) -> pd.Series[int]:
    """Run a strategy by name with its default parameters; ConfigInvalid when unknown."""
    if name not in STRATEGIES:
        raise ConfigInvalid(f"strategy {name!r} is unknown; there are {', '.join(STRATEGIES)}")
    return STRATEGIES[name](bars)
