from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.feeds.base import session_times
from data.feeds.factors import adjusted, read_factors
from data.schemas.bars import PRICES, BarFrame, validate_bars
from execution.errors import InputInvalid

REAL_BARS = Path(__file__).parents[4] / "shared" / "data"
FILE = "20240102,0.99,0.5,20\n20240104,0.99,1,11\n20501231,1,1,0\n"


def write(folder: Path, content: str = FILE) -> Path:
    path = folder / "us_AAPL_factors.csv"
    path.write_text(content)
    return path


def days(closes: list[float]) -> BarFrame:
    """Daily bars of a stock from 2024-01-02 on, each one flat."""
    times = session_times(pd.Series(pd.bdate_range("2024-01-02", periods=len(closes))))
    prices = dict.fromkeys(PRICES, np.array(closes))
    return validate_bars(times.assign(**prices, volume=100.0), "days")


def test_a_split_and_a_dividend_leave_no_jump_and_the_last_price_stays(tmp_path: Path):
    """Two for one after the 2nd, one percent of dividend after the 4th."""
    bars = days([20, 10, 10, 9.9, 9.9])

    found = adjusted(bars, read_factors(write(tmp_path)))

    assert found["close"].to_numpy() == pytest.approx([9.9] * 5, rel=1e-15)
    assert found["close"].iloc[-1] == bars["close"].iloc[-1]
    assert list(found["volume"]) == [200, 100, 100, 100, 100]


def test_what_comes_after_the_last_bar_is_not_known_yet(tmp_path: Path):
    """A replay must see the prices that were seen then, and mark by what was traded."""
    bars = days([20, 10, 10, 9.9, 9.9])
    factors = read_factors(write(tmp_path))

    assert list(adjusted(bars.iloc[:1], factors)["close"]) == [20]
    assert list(adjusted(bars.iloc[:3], factors)["close"]) == [10, 10, 10]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("2024-01-02,1,1\n", "row 1, column last_day: value 2024-01-02 breaks YYYYMMDD"),
        ("20240103,1,1\n20240102,1,1\n", "row 2, column last_day"),
        ("20240102,0,1\n", "row 1, column price_factor: value 0 breaks 0 < price_factor"),
        ("20240102,1,inf\n", "row 1, column split_factor: value inf"),
        ("20240102,1\n", "cannot be read as day,price_factor,split_factor"),
        ("", "cannot be read"),
    ],
    ids=["form", "order", "zero", "infinite", "columns", "empty"],
)
def test_a_bad_file_is_refused_by_row_and_column(tmp_path: Path, content: str, complaint: str):
    with pytest.raises(InputInvalid, match=complaint):
        read_factors(write(tmp_path, content))


needs_real_bars = pytest.mark.skipif(
    not REAL_BARS.is_dir(), reason="real bars are not part of the project"
)


def real_days(symbol: str) -> BarFrame:
    cells = pd.read_parquet(REAL_BARS / f"us_{symbol}_1d_unadjusted.parquet")
    values = cells.drop(columns="ts").astype(float)
    return validate_bars(pd.concat([session_times(cells["ts"]), values], axis=1), symbol)


@needs_real_bars
def test_a_real_split_of_seven_for_one_vanishes():
    """AAPL, 2014-06-09: six sevenths lower in the paper, 1.6 % higher in the purse."""
    bars = real_days("AAPL")
    at = int(bars["ts_open"].searchsorted(pd.Timestamp(datetime(2014, 6, 9, tzinfo=UTC))))

    found = adjusted(bars, read_factors(REAL_BARS / "us_AAPL_factors.csv"))

    raw, taken_out = (frame["close"].pct_change().iloc[at] for frame in (bars, found))
    assert raw == pytest.approx(-0.855, abs=0.001)
    assert taken_out == pytest.approx(0.016, abs=0.001)
    assert found["close"].pct_change().abs().max() < 0.52  # 2000-09-29, a true fall


@needs_real_bars
def test_adjusted_returns_are_those_of_dividends_put_back_into_the_stock():
    """The dividend of a row is what the fall of its factor says it was, of the last close."""
    bars = real_days("SPY")
    factors = read_factors(REAL_BARS / "us_SPY_factors.csv")
    closes = pd.Series(bars["close"].to_numpy(), pd.DatetimeIndex(session_days(bars)))
    shares, last = 1.0, closes.index[0]
    for row, after in zip(factors.index[:-1], factors.index[1:], strict=True):
        day = factors.at[row, "last_day"]
        if not closes.index[0] <= day < closes.index[-1]:
            continue
        close = closes[day]
        share = factors.at[row, "price_factor"] / factors.at[after, "price_factor"]
        dividend = close * (1 - share)
        shares *= 1 + dividend / (close - dividend)  # bought at the price without it
        last = day

    found = adjusted(bars, factors)["close"]

    assert last > closes.index[-60]  # a dividend in the last quarter was among them
    total = shares * closes.iloc[-1] / closes.iloc[0]
    assert found.iloc[-1] / found.iloc[0] == pytest.approx(total, rel=1e-12)


def session_days(bars: BarFrame) -> pd.Series:
    return bars["ts_open"].dt.tz_convert("America/New_York").dt.tz_localize(None).dt.normalize()
