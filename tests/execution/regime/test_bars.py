"""Bars told apart by a hash: exactly, and by their moves alone."""

import pandas as pd
import pytest

from execution.regime.bars import PART_BARS, bars_sha256, moves_sha256, parts_sha256
from tests.execution.walks import random_walk

PRICES = ["open", "high", "low", "close"]


def scaled(bars: pd.DataFrame, factor: float) -> pd.DataFrame:
    return bars.assign(**{name: bars[name] * factor for name in PRICES})


def changed(column: str, factor: float = 1.00001) -> pd.DataFrame:
    bars = random_walk(3, 150)
    bars.loc[10, column] *= factor
    return bars


def test_any_other_bar_gives_another_hash():
    bars = random_walk(3, 150)
    others = [bars[:-1], bars[1:], scaled(bars, 1.0 + 1e-15), changed("volume", 2)]
    hashes = {bars_sha256(other) for other in (bars, *others, *map(changed, PRICES))}

    assert {64} == {len(digest) for digest in hashes}
    assert len(hashes) == 1 + len(others) + len(PRICES)


@pytest.mark.parametrize("factor", [1.0 + 1e-15, 0.97, 1 / 7, 28.0])
def test_a_history_that_was_scaled_as_a_whole_moves_as_before(factor: float):
    """A dividend scales an adjusted history; what was learned from its moves stays true."""
    bars = random_walk(3, 150)

    assert moves_sha256(bars) == moves_sha256(scaled(bars, factor))


def test_a_split_scales_volumes_the_other_way_and_moves_stay():
    """Adjusting a history for it does both; no model reads a volume."""
    bars = random_walk(3, 150)
    split = scaled(bars, 1 / 7).assign(volume=bars["volume"] * 7)

    assert moves_sha256(bars) == moves_sha256(split)
    assert bars_sha256(bars) != bars_sha256(split)


def test_a_bar_that_was_restated_moves_in_another_way():
    later = random_walk(3, 150)
    later["ts_close"] += pd.Timedelta(seconds=1)
    others = [later, random_walk(3, 150)[:-1], *map(changed, PRICES)]

    assert moves_sha256(random_walk(3, 150)) not in {moves_sha256(bars) for bars in others}


def test_parts_of_a_history_are_told_apart_from_its_end_back():
    """A window of fewer bars has the same newest parts; what a part lacks of a hundred is none."""
    bars = random_walk(3, 350)
    restated = bars.copy()
    restated.loc[120, "low"] *= 0.9999
    parts = parts_sha256(bars)

    assert len(parts) == 350 // PART_BARS
    assert parts_sha256(bars[101:]) == parts[:2]
    assert parts_sha256(scaled(bars, 0.97)) == parts
    assert [a == b for a, b in zip(parts, parts_sha256(restated), strict=True)] == [
        True,
        True,
        False,
    ]
    assert parts_sha256(bars[:99]) == ()


def test_a_move_between_two_parts_is_seen():
    """A part scaled by itself holds the same bars; what lies between the two does not."""
    bars = random_walk(3, 200)
    split = bars.copy()
    split.loc[:99, PRICES] *= 2.0

    assert parts_sha256(split)[0] == parts_sha256(bars)[0]
    assert parts_sha256(split)[1] != parts_sha256(bars)[1]
