"""Whole frames in and out of a transaction: bars are floats, which the books never are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

from data.store.session import Session, bind


class Frames(Session):
    """A session that also reads and writes frames; times are UTC, in microseconds."""

    def frame(self, sql: str, *params: object) -> pd.DataFrame:
        """Return all rows under the names of their columns."""
        rows = self._con.sql(sql, params=[bind(p) for p in params]).to_arrow_table()
        found: pd.DataFrame = rows.to_pandas(date_as_object=False)
        return found

    def put(self, table: str, rows: pd.DataFrame) -> None:
        """Insert rows by the names of their columns."""
        with self.incoming(rows):
            self.rows(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608 - ours

    @contextmanager
    def incoming(self, rows: pd.DataFrame) -> Iterator[None]:
        """Let the statements inside read `rows` as the table `incoming`."""
        self._con.register("incoming", rows)
        try:
            yield
        finally:
            self._con.unregister("incoming")
