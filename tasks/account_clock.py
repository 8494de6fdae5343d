"""What time it is for an account: a replay's clock stands still."""

from __future__ import annotations

from datetime import datetime, timedelta

from data.store.books import Books
from execution.model.identifiers import AccountId
from tasks import wiring

REPLAYED = timedelta(days=1)  # a look that is stamped so long before its run is of a replay


def account_clock(books: Books, account: AccountId) -> datetime:
    """Now, UTC; of a replayed account the moment of its last look."""
    now, point = wiring.wall_clock(), books.equity.latest(account)
    run = books.runs.get(point.run_id) if point else None
    if point is None or run is None or run.started_at - point.ts_init < REPLAYED:
        return now
    return point.ts_init
