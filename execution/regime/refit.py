"""When a model is fitted again, and what a history is labeled with models of its own past."""

from __future__ import annotations

from typing import Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from execution.model.enums import RegimeLabel
from execution.regime.bars import bars_sha256
from execution.regime.base import BARS_MIN, Fit, RegimeModel, label


class RefitSchedule(BaseModel):
    """How much history a model is fitted on, and for how long it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bars_min: int = Field(BARS_MIN, ge=100, description="Fewer bars than this: UNKNOWN")
    bars_max: int = Field(2_000, ge=100, description="At most so many bars are fitted on")
    every_bars: int = Field(250, ge=1, description="New bars after which it is fitted again")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.bars_max < self.bars_min:
            raise ValueError(f"bars_max={self.bars_max} breaks bars_max >= {self.bars_min=}")
        return self


DEFAULT = RefitSchedule()


def needs_refit(
    model: RegimeModel | None, bars: pd.DataFrame, schedule: RefitSchedule = DEFAULT
) -> bool:
    """Whether to fit (again) before the last of these bars is labeled.

    Yes without a model, as soon as there are bars enough; when `every_bars` new bars have
    closed since its training; when the training lies within these bars but they are others
    (restated history); and when the model was trained on bars later than these, which
    would be lookahead. While there are too few bars to fit on: no, and the regime is UNKNOWN.
    """
    if len(bars) < schedule.bars_min:
        return False
    if model is None:
        return True
    training = model.training
    if training.ts_last > bars["ts_close"].iloc[-1]:
        return True
    if int((bars["ts_close"] > training.ts_last).sum()) >= schedule.every_bars:
        return True
    if bars["ts_open"].iloc[0] > training.ts_first:
        return False  # part of the training is not here to be compared
    inside = (bars["ts_open"] >= training.ts_first) & (bars["ts_close"] <= training.ts_last)
    return bars_sha256(bars[inside]) != training.bars_sha256


def fit_latest(fit: Fit, bars: pd.DataFrame, schedule: RefitSchedule = DEFAULT) -> RegimeModel:
    """Fit on the last `bars_max` bars; InputInvalid when there are fewer than `bars_min`."""
    return fit(bars.tail(schedule.bars_max))


def walk_forward(fit: Fit, bars: pd.DataFrame, schedule: RefitSchedule = DEFAULT) -> pd.DataFrame:
    """Label each bar by a model fitted on bars before it alone, refitted on the schedule.

    UNKNOWN until `bars_min` bars have closed. The first fit is after `bars_min` bars, the
    next ones every `every_bars`. A label never changes when later bars arrive. The columns
    are those of `label`; probabilities are NaN where the regime is unknown for want of bars.
    """
    parts = [_unknown(bars.iloc[: schedule.bars_min])]
    for begin in range(schedule.bars_min, len(bars), schedule.every_bars):
        end = min(begin + schedule.every_bars, len(bars))
        first = max(0, begin - schedule.bars_max)
        model = fit_latest(fit, bars.iloc[first:begin], schedule)
        # The filter starts with the training: at the first new bar it is warm.
        parts.append(label(model, bars.iloc[first:end]).iloc[begin - first :])
    return pd.concat(parts)


def _unknown(bars: pd.DataFrame) -> pd.DataFrame:
    """Say that nothing is known."""
    unknown = pd.Series(RegimeLabel.UNKNOWN.value, index=bars.index, dtype=object)
    return pd.DataFrame({"label": unknown, "confidence": 0.0})
