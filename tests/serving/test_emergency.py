"""The emergency stop as it is deployed: started by an event, and waiting for a person."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from execution.model.enums import TradingState
from execution.model.identifiers import AccountId
from tests.conftest import Serving
from tests.serving.api import TIMEOUT_S, Api, Json
from tests.serving.live import LiveRun
from tests.serving.test_deployments import DRY_RUN

pytestmark = pytest.mark.slow

STOP = "emergency-stop/emergency-stop"


def test_a_breaker_s_event_starts_it_for_that_account_alone(api: Api, serving: Serving):
    for name in ("tripped", "untouched"):
        run_id = api.start(DRY_RUN, {"mode": "dry-run", "feed": "sample", "account": name})
        assert api.wait(run_id)["state"]["type"] == "COMPLETED", api.logs(run_id)
    account = AccountId("dry-run/simulated/tripped")
    with serving.ledger.transaction() as books:
        now = datetime.now(UTC)
        books.trading_state.set(account, TradingState.HALTED, "a loss", "breaker", now)

    api.request(
        "POST",
        "/events",
        [
            {
                "id": str(uuid4()),
                "occurred": datetime.now(UTC).isoformat(),
                "event": "regent.breaker.halted",
                "resource": {
                    "prefect.resource.id": f"regent.account.{account}",
                    "regent.account": account,
                },
                "payload": {"account": account, "state": "halted"},
            }
        ],
    ).raise_for_status()

    run = runs_of(api, "emergency-stop")[0]
    assert run["parameters"]["accounts"] == [account]
    assert run["parameters"]["keep_protection"] is True
    assert api.wait(run["id"])["state"]["type"] == "COMPLETED", api.logs(run["id"])
    with serving.ledger.reading() as books:
        assert books.trading_state.get(account) is TradingState.HALTED
        assert books.positions.open(account) == ()
        other = AccountId("dry-run/simulated/untouched")
        assert books.trading_state.get(other) is TradingState.ACTIVE
        assert books.positions.open(other) != ()
        (emergency,) = books.emergencies.of(account)
    assert emergency.actor == "automation"
    artifacts = api.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert [a["key"] for a in artifacts] == ["emergency-stop"]


def test_real_money_is_closed_when_a_person_has_approved_that_plan(live: LiveRun):
    live.start("stopped")
    live.answer(live.right_answer())
    assert live.end() == "COMPLETED", live.api.logs(live.run_id)
    opened, account = len(live.sent), AccountId("live/scripted/stopped")

    stop_id = press(live, account)
    waiting = runs_of(live.api, "close-live-account", parent=stop_id)[0]
    live.run_id = waiting["id"]
    live.wait_asking()

    assert len(live.sent) == opened  # canceled by now, and nothing closed
    with live.serving.ledger.reading() as books:
        assert books.trading_state.get(account) is TradingState.HALTED

    assert live.answer(live.right_answer()) == "ACCEPT"

    assert live.api.wait(stop_id)["state"]["type"] == "COMPLETED", live.api.logs(stop_id)
    assert set(live.sent[opened:]) == set(live.planned)
    with live.serving.ledger.reading() as books:
        assert books.positions.open(account) == ()
    assert [r.approver for r in live.requests] == ["Ada"]


def press(live: LiveRun, account: AccountId) -> str:
    """Press the UI's button, without the phrase."""
    run = live.api.post(
        f"/deployments/{live.api.deployment(STOP)['id']}/create_flow_run",
        {
            "state": {"type": "SCHEDULED", "name": "Scheduled"},
            "parameters": {"reason": "a test", "actor": "Ann", "accounts": [account]},
            "job_variables": {"env": {**live.environment, "SCRIPTED_VENUE_LOG": str(live.log)}},
        },
    )
    return str(run["id"])


def runs_of(api: Api, flow: str, parent: str | None = None) -> list[Json]:
    """The runs of a flow, once there are any; with `parent` those that it started."""
    wanted: dict[str, Json] = {"flows": {"name": {"any_": [flow]}}}
    if parent is not None:
        wanted["flow_runs"] = {"parent_flow_run_id": {"any_": [parent]}}
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := api.post("/flow_runs/filter", wanted)):
        assert time.monotonic() < deadline, f"no run of {flow}"
        time.sleep(0.3)
    return found  # type: ignore[no-any-return]
