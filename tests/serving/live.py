"""A live run on the scripted venue, and the person who answers it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from data.store.approvals import ApprovalRequest
from data.store.runs import RunStatus
from execution.model.identifiers import RunId
from execution.model.plan import APPROVAL_PHRASE
from tasks.wiring import LIVE_CONFIRMATION
from tests.conftest import Serving
from tests.serving.api import TIMEOUT_S, Api, Json

LIVE = "trading-cycle/live"


@dataclass
class LiveRun:
    """One live account at its own scripted venue; `start` makes a run of it wait."""

    serving: Serving
    api: Api
    log: Path  # the venue's: one line a call that changed something
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "REGENT_ALLOW_LIVE": "true",
            "REGENT_LIVE_CONFIRMATION": LIVE_CONFIRMATION,
        }
    )
    run_id: str = ""
    state: dict[str, Json] = field(default_factory=dict)

    def start(self, account: str, **config: Json) -> None:
        """Meet every condition but the approval, start a run, and wait until it asks."""
        self.begin(account, **config)
        self.wait_asking()

    def begin(self, account: str, deployment: str = LIVE, **config: Json) -> None:
        """Start a run."""
        with self.serving.ledger.transaction() as books:
            books.live_trading.set(True, "tester", datetime.now(UTC))
        self.run_id = self.api.start(
            deployment,
            {
                "mode": "live",
                "venue": "scripted",
                "feed": "scripted",
                "account": account,
                "dry_run": False,
                "confirm_live": True,
                **config,
            },
            self.environment | {"SCRIPTED_VENUE_LOG": str(self.log)},
        )

    def wait_asking(self) -> None:
        """Wait until the run asks a person."""
        self.state = self.api.wait(self.run_id, "PAUSED")["state"]
        assert self.state["type"] == "PAUSED", (self.state, self.api.logs(self.run_id))

    def wait_asking_again(self, answered: str) -> None:
        """Wait until the run asks about another plan than the one of digest `answered`."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.requests[-1].plan_digest == answered:
            assert time.monotonic() < deadline, self.requests
            time.sleep(0.3)
        self.wait_asking()

    def wait_signature(self, number: int) -> None:
        """Wait until the run asks the next person about the same plan."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.requests[-1].signature != number:
            assert time.monotonic() < deadline, self.requests
            time.sleep(0.3)
        while True:  # the first answer's form may be the last one seen
            state = self.api.get(f"/flow_runs/{self.run_id}")["state"]
            form = (state["state_details"].get("run_input_keyset") or {}).get("schema", "")
            if state["type"] == "PAUSED" and form.endswith(f"-{number - 1}-schema"):
                self.state = state
                return
            assert time.monotonic() < deadline, state
            time.sleep(0.3)

    def outcome(self, stage: str) -> Json:
        """What a stage of the run did."""
        with self.serving.ledger.reading() as books:
            events = books.stages.of(RunId(self.run_id))
        (detail,) = [e.detail for e in events if (e.stage, e.event) == (stage, "completed")]
        return json.loads(detail)

    def again(self) -> None:
        """Start the same run once more, as the UI's Retry does."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry"}
        body = {"state": state, "force": True}
        self.api.post(f"/flow_runs/{self.run_id}/set_state", body)

    @property
    def form(self) -> dict[str, Json]:
        """The JSON schema of what the run asks."""
        form: dict[str, Json] = self.api.form(self.api.get(f"/flow_runs/{self.run_id}"))
        return form

    def right_answer(self, **changes: str) -> dict[str, str]:
        """What approves the plan, with `changes`."""
        [digest] = self.form["properties"]["plan_digest"]["enum"]
        right = {
            "decision": "approve",
            "approver": "Ada",
            "phrase": APPROVAL_PHRASE,
            "plan_digest": digest,
        }
        return right | changes

    def answer(self, answer: dict[str, str]) -> str:
        """Send an answer; ACCEPT or REJECT is the server's word, not yet the run's."""
        result = self.api.resume(self.run_id, answer)
        return str(result.raise_for_status().json()["status"])

    def end(self) -> str:
        """Wait for the end and return the type of the last state."""
        self.state = self.api.wait(self.run_id)["state"]
        return str(self.state["type"])

    def ledger_end(self) -> tuple[RunStatus, str]:
        """Wait until the ledger knows how the run ended, and return its word on it."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            with self.serving.ledger.reading() as books:
                run = books.runs.find(self.run_id)
            if run.status is not RunStatus.RUNNING:
                return run.status, run.message
            assert time.monotonic() < deadline, f"the ledger still has {run}"
            time.sleep(0.3)

    @property
    def sent(self) -> list[str]:
        """The client order ids that the venue was sent, one for each submit."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [e["client_order_id"] for e in map(json.loads, lines) if e["call"] == "submit"]

    @property
    def requests(self) -> tuple[ApprovalRequest, ...]:
        """What the ledger knows of the run's approvals, oldest first."""
        with self.serving.ledger.reading() as books:
            return books.approvals.of(RunId(self.run_id))

    @property
    def planned(self) -> list[str]:
        """The client order ids of the plan asked about last."""
        plan = json.loads(self.requests[-1].plan)
        return [intent["client_order_id"] for intent in plan["approved"]]
