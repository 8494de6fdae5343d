"""What a strategy says of every bar, asked and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from execution.errors import InputInvalid
from execution.strategies.base import Strategy, nearest, raised

SIDE, STOP, TARGET = "side", "stop_loss", "take_profit"
# What each column holds where it says something; NaN in the last two: none.
RULES: dict[str, tuple[str, Callable[[pd.DataFrame], Any]]] = {
    SIDE: ("side is 1, -1 or 0", lambda f: f[SIDE].isin([1, -1, 0])),
    "weight": ("0 <= weight <= 1", lambda f: f["weight"].between(0, 1)),
    "confidence": ("0 <= confidence <= 1", lambda f: f["confidence"].between(0, 1)),
    STOP: (
        "stop_loss is above 0, on the losing side of close",
        lambda f: _beyond(f, STOP, -1),
    ),
    TARGET: (
        "take_profit is above 0, on the winning side of close",
        lambda f: _beyond(f, TARGET, 1),
    ),
}


def ask(strategy: Strategy, bars: pd.DataFrame) -> pd.DataFrame:
    """What a strategy says of each bar, as floats: `side`, and the columns it gives beside it.

    The index is that of `bars`, which the strategy cannot change. Raises InputInvalid,
    naming its file, when it raises or does not give one row a bar in known columns. The
    values are as it gave them, NaN too: see `wishes`.
    """
    try:
        said = strategy(bars.copy())
        frame = _framed(said, bars)
        return frame.astype(float)
    except InputInvalid as error:
        raise InputInvalid(f"{strategy}: {error}") from error
    except (Exception, SystemExit) as error:  # a person's code may raise anything
        told = raised(error, strategy.definition.path)
        raise InputInvalid(f"{strategy}: {told} (on {len(bars):,} bars)") from error


def wishes(strategy: Strategy, bars: pd.DataFrame) -> pd.DataFrame:
    """What a strategy wants at each bar, with every value inside its rule.

    Flat before `warmup_bars`. Raises InputInvalid naming file, bar, column, value and rule,
    for the first bar that breaks one; bars count from 1.
    """
    frame = ask(strategy, bars)
    warm = frame.assign(close=bars["close"]).iloc[strategy.warmup_bars - 1 :]
    for column in frame.columns:
        rule, holds = RULES[column]
        wrong = ~np.asarray(holds(warm), dtype=bool)
        if wrong.any():
            place = int(wrong.argmax())
            row = place + strategy.warmup_bars
            value = float(warm[column].iloc[place])
            told = "(empty)" if np.isnan(value) else f"{value:g}"
            when = bars["ts_close"].iloc[row - 1].isoformat()
            raise InputInvalid(
                f"{strategy}: bar {row} ({when}), column {column}: value {told} breaks {rule}"
            )
    cold = np.arange(len(frame)) < strategy.warmup_bars - 1
    frame.loc[cold, :] = np.nan
    frame[SIDE] = frame[SIDE].fillna(0.0).astype("int64")
    return frame


def _framed(said: object, bars: pd.DataFrame) -> pd.DataFrame:
    """Lay out what was said as a frame on the bars' index."""
    if isinstance(said, np.ndarray) and said.ndim == 1:
        if len(said) != len(bars):
            raise InputInvalid(f"gives {len(said):,} values for {len(bars):,} bars")
        said = pd.Series(said, index=bars.index)
    if isinstance(said, pd.Series):
        said = said.to_frame(SIDE)
    if not isinstance(said, pd.DataFrame):
        raise InputInvalid(
            f"gives {type(said).__name__}, not a side for each bar (a series, an array, or a "
            f"frame with {', '.join(RULES)})"
        )
    if len(said) != len(bars):
        raise InputInvalid(f"gives {len(said):,} rows for {len(bars):,} bars")
    if not said.index.equals(bars.index):
        raise InputInvalid("its rows have another index than the bars: keep the bars' own")
    for name in map(str, said.columns):
        if name not in RULES:
            raise InputInvalid(f"column {name!r} is unknown{nearest(name, RULES)}")
    if list(said.columns).count(SIDE) != 1 or said.columns.has_duplicates:
        raise InputInvalid(f"columns {', '.join(map(str, said.columns))}: wants side once")
    return said


def _beyond(frame: pd.DataFrame, column: str, direction: int) -> pd.Series[bool]:
    """Whether an exit is a price on its side of the close, where there is an exit and a side."""
    exit_px, close, side = frame[column], frame["close"], frame[SIDE]
    beyond = (exit_px > 0) & np.isfinite(exit_px) & (direction * side * (exit_px - close) > 0)
    holds: pd.Series[bool] = exit_px.isna() | (side == 0) | beyond
    return holds
