"""How long regimes last, and what follows on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from execution.model.enums import RegimeLabel
from execution.regime.compiled import Ints

UNKNOWN = RegimeLabel.UNKNOWN.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Neighboring bars of one label, as many as there are."""

    label: str
    begin: int  # place of its first bar
    bars: int

    @property
    def end(self) -> int:
        """Place of the bar after its last one."""
        return self.begin + self.bars


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwell:
    """How long one regime lasts."""

    label: str
    bars: int  # in it, in all
    spells: int  # seen from beginning to end
    quartiles: tuple[float, float, float] | None  # bars a spell; None without such a spell
    longest: int


def spells(labels: Sequence[str]) -> tuple[Spell, ...]:
    """Cut labels into spells, unknown ones too."""
    found, begin = [], 0
    for label, group in groupby(labels):
        bars = sum(1 for _ in group)
        found.append(Spell(label=label, begin=begin, bars=bars))
        begin += bars
    return tuple(found)


def dwell(labels: Sequence[str], names: Sequence[str]) -> tuple[Dwell, ...]:
    """How long each of `names` lasts, in their order.

    The first known spell and the last one are cut off by the ends of the history: their
    bars count, their lengths do not.
    """
    known = [spell for spell in spells(labels) if spell.label != UNKNOWN]
    return tuple(_dwell(name, known) for name in names)


def _dwell(name: str, known: Sequence[Spell]) -> Dwell:
    whole = [spell.bars for spell in known[1:-1] if spell.label == name]
    low, middle, high = np.quantile(whole, [0.25, 0.5, 0.75]) if whole else (0.0, 0.0, 0.0)
    return Dwell(
        label=name,
        bars=sum(spell.bars for spell in known if spell.label == name),
        spells=len(whole),
        quartiles=(float(low), float(middle), float(high)) if whole else None,
        longest=max(whole, default=0),
    )


def transitions(labels: Sequence[str], names: Sequence[str]) -> Ints:
    """Count moves from each bar's label (row) to the next bar's (column); names × names.

    What is not among `names` breaks the chain: nothing is counted into or out of it.
    """
    place = {name: k for k, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    for before, after in pairwise(labels):
        if before in place and after in place:
            counts[place[before], place[after]] += 1
    return counts


def switches(labels: Sequence[str]) -> float | None:
    """Changes of label a 1,000 bars, among known neighbors; None when there are none."""
    pairs = [(a, b) for a, b in pairwise(labels) if UNKNOWN not in (a, b)]
    return 1_000 * sum(a != b for a, b in pairs) / len(pairs) if pairs else None
