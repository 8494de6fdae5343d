"""The commands about approvals: who was asked what, and the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from data.store.approvals import ApprovalRequest, ApprovalStatus
from execution.errors import InputInvalid
from execution.model.approval import ApprovalRules, not_entitled
from flows import console
from flows.cli_books import AccountName, named_accounts
from flows.cli_output import Json, Name, Phrase, Verbose, ask, ask_phrase, emit, errors, output
from flows.documents import plain
from flows.prefect_defaults import prepare_prefect
from tasks import figures, wiring

DIGEST_LENGTH_MIN = 8
TAKEN_TIMEOUT_S = 20  # how long `approve` waits to see what the run made of the answer

STYLES = {"waiting": "yellow", "approved": "green", "used": "green", "refused": "red"}


def register(app: typer.Typer) -> None:
    """Add the commands to the `regent` command."""
    app.command()(approve)
    app.command()(approvals)


def approvals(
    account: AccountName = None,
    all_of_them: Annotated[
        bool, typer.Option("--all", help="The answered ones, too, newest first.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, with --all.")] = 20,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """The plans that wait for a person; with --all who was asked what, and what they said."""
    now = wiring.wall_clock()
    with wiring.open_ledger().reading() as books:
        accounts = named_accounts(books.runs.accounts(), account)
        if all_of_them:
            found = books.approvals.recent(accounts, limit)
        else:
            found = books.approvals.waiting(accounts, now)
    if as_json:
        emit({"approvals": [{**plain(r), "plan": json.loads(r.plan)} for r in found]})
    else:
        nothing = "no plan waits for a person; --all lists those that did"
        _show(
            output(), found, now, "no plan has ever waited for a person" if all_of_them else nothing
        )


def approve(
    run: Annotated[str, typer.Argument(help="The run that waits: its id, or the start of it.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Say no: nothing is sent.")] = False,
    name: Name = None,
    phrase: Phrase = None,
    digest: Annotated[
        str | None, typer.Option(help="Of the plan you have read: the first 8 characters or more.")
    ] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Approve or refuse the plan of a live run that waits for a person."""
    request, signed = _waiting(run)
    show = errors() if as_json else output()
    console.show_waiting(show, json.loads(request.plan))
    if request.signatures_needed > 1:
        by = f", after {', '.join(signed)}" if signed else ""
        which = f"signature {request.signature} of {request.signatures_needed}{by}"
        show.print(f"{which}: a different person each", style="yellow", markup=False)
    # Typed by a person, too: who only says yes has not looked.
    read = ask(digest, "--digest", f"First {DIGEST_LENGTH_MIN} characters of the digest")
    if len(read) < DIGEST_LENGTH_MIN or not request.plan_digest.startswith(read):
        raise InputInvalid(
            f"the plan that waits has digest {request.plan_digest}, not {read!r}; "
            f"its first {DIGEST_LENGTH_MIN} characters are enough"
        )
    approver = ask(name, "--name", "Your name")
    if not approver:
        raise InputInvalid("a plan is approved or refused by somebody with a name")
    if not refuse:
        _require_entitled(approver, request, signed)
    typed = "" if refuse else ask_phrase(phrase)
    decision = "refuse" if refuse else "approve"
    prepare_prefect(verbose=verbose)
    from flows.approval import answer

    answer(
        request.run_id,
        decision=decision,
        approver=approver,
        phrase=typed,
        plan_digest=request.plan_digest,
    )
    taken = _taken(request)
    if as_json:
        emit({**plain(taken), "plan": json.loads(taken.plan)})
        return
    more = taken.signatures_needed - taken.signature
    waits = "; it waits for a second person now, and nothing was sent" if more else ""
    outcome = {
        ApprovalStatus.WAITING: f"answer sent; the run has not taken it in {TAKEN_TIMEOUT_S} s",
        ApprovalStatus.APPROVED: f"plan approved by {approver}{waits}",
        ApprovalStatus.USED: f"plan approved by {approver}; its orders are on their way",
    }
    text = outcome.get(taken.status, f"plan {taken.status}: {taken.reason}; nothing was sent")
    output().print(f"run {request.run_id[:8]}: {text}", markup=False, soft_wrap=True)


def _waiting(run: str) -> tuple[ApprovalRequest, list[str]]:
    """The request of a run that waits, and who has approved its plan already.

    Raises InputInvalid when none waits.
    """
    with wiring.open_ledger().reading() as books:
        found = books.runs.find(run)
        requests = books.approvals.of(found.run_id)
    waiting = [r for r in requests if r.status is ApprovalStatus.WAITING]
    if not waiting:
        told = f"; its plan is {requests[-1].status}" if requests else ""
        raise InputInvalid(f"run {found.run_id} does not wait: it is {found.status}{told}")
    if wiring.wall_clock() >= waiting[-1].expires_at:
        raise InputInvalid(f"the plan of run {found.run_id} expired at {waiting[-1].expires_at}")
    asked = waiting[-1]
    same = [r for r in requests if r.plan_digest == asked.plan_digest]
    signed = [r.approver for r in same if r.status is ApprovalStatus.APPROVED and r.approver]
    return asked, signed


def _require_entitled(name: str, request: ApprovalRequest, signed: list[str]) -> None:
    """Say at once what the run would refuse, so that it goes on waiting for somebody else."""
    rules = ApprovalRules(approvers=json.loads(request.plan).get("approvers", ()))
    problem = not_entitled(name, rules, signed, request.trigger_user)
    if problem is not None:
        raise InputInvalid(f"{problem}; the run goes on waiting")


def _taken(request: ApprovalRequest) -> ApprovalRequest:
    """The request once the run has taken the answer, or as it is after a while."""
    deadline = time.monotonic() + TAKEN_TIMEOUT_S
    while time.monotonic() < deadline:
        with wiring.open_ledger().reading() as books:
            now = books.approvals.get(request.approval_id) or request
        if now.status is not ApprovalStatus.WAITING:
            return now
        time.sleep(0.5)
    return request


def _show(
    console: Console, requests: Sequence[ApprovalRequest], now: datetime, nothing: str
) -> None:
    """Each request in a few lines: what was asked, until when, what was said, and by whom."""
    for request in requests:
        for line in _lines(request, now):
            console.print(line, soft_wrap=True)
    if not requests:
        console.print(Text(nothing, "dim"))


def _lines(r: ApprovalRequest, now: datetime) -> Iterator[Text]:
    status = "not answered" if r.status == "waiting" and now >= r.expires_at else r.status
    which = f"  signature {r.signature} of {r.signatures_needed}" * (r.signatures_needed > 1)
    head = f"run {r.run_id[:8]}  digest {r.plan_digest[:8]}  {r.account}  "
    yield Text.assemble(head, (status, STYLES.get(status, "")), which)
    orders = "1 order" if r.orders == 1 else f"{r.orders} orders"
    when = f"asked {_at(r.requested_at)}, good until {_at(r.expires_at)}"
    yield Text(f"    {orders} for {figures.money(r.notional)}, {when}")
    if r.decided_at:
        used = f", used {_at(r.used_at)}" if r.used_at else ""
        why = f": {r.reason}" if r.reason else ""
        said = ApprovalStatus.APPROVED if r.used_at else r.status
        yield Text(f"    {said} by {r.approver or 'nobody'} {_at(r.decided_at)}{used}{why}")
    yield Text(f"    run started by {r.triggered_by}", "dim")


def _at(moment: datetime) -> str:
    """To the second, UTC: an approval is good for minutes."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
