"""Our indicators against TA-Lib: all at once, and bar by bar."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from talib import stream

from execution.regime.config import BucketConfig
from execution.regime.trend import trend_strength
from execution.strategies import indicators
from tests.execution.walks import assert_no_lookahead, random_walk

N = 14
Values = np.ndarray
Batch = Callable[[pd.DataFrame], "pd.Series[float]"]

# What we compute, TA-Lib's word for it, and the columns that goes by.
INDICATORS: dict[str, tuple[Batch, str, tuple[str, ...]]] = {
    "mean": (lambda b: indicators.mean(b["close"], N), "SMA", ("close",)),
    "highest": (lambda b: indicators.highest(b["high"], N), "MAX", ("high",)),
    "lowest": (lambda b: indicators.lowest(b["low"], N), "MIN", ("low",)),
    "rsi": (lambda b: indicators.rsi(b["close"], N), "RSI", ("close",)),
    "atr": (lambda b: indicators.atr(b, N), "ATR", ("high", "low", "close")),
    "adx": (lambda b: trend_strength(b, BucketConfig()), "ADX", ("high", "low", "close")),
}
every_indicator = pytest.mark.parametrize("name", INDICATORS)
walks = given(seed=st.integers(0, 2**32))
quick = settings(max_examples=15, deadline=None)


def test_each_indicator_is_compared():
    """A new one in the module is not forgotten here; the deviation is in the z-score."""
    own = {n for n, f in vars(indicators).items() if callable(f) and f.__module__ == "execution."
           "strategies.indicators"}  # fmt: skip

    assert own == {*INDICATORS} - {"adx"} | {"z_score"}


@every_indicator
@given(seed=st.integers(0, 2**32), upto=st.integers(1, 100))
@quick
def test_no_value_changes_when_later_bars_arrive(name: str, seed: int, upto: int):
    """To the bit; the z-score is a strategy's, and is tested there."""
    ours = INDICATORS[name][0]

    assert_no_lookahead(lambda bars: ours(bars).to_frame(), random_walk(seed, 100), upto)


@every_indicator
@walks
@quick
def test_the_whole_history_at_once_is_talibs(name: str, seed: int):
    ours, word, columns = INDICATORS[name]
    bars = random_walk(seed, 200)

    theirs = getattr(talib, word)(*(bars[c].to_numpy() for c in columns), N)

    np.testing.assert_allclose(ours(bars).to_numpy(), theirs, rtol=1e-12, atol=0)


@every_indicator
@walks
@quick
def test_bar_by_bar_gives_what_the_whole_history_gives(name: str, seed: int):
    """What is computed is exactly what a stream of bars would have told as they came."""
    ours, word, columns = INDICATORS[name]
    bars = random_walk(seed, 200)
    begin = 2 * N  # the longest that one of them waits for
    start = [bars[c].to_numpy()[:begin] for c in columns]

    following = getattr(stream, word)(*start, N)
    rest = bars[list(columns)].to_numpy()[begin:]
    streamed = [following.update(*map(float, row)) for row in rest]

    np.testing.assert_allclose(ours(bars).to_numpy()[begin:], streamed, rtol=1e-12, atol=0)


@walks
@quick
def test_the_z_score_is_the_distance_from_the_mean_in_deviations(seed: int):
    """Against the definition itself: TA-Lib's deviation loses digits."""
    close = random_walk(seed, 100)["close"]
    windows = np.lib.stride_tricks.sliding_window_view(close.to_numpy(), N)

    expected = (windows[:, -1] - windows.mean(axis=1)) / windows.std(axis=1)

    np.testing.assert_allclose(indicators.z_score(close, N)[N - 1 :], expected, rtol=1e-9)


def test_a_price_that_stands_still_is_neither_strong_nor_weak():
    """TA-Lib says 0, which is what it says of a crash: that would be bought."""
    still = pd.Series([7.0] * 40)
    crash = pd.Series(np.linspace(100, 1, 40))

    assert set(indicators.rsi(still, N)[N:]) == {50.0}
    assert set(indicators.rsi(crash, N)[N:]) == {0.0}
    assert indicators.rsi(still, N)[:N].isna().all()
    assert set(indicators.z_score(still, N)[N:]) == {0.0}
