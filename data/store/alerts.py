"""Alerts: what a person is to be told. Only ever appended to."""

from __future__ import annotations

from datetime import datetime

from data.store.session import Row, Session
from execution.model.alert import Alert
from execution.model.enums import Severity, Topic
from execution.model.identifiers import AccountId, RunId

# What topics were called before there was a list of them.
FORMER = {
    "watch": Topic.WATCH_BLIND,
    "order partially_filled": Topic.ORDER_PARTIALLY_FILLED,
}


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

    def times(self, run_id: RunId | None, topic: Topic, text: str) -> tuple[datetime, ...]:
        """When a run was told these words, oldest first, UTC."""
        rows = self._session.rows(
            "SELECT ts FROM alerts WHERE run_id IS NOT DISTINCT FROM ? AND topic = ? AND text = ? "
            "ORDER BY ts",
            run_id,
            topic,
            text,
        )
        return tuple(ts for (ts,) in rows)

    def latest(self, limit: int, account: AccountId | None = None) -> tuple[Alert, ...]:
        """The newest alerts, newest first; of one account, or of all."""
        rows = self._session.rows(
            "SELECT * FROM alerts WHERE account = ? OR ? IS NULL "
            "ORDER BY ts DESC, rowid DESC LIMIT ?",
            account,
            account,
            limit,
        )
        return tuple(map(alert_from, rows))


def alert_from(row: Row) -> Alert:
    """Read a whole row of `alerts`."""
    alert_id, account, run_id, severity, word, text, ts = row
    topic = topic_of(word)
    return Alert(
        alert_id=alert_id,
        account=account,
        run_id=run_id,
        severity=Severity(severity),
        topic=topic,
        text=f"{word}: {text}" if topic is Topic.OTHER and word != topic else text,
        ts=ts,
    )


def topic_of(word: str) -> Topic:
    """The topic that a ledger's word means; OTHER for one that is used no more."""
    if word in FORMER:
        return FORMER[word]
    return Topic(word) if word in {topic.value for topic in Topic} else Topic.OTHER
