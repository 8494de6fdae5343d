"""When a model is fitted again, and what a history is labeled with models of its own past."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import pandas as pd

from execution.model.enums import RegimeLabel
from execution.model.regime import Training
from execution.regime.bars import moves_sha256, parts_sha256
from execution.regime.base import Fit, RegimeModel, label, require_bars
from execution.regime.config import RefitSchedule

DEFAULT = RefitSchedule()


class Trained(Protocol):
    """A model, or what is kept of one: what it was fitted on is enough to judge its age."""

    @property
    def training(self) -> Training:
        """What it was fitted on."""


T = TypeVar("T", bound=Trained)


def needs_refit(
    model: Trained | None, bars: pd.DataFrame, schedule: RefitSchedule = DEFAULT
) -> bool:
    """Whether to fit (again) on these bars before the next one is labeled.

    Yes without a model, as soon as there are bars enough; when `every_bars` new bars have
    closed since its training; when that was shorter or longer than the schedule allows; when
    it was on other bars (another source, restated history; not one that was scaled as a
    whole); and when the model was trained on bars later than these, which would be lookahead.
    While there are too few bars to fit on: no, and the regime is UNKNOWN.
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
    if not schedule.bars_min <= training.bars <= schedule.bars_max:
        return True
    return not _same_bars(training, bars)


def _same_bars(training: Training, bars: pd.DataFrame) -> bool:
    """Whether the training was on these bars, as far as they are here; nothing here is no.

    A feed may give fewer bars than were there once: then the newest parts of the training are
    held against what is here.
    """
    inside = bars[(bars["ts_open"] >= training.ts_first) & (bars["ts_close"] <= training.ts_last)]
    if inside.empty:
        return False
    if bars["ts_open"].iloc[0] <= training.ts_first:
        return moves_sha256(inside) == training.moves_sha256
    parts = parts_sha256(inside)
    return bool(parts) and parts == training.parts_sha256[: len(parts)]


def holding(kept: Iterable[T], bars: pd.DataFrame, schedule: RefitSchedule = DEFAULT) -> T | None:
    """The newest of these models that the next bar may be labeled with; None: none of them.

    With fewer bars than `bars_min` none holds: the regime is UNKNOWN.
    """
    if len(bars) < schedule.bars_min:
        return None
    newest_first = sorted(kept, key=lambda model: model.training.ts_last, reverse=True)
    return next((m for m in newest_first if not needs_refit(m, bars, schedule)), None)


def fit_latest(fit: Fit, bars: pd.DataFrame, schedule: RefitSchedule = DEFAULT) -> RegimeModel:
    """Fit on the last `bars_max` bars; InputInvalid when there are fewer than `bars_min`."""
    require_bars(bars, schedule.bars_min)
    return fit(bars.tail(schedule.bars_max), bars_min=schedule.bars_min)


def walk_forward(fit: Fit, bars: pd.DataFrame, schedule: RefitSchedule = DEFAULT) -> pd.DataFrame:
    """Label each bar by a model fitted on bars before it alone, refitted on the schedule.

    UNKNOWN until `bars_min` bars have closed. The first fit is after `bars_min` bars, the
    next ones every `every_bars`. A label never changes when later bars arrive. The columns
    are those of `label`; probabilities are NaN where the regime is unknown for want of bars.
    """
    parts = [unknown(bars.iloc[: schedule.bars_min])]
    for begin in range(schedule.bars_min, len(bars), schedule.every_bars):
        end = min(begin + schedule.every_bars, len(bars))
        model = fit_latest(fit, bars.iloc[:begin], schedule)
        parts.append(label_since(model, bars.iloc[:end]).iloc[begin:])
    return pd.concat(parts)


def label_since(model: RegimeModel, bars: pd.DataFrame) -> pd.DataFrame:
    """Label bars from the first of the training on, so that what follows it finds a warm filter.

    The bars before it are UNKNOWN: what is said of a bar does not depend on how much older
    history a feed happens to give.
    """
    old = bars["ts_open"] < model.training.ts_first
    labels = label(model, bars[~old])
    return pd.concat([unknown(bars[old]), labels]) if old.any() else labels


def unknown(bars: pd.DataFrame) -> pd.DataFrame:
    """Say that nothing is known of these bars."""
    said = pd.Series(RegimeLabel.UNKNOWN.value, index=bars.index, dtype="str")
    return pd.DataFrame({"label": said, "confidence": 0.0})
