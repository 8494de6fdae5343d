"""What an account has done lately: incidents and comparisons kept, orders counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from data.store.rows import FILLS, INTENTS, fill_from, intent_from
from data.store.session import Row, Session
from data.store.trading_state import TradingStates
from execution.model.activity import REPEATS, Activity, Sent
from execution.model.enums import OrderSide
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, InstrumentId, RunId, StrategyId
from execution.model.order import STOPS
from execution.portfolio.trades import closed_trades, stop_losses_in_row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
    WHERE i.account = ? AND list_contains(?, e.status) AND e.ts_init > ?
    ORDER BY e.seq DESC LIMIT 100
"""
STOPPED = """
    SELECT count(*) FROM intents i JOIN orders o USING (client_order_id)
    WHERE i.account = ? AND list_contains(?, i.order_type) AND o.cum_qty > 0 AND o.updated_at > ?
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
        """What the account has done up to `now`; its day began at `day_start`, UTC.

        What counts in a row, and errors, counts from the last change of the trading state on:
        what has tripped the breaker once does not trip it again.
        """
        states = TradingStates(self._session)
        since = states.counts_from(account) or EPOCH
        # Incidents bear our clock, as a person's word does; the account's may have stood still.
        changed = max(since, states.changed_at(account) or EPOCH)
        sent = self._session.rows(SENT, account, min(day_start, now - DAY) - MINUTE)
        opening = [(_sent(row), row[6]) for row in sent if not row[7]]
        lifted = self._lifted(account)
        wishes = {
            (order.strategy, order.instrument_id, signal_time)
            for order, signal_time in opening
            if order.ts_init > now - DAY and not _forgiven(order, lifted)
        }
        stops, stop_loss_at = self._stops_in_row(account, since)
        errors = self._session.rows(
            "SELECT count(*) FROM incidents WHERE account = ? AND kind = ? AND ts >= ? AND ts <= ?",
            account,
            VENUE_ERROR,
            max(errors_since, changed),
            now,
        )
        compared = self._session.rows(
            "SELECT max(ts) FROM reconciliations WHERE account = ?", account
        )
        return Activity(
            sent_last_minute=sum(ts > now - MINUTE for ts, *_ in sent),
            sent_today=sum(ts >= day_start for ts, *_ in sent),
            entries=Counter((strategy, instrument_id) for strategy, instrument_id, _ in wishes),
            failed_in_row=self._failed_in_row(account, since),
            venue_errors=int(errors[0][0]),
            stop_losses_in_row=stops,
            reconciled_at=compared[0][0],
            stop_loss_at=stop_loss_at,
            sent_lately=tuple(order for order, _ in opening if order.ts_init > now - LATELY),
        )

    def _failed_in_row(self, account: AccountId, since: datetime) -> int:
        told = [S.REJECTED, S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED]
        rows = self._session.rows(ANSWERED, account, [status.value for status in told], since)
        return _leading([status == S.REJECTED for (status,) in rows])

    def _stops_in_row(self, account: AccountId, since: datetime) -> tuple[int, datetime | None]:
        """By the closed trades: a stop that closes with a profit ends the row."""
        types = [order_type.value for order_type in STOPS]
        if not self._session.rows(STOPPED, account, types, since)[0][0]:
            return 0, None  # no stop has filled since: nothing needs to be folded
        fills = self._session.rows(f"{FILLS} WHERE account = ? ORDER BY seq", account)
        intents = self._session.rows(f"{INTENTS} WHERE account = ?", account)
        known = {i.client_order_id: i for i in map(intent_from, intents)}
        trades = closed_trades(map(fill_from, fills), known)
        count = stop_losses_in_row(trades, since)
        return count, trades[-1].closed_at if count else None

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
