"""Who started a run: what the servers say, and what that is worth."""

from __future__ import annotations

from uuid import UUID

import pytest
from prefect.client.schemas.objects import CreatedBy, FlowRun

from data.store.approvals import NOT_TOLD_APART
from tasks.started_by import judged, started_by

SOME = UUID(int=1)


def run(created_by: CreatedBy | None = None, **changes: object) -> FlowRun:
    return FlowRun(flow_id=UUID(int=2), created_by=created_by, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["USER", "SERVICE_ACCOUNT", None, "SOMETHING NEW"])
def test_somebody_whom_the_server_names_may_not_approve(kind: str | None):
    """Prefect Cloud says who; a kind that nobody has heard of is not taken for a schedule."""
    found = judged(run(CreatedBy(id=SOME, type=kind, display_value="ann-lee")), "root")

    assert found.user == "ann-lee"
    assert "ann-lee" in found.text
    assert NOT_TOLD_APART not in found.text


def test_a_user_without_a_name_is_known_by_the_id():
    assert judged(run(CreatedBy(id=SOME, type="USER")), "root").user == str(SOME)


@pytest.mark.parametrize(
    ("flow_run", "names"),
    [
        (run(deployment_id=UUID(int=2)), "whoever has the server's password"),
        (run(), "a terminal or script of OS user root"),
        (run(auto_scheduled=True, deployment_id=UUID(int=2)), "schedule"),
        (run(CreatedBy(id=SOME, type="SCHEDULE", display_value="CronSchedule")), "CronSchedule"),
        (run(CreatedBy(id=SOME, type="AUTOMATION", display_value="auto")), "automation auto"),
        (run(CreatedBy(id=SOME, type="DEPLOYMENT")), f"deployment {SOME}"),
        (run(CreatedBy(type="USER")), "user without a name"),
    ],
)
def test_what_tells_nobody_apart_says_so_and_names_no_user(flow_run: FlowRun, names: str):
    found = judged(flow_run, "root")

    assert found.user is None
    assert names in found.text
    assert found.text.endswith(f"; {NOT_TOLD_APART}")


def test_code_that_is_in_no_flow_is_nobody():
    assert started_by().user is None
