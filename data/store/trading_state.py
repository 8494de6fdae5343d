"""The trading state of an account: the last word counts, and only a person loosens it.

But for one thing: REDUCING that nothing but the breaker has set ends when it says so.
"""

from __future__ import annotations

from datetime import datetime

from data.store.session import Session
from execution.errors import SafetyViolation
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId
from execution.model.state_change import REGENT, StateChange, loosens

__all__ = ["REGENT", "TradingStates"]

NEXT_SEQ = "(SELECT coalesce(max(seq), 0) + 1 FROM trading_state)"
# By the account's own clock: a replay's stands at its last bar, whatever a person's shows.
LAST_MOMENT = """
    SELECT max(ts) FROM (
        SELECT max(ts_init) AS ts FROM equity WHERE account = ?
        UNION ALL SELECT max(ts_init) FROM fills WHERE account = ?
        UNION ALL
        SELECT max(e.ts_init) FROM order_events e JOIN intents i USING (client_order_id)
        WHERE i.account = ?
    )
"""


class TradingStates:
    """The `trading_state` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, account: AccountId) -> TradingState | None:
        """The state in force; None when none was ever set, and then nothing may be sent."""
        row = self._session.row(
            "SELECT state FROM trading_state WHERE account = ? ORDER BY seq DESC LIMIT 1", account
        )
        return None if row is None else TradingState(row[0])

    def set(
        self,
        account: AccountId,
        state: TradingState,
        reason: str,
        actor: str,
        now: datetime,
        *,
        cause: str | None = None,
    ) -> None:
        """Put a state in force; `actor` is a person's name, or 'regent'.

        Raises SafetyViolation when Regent itself would loosen what is in force.
        """
        known = self.get(account)
        if actor == REGENT and loosens(known, state):
            raise SafetyViolation(
                f"account {account} is {known}: only a person may set it to {state}"
            )
        change = StateChange(state=state, reason=reason, actor=actor, ts=now, cause=cause)
        moment: datetime | None = self._session.rows(LAST_MOMENT, account, account, account)[0][0]
        self._append(account, change, moment or now)

    def apply(self, account: AccountId, change: StateChange) -> None:
        """Write what `execution.risk.breaker.respond` has made of the story so far.

        Raises SafetyViolation when it would loosen what somebody else, or a person, has set,
        or before its time.
        """
        episode = self.episode(account)
        known = episode[-1].state if episode else None
        if loosens(known, change.state):
            held = [c for c in episode if c.state is not TradingState.ACTIVE]
            over = all(
                not c.by_person and c.cause and c.until is not None and c.until <= change.ts
                for c in held
            )
            if known is TradingState.HALTED or not over:
                raise SafetyViolation(
                    f"account {account} is {known}: only a person may set it to {change.state}"
                )
        self._append(account, change, change.ts)

    def history(self, account: AccountId) -> tuple[StateChange, ...]:
        """Every word on the account, oldest first."""
        rows = self._session.rows(
            "SELECT state, reason, actor, ts, cause, until FROM trading_state "
            "WHERE account = ? ORDER BY seq",
            account,
        )
        return tuple(
            StateChange(
                state=TradingState(state),
                reason=reason,
                actor=actor,
                ts=ts,
                cause=cause,
                until=until,
            )
            for state, reason, actor, ts, cause, until in rows
        )

    def episode(self, account: AccountId) -> tuple[StateChange, ...]:
        """The words since the account was last ACTIVE, that one included, oldest first."""
        history = self.history(account)
        active = [n for n, change in enumerate(history) if change.state is TradingState.ACTIVE]
        return history[active[-1] :] if active else history

    def counts_from(self, account: AccountId) -> datetime | None:
        """From when on failures in a row count: the last change; None: from the beginning."""
        rows = self._session.rows(
            "SELECT counts_from FROM trading_state WHERE account = ? ORDER BY seq DESC LIMIT 1",
            account,
        )
        return rows[0][0] if rows else None

    def changed_at(self, account: AccountId) -> datetime | None:
        """When the last change was made, by the clock of who made it: a person's, it may be."""
        rows = self._session.rows(
            "SELECT ts FROM trading_state WHERE account = ? ORDER BY seq DESC LIMIT 1", account
        )
        return rows[0][0] if rows else None

    def released_at(self, account: AccountId) -> datetime | None:
        """When a person last loosened the state: losses are measured from there.

        By the account's own clock; None: nobody has, so from the beginning.
        """
        rows = self._session.rows(
            "SELECT state, actor, counts_from FROM trading_state WHERE account = ? ORDER BY seq",
            account,
        )
        released: datetime | None = None
        before: TradingState | None = None
        for state, actor, counts_from in rows:
            if actor != REGENT and loosens(before, TradingState(state)):
                released = counts_from
            before = TradingState(state)
        return released

    def _append(self, account: AccountId, change: StateChange, counts_from: datetime) -> None:
        c = change
        seq = self._session.rows(f"SELECT {NEXT_SEQ}")[0][0]
        row = (seq, account, c.state, c.reason, c.actor, c.ts, c.cause, c.until, counts_from)
        self._session.insert("trading_state", [row])
