"""How far a probability can be believed: isotonic regression, learned on the training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from execution.regime.compiled import Floats, between

BINS = 20
BINS_OF_ERROR = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A rising function from what the filter says to how often that was right."""

    said: tuple[float, ...]  # rising
    right: tuple[float, ...]  # never falling, 0 to 1

    def __call__(self, probability: Floats) -> Floats:
        """Turn probabilities into confidences, each by itself."""
        out: Floats = between(probability, np.array(self.said), np.array(self.right))
        return out


def calibrate(said: Floats, right: Floats) -> Calibration:
    """Fit by pool-adjacent-violators (Barlow et al. 1972) over bins of as many bars each.

    `said`: probabilities; `right`: 0 to 1, how right each turned out; as many.
    """
    order = np.argsort(said, kind="stable")
    pools: list[list[float]] = []  # weight, mean said, mean right
    for part in np.array_split(order, min(BINS, len(order))):
        pools.append([float(len(part)), float(said[part].mean()), float(right[part].mean())])
        while len(pools) > 1 and (pools[-2][2] >= pools[-1][2] or pools[-2][1] >= pools[-1][1]):
            (w1, s1, r1), (w2, s2, r2) = pools.pop(-2), pools.pop()
            weight = w1 + w2
            pools.append([weight, (w1 * s1 + w2 * s2) / weight, (w1 * r1 + w2 * r2) / weight])
    clipped = [min(max(r, 0.0), 1.0) for _, _, r in pools]
    return Calibration(said=tuple(s for _, s, _ in pools), right=tuple(clipped))


def calibration_error(said: Floats, right: Floats) -> float:
    """Expected calibration error (Naeini 2015), 0 to 1: ten bins of the same width.

    `said`: confidences, 0 to 1; `right`: 0 to 1, how right each turned out; as many, >= 1.
    """
    places = np.minimum((said * BINS_OF_ERROR).astype(int), BINS_OF_ERROR - 1)
    gaps = np.bincount(places, weights=right - said)
    return float(np.abs(gaps).sum() / len(said))
