"""The geometry of a price chart: closes over bands of regime, with this run's fills."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from execution.model.fill import Fill
from execution.model.identifiers import InstrumentId
from tasks import figures
from tasks.chart_scales import Band, Mark, bands, round_values, times

BARS_SHOWN = 250
WIDTH, HEIGHT = 1000.0, 220.0
RIGHT, BOTTOM = 68.0, 22.0  # room for the scales
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - RIGHT, HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One instrument's chart in pixels; (0, 0) is the upper left."""

    instrument_id: InstrumentId
    last: str
    line: str  # an SVG path
    bands: tuple[Band, ...]
    prices: tuple[Mark, ...]
    times: tuple[Mark, ...]
    fills: tuple[Mark, ...]


def price_chart(
    instrument_id: InstrumentId,
    bars: pd.DataFrame,
    labels: Sequence[str],
    fills: Iterable[Fill],
) -> Chart:
    """Draw the last 250 bars, each with its label; a fill stands at the bar that it fell into."""
    shown = bars.tail(BARS_SHOWN)
    closes = shown["close"].to_numpy(float)
    own = [f for f in fills if f.instrument_id == instrument_id]
    prices = np.append(closes, [float(f.last_px) for f in own])
    margin = (prices.max() - prices.min()) * 0.06 or abs(closes[-1]) * 0.01
    low, high = prices.min() - margin, prices.max() + margin
    step = PLOT_WIDTH / len(shown)

    def x(bar: float) -> float:
        return round((bar + 0.5) * step, 1)

    def y(px: float) -> float:
        return round(float((high - px) / (high - low)) * PLOT_HEIGHT, 1)

    points = [f"{x(i)},{y(px)}" for i, px in enumerate(closes)]
    return Chart(
        instrument_id=instrument_id,
        last=figures.price(figures.decimal(closes[-1])),
        line="M" + " L".join(points),
        bands=tuple(bands(labels[-BARS_SHOWN:], step)),
        prices=tuple(
            Mark(x=PLOT_WIDTH + 8, y=y(px), text=figures.price(figures.decimal(px)))
            for px in round_values(low, high)
        ),
        times=tuple(Mark(x=x(i), y=HEIGHT, text=text) for i, text in times(shown["ts_close"])),
        fills=tuple(
            Mark(
                x=x(_bar_of(fill, shown)),
                y=y(float(fill.last_px)),
                text=_tell(fill),
                side=fill.side,
            )
            for fill in own
        ),
    )


def _bar_of(fill: Fill, shown: pd.DataFrame) -> int:
    found = int(shown["ts_close"].searchsorted(pd.Timestamp(fill.ts_event)))
    return min(found, len(shown) - 1)


def _tell(fill: Fill) -> str:
    side, qty, px = fill.side.upper(), figures.quantity(fill.last_qty), figures.price(fill.last_px)
    return f"{side} {qty} at {px}, {figures.when(fill.ts_event)}"
