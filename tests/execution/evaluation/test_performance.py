"""What a position earns: by hand, and never with the bar that it was taken at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.errors import InputInvalid
from execution.evaluation.performance import (
    ALL,
    BARS_MIN,
    SPELLS_MIN,
    Performance,
    Verdict,
    net_returns,
    performance,
)

NAMES = ("calm", "volatile")


def ints(*values: int):
    return np.array(values, dtype=np.int64)


def of(rows: tuple[Performance, ...], strategy: str, regime: str) -> Performance:
    (row,) = (r for r in rows if (r.strategy, r.regime) == (strategy, regime))
    return row


def market(seed: int, spells: int = 60, bars: int = 10):
    """Closes that walk without a drift, in spells of equal length."""
    rng = np.random.default_rng(seed)
    n = spells * bars + 1
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(n)))
    labels = [NAMES[(t // bars) % 2] for t in range(n)]
    return close, labels, rng


def test_a_position_earns_the_next_bar_and_pays_for_what_it_trades():
    """100 → 110 → 99 → 99: long over the rise, short over the fall, then out; 1 % a trade."""
    net = net_returns(ints(1, -1, 0, 0), np.array([100.0, 110.0, 99.0, 99.0]), 0.01)

    # in: 1 traded; turn: 2; out: 1
    assert net == pytest.approx([0.10 - 0.01, 0.10 - 0.02, -0.01])


def test_nothing_is_earned_with_the_bar_that_a_position_was_taken_at():
    """Taking each bar's own direction would win always if the positions were one bar early."""
    close, _, _ = market(1)
    returns = np.diff(close) / close[:-1]
    seen = np.concatenate([[0], np.sign(returns)]).astype(np.int64)  # known at that close
    foreseen = np.concatenate([np.sign(returns), [0]]).astype(np.int64)

    assert net_returns(foreseen, close, 0.0) == pytest.approx(np.abs(returns))
    assert net_returns(seen, close, 0.0)[1:] == pytest.approx(seen[1:-1] * returns[1:])
    assert abs(net_returns(seen, close, 0.0).mean()) < np.abs(returns).mean() / 5


@given(seed=st.integers(0, 1_000), upto=st.integers(2, 200))
@settings(max_examples=25, deadline=None)
def test_what_was_earned_does_not_change_when_later_bars_arrive(seed: int, upto: int):
    close, _, rng = market(seed)
    position = rng.integers(-1, 2, len(close))

    before = net_returns(position[:upto], close[:upto], 0.001)

    assert (before == net_returns(position, close, 0.001)[: upto - 1]).all()


def test_a_strategy_of_one_regime_pays_for_entering_and_leaving_it():
    """Always long, in the volatile bars alone: two spells of two bars, each 1 % in and out."""
    labels = ["calm", "volatile", "volatile", "calm", "volatile", "volatile", "calm", "calm"]
    close = np.array([100.0, 100.0, 110.0, 121.0, 121.0, 121.0, 121.0, 121.0])

    rows = performance(close, labels, NAMES, {"long": np.ones(8, dtype=np.int64)}, 0.01)

    volatile = of(rows, "long", "volatile")
    assert (volatile.bars, volatile.spells, volatile.held) == (4, 2, 4)
    assert volatile.mean == pytest.approx((0.2 - 0.02 - 0.02) / 4)
    assert of(rows, "long", ALL).mean == pytest.approx((0.2 - 0.01) / 7)


def test_the_last_bar_counts_for_nothing_because_its_next_return_is_not_known():
    rows = performance(
        np.array([100.0, 100.0, 110.0]),
        ["calm", "calm", "volatile"],
        NAMES,
        {"a": ints(0, 1, 1)},
        0,
    )

    assert (of(rows, "a", "calm").bars, of(rows, "a", "calm").held) == (2, 1)
    never = of(rows, "a", "volatile")
    assert (never.bars, never.mean, never.standard_error, never.interval) == (0, None, None, None)
    assert Verdict.TOO_FEW is never.verdict


@given(seed=st.integers(0, 1_000))
@settings(max_examples=8, deadline=None)
def test_without_costs_the_regimes_add_up_to_the_whole(seed: int):
    close, labels, rng = market(seed)
    labels[:35] = ["unknown"] * 35
    rows = performance(close, labels, NAMES, {"a": rng.integers(-1, 2, len(close))}, 0.0)

    whole = of(rows, "a", ALL)
    parts = [of(rows, "a", name) for name in NAMES]
    assert whole.bars == sum(p.bars for p in parts) == len(close) - 1 - 35
    assert whole.bars * (whole.mean or 0) == pytest.approx(
        sum(p.bars * (p.mean or 0) for p in parts)
    )


def test_a_strategy_that_gains_in_one_regime_alone_is_told_so():
    close, labels, _ = market(2)
    ahead = np.append(np.sign(np.diff(close)), 0)
    foresees = np.where(np.array(labels) == "calm", ahead, -ahead).astype(np.int64)

    rows = performance(close, labels, NAMES, {"a": foresees}, 0.0)

    assert Verdict.GAINS is of(rows, "a", "calm").verdict
    assert Verdict.LOSES is of(rows, "a", "volatile").verdict


@pytest.mark.parametrize(
    ("spells", "bars"),
    [(2 * SPELLS_MIN - 2, 2 * BARS_MIN), (2 * SPELLS_MIN, 2 * BARS_MIN // (2 * SPELLS_MIN))],
    ids=["too few spells", "too few bars"],
)
def test_nothing_is_claimed_of_too_little(spells: int, bars: int):
    """Nineteen long spells, or 240 bars in twenty: each is one short of the rule."""
    close, labels, _ = market(2, spells, bars)
    foresees = np.append(np.sign(np.diff(close)), 0).astype(np.int64)

    rows = performance(close, labels, NAMES, {"a": foresees}, 0.0)

    assert Verdict.TOO_FEW is of(rows, "a", "calm").verdict
    assert (of(rows, "a", "calm").mean or 0) > 0


def test_of_strategies_without_any_worth_hardly_a_table_claims_one():
    """Coins are tossed once a spell; one table in twenty may be fooled."""
    fooled = 0
    for seed in range(40):
        close, labels, rng = market(seed, spells=80, bars=10)
        coins = {
            f"coin-{k}": np.repeat(rng.integers(-1, 2, 81), 10)[: len(close)] for k in range(4)
        }
        rows = performance(close, labels, NAMES, coins, 0.0)
        fooled += any(r.verdict in (Verdict.GAINS, Verdict.LOSES) for r in rows)

    assert fooled <= 6  # 2 are expected


def test_what_is_not_as_long_as_the_history_is_refused():
    with pytest.raises(InputInvalid, match="a: 2 positions, 3 labels, 3 closes"):
        performance(np.ones(3), ["calm"] * 3, NAMES, {"a": ints(0, 1)}, 0.0)
