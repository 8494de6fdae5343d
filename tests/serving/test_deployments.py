"""What prefect.yaml deploys, run by a real server and a real worker."""

from __future__ import annotations

import json
import time

import pytest

from execution.model.identifiers import AccountId, RunId
from tests.conftest import Serving
from tests.serving.api import FINAL, TIMEOUT_S, Api

pytestmark = pytest.mark.slow

DRY_RUN = "trading-cycle/dry-run"


def test_the_deployments_are_scheduled_as_they_should_be(api: Api):
    found = {}
    for row in api.post("/deployments/filter", {}):
        [schedule] = row["schedules"] or [None]
        found[row["name"]] = (
            schedule and (schedule["schedule"].get("cron") or schedule["schedule"].get("interval")),
            schedule and schedule["active"],
            row["global_concurrency_limit"] and row["global_concurrency_limit"]["limit"],
        )

    found.pop("every-20-seconds", None)
    assert found == {
        "analyse": (None, None, 1),
        "backup": ("30 3 * * *", True, 1),
        "quality": ("30 4 * * *", True, 1),
        "dry-run": ("0 */4 * * *", True, 1),
        "emergency-stop": (None, None, None),  # a second press waits for nobody
        "paper": ("0 */4 * * *", False, 1),
        "live": (None, None, 1),
        "market-data": ("5 * * * *", False, 1),
        "reconcile": (900.0, True, 1),
        "reconcile-live": (900.0, False, 1),
        "reconcile-paper": (900.0, False, 1),
        "watch": (None, None, 1),
    }


def test_a_schedule_of_20_s_completes_a_run(api: Api):
    """Newer versions of two of Prefect's dependencies stop schedules without a word."""
    like = api.deployment(DRY_RUN)
    kept = ("flow_id", "entrypoint", "path", "pull_steps", "work_pool_name", "parameters")
    made = api.post(
        "/deployments/",
        {
            **{key: like[key] for key in kept},
            "parameter_openapi_schema": like["parameter_openapi_schema"],
            "name": "every-20-seconds",
            "schedules": [{"active": True, "schedule": {"interval": 20}}],
        },
    )
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not (done := _ended(api, made["id"])):
            assert time.monotonic() < deadline, "no scheduled run has ended"
            time.sleep(0.5)
    finally:
        api.request("DELETE", f"/deployments/{made['id']}").raise_for_status()

    assert done[0]["state"]["type"] == "COMPLETED"
    assert done[0]["auto_scheduled"]


def test_a_run_started_in_the_ui_completes_and_its_books_equal_the_venue(api: Api):
    run_id = api.start(DRY_RUN, api.deployment(DRY_RUN)["parameters"]["config"])

    run = api.wait(run_id)

    assert run["state"]["type"] == "COMPLETED", api.logs(run_id)
    artifacts = api.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}})
    reconciled = [a["data"] for a in artifacts if a["key"] == "reconciliation"]
    assert reconciled == ["The books equal the venue: orders, fills, positions and cash."]


def test_each_change_of_an_order_is_an_event_that_an_automation_can_start_from(api: Api):
    """Told after it is in the ledger; events may be lost, so nothing is decided by them."""
    stocks = ["GOOG", "MSFT"]
    config = {"mode": "dry-run", "feed": "sample", "account": "events", "symbols": stocks}

    run_id = api.start(DRY_RUN, config)

    assert api.wait(run_id)["state"]["type"] == "COMPLETED", api.logs(run_id)
    wanted = {f"regent.order.{status}" for status in ("submitted", "accepted", "filled")}
    deadline = time.monotonic() + 30
    while True:
        found = api.post("/events/filter", {"filter": {"event": {"prefix": ["regent.order."]}}})
        ours = [
            event
            for event in found["events"]
            if event["resource"]["regent.account"] == "dry-run/simulated/events"
        ]
        if {event["event"] for event in ours} >= wanted or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert {event["event"] for event in ours} == wanted
    filled = [event["payload"] for event in ours if event["event"] == "regent.order.filled"]
    assert {p["instrument"]: p["cum_qty"] for p in filled} == {
        "GOOG.SIMULATED": "23.000000000000",
        "MSFT.SIMULATED": "688.000000000000",
    }


def test_reconcile_reports_and_sends_nothing(api: Api, serving: Serving):
    config = {"mode": "dry-run", "feed": "sample", "account": "reconciled"}

    run_id = api.start("reconcile-books/reconcile", config)

    assert api.wait(run_id)["state"]["type"] == "COMPLETED", api.logs(run_id)
    with serving.ledger.reading() as books:
        assert [s.stage for s in books.stages.of(RunId(run_id)) if s.event == "completed"] == [
            "load-market",
            "recovery",
            "reconciliation",
        ]
        assert books.orders.all(AccountId("dry-run/simulated/reconciled")) == ()


def test_an_analysis_shows_its_report_and_where_its_files_are(api: Api, serving: Serving):
    run_id = api.start("analyse/analyse", {"feed": "sample", "symbols": ["GOOG"]})

    assert api.wait(run_id)["state"]["type"] == "COMPLETED", api.logs(run_id)
    artifacts = api.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}})
    shown = {a["key"]: a for a in artifacts}
    folder = serving.home / "signals" / "latest"
    assert shown["analysis"]["data"] == (folder / "report.md").read_text()
    assert (folder / "signals.csv").as_uri() in shown["signals"]["data"]
    assert (folder / "report.html").as_uri() in shown["analysis-page"]["data"]


def test_a_config_that_the_schema_forbids_is_refused_before_it_runs(api: Api):
    answer = api.request(
        "POST",
        f"/deployments/{api.deployment(DRY_RUN)['id']}/create_flow_run",
        {"parameters": {"config": {"mode": "dryrun"}}},
    )

    assert answer.status_code == 409
    assert "mode" in json.dumps(answer.json())


def test_the_live_deployment_as_shipped_sends_nothing(api: Api):
    config = api.deployment("trading-cycle/live")["parameters"]["config"]

    run_id = api.start("trading-cycle/live", config)

    state = api.wait(run_id)["state"]
    assert state["type"] == "FAILED"
    assert "missing in the environment: BINANCE_API_KEY" in state["message"]


def _ended(api: Api, deployment_id: str) -> list[dict[str, object]]:
    runs: list[dict[str, object]] = api.post(
        "/flow_runs/filter",
        {
            "deployments": {"id": {"any_": [deployment_id]}},
            "flow_runs": {"state": {"type": {"any_": sorted(FINAL)}}},
        },
    )
    return runs
