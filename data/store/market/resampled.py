"""Longer bars made of stored ones, and stored beside them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from data.feeds.base import SIMULATED
from data.feeds.resample import resample
from data.schemas.bars import PRICES
from data.store.market.chunks import Span, by_chunk
from data.store.market.download import Downloaded
from data.store.market.series import Series
from data.store.market.store import MarketStore
from execution.model.instrument import Instrument
from execution.model.timeframe import parse_timeframe, timeframe_of


def remake(store: MarketStore, source: str, symbol: str, now: datetime) -> tuple[Downloaded, ...]:
    """Bring the longer bars that were ever made of a symbol's bars up to date with those."""
    with store.reading() as archive:
        made = archive.series.made_of(source, symbol)
    return tuple(resample_stored(store, series, target, now) for series, target in made)


def resample_stored(store: MarketStore, series: Series, target: str, now: datetime) -> Downloaded:
    """Make bars of `target` length of a series, as `resample` does, and keep them.

    Bars that the source is confirmed not to have count as absent; where there are factors, a
    split within a longer bar leaves no jump in it. Run again, as `remake` does, it adds what
    has become whole. Raises InputInvalid for a series that is not there, and where bars of that
    length were downloaded.
    """
    interval = parse_timeframe(target)
    made = Series(series.source, series.symbol, timeframe_of(interval))
    with store.transaction() as archive:
        number = archive.series.number(series)
        instrument = archive.series.instrument(series.source, series.symbol, SIMULATED)
        absent = archive.gaps.confirmed(number)
        factors = archive.factors.of(series.source, series.symbol)
        bars = archive.bars.all(number)
        bars = resample(bars, instrument, series.interval, interval, absent, factors)
        into = archive.series.open(made, instrument, made_from=series.timeframe)
        in_vain = archive.gaps.asked_in_vain(number)
        nowhere = _wholes(in_vain, instrument, series.interval, interval)
        archive.gaps.note(into, nowhere, now, final=True, asked_at=now)
        whole = None
        written = []
        if not bars.empty:
            first, last = bars["ts_open"].iloc[0], bars["ts_open"].iloc[-1]
            whole = Span(first.to_pydatetime(), (last + interval).to_pydatetime())
            for span in by_chunk(whole, interval):
                part = bars[(bars["ts_open"] >= span.start) & (bars["ts_open"] < span.end)]
                written.append(archive.bars.write(made, into, span, part, now))
        return Downloaded(
            series=made,
            asked=whole,
            bars=len(archive.bars.opens(into)),
            bars_new=sum(one.bars_new for one in written),
            restated=tuple(one.restated for one in written if one.restated),
            gaps=archive.gaps.of(made, into),
            lead=None,
            on_calendar=True,
        )


def _wholes(
    absent: pd.DatetimeIndex, instrument: Instrument, interval: timedelta, target: timedelta
) -> pd.DatetimeIndex:
    """When the longer bars would open that have no part, because the source has none of them."""
    blank = pd.DataFrame({"ts_open": absent, "ts_close": absent + interval}).assign(
        **dict.fromkeys([*PRICES, "volume"], 1.0)
    )
    return pd.DatetimeIndex(resample(blank, instrument, interval, target)["ts_open"])
