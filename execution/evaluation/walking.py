"""A history labeled by models of its own past, with the models kept: to judge, to be judged."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from execution.errors import InvariantBroken
from execution.regime.base import Fit, RegimeModel
from execution.regime.compiled import Floats
from execution.regime.config import BARS_MIN, RefitSchedule
from execution.regime.four import FourRegimeModel
from execution.regime.refit import walk_forward
from execution.regime.volatility import VolatilityModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model, and the bars that it was the newest one for."""

    model: RegimeModel
    first: int  # place of the first bar of its training
    begin: int  # place of the first bar that it labels: the one after its training
    end: int  # place after the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What `walk_forward` says of each bar, and by which models."""

    labels: pd.DataFrame
    fits: tuple[Fitted, ...]


def walk(fit: Fit, bars: pd.DataFrame, schedule: RefitSchedule) -> Walk:
    """Label each bar by a model of bars before it alone, and keep the models."""
    models: list[RegimeModel] = []

    def kept(bars: pd.DataFrame, *, bars_min: int = BARS_MIN) -> RegimeModel:
        models.append(fit(bars, bars_min=bars_min))
        return models[-1]

    labels = walk_forward(kept, bars, schedule)
    closes = bars["ts_close"]
    begins = [int(closes.searchsorted(m.training.ts_last, side="right")) for m in models]
    fits = (
        Fitted(model=model, first=begin - model.training.bars, begin=begin, end=end)
        for model, (begin, end) in zip(models, pairwise([*begins, len(bars)]), strict=True)
    )
    return Walk(labels=labels, fits=tuple(fits))


def hindsight(judge: Walk, bars: pd.DataFrame) -> Floats:
    """P(name | bars of later too) of each bar, n × names; NaN where nobody judges.

    Each model's bars are judged by the model after it, fitted on them and smoothed over the
    bars it labels as well: so a judge has seen as many bars after the last one that it
    judges. The newest model's bars have no judge yet. Looks ahead: it may only judge.
    """
    out = np.full((len(bars), len(judge.fits[0].model.names) if judge.fits else 0), np.nan)
    for before, after in pairwise(judge.fits):
        if not isinstance(after.model, FourRegimeModel | VolatilityModel):
            raise InvariantBroken(f"{after.model.kind} cannot look back")
        smoothed = after.model.hindsight(bars.iloc[after.first : after.end])
        inside = smoothed[before.begin - after.first :][: before.end - before.begin]
        out[before.begin : before.end] = inside
    return out
