"""The checks find each known way of cheating, and nothing where there is none."""

from pathlib import Path

import numpy as np
import pytest

from execution.errors import InputInvalid
from execution.strategies.base import Strategy
from execution.strategies.bias import check_lookahead, check_warmup
from execution.strategies.loading import load_file
from execution.strategies.registry import find
from execution.strategies.wishes import ask
from tests.execution.strategies.user_files import body, write
from tests.execution.walks import random_walk

BARS = random_walk(11, 600)
SIGN = "np.sign({}).fillna(0)"
C = "bars['close']"

LOOKS_AHEAD = {
    "the next bar": f"({C}.shift(-1) > {C}).astype(int)",
    "the next bar, left empty at the end": f"np.sign({C}.shift(-1) - {C})",
    "far ahead": SIGN.format(f"{C}.shift(-48) - {C}"),
    "normalized by all bars": f"((({C} - {C}.mean()) / {C}.std()) < -1).astype(int)",
    "ranked among all bars": f"({C}.rank(pct=True) > .9).astype(int)",
    "a centered window": SIGN.format(f"{C} - {C}.rolling(5, center=True).mean()"),
    "filled backwards": f"np.sign({C}.diff(5)).where({C}.index % 7 == 6).bfill().fillna(0)",
    "filled backwards at the start alone": f"np.sign({C}.diff(20)).bfill().fillna(0)",
    "the day's close, in the morning": (
        f"np.sign(bars.groupby(bars['ts_open'].dt.date)['close'].transform('last') - {C})"
    ),
    "a resampled bar under the time it began": (
        "pd.Series(np.sign(bars.set_index('ts_open')['close'].resample('4h').last().diff()"
        ".reindex(bars['ts_open'], method='ffill').fillna(0).to_numpy()), index=bars.index)"
    ),
    "sorted by price": f"{C}.sort_values().diff(30).lt(2).sort_index().astype(int)",
    "the end of the history": f"pd.Series(np.sign({C} - {C}.iloc[-1]), index=bars.index)",
    "how long the history is": "pd.Series(len(bars) % 2, index=bars.index)",
    "a stop at what comes": (
        f"pd.DataFrame({{'side': 1, 'stop_loss': {C}[::-1].rolling(9, min_periods=1).min()[::-1]"
        " * .99}, index=bars.index)"
    ),
}


@pytest.mark.parametrize("how", LOOKS_AHEAD)
def test_each_way_of_looking_ahead_is_found(tmp_path: Path, how: str):
    finding = check_lookahead(body(tmp_path, LOOKS_AHEAD[how]), BARS, 100)

    assert finding.differences


@pytest.mark.parametrize("how", LOOKS_AHEAD)
def test_what_is_told_of_a_difference_can_be_seen_again(tmp_path: Path, how: str):
    """Bar, column and both values are what a person gets who asks the strategy so."""
    strategy = body(tmp_path, LOOKS_AHEAD[how])
    found = check_lookahead(strategy, BARS, 100).differences[0]

    cut = ask(strategy, BARS[: found.last_bar])[found.column].iloc[found.bar - 1]
    whole = ask(strategy, BARS)[found.column].iloc[found.bar - 1]

    told = [np.nan if v is None else v for v in (found.value_cut, found.value_whole)]
    np.testing.assert_array_equal([cut, whole], told)
    assert found.value_cut != found.value_whole
    assert BARS["ts_close"].iloc[found.bar - 1] == found.ts


def test_a_look_ahead_at_a_single_bar_is_found_when_every_cut_is_asked(tmp_path: Path):
    """Out before the one crash: it acts there alone, and a sample of the cuts may miss it."""
    moves = BARS["close"].diff()
    crash, limit = int(moves.idxmin()), float(moves.nsmallest(2).mean())
    rare = body(tmp_path, f"(~({C}.shift(-1) - {C} < {limit})).astype(int)")

    assert [d.bar for d in check_lookahead(rare, BARS).differences] == [crash]


@pytest.mark.parametrize(("size", "is_rounding"), [(1e-12, True), (1e-7, False)])
def test_the_last_digits_of_a_number_are_rounding_and_no_look_ahead(
    tmp_path: Path, size: float, is_rounding: bool
):
    """A product with a learned matrix comes out another way over another number of rows."""
    sure = f"pd.DataFrame({{'side': 1, 'confidence': .6 - {size} * len(bars)}}, index=bars.index)"

    assert (not check_lookahead(body(tmp_path, sure), BARS, 50).differences) is is_rounding


HONEST = {
    "a look back": f"({C} > {C}.shift(1)).astype(int)",
    "normalized by what came before": (
        SIGN.format(f"({C} - {C}.expanding().mean()) / {C}.expanding().std()")
    ),
    "sorted and put back": f"np.sign({C}.diff().sort_values().sort_index()).fillna(0)",
    "the day so far": (
        "np.sign(bars.groupby(bars['ts_open'].dt.date)['close'].transform('cummax') - "
        f"{C}).astype(int)"
    ),
    "flat": "np.zeros(len(bars))",
}


@pytest.mark.parametrize("how", HONEST)
def test_who_looks_back_alone_is_clean(tmp_path: Path, how: str):
    assert check_lookahead(body(tmp_path, HONEST[how]), BARS, 100).differences == ()


def ewm(folder: Path, warmup_bars: int) -> Strategy:
    """Above or below a mean of all that came before, with weights that fade by a tenth a bar."""
    said = SIGN.format(f"{C} - {C}.ewm(alpha=.1, adjust=False).mean()")
    return body(folder, said, warmup_bars)


def test_a_recursion_that_has_not_forgotten_where_it_began_is_found(tmp_path: Path):
    finding = check_warmup(ewm(tmp_path, 5), BARS)

    assert finding.differences
    assert all(d.last_bar - d.first_bar + 1 == 5 for d in finding.differences)
    assert {d.column for d in finding.differences} == {"side"}


def test_the_warm_up_that_is_told_to_be_enough_is_and_one_less_is_not(tmp_path: Path):
    enough = check_warmup(ewm(tmp_path, 5), BARS, 100).enough_bars

    assert enough is not None
    assert enough > 20
    assert check_warmup(ewm(tmp_path, enough), BARS, 100).differences == ()
    assert check_warmup(ewm(tmp_path, enough - 1), BARS, 100).differences


def test_a_warm_up_that_is_longer_than_it_must_be_is_told():
    """Fifty bars are what the slower mean needs; all the rest is waiting."""
    slow = find("ma_cross")

    assert check_warmup(slow, BARS).enough_bars == 50
    momentum = find("momentum", {"momentum": {"lookback_bars": 7}})
    assert check_warmup(momentum, BARS).enough_bars == 8


def test_numbers_but_for_the_side_may_differ_by_less_than_any_price_step(tmp_path: Path):
    """An average range never quite forgets its first bar; after 15 periods nobody can tell."""
    text = """
@strategy("mine", warmup_bars=1)
def mine(bars, fade=0.0):
    stop = bars["close"] * (0.9 + fade / len(bars))
    return pd.DataFrame({"side": 1, "stop_loss": stop}, index=bars.index)
"""
    (mine,) = load_file(write(tmp_path, text))

    fine = check_warmup(mine.with_params({"fade": 1e-7}), BARS)
    assert fine.differences == ()
    wrong = check_warmup(mine.with_params({"fade": 1e-4}), BARS)
    assert {d.column for d in wrong.differences} == {"stop_loss"}
    assert wrong.worst.size == max(d.size for d in wrong.differences)
    assert wrong.enough_bars is None or wrong.enough_bars > 10


def test_a_side_counted_from_the_first_bar_wants_any_warm_up_there_is(tmp_path: Path):
    finding = check_warmup(body(tmp_path, "pd.Series(range(len(bars))) // 2 % 2", 3), BARS)

    assert finding.differences
    assert finding.enough_bars is None


def test_one_who_fails_on_fewer_bars_than_it_wants_is_not_blamed_for_it(tmp_path: Path):
    said = f"{C}.rolling(8).mean() * 0 if len(bars) >= 8 else 1 / 0"
    finding = check_lookahead(body(tmp_path, f"({said}).fillna(0)", 8), BARS, 50)

    assert finding.differences == ()
    assert check_warmup(body(tmp_path, f"({said}).fillna(0)", 8), BARS, 50).enough_bars == 8


def test_one_who_fails_on_the_bars_it_wants_is_told_where(tmp_path: Path):
    with pytest.raises(InputInvalid, match=r"line 7: ZeroDivisionError.*\(on 1 bars\)"):
        check_lookahead(body(tmp_path, f"{C} * 0 if len(bars) >= 8 else 1 / 0"), BARS, 50)


@pytest.mark.parametrize(
    "said",
    [
        "pd.Series(np.random.default_rng().integers(0, 2, len(bars)), index=bars.index)",
        "pd.Series(globals().__setitem__('n', globals().get('n', 0) + 1) or n, index=bars.index)",
    ],
    ids=["chance", "memory"],
)
def test_one_who_says_two_things_of_the_same_bars_is_told_so(tmp_path: Path, said: str):
    for check in (check_lookahead, check_warmup):
        with pytest.raises(InputInvalid, match=r"asked twice, it says two things of bar \d+"):
            check(body(tmp_path, said), BARS, 50)


def test_too_few_bars_to_take_any_away_are_refused():
    with pytest.raises(InputInvalid, match=r"bars=1 breaks bars >= 2"):
        check_lookahead(find("donchian"), BARS[:1])
    with pytest.raises(InputInvalid, match=r"bars=200 breaks bars > warmup_bars=200 of strategy"):
        check_warmup(find("donchian"), BARS[:200])


def test_the_cuts_are_the_same_each_time():
    """Who mends what was found must see it gone, not elsewhere."""
    first, again = (check_warmup(find("rsi_bands"), BARS, 40) for _ in range(2))

    assert first == again
    assert first.bars == 600
