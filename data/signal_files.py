"""Signals from a person's own CSV or JSON file, read exactly or not at all."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path

import pandas as pd
from pandera.errors import SchemaErrors

from data.feeds.files import read_csv
from data.schemas.report import BadRow, bad_rows, listing
from data.schemas.signals import (
    COLUMNS,
    NUMBERS_OPTIONAL,
    OPTIONAL,
    REQUIRED,
    Signals,
    moment,
)
from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel, TimeInForce
from execution.model.identifiers import InstrumentId, StrategyId
from execution.model.instrument import Instrument
from execution.model.money import quantize
from execution.model.signal import Signal
from execution.model.symbols import resolve

STRATEGY_UNNAMED = "external"


def read_signals(
    path: Path, instruments: Iterable[Instrument], *, skip_bad_rows: bool = False
) -> tuple[tuple[Signal, ...], tuple[BadRow, ...]]:
    """Read the good signals of a file, and what is wrong with the others.

    Columns: symbol, time, regime, side, weight, confidence, and if wanted strategy,
    stop_loss, take_profit, quantity, price. Numbers come from the text, exactly, to the
    ledger's twelve places. A row that is there twice is bad both times. A header without
    rows (in JSON, an empty list) is a day without a wish. Raises InputInvalid, one line a
    fault, when a row is bad and `skip_bad_rows` is not set, and always when the file cannot
    be read or its columns are wrong.
    """
    cells = _columns(path, _read(path))
    rows, unknown = _canonical(cells, list(instruments))
    bad = tuple(sorted({*unknown, *_bad_rows(rows, cells)}))
    if bad and not skip_bad_rows:
        raise InputInvalid("\n".join(f"{path}: {row}" for row in bad))
    good = rows.drop(index=[b.row - 1 for b in bad])
    return tuple(_signal(row) for row in good.to_dict("records")), bad


def validate_signals(signals: Sequence[Signal]) -> None:
    """Hold our own analysis' signals to the rules of a file; raises InputInvalid."""
    rows = to_frame(signals)
    if bad := _bad_rows(rows, rows):
        raise InputInvalid(listing("signals", bad))


def to_csv(signals: Sequence[Signal], symbols: Mapping[InstrumentId, str]) -> str:
    """Write signals as a file that `read_signals` accepts; without signals the header alone.

    `symbols` says how an instrument is spelled there, such as `X:BTCUSD`; our way if not. An
    optional column beside the strategy is there when a signal says something in it.
    """
    frame = to_frame(signals).assign(
        symbol=[symbols.get(s.instrument_id, s.instrument_id.symbol) for s in signals],
        time=[str(s.ts_event) for s in signals],
    )
    said = [name for name in OPTIONAL if name == "strategy" or (frame[name] != "").any()]
    text: str = frame[[*REQUIRED, *said]].to_csv(index=False, lineterminator="\n")
    return text


def to_frame(signals: Sequence[Signal]) -> pd.DataFrame:
    """Write signals as the rows of text that `Signals` reads."""

    def text(value: object) -> str:
        if value is None or value is False:
            return ""
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, Decimal):
            return f"{value:f}"
        return str(value).lower() if value is True else str(value)

    rows = [
        {
            "symbol": str(s.instrument_id),
            "time": text(s.ts_event),
            **{name: text(getattr(s, name)) for name in COLUMNS if name not in ("symbol", "time")},
        }
        for s in signals
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def _read(path: Path) -> pd.DataFrame:
    """Read every cell as text."""
    if not path.is_file():
        raise InputInvalid(f"{path}: no such file")
    if path.suffix.lower() == ".csv":
        return read_csv(path)
    if path.suffix.lower() != ".json":
        raise InputInvalid(f"{path}: neither .csv nor .json")
    try:
        # A number stays the text it was: 0.60 must not become the float 0.6.
        rows = json.loads(
            path.read_text(encoding="utf-8"),
            parse_float=str,
            parse_int=str,
            object_pairs_hook=_once_each,
        )
    except (OSError, ValueError) as error:
        raise InputInvalid(f"{path}: cannot be read: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputInvalid(f"{path}: not a list of signals, each {{...}}")
    names = dict.fromkeys(name for row in rows for name in row) if rows else COLUMNS
    cells = [{name: _text(row.get(name)) for name in names} for row in rows]
    return pd.DataFrame(cells, columns=list(names), dtype=str)


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its pairs; JSON itself would silently keep the last of two."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is there twice")
    return dict(pairs)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _columns(path: Path, cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells under all known columns; raise for an unknown or a missing one."""
    found = list(map(str, cells.columns))
    for name in found:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(COLUMNS)}"
            raise InputInvalid(f"{path}: column {name!r} is unknown{hint}")
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise InputInvalid(
            f"{path}: columns missing: {', '.join(missing)}; found: {', '.join(found)}"
        )
    return cells.reindex(columns=list(COLUMNS), fill_value="")


def _canonical(
    cells: pd.DataFrame, instruments: list[Instrument]
) -> tuple[pd.DataFrame, list[BadRow]]:
    """Spell symbols, times and regimes our way, so that a row there twice is seen as such."""
    rows, unknown = cells.copy(), []
    for i, text in enumerate(cells["symbol"]):
        try:
            rows.at[i, "symbol"] = str(resolve(text, instruments))
        except InputInvalid as error:
            why = str(error).removeprefix(f"symbol {text!r} is ")
            unknown.append(BadRow(i + 1, "symbol", text, f"is not a symbol that is traded: {why}"))
    rows["time"] = cells["time"].map(lambda text: ts.isoformat() if (ts := moment(text)) else text)
    for name in ("regime", "time_in_force", "post_only"):
        rows[name] = cells[name].str.lower()
    rows["strategy"] = cells["strategy"].replace("", STRATEGY_UNNAMED)
    return rows, unknown


def _bad_rows(rows: pd.DataFrame, cells: pd.DataFrame) -> tuple[BadRow, ...]:
    try:
        Signals.validate(rows, lazy=True)
    except SchemaErrors as errors:
        return bad_rows(errors, cells)
    return ()


def _signal(row: Mapping[Hashable, str]) -> Signal:
    """Make a signal of a row that kept every rule."""
    numbers = {
        name: quantize(Decimal(row[name])) if row[name] else None for name in NUMBERS_OPTIONAL
    }
    return Signal(
        instrument_id=InstrumentId.parse(row["symbol"]),
        ts_event=datetime.fromisoformat(row["time"]),
        regime=RegimeLabel(row["regime"]),
        side=int(Decimal(row["side"])),
        weight=quantize(Decimal(row["weight"])),
        confidence=quantize(Decimal(row["confidence"])),
        strategy=StrategyId(row["strategy"]),
        time_in_force=TimeInForce(row["time_in_force"]) if row["time_in_force"] else None,
        expire_at=moment(row["expire_at"]),
        post_only=row["post_only"] == "true",
        **numbers,
    )
