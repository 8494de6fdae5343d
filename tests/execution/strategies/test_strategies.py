"""What each of our own strategies does, and what every one of them promises."""

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.errors import ConfigInvalid
from execution.model.enums import RegimeLabel
from execution.strategies.bias import check_lookahead, check_warmup
from execution.strategies.donchian import donchian
from execution.strategies.holding import hold
from execution.strategies.ma_cross import ma_cross
from execution.strategies.mean_reversion import mean_reversion
from execution.strategies.momentum import momentum
from execution.strategies.registry import DEFAULT_STRATEGIES, STRATEGIES, choose, find, sides
from execution.strategies.rsi_bands import rsi_bands
from execution.strategies.volatility_breakout import volatility_breakout
from execution.strategies.wishes import ask, wishes
from tests.execution.walks import assert_no_lookahead, random_walk

every_strategy = pytest.mark.parametrize("name", sorted(STRATEGIES))


def bars_at(closes: list[float]) -> pd.DataFrame:
    """Bars that open, trade and close at one price each."""
    close = np.array(closes, dtype=float)
    return random_walk(0, len(close)).assign(open=close, high=close, low=close, close=close)


@every_strategy
@given(seed=st.integers(0, 2**32), upto=st.integers(1, 300))
@settings(max_examples=15, deadline=None)
def test_nothing_said_of_a_bar_changes_when_later_bars_arrive(name: str, seed: int, upto: int):
    """Sides, stops and whatever else, to the bit, warm or not."""
    assert_no_lookahead(lambda bars: ask(find(name), bars), random_walk(seed, 300), upto)


@every_strategy
def test_the_bias_checks_find_nothing_in_our_own(name: str):
    bars = random_walk(8, 900)

    assert check_lookahead(find(name), bars, 60).differences == ()
    assert check_warmup(find(name), bars, 60).differences == ()


@every_strategy
def test_a_wish_is_given_for_every_bar_and_each_side_is_used(name: str):
    bars = random_walk(5, 900)

    frame = wishes(find(name), bars)

    assert bars.index.equals(frame.index)
    assert {-1, 0, 1} == set(frame["side"])


@every_strategy
def test_too_few_bars_mean_no_position(name: str):
    strategy = find(name)
    few = strategy.warmup_bars - 1

    assert list(sides(name, random_walk(2, few))) == [0] * few


@every_strategy
@pytest.mark.parametrize("bars", [0, 1, 2])
def test_next_to_no_bars_are_no_fault(name: str, bars: int):
    assert list(sides(name, random_walk(2, 1)[:bars])) == [0] * min(bars, 1)


@every_strategy
def test_a_price_that_never_moves_means_no_position(name: str):
    assert {0} == set(sides(name, bars_at([0.1] * 600)))


def test_the_strategies_are_registered_with_the_file_they_came_from():
    assert {
        "donchian",
        "ma_cross",
        "mean_reversion",
        "momentum",
        "rsi_bands",
        "volatility_breakout",
    } == set(STRATEGIES)
    assert all(len(one.sha256) == 64 for one in STRATEGIES.values())


def test_an_unknown_strategy_is_named_with_the_nearest():
    with pytest.raises(ConfigInvalid, match=r"'donchain' is unknown; did you mean donchian\?"):
        find("donchain")
    with pytest.raises(ConfigInvalid, match=r"'zzz' is unknown; there are donchian, ma_cross"):
        find("zzz")


def test_a_regime_is_mapped_to_a_strategy_with_its_parameters():
    chosen = choose(DEFAULT_STRATEGIES, {"donchian": {"entry_bars": 55}})

    trending = chosen[RegimeLabel.TRENDING]
    assert trending is not None
    assert trending.params == {"entry_bars": 55, "exit_bars": 10}
    assert trending.warmup_bars == 550
    assert chosen[RegimeLabel.VOLATILE] is None


def test_parameters_of_a_strategy_that_runs_in_no_regime_are_held_to_the_rules_too():
    """A typing error must not wait until the regime is mapped."""
    with pytest.raises(ConfigInvalid, match=r"strategy_params\.momentun is unknown; did you"):
        choose({}, {"momentun": {}})
    with pytest.raises(ConfigInvalid, match=r"strategy_params\.momentum\.threshold=-1 .* than or"):
        choose({}, {"momentum": {"threshold": -1}})


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

    assert list(donchian(bars, entry_bars=3, exit_bars=2)) == [0] * 5


def test_moving_averages_take_the_side_of_the_faster_one():
    got = ma_cross(bars_at([1, 1, 1, 2, 3, 2, 1, 1]), fast_bars=2, slow_bars=3)

    assert list(got) == [0, 0, 0, 1, 1, 1, -1, -1]


def test_mean_reversion_buys_below_and_leaves_at_the_mean():
    closes = [100.0, 101.0] * 10 + [97.0, 98.0, 100.5]

    got = list(mean_reversion(bars_at(closes)))

    assert got[:20] == [0] * 20
    assert got[20:] == [1, 1, 0]


def test_momentum_takes_the_side_of_the_move_and_leaves_a_small_one():
    closes = [100.0, 100, 100, 110, 100.5, 95]

    got = list(momentum(bars_at(closes), lookback_bars=2, threshold=0.01))

    assert got == [0, 0, 0, 1, 0, -1]


def test_rsi_bands_buy_what_has_fallen_much_and_leave_in_the_middle():
    closes = [100.0, 101] * 10 + [95, 90, 85] + [88, 95, 115]
    bars = bars_at(closes)
    index = talib.RSI(bars["close"].to_numpy(), 14)

    got = list(rsi_bands(bars))

    assert index[22] < 30 < index[24] < 50 < index[25]
    assert got[22:26] == [1, 1, 1, 0]


def test_a_jump_is_followed_with_a_stop_two_ranges_away():
    """Bars of a range of 2 each; a jump of 4 is more than 1.5 of them."""
    closes = [100.0] * 30 + [104.0, 104.0] + [90.0]
    bars = bars_at(closes).assign(high=np.array(closes) + 1, low=np.array(closes) - 1)

    said = volatility_breakout(bars)

    usual = talib.ATR(*(bars[n].to_numpy() for n in ("high", "low", "close")), 14)
    assert list(said["side"][29:]) == [0, 1, 1, -1]
    assert said["stop_loss"][30] == 104.0 - 2 * usual[30]
    assert said["stop_loss"][32] == 90.0 + 2 * usual[32]
    assert said["stop_loss"][:30].isna().all()


def test_a_stop_that_is_no_price_is_none():
    """Two ranges below a price that halves in a bar lie below zero."""
    closes = [100.0] * 30 + [1.0, 1.0, 1.0, 90.0]

    said = volatility_breakout(bars_at(closes), stop_atr=20.0)

    assert said["side"].iloc[-1] == 1
    assert np.isnan(said["stop_loss"].iloc[-1])


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
