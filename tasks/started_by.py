"""Who or what started a run, as far as Prefect tells."""

from __future__ import annotations

from dataclasses import dataclass

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

from data.store.approvals import NOT_TOLD_APART
from tasks.processes import os_user

THINGS = {"SCHEDULE", "AUTOMATION", "DEPLOYMENT"}  # that can start a run, and are nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedBy:
    """For the record, and `user` where the server has told one person from another."""

    text: str
    user: str | None = None  # may not approve what the run plans


def started_by() -> StartedBy:
    """Ask the server who started this run, or the outermost run that this is a part of."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return StartedBy(text=f"code outside of a flow; {NOT_TOLD_APART}")
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(context.flow_run.id)
        while run.parent_task_run_id is not None:
            parent = client.read_task_run(run.parent_task_run_id).flow_run_id
            if parent is None:
                break
            run = client.read_flow_run(parent)
    return judged(run, os_user())


def judged(run: FlowRun, os_user: str) -> StartedBy:
    """Read what a server says of a run's origin; `os_user` is recorded, never trusted.

    Prefect Cloud names the user or the service account. The open-source server knows one
    shared password: it names schedules and automations (by a header that any client may
    send), and nobody else.
    """
    by = run.created_by
    if by is not None and by.type not in THINGS:
        user = by.display_value or (str(by.id) if by.id else None)
        text = f"{(by.type or 'user').lower()} {user or 'without a name'}"
        return StartedBy(text=text if user else f"{text}; {NOT_TOLD_APART}", user=user)
    if by is not None:
        what = f"{str(by.type).lower()} {by.display_value or by.id}"
    elif run.auto_scheduled:
        what = "schedule"
    elif run.deployment_id is None:
        what = f"a terminal or script of OS user {os_user}"
    else:
        what = "whoever has the server's password"
    return StartedBy(text=f"{what}; {NOT_TOLD_APART}")
