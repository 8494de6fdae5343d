"""What bars must be: nothing is computed from bars that are not."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from data.feeds.base import NEW_YORK, SESSION_OPEN
from data.feeds.calendar import MONDAY
from data.quality.expectation import (
    NOTHING,
    Expectation,
    Offending,
    expectation,
    of_the_whole,
    offending,
)
from data.quality.rules import QualityRules, Severity
from data.quality.sample import BarSample
from data.schemas.bars import (
    PRICES,
    Bars,
    is_first_of_its_time,
    is_highest,
    is_lowest,
    is_not_before,
    is_price,
    is_volume,
)
from execution.model.timeframe import DAY

error = partial(expectation, Severity.ERROR)


@error("(all)", "the columns and types of data.schemas.bars", gate=True, structural=True)
def schema(sample: BarSample, rules: QualityRules) -> Offending:
    """Times, prices and a volume, each of its type, and nothing else."""
    bars, wanted = sample.table, Bars.to_schema().columns
    faults = [f"{name} is missing" for name in wanted if name not in bars]
    faults += [f"{name} is too many" for name in bars if name not in wanted]
    for name in wanted.keys() & set(bars):
        dtype = bars[name].dtype
        time = pd.api.types.is_datetime64_any_dtype(dtype)
        if not (time if name.startswith("ts_") else dtype == np.float64):
            faults.append(f"{name} is {dtype}")
    if bars.empty:
        faults.append("there are no bars")
    return of_the_whole(*sorted(faults))


@error("ts_open", "UTC, with its zone, in microseconds", gate=True, structural=True)
def times_utc(sample: BarSample, rules: QualityRules) -> Offending:
    """A time without a zone is a guess, and one in another zone a trap."""
    wanted = Bars.to_schema().columns
    names = ("ts_open", "ts_close")
    wrong = [n for n in names if str(sample.table[n].dtype) != str(wanted[n].dtype)]
    if wrong:
        return of_the_whole(*(f"{name} is {sample.table[name].dtype}" for name in wrong))
    return offending(sample.table[[*names]].isna().any(axis="columns"), sample.table["ts_open"])


@error("ts_open", "not before the row above", gate=True)
def times_rising(sample: BarSample, rules: QualityRules) -> Offending:
    """Oldest first; together with no_duplicates: strictly rising."""
    ts = sample.table["ts_open"]
    return offending(~is_not_before(ts), ts)


@error("ts_open", "one row a time", gate=True)
def no_duplicates(sample: BarSample, rules: QualityRules) -> Offending:
    """A bar that is there twice counts twice."""
    ts = sample.table["ts_open"]
    return offending(~is_first_of_its_time(ts), ts)


@error("ts_open", "not after the market's clock")
def not_in_future(sample: BarSample, rules: QualityRules) -> Offending:
    """A bar that has not begun yet cannot be known."""
    return offending(sample.opens > sample.clock, sample.opens)


@error("ts_open", "on the grid of the bars' length")
def on_grid(sample: BarSample, rules: QualityRules) -> Offending:
    """Crypto on UTC's clock, stocks on New York's; a stock's day begins with its session."""
    if not sample.regular:
        return of_the_whole(f"no calendar for bars of {sample.interval}")
    opens = sample.opens
    if sample.stock and sample.interval >= DAY:
        local = opens.tz_convert(NEW_YORK).tz_localize(None)
        off = (local - local.normalize() != SESSION_OPEN) & ~opens.isin(sample.expected)
    elif sample.stock:
        local = opens.tz_convert(NEW_YORK).tz_localize(None)
        off = (local - local.normalize() - sample.phase) % sample.interval != pd.Timedelta(0)
    else:
        off = (opens - MONDAY - sample.phase) % sample.interval != pd.Timedelta(0)
    return offending(off, opens)


@error("ts_open", "no bar of the calendar is missing before it")
def no_gaps(sample: BarSample, rules: QualityRules) -> Offending:
    """Between the first bar and the last every session's bars are there, or known to be nowhere."""
    expected = sample.key(sample.expected)
    if sample.absent is not None:
        expected = expected.difference(sample.key(sample.absent))
    lacking = expected[~expected.isin(sample.keys)]
    if lacking.empty:
        return NOTHING
    order = np.argsort(sample.keys.asi8, kind="stable")
    after = order[np.searchsorted(sample.keys.asi8[order], lacking.asi8)]
    rows, missing = np.unique(after, return_counts=True)
    told = [f"{sample.opens[row]}: {n} missing" for row, n in zip(rows, missing, strict=True)]
    return pd.Series(told, index=rows, dtype=object)


@error("ts_open", "in New York's session, 09:30 to 16:00 of its days")
def in_session(sample: BarSample, rules: QualityRules) -> Offending:
    """No stock's bars of nights, weekends and holidays."""
    if not sample.stock or not sample.judged.any():
        return NOTHING
    begin, end = sample.spans
    opens, closes = sample.opens.asi8, sample.closes.asi8
    at = np.searchsorted(end, opens, side="right")  # the first session that ends after it opens
    held = at < len(end)
    held[held] = begin[at[held]] < closes[held]
    return offending(sample.judged & ~held, sample.opens)


@error("close", "0 < price < infinity", gate=True)
def prices_positive(sample: BarSample, rules: QualityRules) -> Offending:
    """Open, high, low and close are numbers above 0."""
    good = np.column_stack([is_price(sample.table[name]) for name in PRICES])
    wrong = np.argmin(good, axis=1)  # the first that is not

    def tell(row: int) -> str:
        name = PRICES[wrong[row]]
        return f"{name}={sample.table[name].iloc[row]}"

    return offending(~good.all(axis=1), tell)


@error("high", "high is the highest of open, high, low, close", gate=True)
def high_is_highest(sample: BarSample, rules: QualityRules) -> Offending:
    """Nothing was traded above the high."""
    return offending(~is_highest(sample.table), sample.table["high"])


@error("low", "low is the lowest of open, high, low, close", gate=True)
def low_is_lowest(sample: BarSample, rules: QualityRules) -> Offending:
    """Nothing was traded below the low."""
    return offending(~is_lowest(sample.table), sample.table["low"])


@error("volume", "0 <= volume < infinity", gate=True)
def volume_not_negative(sample: BarSample, rules: QualityRules) -> Offending:
    """A volume is a number of at least 0."""
    return offending(~is_volume(sample.table["volume"]), sample.table["volume"])


@error("ts_close", "not after the market's clock")
def closed(sample: BarSample, rules: QualityRules) -> Offending:
    """A bar that is still being made changes: only closed ones count."""
    return offending((sample.opens <= sample.clock) & (sample.closes > sample.clock), sample.closes)


@error("ts_close", "at most {late_bars_max} bars have closed since the last")
def fresh(sample: BarSample, rules: QualityRules) -> Offending:
    """A feed that has stopped still answers: only the clock tells. A replay is never late."""
    return NOTHING if sample.replayed else late(sample, rules)


def late(sample: BarSample, rules: QualityRules) -> Offending:
    """The newest bar, where too many have closed since by the clock."""
    if sample.opens.empty or sample.opens.max() > sample.now:
        return NOTHING
    since = sample.closed_since()
    if since <= rules.late_bars_max:
        return NOTHING
    last = int(np.argmax(sample.opens.asi8))
    return pd.Series([f"{sample.closes[last]}: {since} since"], index=[last], dtype=object)


ERRORS: tuple[Expectation[BarSample], ...] = (
    schema,
    times_utc,
    times_rising,
    no_duplicates,
    not_in_future,
    on_grid,
    no_gaps,
    in_session,
    prices_positive,
    high_is_highest,
    low_is_lowest,
    volume_not_negative,
    closed,
    fresh,
)
