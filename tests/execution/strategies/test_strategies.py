import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.errors import ConfigInvalid
from execution.strategies.donchian import DonchianParams, donchian
from execution.strategies.holding import hold
from execution.strategies.ma_cross import MaCrossParams, ma_cross
from execution.strategies.mean_reversion import mean_reversion
from execution.strategies.registry import STRATEGIES, sides, strategy
from tests.execution.walks import assert_no_lookahead, random_walk


def bars_at(closes: list[float]) -> pd.DataFrame:
    """Bars that open, trade and close at one price each."""
    close = np.array(closes, dtype=float)
    return random_walk(0, len(close)).assign(open=close, high=close, low=close, close=close)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@given(seed=st.integers(0, 2**32), upto=st.integers(1, 300))
@settings(max_examples=15, deadline=None)
def test_no_side_changes_when_later_bars_arrive(name: str, seed: int, upto: int):
    assert_no_lookahead(lambda bars: sides(name, bars).to_frame(), random_walk(seed, 300), upto)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_side_is_given_for_every_bar_and_each_side_is_used(name: str):
    bars = random_walk(5, 600)

    given_sides = sides(name, bars)

    assert bars.index.equals(given_sides.index)
    assert {-1, 0, 1} == set(given_sides)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_too_few_bars_mean_no_position(name: str):
    assert list(sides(name, random_walk(2, 19))) == [0] * 19


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_price_that_never_moves_means_no_position(name: str):
    assert {0} == set(sides(name, bars_at([0.1] * 200)))


def test_the_three_strategies_are_registered():
    assert {"donchian", "ma_cross", "mean_reversion"} == set(STRATEGIES)


def test_an_unknown_strategy_is_named_with_those_there_are():
    with pytest.raises(ConfigInvalid, match=r"'donchain' is unknown; there are donchian, ma_cross"):
        sides("donchain", random_walk(0, 10))


def test_the_name_of_the_emergency_stop_is_reserved():
    """Orders of that name leave while the account is halted."""
    with pytest.raises(ConfigInvalid, match="strategy 'emergency' is reserved"):
        strategy("emergency")

    assert "emergency" not in STRATEGIES


def test_donchian_enters_on_a_breakout_and_leaves_on_the_shorter_channel():
    """Up out of 20 bars, held while it climbs, left below the last 10 bars' low."""
    closes = [100.0] * 20 + [101, 102, 103, 104, 105, 106, 107, 108, 109, 110] + [109, 102, 100.5]

    got = list(donchian(bars_at(closes)))

    assert got[:20] == [0] * 20
    assert got[20:32] == [1] * 12  # 102 is still above the lowest of the ten bars before, 101
    assert got[32] == 0


def test_a_bar_cannot_break_out_of_its_own_range():
    """The channel is that of the bars before; touching its edge is not a breakout."""
    bars = bars_at([100.0, 101, 100, 101, 101])

    assert list(donchian(bars, DonchianParams(entry_bars=3, exit_bars=2))) == [0] * 5


def test_moving_averages_take_the_side_of_the_faster_one():
    got = ma_cross(bars_at([1, 1, 1, 2, 3, 2, 1, 1]), MaCrossParams(fast_bars=2, slow_bars=3))

    assert list(got) == [0, 0, 0, 1, 1, 1, -1, -1]


def test_mean_reversion_buys_below_and_leaves_at_the_mean():
    closes = [100.0, 101.0] * 10 + [97.0, 98.0, 100.5]

    got = list(mean_reversion(bars_at(closes)))

    assert got[:20] == [0] * 20
    assert got[20:] == [1, 1, 0]


def test_an_entry_the_other_way_turns_the_position_over():

    def yes_no(text: str) -> pd.Series:
        return pd.Series([c == "x" for c in text])

    held = hold(
        enter_long=yes_no("x...."),
        exit_long=yes_no("....."),
        enter_short=yes_no("..x.."),
        exit_short=yes_no("....x"),
    )

    assert list(held) == [1, 1, -1, -1, 0]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_three_thousand_bars_take_less_than_twenty_milliseconds(name: str):
    bars = random_walk(1, 3_000)

    def took() -> float:
        start = time.perf_counter()
        sides(name, bars)
        return time.perf_counter() - start

    assert min(took() for _ in range(5)) < 0.020
