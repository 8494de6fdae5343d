"""Times for bars of stocks that are as new as they can be."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from data.feeds import calendar
from execution.model.timeframe import DAY


def last_sessions(count: int) -> pd.DataFrame:
    """`ts_open` and `ts_close` of the last sessions that have closed by now, oldest first."""
    now = datetime.now(UTC)
    found = calendar.sessions(now - 2 * count * DAY - 30 * DAY, now)
    return found[found["ts_close"] <= now].tail(count).reset_index(drop=True)
