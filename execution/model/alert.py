"""An alert: what a person should hear of, whoever has to be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from execution.model.enums import Severity, Topic
from execution.model.identifiers import AccountId, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing a person should know."""

    alert_id: str  # the dedupe key
    account: AccountId | None
    run_id: RunId | None
    severity: Severity
    topic: Topic
    text: str
    ts: datetime  # UTC
