"""The bars an analysis was made from, told apart by a hash."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd


def bars_sha256(bars: pd.DataFrame) -> str:
    """SHA-256 of times and values, exactly; 64 hex. Restated history changes it."""
    times = bars[["ts_open", "ts_close"]].apply(lambda ts: ts.dt.as_unit("us").astype("int64"))
    values = bars[["open", "high", "low", "close", "volume"]].to_numpy(np.dtype("<f8"))
    digest = hashlib.sha256(times.to_numpy(np.dtype("<i8")).tobytes())
    digest.update(values.tobytes())
    return digest.hexdigest()
