"""Whether real orders may be sent at all: off until a person turns it on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from data.store.session import Session
from data.store.trading_state import REGENT
from execution.errors import SafetyViolation
from execution.risk.limits import RiskLimits

DEFAULT_LIMITS = RiskLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSwitch:
    """Whether real orders are allowed here, and who said so."""

    enabled: bool
    actor: str
    ts: datetime  # UTC
    limits: RiskLimits | None  # that no live run may exceed; None: nobody fixed any


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
        sql = "SELECT enabled, actor, ts, limits FROM live_trading ORDER BY seq DESC LIMIT 1"
        row = self._session.row(sql)
        if row is None:
            return None
        enabled, actor, ts, limits = row
        return LiveSwitch(enabled=enabled, actor=actor, ts=ts, limits=_limits(limits))

    def set(
        self, enabled: bool, actor: str, now: datetime, limits: RiskLimits = DEFAULT_LIMITS
    ) -> None:
        """Turn real orders on, within `limits`, or off; only a person turns them on."""
        if enabled and actor == REGENT:
            raise SafetyViolation("only a person may turn live trading on")
        seq = self._session.rows("SELECT coalesce(max(seq), 0) + 1 FROM live_trading")[0][0]
        fixed = limits.model_dump_json() if enabled else None
        self._session.insert("live_trading", [(seq, enabled, actor, now, fixed)])


def _limits(text: str | None) -> RiskLimits | None:
    """What was fixed; None when that was with another version's limits: fix them again."""
    try:
        return None if text is None else RiskLimits.model_validate_json(text)
    except ValidationError:
        return None
