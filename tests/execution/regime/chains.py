"""Bars whose volatility switches, and one fitted model of each kind."""

from __future__ import annotations

from functools import cache

import pandas as pd

from execution.regime.base import RegimeModel
from execution.regime.registry import MODELS
from tests.execution.walks import random_walk

# hmmlearn and jumpmodels are extras; what they fit is tested in test_extras.py
EXTRAS = ("hmmlearn", "jumpmodels")
KINDS = tuple(kind for kind in MODELS if kind not in EXTRAS)
TRAIN = 600


@cache
def history(seed: int = 5, bars: int = 1_000) -> pd.DataFrame:
    """Bars of an hour with four kinds of blocks."""
    return random_walk(seed, bars)


@cache
def fitted(kind: str) -> RegimeModel:
    """A model of this kind, trained on the first bars of `history`."""
    return MODELS[kind].fit(history()[:TRAIN])
