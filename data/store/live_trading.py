"""Whether real orders may be sent at all: off until a person turns it on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from data.store.session import Session
from data.store.trading_state import REGENT
from execution.errors import SafetyViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSwitch:
    """Whether real orders are allowed here, and who said so."""

    enabled: bool
    actor: str
    ts: datetime  # UTC


class LiveTrading:
    """The `live_trading` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def enabled(self) -> bool:
        """The last word; False when there is none."""
        last = self.latest()
        return last is not None and last.enabled

    def latest(self) -> LiveSwitch | None:
        """Who last turned it on or off, and when; None when nobody did."""
        sql = "SELECT enabled, actor, ts FROM live_trading ORDER BY seq DESC LIMIT 1"
        row = self._session.row(sql)
        return None if row is None else LiveSwitch(enabled=row[0], actor=row[1], ts=row[2])

    def set(self, enabled: bool, actor: str, now: datetime) -> None:
        """Turn real orders on or off; only a person turns them on."""
        if enabled and actor == REGENT:
            raise SafetyViolation("only a person may turn live trading on")
        seq = self._session.rows("SELECT coalesce(max(seq), 0) + 1 FROM live_trading")[0][0]
        self._session.insert("live_trading", [(seq, enabled, actor, now, None)])
