"""Whether real orders may be sent at all: off until a person turns it on."""

from __future__ import annotations

from datetime import datetime

from data.store.session import Session
from data.store.trading_state import REGENT
from execution.errors import SafetyViolation


class LiveTrading:
    """The `live_trading` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def enabled(self) -> bool:
        """The last word; False when there is none."""
        row = self._session.row("SELECT enabled FROM live_trading ORDER BY seq DESC LIMIT 1")
        return row is not None and bool(row[0])

    def set(self, enabled: bool, actor: str, now: datetime) -> None:
        """Turn real orders on or off; only a person turns them on."""
        if enabled and actor == REGENT:
            raise SafetyViolation("only a person may turn live trading on")
        seq = self._session.rows("SELECT coalesce(max(seq), 0) + 1 FROM live_trading")[0][0]
        self._session.insert("live_trading", [(seq, enabled, actor, now)])
