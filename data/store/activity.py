"""What an account has done lately: incidents and comparisons kept, orders counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from data.store.session import Row, Session
from execution.model.activity import REPEATS, Activity, Sent
from execution.model.enums import OrderSide
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, InstrumentId, RunId, StrategyId
from execution.model.order import STOPS

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LATELY = timedelta(hours=1)  # the longest window in which a like order is looked for
VENUE_ERROR = "venue error"
SENT = """
    SELECT e.ts_init, i.client_order_id, i.strategy, i.instrument, i.side, i.order_qty,
           i.signal_time, i.reduce_only
    FROM order_events e JOIN intents i USING (client_order_id)
    WHERE i.account = ? AND e.status = 'submitted' AND e.ts_init > ?
"""
ANSWERED = """
    SELECT e.status FROM order_events e JOIN intents i USING (client_order_id)
    WHERE i.account = ? AND list_contains(?, e.status) ORDER BY e.seq DESC LIMIT 100
"""
CLOSES = """
    SELECT i.order_type, o.updated_at FROM intents i JOIN orders o USING (client_order_id)
    WHERE i.account = ? AND i.reduce_only AND o.cum_qty > 0
    ORDER BY o.updated_at DESC, i.rowid DESC LIMIT 100
"""
LIFTED = """
    SELECT strategy, instrument, max(made_at) FROM locks
    WHERE account = ? AND protection = ? AND lifted_at IS NOT NULL
    AND strategy IS NOT NULL AND instrument IS NOT NULL GROUP BY ALL
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
        opening = [(_sent(row), row[6]) for row in sent if not row[7]]
        lifted = self._lifted(account)
        wishes = {
            (order.strategy, order.instrument_id, signal_time)
            for order, signal_time in opening
            if order.ts_init > now - DAY and not _forgiven(order, lifted)
        }
        stops, stop_loss_at = self._stops_in_row(account)
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
            entries=Counter((strategy, instrument_id) for strategy, instrument_id, _ in wishes),
            failed_in_row=self._failed_in_row(account),
            venue_errors=int(errors[0][0]),
            stop_losses_in_row=stops,
            reconciled_at=compared[0][0],
            stop_loss_at=stop_loss_at,
            sent_lately=tuple(order for order, _ in opening if order.ts_init > now - LATELY),
        )

    def _failed_in_row(self, account: AccountId) -> int:
        told = [S.REJECTED, S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED]
        rows = self._session.rows(ANSWERED, account, [status.value for status in told])
        return _leading([status == S.REJECTED for (status,) in rows])

    def _stops_in_row(self, account: AccountId) -> tuple[int, datetime | None]:
        rows = self._session.rows(CLOSES, account)
        count = _leading([order_type in set(STOPS) for order_type, _ in rows])
        return count, rows[0][1] if count else None

    def _lifted(self, account: AccountId) -> dict[tuple[StrategyId, InstrumentId], datetime]:
        """When the last lock for repeats that a person lifted was made.

        What was sent up to then is forgiven. Not up to when it was lifted: a person's clock
        is not that of a replay.
        """
        rows = self._session.rows(LIFTED, account, REPEATS)
        return {
            (StrategyId(strategy), InstrumentId.parse(instrument)): made_at
            for strategy, instrument, made_at in rows
        }


def _sent(row: Row) -> Sent:
    ts, client_order_id, strategy, instrument, side, order_qty, *_ = row
    return Sent(
        client_order_id=client_order_id,
        strategy=strategy,
        instrument_id=InstrumentId.parse(instrument),
        side=OrderSide(side),
        order_qty=order_qty,
        ts_init=ts,
    )


def _forgiven(order: Sent, lifted: Mapping[tuple[StrategyId, InstrumentId], datetime]) -> bool:
    made_at = lifted.get((order.strategy, order.instrument_id))
    return made_at is not None and order.ts_init <= made_at


def _leading(flags: list[bool]) -> int:
    """How many are true before the first that is not."""
    return next((i for i, flag in enumerate(flags) if not flag), len(flags))
