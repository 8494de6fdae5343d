"""The bars an analysis was made from, told apart by a hash."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PRICES = ["open", "high", "low", "close"]
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
    logs = np.log(bars[PRICES].to_numpy(float) / float(bars["close"].iloc[-1]))
    return _sha256(bars, np.rint(GRAIN * logs).astype("<i8"))


def _sha256(bars: pd.DataFrame, values: NDArray[np.float64] | NDArray[np.int64]) -> str:
    times = bars[["ts_open", "ts_close"]].apply(lambda ts: ts.dt.as_unit("us").astype("int64"))
    digest = hashlib.sha256(times.to_numpy(np.dtype("<i8")).tobytes())
    digest.update(values.tobytes())
    return digest.hexdigest()
