"""What bars must look like before anything is computed from them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors
from pandera.typing.pandas import Series

from data.schemas.report import bad_rows, listing
from execution.errors import InputInvalid

BarFrame: TypeAlias = pd.DataFrame  # one that passed `validate_bars`
COLUMNS = ("ts_open", "ts_close", "open", "high", "low", "close", "volume")
PRICES = ("open", "high", "low", "close")

_UTC = {"unit": "us", "tz": "UTC"}


def is_price(px: pd.Series[float]) -> pd.Series[bool]:
    """Whether each is a number above 0."""
    return (px > 0) & np.isfinite(px)


def is_volume(volume: pd.Series[float]) -> pd.Series[bool]:
    """Whether each is a number of at least 0."""
    return (volume >= 0) & np.isfinite(volume)


def is_first_of_its_time(ts: pd.Series[pd.Timestamp]) -> pd.Series[bool]:
    """Whether no row above has the same time."""
    return ~ts.duplicated()


def is_not_before(ts: pd.Series[pd.Timestamp]) -> pd.Series[bool]:
    """Whether each is at or after the row above."""
    return ~(ts < ts.shift())


def is_highest(bars: pd.DataFrame) -> pd.Series[bool]:
    """Whether no other price of the bar is above `high`."""
    return ~(bars["high"] < bars[["open", "low", "close"]].max(axis=1))


def is_lowest(bars: pd.DataFrame) -> pd.Series[bool]:
    """Whether neither `open` nor `close` is below `low`."""
    return ~(bars["low"] > bars[["open", "close"]].min(axis=1))


class Bars(pa.DataFrameModel):
    """One instrument's bars, oldest first; floats, for analysis only.

    Prices are in quote units per base unit, `volume` in base units. `ts_close` is when the
    bar was known: for a stock's day the session's close, else `ts_open` plus the interval.
    """

    ts_open: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=_UTC)
    ts_close: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=_UTC)
    open: Series[float] = pa.Field(nullable=True)  # NaN breaks the price rule, by row
    high: Series[float] = pa.Field(nullable=True)
    low: Series[float] = pa.Field(nullable=True)
    close: Series[float] = pa.Field(nullable=True)
    volume: Series[float] = pa.Field(nullable=True)

    class Config:
        """Nothing else may be in the frame."""

        strict = True

    @pa.check(*PRICES, error="0 < price < infinity", ignore_na=False)
    @classmethod
    def _price(cls, px: pd.Series[float]) -> pd.Series[bool]:
        return is_price(px)

    @pa.check("volume", error="0 <= volume < infinity", ignore_na=False)
    @classmethod
    def _volume(cls, volume: pd.Series[float]) -> pd.Series[bool]:
        return is_volume(volume)

    @pa.check("ts_open", error="one row a time")
    @classmethod
    def _unique(cls, ts: pd.Series[pd.Timestamp]) -> pd.Series[bool]:
        return is_first_of_its_time(ts)

    @pa.check("ts_open", error="not before the row above")
    @classmethod
    def _sorted(cls, ts: pd.Series[pd.Timestamp]) -> pd.Series[bool]:
        return is_not_before(ts)

    @pa.dataframe_check(error="high is the highest of open, high, low, close")
    @classmethod
    def _high(cls, bars: pd.DataFrame) -> pd.Series[bool]:
        return is_highest(bars)

    @pa.dataframe_check(error="low is the lowest of open, high, low, close")
    @classmethod
    def _low(cls, bars: pd.DataFrame) -> pd.Series[bool]:
        return is_lowest(bars)

    @pa.dataframe_check(error="ts_close is after ts_open")
    @classmethod
    def _interval(cls, bars: pd.DataFrame) -> pd.Series[bool]:
        return bars["ts_close"] > bars["ts_open"]


def validate_bars(
    bars: pd.DataFrame,
    source: str,
    cells: pd.DataFrame | None = None,
    names: dict[str, str] | None = None,
) -> BarFrame:
    """Return `bars` if they keep every rule, else raise InputInvalid naming the bad cells.

    `source` begins each line; `cells` and `names` give the values and the columns as the
    person wrote them (see `bad_rows`).
    """
    try:
        return Bars.validate(bars, lazy=True)
    except SchemaErrors as errors:
        rows = bad_rows(errors, bars if cells is None else cells, names)
        raise InputInvalid(listing(source, rows)) from errors
