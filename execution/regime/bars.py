"""The bars an analysis was made from, told apart by a hash."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PRICES = ["open", "high", "low", "close"]
PART_BARS = 100
GRAIN = 1e6  # a price that is one millionth another is another


def bars_sha256(bars: pd.DataFrame) -> str:
    """SHA-256 of times and values, exactly; 64 hex. Restated history changes it."""
    values = bars[[*PRICES, "volume"]].to_numpy(np.dtype("<f8"))
    return _sha256(bars, values)


def moves_sha256(bars: pd.DataFrame) -> str:
    """SHA-256 of times, and prices over the last close to a millionth; 64 hex.

    A dividend, or a split of later, scales a whole adjusted history: each price is another
    then, in its last digits even where the scale is 1, and every move is the same. A split
    scales volumes the other way; no model reads those, so they are left out.
    """
    return _sha256(bars, _moves(bars))


def parts_sha256(bars: pd.DataFrame) -> tuple[str, ...]:
    """`moves_sha256` of each hundred bars, from the last one back; what is left over is none.

    All prices are over the last close of all. So a window that holds the newest bars of a
    training alone can be told from another by these.
    """
    moves, ends = _moves(bars), range(len(bars), PART_BARS - 1, -PART_BARS)
    return tuple(_sha256(bars[end - PART_BARS : end], moves[end - PART_BARS : end]) for end in ends)


def _moves(bars: pd.DataFrame) -> NDArray[np.int64]:
    logs = np.log(bars[PRICES].to_numpy(float) / float(bars["close"].iloc[-1]))
    return np.rint(GRAIN * logs).astype("<i8")


def _sha256(bars: pd.DataFrame, values: NDArray[np.float64] | NDArray[np.int64]) -> str:
    times = bars[["ts_open", "ts_close"]].apply(lambda ts: ts.dt.as_unit("us").astype("int64"))
    digest = hashlib.sha256(times.to_numpy(np.dtype("<i8")).tobytes())
    digest.update(values.tobytes())
    return digest.hexdigest()
