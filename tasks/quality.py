"""Bars held against what is expected of them, before anything is computed from them.

The expectations run here as they are; `regent quality` and the `quality` deployment hand the
same ones to Great Expectations, which takes five seconds to import and is for reading.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
from prefect import task

from data.feeds.base import Feed
from data.quality.bars import BARS
from data.quality.expectation import Result, look
from data.quality.rules import Severity
from data.quality.sample import BarSample
from data.quality.seen import Seen
from execution.errors import ConfigInvalid, InputInvalid, InvariantBroken, VenueUnavailable
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from execution.model.symbols import resolve
from execution.model.timeframe import timeframe_of
from tasks import artifacts, wiring
from tasks.config import STORE, RunConfig
from tasks.cycle import Cycle
from tasks.market_data import Market, absent_bars, adjusted_bars, bars_source
from tasks.policies import READS

LISTED_MAX = 10
BAR_FILES = (".csv", ".parquet")


@task(name="judge-bars", **READS)
def judge_bars(cycle: Cycle, market: Market) -> Market:
    """Record what the bars do not meet; the market with it: warnings alone.

    Raises InputInvalid for errors, each with symbol, row, column, value, rule and the
    expectation's name. Bars that were taken are remembered: one that changes is told.
    Whoever computes nothing from bars looks after the books whatever they are like.
    """
    with cycle.stage("data-quality") as outcome:
        unmet = _judge(cycle, market)
        outcome["warnings"] = [str(result) for result in unmet]
        return replace(market, quality=unmet)


def _judge(cycle: Cycle, market: Market) -> tuple[Result, ...]:
    config = cycle.config
    if market.interval is None:
        raise InvariantBroken("a market without bars was to be judged")
    samples = bar_samples(
        config,
        market.instruments,
        market.bars,
        market.interval,
        replayed=market.replayed,
        adjusted=market.adjusted,
        absent=market.absent,
    )
    unmet, errors = _unmet(samples, config)
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.quality.append(cycle.run_id, cycle.attempt, unmet, now)
        for sample in samples if not errors else ():
            seen = Seen.of(sample.table)
            if seen != sample.seen:
                key = (bars_source(config), sample.instrument.instrument_id, sample.interval)
                books.quality.see(*key, seen, now)
    _show_and_refuse(unmet, errors)
    return unmet


def judge_unbooked(
    config: RunConfig, feed: Feed, bars: Mapping[InstrumentId, pd.DataFrame]
) -> tuple[Result, ...]:
    """Judge bars as a run does, without writing books: what they do not meet, warnings alone.

    Raises InputInvalid for errors, in the words of a run.
    """
    unmet, errors = _unmet(feed_samples(config, feed, bars), config)
    _show_and_refuse(unmet, errors)
    return unmet


def _unmet(samples: list[BarSample], config: RunConfig) -> tuple[tuple[Result, ...], list[Result]]:
    """What the bars do not meet, and what of it is an error."""
    found = [look(BARS.values(), sample, config.quality) for sample in samples]
    unmet = tuple(f.result for one in found for f in one if not f.offending.empty)
    return unmet, [r for r in unmet if r.severity is Severity.ERROR]


def _show_and_refuse(unmet: tuple[Result, ...], errors: list[Result]) -> None:
    artifacts.quality(unmet)
    if errors:
        raise InputInvalid(told(errors))


def feed_samples(
    config: RunConfig, feed: Feed, bars: Mapping[InstrumentId, pd.DataFrame]
) -> list[BarSample]:
    """Bars of a feed with what they are held against."""
    return bar_samples(
        config,
        {i.instrument_id: i for i in feed.instruments()},
        bars,
        feed.interval,
        replayed=config.as_of is not None or not feed.live,
        adjusted=adjusted_bars(feed, bars),
        absent=absent_bars(feed, bars),
    )


def bar_samples(
    config: RunConfig,
    instruments: Mapping[InstrumentId, Instrument],
    bars: Mapping[InstrumentId, pd.DataFrame],
    interval: timedelta,
    *,
    replayed: bool,
    adjusted: Collection[InstrumentId],
    absent: Mapping[InstrumentId, pd.DatetimeIndex],
) -> list[BarSample]:
    """Bars with what they are held against: the market's clock, what was seen, a reference."""
    seen: dict[InstrumentId, Seen | None] = {}
    if wiring.open_ledger().path.exists():
        with wiring.open_ledger().reading() as books:
            seen = {i: books.quality.seen(bars_source(config), i, interval) for i in bars}
    samples = [
        BarSample(
            instrument=instruments[i],
            interval=interval,
            table=table,
            now=config.as_of or wiring.wall_clock(),
            replayed=replayed,
            stored=config.feed == STORE and config.as_of is None,
            adjusted=i in adjusted,
            absent=absent.get(i),
            seen=seen.get(i),
        )
        for i, table in bars.items()
    ]
    if config.quality.reference is None:
        return samples
    return _with_reference(config, config.quality.reference, samples)


def told(errors: list[Result]) -> str:
    """A line a fault, and what a person can do."""
    lines = [str(error) for error in errors[:LISTED_MAX]]
    if len(errors) > LISTED_MAX:
        lines.append(f"{len(errors)} in all, the first {LISTED_MAX} are listed")
    soft = sorted({e.expectation for e in errors if not BARS[e.expectation].gate})
    if soft:
        accepted = ", ".join(f"{name}: warning" for name in soft)
        lines.append(
            "nothing was computed from these bars; what you know of and accept: "
            f"quality: {{severity: {{{accepted}}}}}"
        )
    return "\n".join(lines)


def _with_reference(config: RunConfig, name: str, samples: list[BarSample]) -> list[BarSample]:
    """The samples with another source's bars beside them, or with why there are none."""
    files = Path(name).suffix.lower() in BAR_FILES
    interval = samples[0].interval
    other = config.model_copy(
        update={
            "feed": "files" if files else name,
            "bars": (Path(name),) if files else (),
            "symbols": tuple(s.instrument.instrument_id.symbol for s in samples),
            "timeframe": None if files or not samples[0].regular else timeframe_of(interval),
        }
    )
    try:
        feed = wiring.build_feed(other)
        if feed.interval != interval:
            raise InputInvalid(f"{name}: bars of {feed.interval}, not of {interval}")
        known = feed.instruments()
    except ConfigInvalid as error:
        raise ConfigInvalid(f"quality.reference={name}: {error}") from None
    except (InputInvalid, VenueUnavailable) as error:
        return [replace(sample, reference_problem=str(error)) for sample in samples]
    return [_beside(sample, feed, known) for sample in samples]


def _beside(sample: BarSample, feed: Feed, known: tuple[Instrument, ...]) -> BarSample:
    try:
        theirs = resolve(sample.instrument.instrument_id.symbol, known)
        return replace(sample, reference=feed.bars(theirs, sample.now, len(sample.table)))
    except (InputInvalid, VenueUnavailable) as error:
        return replace(sample, reference_problem=str(error))
