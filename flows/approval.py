"""The gate: in live mode nothing is sent before people have approved that exact plan.

The run pauses and the Prefect UI shows a form with the plan. The form can be answered
there, with `regent approve RUN`, or with `answer()` from Python. What comes back is checked
again here, field by field: a form is only a form. A plan that needs two people is asked
about twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, cast
from uuid import UUID, uuid4

from prefect import get_run_logger
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field, create_model
from pydantic.config import JsonDict

from data.store.approvals import ApprovalStatus
from execution.errors import ApprovalRefused, InputInvalid
from execution.model.approval import beyond_caps, not_entitled
from execution.model.enums import Severity, Topic
from execution.model.identifiers import InstrumentId
from execution.model.plan import APPROVAL_PHRASE, Approval, TradingPlan
from execution.model.signal import Signal
from tasks import artifacts, figures, wiring
from tasks.alerts import alert
from tasks.cycle import Cycle
from tasks.encoding import plan_document
from tasks.market_data import Market, load_market
from tasks.quality import judge_bars
from tasks.risk import Planned, approve_risk
from tasks.started_by import StartedBy, started_by

POLL_S = 2
ROUNDS_MAX = 3


def _as_choice(schema: JsonDict) -> None:
    """Ask for a constant as a drop-down of one: the UI cannot fill in a constant."""
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]


class LiveApproval(RunInput):
    """The answer to a plan. Every field is required and none is filled in beforehand."""

    decision: Literal["approve", "refuse"] = Field(
        description="Approve sends the orders above; refuse ends the run, nothing sent."
    )
    approver: str = Field(min_length=1, max_length=100, description="Your name, for the record.")
    phrase: str = Field(description=f"To approve, type: {APPROVAL_PHRASE}")
    plan_digest: str = Field(
        description="The digest of the plan above.", json_schema_extra=_as_choice
    )


def approved_plan(
    cycle: Cycle, signals: tuple[Signal, ...], planned: Planned
) -> tuple[Market, Planned, Approval | None]:
    """Ask until a person has approved a plan whose prices still hold when they answer.

    A price that has moved past the drift limit meanwhile makes a new plan, and a new plan
    needs a new approval. Raises ApprovalRefused as `require_approval` does, and when the
    prices would not hold still.
    """
    for _ in range(ROUNDS_MAX):
        approval = require_approval(cycle, planned.plan)
        market = judge_bars(cycle, load_market(cycle))
        moved = drift(planned.plan, market.fresh_marks, cycle.config.price_drift_max_pct)
        if not moved:
            return market, planned, approval
        get_run_logger().warning("the plan is made again: %s", "; ".join(moved))
        with wiring.open_ledger().transaction() as books:
            reason = f"prices moved: {'; '.join(moved)}"
            books.approvals.void(approval.approval_id, reason, wiring.wall_clock())
        planned = approve_risk(cycle, market, signals)
        if not planned.plan.intents:
            return market, planned, None
    raise ApprovalRefused(f"prices moved after each of {ROUNDS_MAX} approvals; nothing was sent")


def drift(
    plan: TradingPlan, marks: Mapping[InstrumentId, Decimal], limit_pct: Decimal
) -> tuple[str, ...]:
    """Name the plan's instruments whose price moved by more than `limit_pct`, or is gone."""
    moved = []
    for intent in plan.intents:
        mark = marks.get(intent.instrument_id)
        if mark is None:
            moved.append(f"{intent.instrument_id} has no price")
        elif abs(mark - intent.px_ref) > limit_pct * intent.px_ref:
            moved.append(f"{intent.instrument_id} from {intent.px_ref:f} to {mark:f}")
    return tuple(moved)


def require_approval(cycle: Cycle, plan: TradingPlan) -> Approval:
    """Pause until as many people as it needs have approved `plan`; return the last one's word.

    Raises ApprovalRefused for a plan beyond the caps, on a refusal, a wrong phrase, another
    plan's digest, somebody whose word does not count, no answer in time, or an answer that
    came too late. Nothing has been sent then, and what others have said is void.
    """
    started = started_by()
    signed: list[Approval] = []
    while len(signed) < plan.people_needed:
        signed.append(_signature(cycle, plan, started, [one.approver for one in signed]))
    return signed[-1]


def _signature(cycle: Cycle, plan: TradingPlan, started: StartedBy, signed: list[str]) -> Approval:
    """Ask one person, who is none of those that have `signed`."""
    approval_id, asked = _request(plan, started)
    _tell_wanted(cycle, plan, signed)
    answer = _ask(plan, signed, key=f"live-{plan.digest}-{asked}")
    problem = _problem(answer, plan)
    if problem is None and answer is not None:
        problem = not_entitled(answer.approver, plan.rules, signed, started.user)
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        if problem is None and now >= plan.expires_at:
            problem = f"the answer came after {plan.expires_at:%H:%M:%S}Z, when the plan expired"
        if answer is None:
            status = ApprovalStatus.EXPIRED
        else:
            status = ApprovalStatus.REFUSED if problem else ApprovalStatus.APPROVED
        approver = answer.approver if answer else None
        books.approvals.decide(approval_id, status, approver, problem or "", now)
        if problem is not None:
            books.approvals.void(approval_id, f"signature {len(signed) + 1}: {problem}", now)
    if problem is not None or answer is None:
        raise ApprovalRefused(f"{problem}; nothing was sent")
    return Approval(
        approval_id=approval_id,
        run_id=plan.run_id,
        digest=plan.digest,
        approver=answer.approver,
        decided_at=now,
        expires_at=plan.expires_at,
    )


def _request(plan: TradingPlan, started: StartedBy) -> tuple[str, int]:
    """Write what is asked; return its id, and how often this plan was asked about before.

    Raises ApprovalRefused for a plan beyond the caps: no person may approve it.
    """
    approval_id = str(uuid4())
    with wiring.open_ledger().transaction() as books:
        asked = books.approvals.count(plan.digest)
        now = wiring.wall_clock()
        books.approvals.request(
            approval_id,
            plan,
            plan_document(plan),
            now,
            triggered_by=started.text,
            trigger_user=started.user,
        )
        opened = books.approvals.opened_today(plan, now)
        problem = beyond_caps(plan.rules, plan.opens_notional, opened)
        if problem is not None:
            books.approvals.decide(approval_id, ApprovalStatus.REFUSED, None, problem, now)
            books.approvals.void(approval_id, problem, now)
    if problem is not None:
        raise ApprovalRefused(f"{problem}; nobody was asked, and nothing was sent")
    return approval_id, asked


def _tell_wanted(cycle: Cycle, plan: TradingPlan, signed: list[str]) -> None:
    """Say that a plan waits, until when, and how to answer."""
    run = plan.run_id[:8]
    which = f"{_which(plan, signed)}, " if plan.people_needed > 1 else ""
    text = (
        f"{len(plan.intents)} orders for {figures.money(plan.notional, plan.currency)} wait for a "
        f"person ({which}digest {plan.digest[:8]}) until {plan.expires_at:%Y-%m-%d %H:%M:%S}Z: "
        f"resume run {run} in the UI (in its ⋮ menu), or `regent approve {run}`"
    )
    alert(cycle.account, cycle.run_id, Severity.WARNING, Topic.APPROVAL_WANTED, text)
    get_run_logger().warning(text)


def _which(plan: TradingPlan, signed: list[str]) -> str:
    """Which signature is asked for, and who has given the others."""
    by = f", after {', '.join(signed)}" if signed else ""
    return f"signature {len(signed) + 1} of {plan.people_needed}{by}"


def _ask(plan: TradingPlan, signed: list[str], key: str) -> LiveApproval | None:
    """Show the form and wait; None when nobody answered in time.

    The key is new for every question: with a fixed one a retried run would be handed the
    answer that an earlier run has used, and the second person the first one's.
    """
    form = create_model(
        "LiveApproval",
        __base__=LiveApproval,
        # Built while running, so the type checker cannot follow.
        plan_digest=cast("Any", (Literal[plan.digest], LiveApproval.model_fields["plan_digest"])),
    )
    shown = artifacts.plan_markdown(plan, every_check=False)
    if plan.people_needed > 1:
        which = _which(plan, signed)
        shown = f"**{which[0].upper()}{which[1:]}: a different person each.**\n\n{shown}"
    timeout = max(1, int((plan.expires_at - wiring.wall_clock()).total_seconds()))
    try:
        return pause_flow_run(
            wait_for_input=form.with_initial_data(description=shown),
            timeout=timeout,
            poll_interval=POLL_S,
            key=key,
        )
    except FlowPauseTimeout:
        return None


def _problem(answer: LiveApproval | None, plan: TradingPlan) -> str | None:
    """Why an answer is not an approval of `plan`; None when it is."""
    if answer is None:
        return "nobody approved the plan in time"
    if answer.decision != "approve":
        return f"{answer.approver} refused the plan"
    if answer.phrase != APPROVAL_PHRASE:
        return f"the phrase typed was not {APPROVAL_PHRASE!r}"
    if answer.plan_digest != plan.digest:
        return "the digest given is of another plan"
    if not answer.approver.strip():
        return "the approver gave no name"
    return None


def answer(run_id: str, *, decision: str, approver: str, phrase: str, plan_digest: str) -> None:
    """Answer a run that waits; the run checks the answer again and goes on or ends.

    Raises InputInvalid when the run does not wait, or the server finds the answer
    malformed; the run then goes on waiting.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(run_id))
        if run.state is None or not run.state.is_paused():
            state = run.state.name if run.state else "unknown"
            raise InputInvalid(f"run {run_id} does not wait for an approval: it is {state}")
        result = client.resume_flow_run(
            run.id,
            run_input={
                "decision": decision,
                "approver": approver,
                "phrase": phrase,
                "plan_digest": plan_digest,
            },
        )
        if result.status.value != "ACCEPT":
            reason = getattr(result.details, "reason", "no reason given")
            raise InputInvalid(f"the answer was not taken: {reason}; the run goes on waiting")
