"""One instrument's analysis: its regime now, its past ones, and what was to be had in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from execution.evaluation.comparison import ModelScore
from execution.evaluation.performance import Performance, performance
from execution.evaluation.spells import UNKNOWN, Dwell, dwell, spells, transitions
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId
from execution.model.regime import Regime
from execution.regime import four
from execution.regime.compiled import Ints
from execution.regime.config import RegimeSettings
from execution.regime.refit import label_since, unknown, walk_forward
from execution.regime.registry import analyse, choice, fit_or_why
from execution.strategies.base import Strategy
from execution.strategies.wishes import SIDE, wishes

NAMES = four.NAMES
CONFIGURED = "as configured"  # in each regime the strategy that is named for it
HOLD = "always long"  # what doing nothing clever earned


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What is known of one instrument at its last bar."""

    regime: Regime
    bars: pd.DataFrame
    labels: pd.DataFrame  # walked forward, columns as of `base.label`; the last row is now's
    bars_missing: int  # until a model can be fitted; 0 when one was
    lasts: int  # bars since the regime began, this one too; 0 while it is unknown
    dwell: tuple[Dwell, ...]
    transitions: Ints  # from row to column, in the order of NAMES
    performance: tuple[Performance, ...]
    models: tuple[ModelScore, ...] = ()  # of a thorough analysis

    @property
    def bars_labeled(self) -> int:
        """How many bars have a regime, each by a model of earlier bars."""
        return int((self.labels["label"] != UNKNOWN).sum())

    @property
    def claims(self) -> tuple[str, ...]:
        """What may be said of strategies; empty when nothing may."""
        return tuple(row.claim for row in self.performance if row.claim)


def analyse_instrument(
    instrument_id: InstrumentId,
    bars: pd.DataFrame,
    *,
    regime: RegimeSettings,
    strategies: Mapping[RegimeLabel, Strategy | None],
    judged: Iterable[Strategy],
    cost: float,
    allow_short: bool = False,
) -> Analysis:
    """Label every bar by models of earlier bars, the last one as a run without models does.

    A run keeps its model until it is due to be fitted again, so it may be a little less or
    more sure of the last bar. Each of the `judged` strategies is held against every regime,
    whichever it runs in. `cost` is a fraction of what is traded. Without `allow_short` a side
    of -1 counts as flat, as runs trade it. With too few bars the regime is UNKNOWN, and it
    says why.
    """
    past = bars.iloc[:-1]
    newest, reason = fit_or_why(regime.model, past, regime)
    now = unknown(bars) if newest is None else label_since(newest, bars)
    labels = pd.concat([walk_forward(choice(regime.model).fit, past, regime), now.iloc[[-1]]])
    texts = labels["label"].tolist()
    last = spells(texts)[-1]
    return Analysis(
        regime=analyse(newest, instrument_id, bars, reason),
        bars=bars,
        labels=labels,
        bars_missing=max(0, regime.bars_min - len(past)),
        lasts=0 if last.label == UNKNOWN else last.bars,
        dwell=dwell(texts, NAMES),
        transitions=transitions(texts, NAMES),
        performance=performance(
            bars["close"].to_numpy(float),
            texts,
            NAMES,
            positions(bars, texts, strategies, judged, allow_short=allow_short),
            cost,
        ),
    )


def positions(
    bars: pd.DataFrame,
    labels: list[str],
    strategies: Mapping[RegimeLabel, Strategy | None],
    judged: Iterable[Strategy],
    *,
    allow_short: bool,
) -> dict[str, Ints]:
    """What each strategy holds from each bar's close on; one long beside, and as configured.

    A strategy that wants more bars than there are is not asked: it is flat, as in a run.
    """
    lowest = -1 if allow_short else 0
    held = {
        s.name: np.maximum(wishes(s, bars)[SIDE].to_numpy(np.int64), lowest)
        for s in judged
        if len(bars) >= s.warmup_bars
    }
    configured = np.zeros(len(bars), dtype=np.int64)
    for regime, chosen in strategies.items():
        if chosen is not None and chosen.name in held:
            configured = np.where(np.array(labels) == regime.value, held[chosen.name], configured)
    return {**held, CONFIGURED: configured, HOLD: np.ones(len(bars), dtype=np.int64)}
