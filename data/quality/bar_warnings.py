"""What bars seldom are: a person should look, the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.quality.bar_errors import late
from data.quality.expectation import (
    NOTHING,
    Expectation,
    Offending,
    expectation,
    of_the_whole,
    offending,
)
from data.quality.rules import QualityRules, Severity
from data.quality.sample import BarSample, robust_z
from data.schemas.bars import PRICES

# New shares for one old, and the same the other way round.
SPLITS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0, 100.0)
OPENINGS_MIN = 30  # fewer say nothing of how often
TICK_SLACK = 1e-3  # of a tick: what a float cannot tell

warning = partial(expectation, Severity.WARNING)


@warning("volume", "at most {zero_volume_run_max} bars in a row without volume")
def zero_volume_run(sample: BarSample, rules: QualityRules) -> Offending:
    """A market where nothing was traded for long, or a feed that made bars up."""
    zero = sample.column("volume") == 0
    length = _run_lengths(np.where(zero, 0, np.arange(1, len(zero) + 1)))
    return offending(zero & (length > rules.zero_volume_run_max), _in_a_row(length))


@warning("close", "at most {stale_run_max} bars in a row with one close")
def stale_close_run(sample: BarSample, rules: QualityRules) -> Offending:
    """A price that stands still is often the last one a feed knew."""
    length = _run_lengths(sample.column("close"))
    return offending(length > rules.stale_run_max, _in_a_row(length))


@warning("close", "|robust z| of the log return <= {return_z_max:g}")
def return_outlier(sample: BarSample, rules: QualityRules) -> Offending:
    """A move far beyond what this market's moves are."""
    z = sample.return_z
    return offending(np.abs(z) > rules.return_z_max, _rounded(z))


@warning("close", "no |robust z| > {return_z_max:g} is taken back by the next bar")
def no_spike(sample: BarSample, rules: QualityRules) -> Offending:
    """A price that was there for one bar only is often a bad print."""
    r, z = sample.returns, sample.return_z
    left = np.abs(r + np.append(r[1:], np.nan)) / np.where(r == 0, np.nan, np.abs(r))
    spike = (np.abs(z) > rules.return_z_max) & (left <= rules.spike_left_max)
    return offending(spike, sample.column("close"))


@warning("open", "the opening is no split's ratio from the close before")
def no_split(sample: BarSample, rules: QualityRules) -> Offending:
    """Prices that were not adjusted for a split look like a crash."""
    ratio = np.append(np.nan, sample.column("close")[:-1] / sample.column("open")[1:])
    away = np.min(np.abs(np.abs(np.log(ratio))[:, None] - np.log(SPLITS)), axis=1)
    return offending(away <= rules.split_tolerance, _rounded(ratio))


@warning("open", "at most {open_repeats_max:.0%} of openings equal the close before")
def open_repeats_close(sample: BarSample, rules: QualityRules) -> Offending:
    """After a night the opening was made up from the close; without a night it may be the same."""
    opening = sample.after_close
    repeats = np.zeros(len(opening), dtype=bool)
    repeats[1:] = opening[1:] & (sample.column("open")[1:] == sample.column("close")[:-1])
    often = repeats.sum() > rules.open_repeats_max * max(OPENINGS_MIN, opening.sum())
    return offending(repeats, sample.column("open")) if often else NOTHING


@warning("close", "every price is a whole number of ticks")
def on_tick(sample: BarSample, rules: QualityRules) -> Offending:
    """Nothing can be traded between two ticks. Adjusted prices are not what was traded."""
    if sample.adjusted:
        return NOTHING
    prices = np.column_stack([sample.column(name) for name in PRICES])
    ticks = prices / float(sample.instrument.px_increment)
    slack = TICK_SLACK + 4 * np.finfo(float).eps * np.abs(ticks)
    off = np.abs(ticks - np.rint(ticks)) > slack
    first = np.argmax(off, axis=1)
    return offending(off.any(axis=1), lambda row: f"{PRICES[first[row]]}={prices[row, first[row]]}")


@warning("volume", "|robust z| of the log volume <= {volume_z_max:g}")
def volume_outlier(sample: BarSample, rules: QualityRules) -> Offending:
    """A volume in other units, or of another market."""
    volume = sample.column("volume")
    z = robust_z(np.where(volume > 0, np.log(volume), np.nan))
    return offending(np.abs(z) > rules.volume_z_max, volume)


@warning("close", "within {reference_difference_max:g} of the reference's close")
def agrees_with_reference(sample: BarSample, rules: QualityRules) -> Offending:
    """Two sources of one market tell nearly the same; asked for by `quality.reference`."""
    if sample.reference_problem:
        return of_the_whole(sample.reference_problem)
    if sample.reference is None:
        return NOTHING
    theirs = pd.Series(
        sample.reference["close"].to_numpy(float),
        sample.key(pd.DatetimeIndex(sample.reference["ts_open"])),
    )
    other = theirs[~theirs.index.duplicated()].reindex(sample.keys).to_numpy(float)
    if not np.isfinite(other).any():
        return of_the_whole("no bar in common")
    close = sample.column("close")
    far = np.abs(close / other - 1) > rules.reference_difference_max
    return offending(far, lambda row: f"{close[row]}, theirs {other[row]}")


@warning("close", "no bar was restated: its hash is what it was")
def not_restated(sample: BarSample, rules: QualityRules) -> Offending:
    """History that has changed was wrong once. What is adjusted changes with every dividend."""
    if sample.seen is None or sample.adjusted:
        return NOTHING
    return offending(sample.seen.changed(sample.table), sample.column("close"))


@warning(
    "ts_close",
    "at most {late_bars_max} bars have closed since the last one stored; download, or say --as-of",
)
def stored_fresh(sample: BarSample, rules: QualityRules) -> Offending:
    """A store whose downloads have stopped still answers; a replay says as of when."""
    return late(sample, rules) if sample.stored else NOTHING


@warning("(all)", "as many bars as the calendar has, within {row_count_tolerance:.0%}")
def row_count(sample: BarSample, rules: QualityRules) -> Offending:
    """Far fewer rows than the calendar tells of, or more, are not this market's bars."""
    rows, wanted = int(sample.judged.sum()), len(sample.expected)
    if not wanted or abs(rows - wanted) <= rules.row_count_tolerance * wanted:
        return NOTHING
    return of_the_whole(f"{rows} of {wanted}")


WARNINGS: tuple[Expectation[BarSample], ...] = (
    zero_volume_run,
    stale_close_run,
    return_outlier,
    no_spike,
    no_split,
    open_repeats_close,
    on_tick,
    volume_outlier,
    agrees_with_reference,
    not_restated,
    stored_fresh,
    row_count,
)


def _run_lengths(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """For each value how many of the same stand together there."""
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    lengths = np.diff(np.append(starts, len(values)))
    return np.repeat(lengths, lengths)


def _in_a_row(lengths: npt.NDArray[np.int64]) -> Callable[[int], str]:
    return lambda row: f"{lengths[row]} in a row"


def _rounded(values: npt.NDArray[np.float64]) -> Callable[[int], str]:
    return lambda row: f"{values[row]:.4g}"
