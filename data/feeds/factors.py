"""Splits and dividends taken out of prices, by factor files.

A factor file is a CSV without a header, oldest first: `YYYYMMDD,price_factor,split_factor`
and, ignored, the price of that day. Up to and including that day a price is multiplied by
both to be comparable with today's: the split factor for splits, the price factor for
dividends. The last row lies in the future and holds 1,1 (QuantConnect's Lean writes such files).

Adjusted prices are for analysis. They are scaled so that the last bar keeps the price that
was traded: splits and dividends after it are not known yet, and a mark or an order that is
derived from the last bar's price needs no factor.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.feeds.base import NEW_YORK
from data.feeds.calendar import MICROSECOND
from data.schemas.bars import PRICES, BarFrame
from data.schemas.report import BadRow, listing
from execution.errors import InputInvalid

FACTORS = ("price_factor", "split_factor")


def read_factors(path: Path) -> pd.DataFrame:
    """Read a factor file: `last_day` (naive, rising) and the two factors, each > 0.

    Raises InputInvalid, one line a fault.
    """
    try:
        cells = pd.read_csv(path, header=None, dtype=str, usecols=[0, 1, 2], keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputInvalid(
            f"{path}: cannot be read as day,price_factor,split_factor: {error}"
        ) from None
    cells.columns = pd.Index(["last_day", *FACTORS])
    read = pd.DataFrame(
        {
            "last_day": pd.to_datetime(cells["last_day"], format="%Y%m%d", errors="coerce"),
            **{name: pd.to_numeric(cells[name], errors="coerce") for name in FACTORS},
        }
    )
    days = read["last_day"]
    rules = {
        "last_day": ("YYYYMMDD, after the row above", days.notna() & ~(days <= days.shift())),
        **{
            name: (f"0 < {name} < infinity", (read[name] > 0) & np.isfinite(read[name]))
            for name in FACTORS
        },
    }
    bad = [
        BadRow(int(str(row)) + 1, name, str(cells.at[row, name]), rule)
        for name, (rule, good) in rules.items()
        for row in cells.index[~good]
    ]
    if bad:
        raise InputInvalid(listing(str(path), sorted(bad)))
    return read.assign(last_day=days.dt.as_unit("us")).astype(dict.fromkeys(FACTORS, float))


def adjusted(
    bars: BarFrame, factors: pd.DataFrame, until: pd.Series[pd.Timestamp] | None = None
) -> BarFrame:
    """Take splits and dividends up to the last bar out of the prices, splits out of the volume.

    The last bar stays as it was traded. `until` says for each bar, instead, up to which close
    what is known is taken out. A bar after the last row has the factor 1. What counts of a bar
    is the day of its close: a week's close is traded after the split within it.
    """
    if bars.empty or factors.empty:
        return bars
    # Divided by the last factor: later rows say what nobody knew by then.
    last = bars["ts_close"].iloc[[-1]] if until is None else until
    price, split = _factors_at(factors, bars["ts_close"]) / _factors_at(factors, last)
    result = bars.copy()
    result[list(PRICES)] = bars[list(PRICES)].mul(price * split, axis=0)
    result["volume"] = bars["volume"] / split
    return result


def _factors_at(factors: pd.DataFrame, closes: pd.Series[pd.Timestamp]) -> npt.NDArray[np.float64]:
    """Price factors and split factors, shape (2, n), on the days of New York that end so."""
    local = (closes - MICROSECOND).dt.tz_convert(NEW_YORK).dt.tz_localize(None)  # a midnight's, too
    row = factors["last_day"].searchsorted(local.dt.normalize())
    return np.stack([np.append(factors[name].to_numpy(float), 1.0)[row] for name in FACTORS])
