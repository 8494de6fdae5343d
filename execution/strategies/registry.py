"""Strategies by name, and which one runs in which regime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from execution.errors import ConfigInvalid
from execution.model.enums import RegimeLabel
from execution.strategies import (
    donchian,
    ma_cross,
    mean_reversion,
    momentum,
    rsi_bands,
    volatility_breakout,
)
from execution.strategies.base import Definition, Strategy, declared_in, nearest
from execution.strategies.loading import hashed, together
from execution.strategies.wishes import SIDE, wishes

# Our own, each with its default parameters; a person's file and packages add to them.
STRATEGIES: Mapping[str, Definition] = together(
    hashed(one)
    for module in (
        donchian,
        ma_cross,
        mean_reversion,
        momentum,
        rsi_bands,
        volatility_breakout,
    )
    for one in declared_in(module)
)

# None closes what is held. UNKNOWN is not here: with too little history nothing is wished.
DEFAULT_STRATEGIES: dict[RegimeLabel, str | None] = {
    RegimeLabel.TRENDING: "donchian",
    RegimeLabel.CALM: "ma_cross",
    RegimeLabel.MEAN_REVERTING: "mean_reversion",
    RegimeLabel.VOLATILE: None,
}

Params = Mapping[str, Mapping[str, Any]]  # by strategy, then by parameter


def find(
    name: str, params: Params | None = None, known: Mapping[str, Definition] = STRATEGIES
) -> Strategy:
    """A strategy by name with the parameters said of it; ConfigInvalid when unknown."""
    if name not in known:
        raise ConfigInvalid(f"strategy {name!r} is unknown{nearest(name, known)}")
    return known[name].with_params((params or {}).get(name, {}), f"strategy_params.{name}.")


def choose(
    regimes: Mapping[RegimeLabel, str | None],
    params: Params | None = None,
    known: Mapping[str, Definition] = STRATEGIES,
) -> dict[RegimeLabel, Strategy | None]:
    """The strategy of each regime; ConfigInvalid for a name or a parameter that is unknown.

    Parameters of a strategy that runs in no regime are held to the same rules.
    """
    for regime, name in regimes.items():
        if name is not None and name not in known:
            raise ConfigInvalid(f"strategies.{regime}={name!r} is unknown{nearest(name, known)}")
    for name in params or {}:
        if name not in known:
            raise ConfigInvalid(f"strategy_params.{name} is unknown{nearest(name, known)}")
        find(name, params, known)
    return {
        regime: None if name is None else find(name, params, known)
        for regime, name in regimes.items()
    }


def sides(name: str, bars: pd.DataFrame) -> pd.Series[int]:
    """Side at each bar of one of our own strategies with its default parameters."""
    return wishes(find(name), bars)[SIDE]
