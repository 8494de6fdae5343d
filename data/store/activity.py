"""What an account has done lately: incidents and comparisons kept, orders counted."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from data.store.session import Session
from execution.model.activity import Activity
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, InstrumentId, RunId, StrategyId
from execution.model.order import STOPS

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
VENUE_ERROR = "venue error"
SENT = """
    SELECT e.ts_init, i.strategy, i.instrument, i.reduce_only
    FROM order_events e JOIN intents i USING (client_order_id)
    WHERE i.account = ? AND e.status = 'submitted' AND e.ts_init > ?
"""
ANSWERED = """
    SELECT e.status FROM order_events e JOIN intents i USING (client_order_id)
    WHERE i.account = ? AND list_contains(?, e.status) ORDER BY e.seq DESC LIMIT 100
"""
CLOSES = """
    SELECT i.order_type FROM intents i JOIN orders o USING (client_order_id)
    WHERE i.account = ? AND i.reduce_only AND o.cum_qty > 0
    ORDER BY o.updated_at DESC, i.rowid DESC LIMIT 100
"""


class Activities:
    """The `incidents` and `reconciliations` tables, and what they and the orders add up to."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def failed(self, account: AccountId, run_id: RunId, text: str, now: datetime) -> None:
        """Note that the venue did not answer."""
        self._session.insert("incidents", [(account, run_id, VENUE_ERROR, text, now)])

    def reconciled(
        self, account: AccountId, run_id: RunId, differences: int, now: datetime
    ) -> None:
        """Note that books and venue were compared."""
        self._session.insert("reconciliations", [(account, run_id, differences, now)])

    def of(
        self, account: AccountId, now: datetime, day_start: datetime, errors_since: datetime
    ) -> Activity:
        """What the account has done up to `now`; its day began at `day_start`, UTC."""
        sent = self._session.rows(SENT, account, min(day_start, now - DAY) - MINUTE)
        entries: Counter[tuple[StrategyId, InstrumentId]] = Counter(
            (StrategyId(strategy), InstrumentId.parse(instrument))
            for ts, strategy, instrument, reduces in sent
            if ts > now - DAY and not reduces
        )
        errors = self._session.rows(
            "SELECT count(*) FROM incidents WHERE account = ? AND kind = ? AND ts >= ?",
            account,
            VENUE_ERROR,
            errors_since,
        )
        compared = self._session.rows(
            "SELECT max(ts) FROM reconciliations WHERE account = ?", account
        )
        return Activity(
            sent_last_minute=sum(ts > now - MINUTE for ts, *_ in sent),
            sent_today=sum(ts >= day_start for ts, *_ in sent),
            entries=entries,
            failed_in_row=self._failed_in_row(account),
            venue_errors=int(errors[0][0]),
            stop_losses_in_row=self._stops_in_row(account),
            reconciled_at=compared[0][0],
        )

    def _failed_in_row(self, account: AccountId) -> int:
        told = [S.REJECTED, S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED]
        rows = self._session.rows(ANSWERED, account, [status.value for status in told])
        return _leading([status == S.REJECTED for (status,) in rows])

    def _stops_in_row(self, account: AccountId) -> int:
        rows = self._session.rows(CLOSES, account)
        return _leading([order_type in set(STOPS) for (order_type,) in rows])


def _leading(flags: list[bool]) -> int:
    """How many are true before the first that is not."""
    return next((i for i, flag in enumerate(flags) if not flag), len(flags))
