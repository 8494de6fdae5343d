"""The geometry of an analysis: price over regimes over probabilities, and intervals; in pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from execution.evaluation.analysis import NAMES, Analysis
from execution.evaluation.performance import Performance
from execution.evaluation.spells import UNKNOWN, Dwell
from execution.regime.compiled import Floats
from tasks import figures
from tasks.chart_scales import Band, Mark, bands, round_values, times

WIDTH, RIGHT = 1000.0, 112.0  # room for the scales and the names of the regimes
PLOT_WIDTH = WIDTH - RIGHT
HEADING = 22.0  # above each part, for what it shows
PRICE_TOP, PRICE_HEIGHT = HEADING, 220.0
LANES_TOP, LANE_HEIGHT = PRICE_TOP + PRICE_HEIGHT + HEADING, 16.0
SHARES_TOP, SHARES_HEIGHT = LANES_TOP + len(NAMES) * LANE_HEIGHT + HEADING, 90.0
HEIGHT = SHARES_TOP + SHARES_HEIGHT + 22.0
BARS_NEAR = 250  # of the second chart
LOG_RATIO = 3.0  # a price that has moved further is drawn in logarithms
DECADES = (1, 2, 5)
TICKS_MIN = 3  # fewer in logarithms: evenly spaced values say more


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """When one regime was, in a row of its own: told by its place, not by its color."""

    label: str
    y: float
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeChart:
    """Price, regimes and probabilities of the same bars, one above the other."""

    title: str
    price_heading: str
    line: str  # an SVG path
    bands: tuple[Band, ...]
    prices: tuple[Mark, ...]
    lanes: tuple[Lane, ...]
    shares: tuple[tuple[str, str], ...]  # label and SVG path; each covers what is below it
    times: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One axis for the rows of a table: where values lie, and which are named."""

    width: float
    ticks: tuple[Mark, ...]
    at: Callable[[float], float]


def regime_charts(analysis: Analysis, quote: str) -> tuple[RegimeChart, ...]:
    """All labeled bars, and the last 250 of them where there are more."""
    known = np.flatnonzero((analysis.labels["label"] != UNKNOWN).to_numpy())
    first = int(known[0]) if len(known) else max(0, len(analysis.bars) - BARS_NEAR)
    bars, labels = analysis.bars.iloc[first:], analysis.labels.iloc[first:]
    charts = [_chart(f"{len(bars):,} bars, all that have a regime", bars, labels, quote)]
    if not len(known):
        charts = [_chart(f"the last {len(bars):,} bars: no regime yet", bars, labels, quote)]
    elif len(bars) > 2 * BARS_NEAR:
        near = f"the last {BARS_NEAR} bars"
        charts.append(_chart(near, bars.tail(BARS_NEAR), labels.tail(BARS_NEAR), quote))
    return tuple(charts)


def _chart(title: str, bars: pd.DataFrame, labels: pd.DataFrame, quote: str) -> RegimeChart:
    texts = labels["label"].tolist()
    step = PLOT_WIDTH / len(bars)
    x: Floats = (np.arange(len(bars), dtype=np.float64) + 0.5) * step
    closes = bars["close"].to_numpy(float)
    logs = closes.max() / closes.min() > LOG_RATIO
    y, low, high = _price_scale(closes, logs=logs)
    ticks = _log_values(low, high) if logs else ()
    if len(ticks) < TICKS_MIN:
        ticks = tuple(round_values(low, high))
    shading = tuple(bands(texts, step))
    return RegimeChart(
        title=title,
        price_heading=f"close in {quote}{', logarithmic' if logs else ''}",
        line=_line(x, y(closes)),
        bands=shading,
        prices=tuple(
            Mark(
                x=PLOT_WIDTH + 8,
                y=round(float(y(np.array([px]))[0]), 1),
                text=figures.price(figures.decimal(px)),
            )
            for px in ticks
        ),
        lanes=tuple(
            Lane(
                label=name,
                y=LANES_TOP + k * LANE_HEIGHT,
                bands=tuple(band for band in shading if band.label == name),
            )
            for k, name in enumerate(NAMES)
        ),
        shares=_shares(x, labels),
        times=tuple(
            Mark(x=round(float(x[i]), 1), y=HEIGHT - 5, text=text)
            for i, text in times(bars["ts_close"])
        ),
    )


def _price_scale(closes: Floats, *, logs: bool) -> tuple[Callable[[Floats], Floats], float, float]:
    """From prices to pixels, and the lowest and highest price that has room."""
    values = np.log(closes) if logs else closes
    margin = (values.max() - values.min()) * 0.06 or abs(values[-1]) * 0.01
    low, high = float(values.min() - margin), float(values.max() + margin)

    def y(px: Floats) -> Floats:
        shown = np.log(px) if logs else px
        place: Floats = PRICE_TOP + (high - shown) / (high - low) * PRICE_HEIGHT
        return place

    return y, math.exp(low) if logs else low, math.exp(high) if logs else high


def _log_values(low: float, high: float) -> tuple[float, ...]:
    """1, 2 and 5 times powers of ten between two values."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = (d * 10.0**power for power in powers for d in DECADES)
    return tuple(value for value in values if low <= value <= high)


def _line(x: Floats, y: Floats) -> str:
    """A path; where there are more points than pixels the lowest and highest of each pixel."""
    kept = np.arange(len(x))
    if len(x) > PLOT_WIDTH:
        starts = np.flatnonzero(np.diff(x.astype(int), prepend=-1))
        pixels = zip(starts, [*starts[1:], len(x)], strict=True)
        cells = [(a, y[a:b]) for a, b in pixels]
        kept = np.unique([a + k for a, cell in cells for k in (cell.argmin(), cell.argmax())])
    return "M" + " L".join(f"{x[k]:.1f},{y[k]:.1f}" for k in kept)


def _shares(x: Floats, labels: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Areas from the floor up to each regime's share and those below it, the highest first."""
    known = labels["label"].to_numpy() != UNKNOWN
    columns = [f"p_{name}" for name in NAMES]
    if not known.any():
        return ()
    shares = np.where(known[:, None], labels[columns].to_numpy(float), 0.0).cumsum(axis=1)
    # One point a pixel: the mean of the bars that fall on it.
    pixel = np.unique(x.astype(int), return_inverse=True)[1]
    counts = np.bincount(pixel)
    places = np.bincount(pixel, weights=x) / counts
    floor = SHARES_TOP + SHARES_HEIGHT
    areas = []
    for k in reversed(range(len(NAMES))):
        share = np.bincount(pixel, weights=shares[:, k]) / counts
        points = " ".join(
            f"{px:.0f},{floor - s * SHARES_HEIGHT:.0f}" for px, s in zip(places, share, strict=True)
        )
        path = f"M{places[0]:.0f},{floor:.0f} L{points} L{places[-1]:.0f},{floor:.0f} Z"
        areas.append((NAMES[k], path))
    return tuple(areas)


def dwell_scale(rows: Sequence[Dwell], width: float = 420.0) -> Scale:
    """Lengths of spells in bars, in logarithms from 1 on."""
    top = max(2.0, *(float(row.longest) for row in rows)) * 1.15
    return Scale(
        width=width,
        ticks=tuple(
            Mark(x=round(width * math.log(v) / math.log(top), 1), y=0, text=f"{v:,.0f}")
            for v in _log_values(1, top)
        ),
        at=lambda bars: round(width * math.log(max(1.0, bars)) / math.log(top), 1),
    )


def gain_scale(rows: Sequence[Performance], width: float = 300.0) -> Scale:
    """Net returns a bar in basis points, around 0; wide enough for every interval shown."""
    shown = [abs(v) for row in rows if row.interval for v in row.interval]
    shown = shown or [abs(row.mean) for row in rows if row.mean]
    top = 1e4 * max(shown, default=0.0001) * 1.05
    low, high = -top, top

    def at(fraction: float) -> float:
        place = (min(max(1e4 * fraction, low), high) - low) / (high - low)
        return round(width * place, 1)

    return Scale(
        width=width,
        ticks=tuple(
            Mark(x=at(v / 1e4), y=0, text=f"{v:+g}" if v else "0") for v in round_values(low, high)
        ),
        at=at,
    )
