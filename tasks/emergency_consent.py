"""A person's word that a live account is to be closed, and the approvals made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from data.store.approvals import ApprovalStatus
from execution.errors import ApprovalRefused, ConfigInvalid
from execution.model.approval import ApprovalRules, not_entitled
from execution.model.identifiers import InstrumentId
from execution.model.plan import Approval, TradingPlan
from tasks import wiring
from tasks.config import RunConfig
from tasks.encoding import plan_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A person's word that a live account is to be closed.

    `approved` is a plan that the person has seen, with their yes to it: of each instrument no
    more is closed than it says. Without it they typed the phrase when they pressed, and mean
    all that is held.
    """

    name: str
    approved: tuple[TradingPlan, Approval] | None = None

    @property
    def bounds(self) -> Mapping[InstrumentId, Decimal] | None:
        """The most that may be closed of each instrument, base units; None: all."""
        if self.approved is None:
            return None
        return {i.instrument_id: i.order_qty for i in self.approved[0].intents}


def approval_rules(config: RunConfig, consent: Consent | None) -> ApprovalRules:
    """Who must approve what closes an account.

    The rules of any plan, while people are to be asked. One person's word is enough once it is
    given, by the phrase or for what an approved plan left over: there is no time to find a
    second one. It must be the word of somebody who may approve. Caps are about what opens.
    """
    rules = wiring.approval_rules(config)
    return rules if consent is None else ApprovalRules(approvers=rules.approvers)


def not_theirs(config: RunConfig, name: str) -> str:
    """Why the phrase that `name` typed closes nothing in a live account, or ""."""
    try:
        rules = approval_rules(config, Consent(name=name))
    except ConfigInvalid as error:
        return str(error)
    return not_entitled(name, rules, (), None) or ""


def approve(plan: TradingPlan, name: str, why: str) -> Approval:
    """Record the yes of the person who pressed, to exactly this plan."""
    approval_id = str(uuid4())
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.approvals.request(approval_id, plan, plan_document(plan), now)
        books.approvals.decide(approval_id, ApprovalStatus.APPROVED, name, why, now)
        request = books.approvals.get(approval_id)
    if request is None or request.approval is None:
        raise ApprovalRefused(f"plan {plan.digest[:12]} was not approved; nothing was sent")
    return request.approval


def is_used(approval: Approval) -> bool:
    """Whether orders were sent by it already."""
    with wiring.open_ledger().reading() as books:
        known = books.approvals.get(approval.approval_id)
    return known is not None and known.status is ApprovalStatus.USED
