"""What an expectation is: one function that finds the rows which do not meet it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.quality.rules import QualityRules, Severity
from data.schemas.report import BadRow

WHOLE = -1  # the row of what is said of a table as a whole

# What is wrong, by the position of its row from 0: the value, as it is told.
Offending: TypeAlias = pd.Series
Values: TypeAlias = pd.Series | pd.Index | npt.NDArray[Any]


class Sample(Protocol):
    """A table to look at."""

    @property
    def subject(self) -> str:
        """What the table is of: an instrument, or a table of the books."""
        ...

    @property
    def table(self) -> pd.DataFrame:
        """The rows, as they are."""
        ...

    def moment(self, row: int) -> datetime | None:
        """When a row was, UTC; None where that is not known."""
        ...


S = TypeVar("S", bound=Sample)
Look: TypeAlias = Callable[[S, QualityRules], Offending]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation(Generic[S]):
    """One rule of data; called, it gives what does not meet it."""

    name: str  # stable: configurations and the ledger keep it
    severity: Severity  # where the configuration says nothing else
    column: str  # that it is about
    rule: str  # what should hold, `{threshold}` for what the rules say
    summary: str
    gate: bool  # pandera refuses such a frame at once: always an error
    structural: bool  # where it is not met, no other can be looked at
    look: Look[S]

    def __call__(self, sample: S, rules: QualityRules) -> Offending:
        """Find what does not meet it."""
        # A price that is none is for its own expectation to tell; to all others it is NaN.
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.look(sample, rules)

    def told(self, rules: QualityRules) -> str:
        """The rule, with its thresholds."""
        return self.rule.format(**rules.model_dump())

    def severity_by(self, rules: QualityRules) -> Severity:
        """How grave it is here."""
        return rules.severity.get(self.name, self.severity)


def expectation(
    severity: Severity, column: str, rule: str, *, gate: bool = False, structural: bool = False
) -> Callable[[Look[S]], Expectation[S]]:
    """Make an expectation of a function; its name is the function's."""

    def wrap(look: Look[S]) -> Expectation[S]:
        return Expectation(
            name=look.__name__,
            severity=severity,
            column=column,
            rule=rule,
            summary=(look.__doc__ or "").partition("\n")[0],
            gate=gate,
            structural=structural,
            look=look,
        )

    return wrap


def offending(mask: npt.ArrayLike, tell: Values | Callable[[int], str]) -> Offending:
    """The rows where `mask` is true, each with its own value, or what is told of it."""
    rows = np.flatnonzero(np.asarray(mask, dtype=bool))
    values = [tell(int(row)) for row in rows] if callable(tell) else list(tell.take(rows))
    return pd.Series(values, index=rows, dtype=object)


def of_the_whole(*values: str) -> Offending:
    """What is wrong with the table as a whole."""
    return pd.Series(values, index=[WHOLE] * len(values), dtype=object)


NOTHING: Offending = of_the_whole()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How far one table met one expectation."""

    subject: str
    expectation: str
    severity: Severity
    rule: str
    rows: int  # of the table
    failing: int  # of them; 0: it is met
    first: BadRow | None = None  # that does not meet it
    at: datetime | None = None  # UTC, of that row

    @property
    def met(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.failing

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.subject}: {self.expectation}: met by {self.rows:,} rows"
        more = f"; {self.failing:,} of {self.rows:,} rows" if self.failing > 1 else ""
        return f"{self.subject}: {self.expectation}: {_when(self.at)}{self.first}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[S]):
    """What one expectation found in a table: everything."""

    sample: S
    expectation: Expectation[S]
    rules: QualityRules
    offending: Offending

    def told(self) -> list[tuple[int, str]]:
        """Every fault in a line, with its position."""
        rows = map(int, self.offending.index)
        return [
            (row, f"{_when(self._moment(row))}{self._bad_row(row, value)}")
            for row, value in zip(rows, self.offending, strict=True)
        ]

    @property
    def result(self) -> Result:
        """The sum of it."""
        first = None if self.offending.empty else int(self.offending.index[0])
        return Result(
            subject=self.sample.subject,
            expectation=self.expectation.name,
            severity=self.expectation.severity_by(self.rules),
            rule=self.expectation.told(self.rules),
            rows=len(self.sample.table),
            failing=len(self.offending),
            first=None if first is None else self._bad_row(first, self.offending.iloc[0]),
            at=None if first is None else self._moment(first),
        )

    def _moment(self, row: int) -> datetime | None:
        return None if row == WHOLE else self.sample.moment(row)

    def _bad_row(self, row: int, value: object) -> BadRow:
        rule = self.expectation.told(self.rules)
        return BadRow(row - WHOLE, self.expectation.column, str(value), rule)


def look(suite: Iterable[Expectation[S]], sample: S, rules: QualityRules) -> tuple[Found[S], ...]:
    """Hold a table against every expectation that is not off, in the suite's order.

    A table of the wrong shape is held against no more: nothing could be computed from it.
    """
    found: list[Found[S]] = []
    for one in suite:
        if one.severity_by(rules) is Severity.OFF:
            continue
        found.append(
            Found(sample=sample, expectation=one, rules=rules, offending=one(sample, rules))
        )
        if one.structural and not found[-1].offending.empty:
            break
    return tuple(found)


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z " if moment else ""
