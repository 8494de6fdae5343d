"""What charts share: bands of regime, round values and times beside an axis; in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

TICKS_Y, TICKS_X = 4, 6
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Neighboring bars of one regime."""

    x: float
    width: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A text or a fill at a place."""

    x: float
    y: float
    text: str
    side: str = ""


def bands(labels: Sequence[str], step: float) -> Iterable[Band]:
    """Bands of neighboring bars with the same label, each bar `step` wide."""
    start = 0
    for label, bars in groupby(labels):
        count = len(list(bars))
        yield Band(x=round(start * step, 1), width=round(count * step, 1), label=label)
        start += count


def round_values(low: float, high: float) -> Iterable[float]:
    """Values between `low` and `high` that end in 1, 2, 2.5 or 5 times a power of ten."""
    rough = (high - low) / TICKS_Y
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * s for s in STEPS if power * s >= rough * 0.999)
    first = math.ceil(low / step)
    for i in range(first, math.floor(high / step) + 1):
        yield round(i * step, 10)


def times(ts: pd.Series[pd.Timestamp]) -> Iterable[tuple[int, str]]:
    """Evenly spaced bars with their date, and the hour where all lie within days."""
    span = ts.iloc[-1] - ts.iloc[0]
    form = "%d %b %H:%M" if span < pd.Timedelta(days=4) else "%d %b %Y"
    for i in sorted({int(i) for i in np.linspace(0, len(ts) - 1, TICKS_X + 2)[1:-1]}):
        yield i, ts.iloc[i].strftime(form)
