"""How good labels are, against the truth that made the bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from execution.regime.base import RegimeModel, label
from execution.regime.calibration import calibration_error
from execution.regime.compiled import Floats, Ints
from tests.benchmarks.markets import Simulate

TRAIN, TEST = 2_000, 1_000


@dataclass
class Score:
    """Labels of many paths, pooled: confusion per path, confidence, switches."""

    states: int
    right: list[Ints] = field(default_factory=list)  # per path and state
    bars: list[Ints] = field(default_factory=list)  # per path and state
    switches: list[float] = field(default_factory=list)  # per 1,000 bars
    said: list[Floats] = field(default_factory=list)
    hit: list[Ints] = field(default_factory=list)

    def add(self, truth: Ints, labels: Ints, confidence: Floats | None = None) -> None:
        hit = labels == truth
        self.right.append(np.bincount(truth[hit], minlength=self.states))
        self.bars.append(np.bincount(truth, minlength=self.states))
        self.switches.append(1000 * float((np.diff(labels) != 0).mean()))
        if confidence is not None:
            self.said.append(confidence)
            self.hit.append(hit)

    @property
    def accuracy(self) -> float:
        """Balanced: the mean of the states' recalls, pooled over the paths."""
        return float((sum(self.right) / sum(self.bars)).mean())

    @property
    def recalls(self) -> list[float]:
        return [float(r) for r in sum(self.right) / sum(self.bars)]

    @property
    def standard_error(self) -> float:
        return error_of(self.right, self.bars)

    @property
    def switched(self) -> float:
        return float(np.mean(self.switches))

    @property
    def calibration_error(self) -> float:
        """Expected calibration error (Naeini 2015): ten bins of the same width."""
        return calibration_error(np.concatenate(self.said), np.concatenate(self.hit).astype(float))

    def error_against(self, other: Score) -> float:
        """Standard error of the difference of two scores of the same paths."""
        return error_of([a - b for a, b in zip(self.right, other.right, strict=True)], self.bars)


def error_of(right: list[Ints], bars: list[Ints]) -> float:
    """Standard error of the mean of ratios over independent paths (delta method)."""
    r, n = np.array(right, float), np.array(bars, float)
    influence = ((r - n * (r.sum(axis=0) / n.sum(axis=0))) / n.sum(axis=0)).mean(axis=1)
    paths = len(r)
    return float(np.sqrt(paths / (paths - 1) * (influence**2).sum()))


def paths_of(simulate: Simulate, seed: int, paths: int) -> list[tuple[Ints, pd.DataFrame]]:
    """Independent paths of one market; each seed gives others."""
    rngs = np.random.default_rng(seed).spawn(paths)
    return [simulate(TRAIN + TEST, rng) for rng in rngs]


def places(labels: pd.DataFrame, names: tuple[str, ...]) -> Ints:
    """Labels as places in the names; -1 where unknown."""
    return np.array([names.index(x) if x in names else -1 for x in labels["label"]])


def score(
    fit: Callable[[pd.DataFrame], RegimeModel], drawn: list[tuple[Ints, pd.DataFrame]], states: int
) -> Score:
    """Fit on the first bars of each path, freeze, and label the rest online."""
    pooled = Score(states)
    for truth, bars in drawn:
        model = fit(bars[:TRAIN])
        labels = label(model, bars)[TRAIN:]
        pooled.add(truth[TRAIN:], places(labels, model.names), labels["confidence"].to_numpy())
    return pooled
