"""Whether a strategy looks ahead, and whether its warm-up is long enough, by asking again.

What it says of a bar must not change when later bars are taken away (lookahead), nor when
bars from before its warm-up are (a recursion that has not forgotten where it began). So it
is asked anew on many histories cut short, and the answers are held against the whole one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from execution.errors import InputInvalid
from execution.strategies.base import Strategy
from execution.strategies.wishes import SIDE, ask

CHECKS = 300  # cuts of a history: half where the side changes, half anywhere
FIRST_BARS = 30  # and every one of the shortest: values filled backwards show there
SEED = 20_080_915  # "anywhere" is the same places each time
# Of numbers other than the side. Products over another number of rows are rounded in another
# way, and so is a learned strategy's confidence, though it has seen nothing that was to come.
ROUNDING_MAX = 1e-9
# In a warm-up sums begin elsewhere, and a recursion fades without end. Less than this is less
# than any price step.
RELATIVE_MAX = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that hangs on where the history begins or ends."""

    bar: int  # whose value it is, from 1, in the whole history
    ts: datetime  # UTC, its close
    column: str
    first_bar: int  # of the history cut short, from 1
    last_bar: int
    value_cut: float | None  # None: nothing was said
    value_whole: float | None

    @property
    def size(self) -> float:
        """How far the two are apart, of the larger; infinite where one says nothing."""
        if self.value_cut is None or self.value_whole is None:
            return float("inf")
        larger = max(abs(self.value_cut), abs(self.value_whole))
        size = abs(self.value_cut - self.value_whole) / larger
        return size if np.isfinite(size) else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check of one strategy on one history has found; clean without differences."""

    bars: int
    cuts: int  # histories cut short that it was asked on
    cuts_possible: int  # that there are
    differences: tuple[Difference, ...]  # the first of each cut that differs, by bar
    warmup_bars: int  # as declared
    enough_bars: int | None = None  # the smallest warm-up that would do; None: none was found

    @property
    def worst(self) -> Difference:
        """The largest of the differences, the earliest of equals."""
        return max(self.differences, key=lambda d: (d.size, -d.bar))


def check_lookahead(strategy: Strategy, bars: pd.DataFrame, checks: int | None = None) -> Finding:
    """Ask on every history that ends earlier, or on `checks` of them, about half where it acts.

    The side must be exactly that of the whole one, other numbers to a billionth. Raises
    InputInvalid for fewer than 2 bars, what the strategy raises with its warm-up's bars or
    more, and a strategy that does not say the same of the same bars twice.
    """
    if len(bars) < 2:
        raise InputInvalid(f"bars={len(bars)} breaks bars >= 2: nothing can be taken away")
    whole = _asked_twice(strategy, bars)
    ends = set(range(1, len(bars)))
    if checks is not None:
        ends &= {*range(1, FIRST_BARS), *_ends(whole, checks)}
    found = []
    for end in sorted(ends):
        cut = _ask_short(strategy, bars.iloc[:end])
        if cut is None:
            continue
        wrong = _differs(cut, whole.iloc[:end], ROUNDING_MAX)
        if wrong.any():
            row = int(wrong.any(axis=1).argmax())
            found.append(_difference(cut, whole, wrong[row], row, row, bars, (1, end)))
    earliest = sorted(found, key=lambda d: (d.bar, d.last_bar))
    return Finding(
        bars=len(bars),
        cuts=len(ends),
        cuts_possible=len(bars) - 1,
        differences=tuple(earliest),
        warmup_bars=strategy.warmup_bars,
    )


def check_warmup(strategy: Strategy, bars: pd.DataFrame, checks: int = CHECKS) -> Finding:
    """Ask on the declared warm-up alone; the last bar's values must be the whole history's.

    The side exactly, other numbers to a millionth. Also looks for the smallest warm-up that
    would do, by halving: for these bars and cuts, so a lower bound, and up to half of the
    bars, because a longer one is held against too few. Raises InputInvalid when
    there are not more bars than the warm-up, and as `check_lookahead` does.
    """
    declared = strategy.warmup_bars
    if len(bars) <= declared:
        raise InputInvalid(
            f"bars={len(bars):,} breaks bars > warmup_bars={declared:,} of {strategy}: with fewer "
            "it cannot be told whether that is enough; give it more bars"
        )
    whole = _asked_twice(strategy, bars)
    rows = [end - 1 for end in _ends(whole, checks) if end > declared]
    found = list(_late_starts(strategy, bars, whole, rows, declared))
    found.sort(key=lambda d: d.bar)
    # A bar that wanted more before is likely to again: those are asked first.
    order = list(dict.fromkeys([*(d.bar - 1 for d in found), *rows]))

    def enough(warmup: int) -> bool:
        able = [row for row in order if row >= warmup]  # else nothing is taken away
        wanting = next(_late_starts(strategy, bars, whole, able, warmup), None)
        if wanting is not None:
            order.remove(wanting.bar - 1)
            order.insert(0, wanting.bar - 1)
        return bool(able) and wanting is None

    return Finding(
        bars=len(bars),
        cuts=len(rows),
        cuts_possible=len(bars) - declared,
        differences=tuple(found),
        warmup_bars=declared,
        enough_bars=_smallest(enough, declared, fine=not found, most=len(bars) // 2),
    )


def _smallest(enough: Callable[[int], bool], declared: int, *, fine: bool, most: int) -> int | None:
    """The smallest that is enough, if what is enough stays enough; None if `most` is not."""
    low, high = (0, declared) if fine else (declared, declared)
    while not fine:
        low, high = high, min(2 * high, most)
        if high <= low:
            return None
        fine = enough(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _late_starts(
    strategy: Strategy, bars: pd.DataFrame, whole: pd.DataFrame, rows: Iterable[int], warmup: int
) -> Iterator[Difference]:
    """Where the last of `warmup` bars is told otherwise than with all that came before."""
    for row in rows:
        first = row - warmup + 1
        cut = _ask_short(strategy, bars.iloc[first : row + 1].reset_index(drop=True))
        if cut is None:
            cut = pd.DataFrame(np.nan, index=range(warmup), columns=whole.columns)
        wrong = _differs(cut.iloc[-1:], whole.iloc[row : row + 1], RELATIVE_MAX)
        if wrong.any():
            yield _difference(cut, whole, wrong[0], warmup - 1, row, bars, (first + 1, row + 1))


def _ends(whole: pd.DataFrame, checks: int) -> list[int]:
    """How many bars to look at, each time: up to where the side changes, and up to anywhere.

    The same whatever the warm-up is, so that a longer one is held against what it mends.
    """
    rng = np.random.default_rng(SEED)
    side = whole[SIDE].to_numpy()
    change = np.flatnonzero(side[1:] != side[:-1]) + 1
    around = np.unique([change, change + 1])
    if len(around) > checks // 2:
        around = rng.choice(around, checks // 2, replace=False)
    others = np.setdiff1d(np.arange(1, len(whole) + 1), around)
    anywhere = rng.choice(others, min(checks - len(around), len(others)), replace=False)
    return sorted({*around.tolist(), *anywhere.tolist(), len(whole)})


def _asked_twice(strategy: Strategy, bars: pd.DataFrame) -> pd.DataFrame:
    """What it says of the whole history, if it says the same again."""
    whole, again = ask(strategy, bars), ask(strategy, bars)
    wrong = _differs(again, whole, 0.0).any(axis=1)
    if wrong.any():
        raise InputInvalid(
            f"{strategy}: asked twice, it says two things of bar {int(wrong.argmax()) + 1}: "
            "it must depend on the bars alone, not on chance, time or what it was asked before"
        )
    return whole


def _ask_short(strategy: Strategy, bars: pd.DataFrame) -> pd.DataFrame | None:
    """What it says; None where it fails on fewer bars than it wants."""
    try:
        return ask(strategy, bars)
    except InputInvalid:
        if len(bars) < strategy.warmup_bars:
            return None
        raise


def _differs(cut: pd.DataFrame, whole: pd.DataFrame, relative_max: float) -> np.ndarray:
    """Which values are not the same, by row and column of `whole`; the side always exactly."""
    x, y = cut.reindex(columns=whole.columns).to_numpy(), whole.to_numpy()
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(invalid="ignore"):  # infinite less infinite
        near = np.abs(x - y) <= relative_max * np.maximum(np.abs(x), np.abs(y))
    near[:, whole.columns.get_loc(SIDE)] = False
    differs: np.ndarray = ~(same | near)
    return differs


def _difference(
    cut: pd.DataFrame,
    whole: pd.DataFrame,
    wrong: np.ndarray,
    row_cut: int,
    row: int,
    bars: pd.DataFrame,
    span: tuple[int, int],
) -> Difference:
    """The first column of a row that differs."""
    column = str(whole.columns[int(wrong.argmax())])
    x, y = cut.reindex(columns=whole.columns)[column].iloc[row_cut], whole[column].iloc[row]
    return Difference(
        bar=row + 1,
        ts=bars["ts_close"].iloc[row].to_pydatetime(),
        column=column,
        first_bar=span[0],
        last_bar=span[1],
        value_cut=None if np.isnan(x) else float(x),
        value_whole=None if np.isnan(y) else float(y),
    )
