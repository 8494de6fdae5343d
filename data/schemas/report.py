"""What is wrong with a table, one line a cell: row, column, value and the rule it breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:  # a second to import, and whoever only looks at the books needs none of it
    from pandera.errors import SchemaErrors

LISTED_MAX = 10

# Pandera's own words for what its built-in checks want.
_RULES = {"not_nullable": "must not be empty"}
_COLUMN_RULES = {"column_in_dataframe": "must be there", "column_in_schema": "must not be there"}


@dataclass(frozen=True, slots=True, order=True)
class BadRow:
    """One broken rule; `row` counts rows of data from 1, the header is not counted.

    A rule is what should hold, `0 <= weight <= 1`, or what the value `is not ...` or
    `must ...`.
    """

    row: int  # 0: the table as a whole
    column: str
    value: str
    rule: str

    def __str__(self) -> str:
        place = f"row {self.row}, column {self.column}" if self.row else f"column {self.column}"
        told = repr(self.value) if self.value else "(empty)"
        if self.rule.startswith(("is ", "must ")):
            return f"{place}: value {told}, which {self.rule}"
        return f"{place}: value {self.value or told} breaks {self.rule}"


def bad_rows(
    errors: SchemaErrors, cells: pd.DataFrame, names: Mapping[str, str] | None = None
) -> tuple[BadRow, ...]:
    """Turn pandera's failures (lazy=True) into rows, in the table's order.

    `cells` holds the values as a person wrote them, under the model's column names and
    the index that was validated; `names` maps those to the person's own column names.
    A check over several columns must name the column it is about first in its text.
    """
    names = names or {}
    found: set[BadRow] = set()
    failures = errors.failure_cases
    for column, check, case, index in zip(
        failures["column"],
        failures["check"],
        failures["failure_case"],
        failures["index"],
        strict=True,
    ):
        if check in _COLUMN_RULES:
            found.add(BadRow(0, str(case), "(all)", _COLUMN_RULES[check]))
            continue
        rule = _RULES.get(check, str(check))
        if index is None or pd.isna(index):
            found.add(BadRow(0, names.get(column, str(column)), str(case), rule))
            continue
        # A check over the whole frame fails in every column of the row: keep the one it names.
        about = rule.split()[0].strip(",")
        name = about if about in cells.columns else str(column)
        found.add(BadRow(int(index) + 1, names.get(name, name), str(cells.at[index, name]), rule))
    return tuple(sorted(found))


def listing(source: str, rows: Sequence[BadRow]) -> str:
    """Write the first ten, one a line, each with its source, and how many more there are."""
    lines = [f"{source}: {row}" for row in rows[:LISTED_MAX]]
    if len(rows) > LISTED_MAX:
        lines.append(f"{source}: {len(rows)} bad values in all, the first {LISTED_MAX} are listed")
    return "\n".join(lines)
