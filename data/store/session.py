"""One open transaction: every value that enters or leaves the ledger passes here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from duckdb import DuckDBPyConnection

from execution.errors import InvariantBroken
from execution.model.identifiers import InstrumentId
from execution.model.money import quantize

Row = tuple[Any, ...]
ROWS_PER_INSERT = 200
TOO_LARGE = Decimal("1E26")  # DECIMAL(38,12) has 26 digits before the point


class Session:
    """SQL inside one transaction, with exact decimals and UTC times both ways."""

    def __init__(self, con: DuckDBPyConnection) -> None:
        self._con = con

    def rows(self, sql: str, *params: object) -> list[Row]:
        """Run one statement and fetch all it returns: a half-read result blocks the next."""
        found = self._con.execute(sql, [bind(p) for p in params]).fetchall()
        return [tuple(_utc(value) for value in row) for row in found]

    def row(self, sql: str, *params: object) -> Row | None:
        """Return the first row, or None."""
        found = self.rows(sql, *params)
        return found[0] if found else None

    def insert(self, table: str, rows: Iterable[Sequence[object]], tail: str = "") -> list[Row]:
        """Insert whole rows in the table's column order; return what `tail` asks for."""
        returned: list[Row] = []
        waiting = list(rows)
        for start in range(0, len(waiting), ROWS_PER_INSERT):
            chunk = waiting[start : start + ROWS_PER_INSERT]
            marks = ", ".join(f"({', '.join('?' * len(row))})" for row in chunk)
            sql = f"INSERT INTO {table} VALUES {marks} {tail}"  # noqa: S608 - names are ours
            returned += self.rows(sql, *(value for row in chunk for value in row))
        return returned


def bind(value: object) -> object:
    """Turn a domain value into what the database keeps without changing it.

    Raises InvariantBroken for a float (money is Decimal), a time without a zone (it would
    take the session's), and a decimal of more than twelve places (it would be rounded
    without a word).
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, InstrumentId):
        return str(value)
    if isinstance(value, Decimal):
        return _exact(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvariantBroken(f"time {value} has no time zone: the ledger keeps UTC")
        return value.astimezone(UTC)
    if isinstance(value, float):
        raise InvariantBroken(f"value={value!r} is a float: the books are Decimal")
    return value


def _exact(value: Decimal) -> Decimal:
    exact = quantize(value)
    if abs(exact) >= TOO_LARGE:
        raise InvariantBroken(f"value={value} has too many digits for the ledger")
    if exact != value:
        raise InvariantBroken(f"value={value} has more than the ledger's twelve places")
    return exact


def _utc(value: object) -> object:
    # The driver hands out pytz's UTC; one UTC everywhere prints and pickles the same.
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
