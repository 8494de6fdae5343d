"""Alerts: what a person was told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from data.store.session import Session
from execution.model.enums import Severity
from execution.model.identifiers import AccountId, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing a person should know."""

    alert_id: str  # the dedupe key
    account: AccountId | None
    run_id: RunId | None
    severity: Severity
    topic: str
    text: str
    ts: datetime  # UTC


class Alerts:
    """The `alerts` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, alert: Alert) -> bool:
        """Keep an alert; False when its id is known, so that it is told once."""
        a = alert
        row = (a.alert_id, a.account, a.run_id, a.severity, a.topic, a.text, a.ts)
        tail = "ON CONFLICT (alert_id) DO NOTHING RETURNING alert_id"
        return bool(self._session.insert("alerts", [row], tail))

    def told(self, account: AccountId, text: str) -> bool:
        """Whether there is an alert of these words."""
        sql = "SELECT count(*) FROM alerts WHERE account = ? AND text = ?"
        return bool(self._session.rows(sql, account, text)[0][0])

    def latest(self, limit: int, account: AccountId | None = None) -> tuple[Alert, ...]:
        """The newest alerts, newest first; of one account, or of all."""
        rows = self._session.rows(
            "SELECT * FROM alerts WHERE account = ? OR ? IS NULL "
            "ORDER BY ts DESC, rowid DESC LIMIT ?",
            account,
            account,
            limit,
        )
        return tuple(
            Alert(
                alert_id=alert_id,
                account=of,
                run_id=run_id,
                severity=Severity(severity),
                topic=topic,
                text=text,
                ts=ts,
            )
            for alert_id, of, run_id, severity, topic, text, ts in rows
        )
