"""What a person should hear of, written to the ledger first."""

from __future__ import annotations

import hashlib

from data.store.alerts import Alert
from execution.model.enums import Severity
from execution.model.identifiers import AccountId, RunId
from tasks import wiring


def alert(account: AccountId, run_id: RunId, severity: Severity, topic: str, text: str) -> None:
    """Write an alert once: the same words in the same run are the same alert."""
    words = "\x1f".join((run_id, topic, text))
    with wiring.open_ledger().transaction() as books:
        books.alerts.append(
            Alert(
                alert_id=hashlib.sha256(words.encode()).hexdigest()[:32],
                account=account,
                run_id=run_id,
                severity=severity,
                topic=topic,
                text=text,
                ts=wiring.wall_clock(),
            )
        )
