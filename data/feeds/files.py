"""Bars from a person's own CSV and Parquet files.

The time column is `time`, `timestamp`, `ts`, `date`, `ts_open` or `datetime` and says when
the bar opened: a time with its zone, or plain dates for daily bars. A date is New York's
regular session for a stock and the UTC day for a pair; a bar with a zoned time lasts one
interval from it, the median step of the file. Columns `open`, `high`, `low`,
`close` and `volume` are required, others are ignored; case does not matter.

The symbol is in a column `symbol`, or in the file's name: the first part between
underscores that is all of A-Z, 0-9, `:`, `-` and is not a timeframe, as in `AAPL.csv`,
`BTC-USDT_1h.parquet`, `binance_BTCUSDT_1h.parquet`.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data.feeds.base import DAY, NEW_YORK, SIMULATED, between, closed_bars, session_times
from data.schemas.bars import BarFrame, validate_bars
from data.schemas.report import BadRow, listing
from execution.errors import InputInvalid
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.symbols import canonical

TIME_COLUMNS = ("time", "timestamp", "ts", "date", "ts_open", "datetime")
VALUE_COLUMNS = ("open", "high", "low", "close", "volume")

_DAY = r"\d{4}-\d{2}-\d{2}"
_DATE = rf"{_DAY}(?: 00:00:00)?"  # a naive midnight is how Parquet keeps a date
_ZONED = rf"{_DAY}[T ]\d{{2}}:\d{{2}}.*(?:Z|[+-]\d{{2}}(?::?\d{{2}})?)"
_SYMBOL = re.compile(r"(?=.*[A-Z])(?!\d+[A-Z]$)[A-Z0-9:-]+")
_SATOSHI = Decimal("0.00000001")


class FilesFeed:
    """Bars of one interval from one or more files, read and checked once, when built.

    Raises InputInvalid, one line a fault, when a file is missing, empty, unreadable or
    breaks a rule: nothing is repaired or skipped. Unless `checked`, rows that break the rules
    of bars are in `rows`, for whoever is to judge them.
    """

    live = False
    adjusted = False  # a file does not say

    def __init__(
        self, paths: Iterable[str | Path], venue: VenueId = SIMULATED, *, checked: bool = True
    ) -> None:
        self._bars: dict[InstrumentId, BarFrame] = {}
        intervals: dict[timedelta, str] = {}
        for path in map(Path, paths):
            for symbol, bars, interval in _read(path, checked=checked):
                instrument_id = InstrumentId(symbol, venue)
                if instrument_id in self._bars:
                    raise InputInvalid(f"{path}: bars of {symbol} were in an earlier file already")
                self._bars[instrument_id] = bars
                intervals.setdefault(interval, f"{path}: {symbol}")
        if not self._bars:
            raise InputInvalid("no bar files given")
        if len(intervals) > 1:
            found = "; ".join(f"{source} every {step}" for step, source in intervals.items())
            raise InputInvalid(f"bars must have one interval: {found}")
        self._interval = next(iter(intervals))

    @property
    def interval(self) -> timedelta:
        """The median step from one bar to the next."""
        return self._interval

    def instruments(self) -> tuple[Instrument, ...]:
        """Stocks in whole shares and cents, pairs in steps of 1e-8: a file says no more."""
        return tuple(_instrument(instrument_id) for instrument_id in self._bars)

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        """Return the last `limit` bars closed at or before `as_of` (None: now)."""
        if instrument_id not in self._bars:
            raise InputInvalid(f"no file has bars of {instrument_id}")
        return closed_bars(self._bars[instrument_id], instrument_id, as_of, limit)

    def rows(self, instrument_id: InstrumentId) -> pd.DataFrame:
        """Every row of the file, closed or not, as it is there."""
        return self._bars[instrument_id].reset_index(drop=True)

    def history(self, instrument_id: InstrumentId, start: datetime, end: datetime) -> BarFrame:
        """Return the bars with `start <= ts_open < end`."""
        return between(self.bars(instrument_id, None, sys.maxsize), start, end)

    def last_price(self, instrument_id: InstrumentId) -> None:
        """None: these bars are of the past."""


def symbol_of(path: Path) -> str:
    """Read the symbol from a file's name; the rule is at the top of this file."""
    for part in path.stem.split("_"):
        if _SYMBOL.fullmatch(part):
            return canonical(part)
    raise InputInvalid(f"{path}: the name holds no symbol such as AAPL or BTC-USDT, nor a column")


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV as text, every cell as it was written; under its header there may be none.

    Raises InputInvalid when it is empty or ragged.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputInvalid(f"{path}: cannot be read: {error}") from error
    while rows and not rows[-1]:
        rows.pop()  # empty lines at the end; one in between is a fault
    if not header:
        raise InputInvalid(f"{path}: is empty")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise InputInvalid(f"{path}: row {number}: {len(row)} cells, {len(header)} columns")
    names = [name.strip() for name in header]
    _refuse_repeated(path, names)
    cells = [[cell.strip() for cell in row] for row in rows]
    return pd.DataFrame(cells, columns=pd.Index(names), dtype=str)


def _refuse_repeated(path: Path, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputInvalid(f"{path}: columns twice: {', '.join(repeated)}")


def _read(path: Path, *, checked: bool) -> Iterator[tuple[str, BarFrame, timedelta]]:
    """Give each symbol's bars and interval, all rules kept where it is `checked`."""
    cells = _read_cells(path)
    cells.columns = pd.Index([str(name).lower() for name in cells.columns])
    _refuse_repeated(path, list(cells.columns))
    time_column = next((c for c in TIME_COLUMNS if c in cells), None)
    missing = [c for c in VALUE_COLUMNS if c not in cells]
    if time_column is None:
        missing.insert(0, f"a time ({', '.join(TIME_COLUMNS)})")
    if missing or time_column is None:
        found = ", ".join(map(str, cells.columns))
        raise InputInvalid(f"{path}: columns missing: {', '.join(missing)}; found: {found}")
    if "symbol" not in cells:
        yield _bars(path, symbol_of(path), cells, time_column, checked=checked)
        return
    for text, rows in cells.groupby(cells["symbol"].astype(str).map(canonical), sort=False):
        yield _bars(path, str(text), rows, time_column, checked=checked)


def _read_cells(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputInvalid(f"{path}: no such file")
    if path.suffix.lower() == ".csv":
        cells = read_csv(path)
    elif path.suffix.lower() == ".parquet":
        try:
            cells = pd.read_parquet(path)
        except (OSError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0]
            raise InputInvalid(f"{path}: cannot be read: {reason}") from error
    else:
        raise InputInvalid(f"{path}: neither .csv nor .parquet")
    if cells.empty:
        raise InputInvalid(f"{path}: holds no rows")
    return cells.reset_index(drop=cells.index.name is None)  # a named index is a column


def _bars(
    path: Path, symbol: str, cells: pd.DataFrame, time_column: str, *, checked: bool
) -> tuple[str, BarFrame, timedelta]:
    """Make bars of one symbol's rows; the index keeps their row numbers in the file."""
    times, interval = _times(path, symbol, cells[time_column])
    bars = times.assign(**{name: _floats(cells[name]) for name in VALUE_COLUMNS})
    if not checked:
        return symbol, bars, interval
    written = cells.assign(ts_open=cells[time_column], ts_close=times["ts_close"])
    return symbol, validate_bars(bars, str(path), written, {"ts_open": time_column}), interval


def _times(path: Path, symbol: str, cells: pd.Series) -> tuple[pd.DataFrame, timedelta]:
    """Read when the bars opened and closed, and how far apart they are."""
    if not isinstance(cells.dtype, pd.DatetimeTZDtype):
        cells = cells.astype(str)
        if re.fullmatch(_DAY, cells.iloc[0]) or cells.str.fullmatch(_DATE).all():
            return _day_times(path, symbol, cells), DAY
    ts_open = _zoned(path, cells)
    if len(ts_open) < 2:
        raise InputInvalid(f"{path}: one bar of {symbol}: its interval cannot be known")
    # Out-of-order rows are reported later, by row: here they must not turn the sign.
    interval = ts_open.diff().abs().median().to_pytimedelta()
    local = ts_open.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    if "/" not in symbol and interval == DAY and (local == local.dt.normalize()).all():
        return session_times(local), DAY  # a stock's days, each told by its midnight
    return pd.DataFrame({"ts_open": ts_open, "ts_close": ts_open + interval}), interval


def _day_times(path: Path, symbol: str, cells: pd.Series) -> pd.DataFrame:
    """Read dates: a stock's are New York's sessions, a pair's are days in UTC."""
    days = pd.to_datetime(
        cells.where(cells.str.fullmatch(_DATE)).str[:10], format="%Y-%m-%d", errors="coerce"
    )
    _refuse_missing(path, cells, days, "a date as in the first row, or give all times a zone")
    if "/" not in symbol:
        return session_times(days)
    ts_open = days.dt.tz_localize("UTC").dt.as_unit("us")
    return pd.DataFrame({"ts_open": ts_open, "ts_close": ts_open + DAY})


def _zoned(path: Path, cells: pd.Series) -> pd.Series[pd.Timestamp]:
    """Return the cells in UTC; a time without its zone is a fault, never guessed."""
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        ts = cells.dt.tz_convert("UTC")
    else:
        zoned = cells.where(cells.str.fullmatch(_ZONED))
        ts = pd.to_datetime(zoned, format="ISO8601", utc=True, errors="coerce")
    _refuse_missing(path, cells, ts, "a time with its zone, such as 2025-10-16T00:00:00+00:00")
    utc: pd.Series[pd.Timestamp] = ts.dt.as_unit("us")
    return utc


def _refuse_missing(path: Path, cells: pd.Series, read: pd.Series, rule: str) -> None:
    """Raise, naming the cells, when some could not be read."""
    bad = cells[read.isna()]
    if not bad.empty:
        rows = [
            BadRow(int(i) + 1, str(cells.name), str(value), rule)
            for i, value in zip(bad.index, bad, strict=True)
        ]
        raise InputInvalid(listing(str(path), rows))


def _floats(cells: pd.Series) -> npt.NDArray[np.float64]:
    """Read each cell as the nearest float; NaN, which breaks a rule later, where it is none."""

    def number(cell: object) -> float:
        try:
            return float(str(cell))
        except ValueError:
            return float("nan")

    return np.array([number(cell) for cell in cells], dtype=np.float64)


def _instrument(instrument_id: InstrumentId) -> Instrument:
    base, slash, quote = instrument_id.symbol.partition("/")
    return Instrument(
        instrument_id=instrument_id,
        asset_class=AssetClass.CRYPTO if slash else AssetClass.EQUITY,
        base=base,
        quote=quote or "USD",
        px_increment=_SATOSHI if slash else Decimal("0.01"),
        qty_increment=_SATOSHI if slash else Decimal(1),
        qty_min=_SATOSHI if slash else Decimal(1),
    )
