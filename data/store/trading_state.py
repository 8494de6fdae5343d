"""The trading state of an account: the last word counts, and only a person loosens it."""

from __future__ import annotations

from datetime import datetime

from data.store.session import Session
from execution.errors import SafetyViolation
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId

REGENT = "regent"  # the actor that is not a person
STRICTNESS = [TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED]
NEXT_SEQ = "(SELECT coalesce(max(seq), 0) + 1 FROM trading_state)"


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
        self, account: AccountId, state: TradingState, reason: str, actor: str, now: datetime
    ) -> None:
        """Put a state in force; `actor` is a person's name, or 'regent'.

        Raises SafetyViolation when Regent itself would loosen what is in force.
        """
        known = self.get(account)
        if actor == REGENT and known and STRICTNESS.index(state) < STRICTNESS.index(known):
            raise SafetyViolation(
                f"account {account} is {known}: only a person may set it to {state}"
            )
        seq = self._session.rows(f"SELECT {NEXT_SEQ}")[0][0]
        self._session.insert(
            "trading_state", [(seq, account, state, reason, actor, now, None, None)]
        )
