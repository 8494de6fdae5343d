"""Factors of splits and dividends, by source and symbol."""

from __future__ import annotations

import pandas as pd

from data.store.market.frames import Frames


class FactorRows:
    """The `factors` table."""

    def __init__(self, session: Frames) -> None:
        self._session = session

    def save(self, source: str, symbol: str, factors: pd.DataFrame) -> None:
        """Put a whole file's factors (see `data.feeds.factors`) in place of those there were."""
        self._session.rows("DELETE FROM factors WHERE source = ? AND symbol = ?", source, symbol)
        self._session.put("factors", factors.assign(source=source, symbol=symbol))

    def of(self, source: str, symbol: str) -> pd.DataFrame:
        """Return `last_day`, `price_factor`, `split_factor`, oldest first; empty without any."""
        return self._session.frame(
            "SELECT last_day, price_factor, split_factor FROM factors "
            "WHERE source = ? AND symbol = ? ORDER BY last_day",
            source,
            symbol,
        )
