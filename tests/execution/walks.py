"""Random bars, and the promise that every analysis of bars keeps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal


def random_walk(seed: int, bars: int, volatility: float = 0.02) -> pd.DataFrame:
    """Bars of an hour whose volatility and drift change every 50 bars."""
    rng = np.random.default_rng(seed)
    scale = np.repeat(rng.choice([0.2, 1.0, 4.0], bars // 50 + 1), 50)[:bars] * volatility
    drift = np.repeat(rng.choice([-0.3, 0.0, 0.3], bars // 50 + 1), 50)[:bars] * scale
    close = 100 * np.exp(np.cumsum(drift + scale * rng.standard_normal(bars)))
    open_ = np.concatenate([[100.0], close[:-1]])
    spread = np.abs(scale * rng.standard_normal((2, bars)))
    ts_open = pd.date_range("2024-01-01", periods=bars, freq="h", tz="UTC", unit="us")
    return pd.DataFrame(
        {
            "ts_open": ts_open,
            "ts_close": ts_open + pd.Timedelta(hours=1),
            "open": open_,
            "high": np.maximum(open_, close) * np.exp(spread[0]),
            "low": np.minimum(open_, close) * np.exp(-spread[1]),
            "close": close,
            "volume": rng.integers(1, 1000, bars).astype(float),
        }
    )


def assert_no_lookahead(
    analyse: Callable[[pd.DataFrame], pd.DataFrame], bars: pd.DataFrame, upto: int
) -> None:
    """What is said of the first bars is the same, to the bit, with and without the later."""
    assert_frame_equal(analyse(bars[:upto]), analyse(bars)[:upto], check_exact=True)
