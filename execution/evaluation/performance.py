"""What each strategy earned in each regime, on labels that knew no later bar.

The position wanted at a bar's close earns the return to the next bar's close. What is traded
costs, also where a strategy enters because its regime begins and leaves because it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from execution.errors import InputInvalid
from execution.evaluation.sampling import clustered_error, draw_clusters, interval, studentized
from execution.evaluation.spells import UNKNOWN, Spell, spells
from execution.regime.compiled import Floats, Ints

ALL = "all"  # every bar whose regime is known
BARS_MIN, SPELLS_MIN = 250, 20  # fewer than either: nothing is claimed
LEVEL = 0.95


class Verdict(StrEnum):
    """What may be said of a mean."""

    GAINS = "gains"
    LOSES = "loses"
    OPEN = "cannot be told"
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """One strategy in one regime; means are net, a bar of the regime, as fractions."""

    strategy: str
    regime: str  # a name, or ALL
    bars: int  # of the regime, with a known next return
    spells: int
    held: int  # bars of them with a position
    mean: float | None  # None without bars
    standard_error: float | None  # over spells; None below two of them
    interval: tuple[float, float] | None  # 95 %, spells drawn again; None for too few
    verdict: Verdict

    @property
    def claim(self) -> str:
        """The verdict as a sentence; empty when there is nothing to say."""
        if self.verdict not in (Verdict.GAINS, Verdict.LOSES):
            return ""
        where = "over all regimes" if self.regime == ALL else f"in {self.regime} bars"
        return f"{self.strategy} {self.verdict} {where}".replace("_", " ")


def net_returns(position: Ints, close: Floats, cost: float) -> Floats:
    """Net return of each bar's position until the next close; n positions give n - 1.

    `position` is the share of the capital held from that bar's close on (1 long, -1 short);
    `cost` is a fraction of what is traded at that close. Nothing is held before the first.
    """
    returns = close[1:] / close[:-1] - 1
    traded = np.abs(np.diff(position, prepend=0))[:-1]
    net: Floats = position[:-1] * returns - cost * traded
    return net


def performance(
    close: Floats,
    labels: Sequence[str],
    names: Sequence[str],
    positions: Mapping[str, Ints],
    cost: float,
) -> tuple[Performance, ...]:
    """Every strategy in every regime and in all of them; rows by regime, then strategy.

    `close`, `labels` and each of `positions` are as long as there are bars. A verdict is given
    only for at least 250 bars in 20 spells, and allows for how many are given (Bonferroni):
    of as many strategies without any worth, at most one table in twenty says one has some.
    """
    for strategy, position in positions.items():
        if not len(position) == len(labels) == len(close):
            raise InputInvalid(
                f"{strategy}: {len(position)} positions, {len(labels)} labels, {len(close)} closes"
            )
    found = spells(labels[:-1])  # the last bar's next return is not known yet
    cells = []
    for regime in (*names, ALL):
        chosen = [s for s in found if s.label == regime or (regime == ALL and s.label != UNKNOWN)]
        inside = np.isin(np.arange(len(labels)), [k for s in chosen for k in range(s.begin, s.end)])
        bars = np.array([spell.bars for spell in chosen], dtype=float)
        enough = bars.sum() >= BARS_MIN and len(chosen) >= SPELLS_MIN
        drawn = draw_clusters(len(chosen)) if enough else None
        for strategy, position in positions.items():
            masked = np.where(inside, position, 0)
            totals = _totals(net_returns(masked, close, cost), chosen, apart=regime != ALL)
            held = int((masked[:-1] != 0).sum())
            cells.append(_Cell(strategy, regime, totals, bars, held, drawn if held else None))
    told = sum(cell.off is not None for cell in cells)
    level = 1 - (1 - LEVEL) / max(1, told)
    return tuple(cell.performance(level) for cell in cells)


class _Cell:
    """One strategy in one regime, spell by spell."""

    def __init__(
        self,
        strategy: str,
        regime: str,
        totals: Floats,
        bars: Floats,
        held: int,
        drawn: Floats | None,
    ) -> None:
        self._names = strategy, regime
        self._totals, self._bars, self._held = totals, bars, held
        self.off = None if drawn is None else studentized(totals, bars, drawn)

    def performance(self, level: float) -> Performance:
        """The figures, and the verdict that holds with probability `level`."""
        strategy, regime = self._names
        spells = len(self._bars)
        return Performance(
            strategy=strategy,
            regime=regime,
            bars=int(self._bars.sum()),
            spells=spells,
            held=self._held,
            mean=float(self._totals.sum() / self._bars.sum()) if spells else None,
            standard_error=clustered_error(self._totals, self._bars) if spells > 1 else None,
            interval=self._interval(LEVEL),
            verdict=self._verdict(level),
        )

    def _interval(self, level: float) -> tuple[float, float] | None:
        return None if self.off is None else interval(self._totals, self._bars, self.off, level)

    def _verdict(self, level: float) -> Verdict:
        inside = self._interval(level)
        if inside is None:
            return Verdict.TOO_FEW
        low, high = inside
        if low > 0:
            return Verdict.GAINS
        return Verdict.LOSES if high < 0 else Verdict.OPEN


def _totals(net: Floats, chosen: Sequence[Spell], *, apart: bool) -> Floats:
    """Net return of each spell; spells that lie `apart` end with the cost of leaving.

    That cost falls on the bar after the spell, where another regime has begun.
    """
    return np.array([net[s.begin : s.end + apart].sum() for s in chosen], dtype=float)
