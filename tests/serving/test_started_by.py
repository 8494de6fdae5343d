"""Who started a run, as the open-source server tells it: nobody, but for schedules.

What `tasks.started_by` and the documentation say rests on these; a newer Prefect may tell more.
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from tests.serving.api import TIMEOUT_S, Api, Json

pytestmark = pytest.mark.slow

DEPLOYMENT = "trading-cycle/paper"


def create(
    api: Api, body: dict[str, Json], headers: dict[str, str] | None = None
) -> httpx.Response:
    """Create a run as the UI does, of a time at which nobody is here any more."""
    path = f"/deployments/{api.deployment(DEPLOYMENT)['id']}/create_flow_run"
    at = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at}}
    answer = api.request("POST", path, {"state": state, **body}, headers)
    if answer.is_success:
        api.request("DELETE", f"/flow_runs/{answer.json()['id']}").raise_for_status()
    return answer


def test_who_started_a_run_by_hand_is_not_told(api: Api):
    made = create(api, {}).raise_for_status().json()

    assert (made["created_by"], made["auto_scheduled"]) == (None, False)


def test_nobody_can_say_it_was_somebody_else(api: Api):
    claimed = create(api, {"created_by": {"type": "USER", "display_value": "ann"}})

    assert claimed.status_code == 422


def test_a_claim_to_be_an_automation_is_believed_so_it_is_worth_nothing(api: Api):
    """Two headers are all it takes: it is recorded, and nobody is told apart by it."""
    name = base64.b64encode(b"made up").decode()
    headers = {"Prefect-Automation-Id": str(uuid4()), "Prefect-Automation-Name": name}

    made = create(api, {}, headers).raise_for_status().json()

    assert made["created_by"]["type"] == "AUTOMATION"
    assert made["created_by"]["display_value"] == "made up"


def test_a_schedule_is_named(api: Api):
    where = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "limit": 50}
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        kinds = {
            run["created_by"]["type"]
            for run in api.post("/flow_runs/filter", where)
            if run["auto_scheduled"]
        }
        if kinds:
            break
        assert time.monotonic() < deadline, "the scheduler made no run"
        time.sleep(0.5)
    assert kinds == {"SCHEDULE"}
