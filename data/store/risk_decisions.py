"""Risk decisions: every check's word on every intent; append-only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from data.store.session import Session
from execution.model.identifiers import InstrumentId, RunId
from execution.model.order import OrderIntent
from execution.model.plan import RiskDecision, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedVerdict:
    """One verdict, with the whole intent that the check looked at."""

    attempt: int
    plan_digest: str
    verdict: Verdict
    intent: str  # JSON
    ts: datetime  # UTC


class RiskDecisions:
    """The `risk_decisions` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(
        self, run_id: RunId, attempt: int, plan_digest: str, decision: RiskDecision, now: datetime
    ) -> None:
        """Keep every verdict of one review."""
        intents = {i.client_order_id: i for i in decision.approved + decision.denied}
        texts = {key: _as_json(intent) for key, intent in intents.items()}
        self._session.insert(
            "risk_decisions",
            [
                (
                    run_id,
                    attempt,
                    plan_digest,
                    v.client_order_id,
                    texts[v.client_order_id],
                    v.check,
                    v.passed,
                    v.facts,
                    now,
                )
                for v in decision.verdicts
            ],
        )

    def of(self, run_id: RunId) -> tuple[RecordedVerdict, ...]:
        """The run's verdicts, oldest first."""
        rows = self._session.rows(
            "SELECT * EXCLUDE (run_id) FROM risk_decisions WHERE run_id = ? ORDER BY rowid", run_id
        )
        return tuple(
            RecordedVerdict(
                attempt=attempt,
                plan_digest=digest,
                verdict=Verdict(client_order_id=order, check=check, passed=passed, facts=facts),
                intent=intent,
                ts=ts,
            )
            for attempt, digest, order, intent, check, passed, facts, ts in rows
        )


def _as_json(intent: OrderIntent) -> str:
    # asdict would take the instrument's id apart.
    return json.dumps(asdict(intent) | {"instrument_id": intent.instrument_id}, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, InstrumentId):
        return str(value)
    raise TypeError(f"{value!r} has no JSON form")
