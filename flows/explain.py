"""Why an order was sent and what became of it: from the bars to the reconciliation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from data.store.approvals import ApprovalRequest
from data.store.books import Books
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, RunId
from execution.model.money import plain
from execution.model.order import Order, OrderEvent
from tasks import figures
from tasks.encoding import APPROVAL_STAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing in the life of an order, as the ledger has it."""

    what: str  # bars, regime, signal, check, approval, order, fill, reconciliation
    text: str
    ts: datetime | None = None  # UTC


def explain(books: Books, prefix: str) -> tuple[Order, tuple[Step, ...]]:
    """The order whose id starts with `prefix`, and its story; InputInvalid if not just one."""
    order = books.orders.find(prefix)
    run_id, digest = books.orders.origin(order.client_order_id)
    return order, (
        *_analysis(books, run_id, order),
        *_verdicts(books, run_id, digest, order.client_order_id),
        *_approvals(books, run_id, digest),
        *_life(books, order.client_order_id),
        *_compared(books, run_id, order.client_order_id),
        *_reconciliation(books, run_id),
    )


def _analysis(books: Books, run_id: RunId, order: Order) -> list[Step]:
    intent = order.intent
    steps = []
    for r in books.regimes.of(run_id):
        if r.instrument_id == intent.instrument_id:
            digest = f"{r.bars} bars up to {figures.when(r.ts_event)}, sha256 {r.bars_sha256[:12]}"
            steps.append(Step(what="bars", ts=r.ts_event, text=digest))
            volatility = figures.percent(r.volatility, 1)
            told = f"{r.label}, confidence {figures.percent(r.confidence, 0)}, {volatility} a year"
            if r.model:
                told += f", by {r.model}, trained up to {figures.when(r.model.trained_to)}"
            if r.reason:
                told += f": {r.reason}"
            steps.append(Step(what="regime", ts=r.ts_event, text=told))
    for s in books.signals.of(run_id):
        if s.instrument_id == intent.instrument_id:
            wish = {1: "long", -1: "short", 0: "close"}[s.side]
            text = f"{s.strategy} wishes {wish}, weight {plain(s.weight)}"
            steps.append(Step(what="signal", ts=s.ts_event, text=text))
    steps.append(Step(what="order", text=intent.reason))
    return steps


def _verdicts(
    books: Books, run_id: RunId, digest: str, client_order_id: ClientOrderId
) -> list[Step]:
    return [
        Step(
            what="check",
            ts=r.ts,
            text=f"{r.verdict.check} {'passed' if r.verdict.passed else 'DENIED'}: "
            f"{r.verdict.facts}",
        )
        for r in books.risk_decisions.of(run_id)
        if r.plan_digest == digest and r.verdict.client_order_id == client_order_id
    ]


def _approvals(books: Books, run_id: RunId, digest: str) -> list[Step]:
    return [
        Step(
            what="approval",
            ts=request.decided_at,
            text=f"plan {digest[:12]} {request.status} by {request.approver or 'nobody'}"
            + _which(request),
        )
        for request in books.approvals.of(run_id)
        if request.plan_digest == digest
    ]


def _which(request: ApprovalRequest) -> str:
    """Which signature of how many, when one was not enough."""
    of = request.signatures_needed
    return f", signature {request.signature} of {of}" if of > 1 else ""


def _compared(books: Books, run_id: RunId, client_order_id: ClientOrderId) -> list[Step]:
    """Whether what was sent of it is what was approved, as found after the run."""
    steps = []
    for event in books.stages.of(run_id):
        if (event.stage, event.event) == (APPROVAL_STAGE, "completed"):
            told = json.loads(event.detail)
            mine = [
                text
                for text in (*told.get("differences", []), *told.get("not_sent", []))
                if f" {client_order_id}:" in text
            ]
            text = "; ".join(mine) or "sent as it was approved"
            steps.append(Step(what="approval", ts=event.ts, text=text))
    return steps


def _life(books: Books, client_order_id: ClientOrderId) -> list[Step]:
    """Events and fills in the order in which they were booked."""
    return [
        _fill(step) if isinstance(step, Fill) else _event(step)
        for step in books.orders.story(client_order_id)
    ]


def _event(event: OrderEvent) -> Step:
    at = f" as {event.venue_order_id}" if event.venue_order_id else ""
    why = f": {event.reason}" if event.reason else ""
    return Step(what="order", ts=event.ts_event, text=f"{event.status}{at}{why}")


def _fill(fill: Fill) -> Step:
    text = (
        f"{fill.side} {figures.quantity(fill.last_qty)} at {figures.price(fill.last_px)}, "
        f"commission {figures.money(fill.commission, fill.commission_ccy)}, {fill.trade_id}"
    )
    return Step(what="fill", ts=fill.ts_event, text=text)


def _reconciliation(books: Books, run_id: RunId) -> list[Step]:
    steps = []
    for event in books.stages.of(run_id):
        if (event.stage, event.event) == ("reconciliation", "completed"):
            found = json.loads(event.detail).get("discrepancies", [])
            text = f"differences: {', '.join(found)}" if found else "books equal the venue"
            steps.append(Step(what="reconciliation", ts=event.ts, text=text))
    return steps
