"""After a live run: what people approved against what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from prefect import task

from data.store.approvals import ApprovalStatus
from data.store.books import Books
from execution.model.enums import Severity, Topic
from execution.model.identifiers import RunId
from execution.model.order import OrderIntent
from execution.reconciliation.approved import Difference, Written, compare_approved
from tasks import wiring
from tasks.alerts import alert
from tasks.cycle import Cycle
from tasks.encoding import APPROVAL_STAGE, approved_intents
from tasks.policies import READS

LOOK_BACK = timedelta(days=30)  # a stop rests for weeks; a slice leaves within the hour


@contextmanager
def compared_with_approved(cycle: Cycle) -> Iterator[list[Difference]]:
    """However the block ends, compare what was approved with what a live cycle has sent.

    The list is filled when the block has ended.
    """
    found: list[Difference] = []
    try:
        yield found
    finally:
        if cycle.live:
            found += compare_with_approved(cycle)


@task(name="compare-with-approved", **READS)
def compare_with_approved(cycle: Cycle) -> tuple[Difference, ...]:
    """Compare this run, and what has changed of earlier ones; a serious difference alerts."""
    _compare_earlier(cycle)
    return _compare(cycle)


@task(name="compare-earlier-with-approved", **READS)
def compare_earlier_with_approved(cycle: Cycle) -> None:
    """Compare earlier runs that were killed before it, or whose orders went on since."""
    if cycle.live:
        _compare_earlier(cycle)


def _compare_earlier(cycle: Cycle) -> None:
    since = wiring.wall_clock() - LOOK_BACK
    with wiring.open_ledger().reading() as books:
        earlier = books.approvals.unchecked(cycle.account, APPROVAL_STAGE, since)
    for run_id in earlier:
        if run_id != cycle.run_id:
            _compare(replace(cycle, run_id=run_id))


def _compare(cycle: Cycle) -> tuple[Difference, ...]:
    with cycle.stage(APPROVAL_STAGE) as outcome:
        with wiring.open_ledger().reading() as books:
            approved = _approved(books, cycle.run_id)
            found = compare_approved(approved, _written(books, cycle.run_id))
        outcome["approved"] = len(approved)
        outcome["differences"] = [str(d) for d in found if d.serious]
        outcome["not_sent"] = [str(d) for d in found if not d.serious]
    for difference in found:
        if difference.serious:
            topic, text = Topic.APPROVAL_DIFFERS, str(difference)
            alert(cycle.account, cycle.run_id, Severity.CRITICAL, topic, text)
    return found


def _approved(books: Books, run_id: RunId) -> tuple[OrderIntent, ...]:
    """The orders of the plans whose approval this run has used, as people were shown them."""
    used = [r for r in books.approvals.of(run_id) if r.status is ApprovalStatus.USED]
    plans = {request.plan_digest: request.plan for request in used}
    return tuple(intent for plan in plans.values() for intent in approved_intents(plan))


def _written(books: Books, run_id: RunId) -> Iterator[Written]:
    """The run's orders as the ledger has them."""
    for key, intent in books.orders.of_run(run_id).items():
        order = books.orders.get(key)
        if order is not None:
            events, fills = books.orders.events(key), books.fills.of_order(key)
            yield Written(order=order, first=intent, events=events, fills=fills)
