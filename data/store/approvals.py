"""Approvals: people's word on one exact plan, good once and for a while."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from enum import StrEnum

from data.store.session import Row, Session
from execution.errors import ApprovalRefused, InvariantBroken
from execution.model.approval import beyond_caps, signatures_missing
from execution.model.identifiers import AccountId, RunId
from execution.model.money import ZERO
from execution.model.plan import Approval, TradingPlan

NOT_TOLD_APART = "not told apart"
# A plan that two people approved is one plan. What nobody can use any more opens nothing.
OPENED_ON = """
    SELECT coalesce(sum(opens), 0) FROM (
        SELECT max(opens_notional) AS opens FROM approvals
        WHERE account = ? AND plan_digest != ? AND (
            status = 'used' AND used_at >= ? OR status = 'approved' AND expires_at > ?
        ) GROUP BY plan_digest
    )
"""
UNCHECKED = """
    SELECT DISTINCT run_id FROM approvals a
    WHERE account = ? AND status = ? AND used_at >= ? AND triggered_by != 'not recorded'
    AND NOT EXISTS (
        SELECT 1 FROM stages s WHERE s.run_id = a.run_id AND s.stage = ? AND s.event = 'completed'
        AND s.ts >= coalesce((
            SELECT max(o.updated_at) FROM intents i JOIN orders o USING (client_order_id)
            WHERE i.run_id = a.run_id
        ), s.ts)
    ) ORDER BY run_id
"""


class ApprovalStatus(StrEnum):
    """How a request stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    USED = "used"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """What was asked of a person, and what the answer was."""

    approval_id: str
    run_id: RunId
    account: AccountId
    plan_digest: str
    plan: str  # JSON, exactly what the person was shown
    status: ApprovalStatus
    approver: str | None
    reason: str
    requested_at: datetime  # UTC
    expires_at: datetime  # UTC
    decided_at: datetime | None
    used_at: datetime | None
    orders: int  # in the plan
    notional: Decimal  # of the plan, in the account's currency
    opens_notional: Decimal  # of what does not only reduce: what the caps are about
    signature: int  # 1, or 2 for the second person
    signatures_needed: int
    triggered_by: str  # who or what started the run
    trigger_user: str | None  # who may not approve it; None: not told apart

    @property
    def approval(self) -> Approval | None:
        """The yes to hand to execution; None unless it was given and not used."""
        if self.status is not ApprovalStatus.APPROVED or not self.approver or not self.decided_at:
            return None
        return Approval(
            approval_id=self.approval_id,
            run_id=self.run_id,
            digest=self.plan_digest,
            approver=self.approver,
            decided_at=self.decided_at,
            expires_at=self.expires_at,
        )


class Approvals:
    """The `approvals` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def request(
        self,
        approval_id: str,
        plan: TradingPlan,
        plan_json: str,
        now: datetime,
        *,
        triggered_by: str = NOT_TOLD_APART,
        trigger_user: str | None = None,
    ) -> int:
        """Ask one person to approve a plan; return which signature that would be, from 1.

        `trigger_user` is who started the run, where that is known: their word will not
        count. Asking again under the same id changes nothing.
        """
        known = self.get(approval_id)
        if known is not None and known.plan_digest != plan.digest:
            raise InvariantBroken(f"approval {approval_id} was asked for another plan")
        if known is not None:
            return known.signature
        signature = 1 + len(self._with(plan, ApprovalStatus.APPROVED))
        asked = (approval_id, plan.run_id, plan.account, plan.digest, plan_json)
        waiting = (ApprovalStatus.WAITING, None, "", now, plan.expires_at, None, None)
        worth = (len(plan.intents), plan.notional, plan.opens_notional)
        people = (signature, plan.people_needed, triggered_by, trigger_user)
        self._session.insert("approvals", [(*asked, *waiting, *worth, *people)])
        return signature

    def decide(
        self,
        approval_id: str,
        status: ApprovalStatus,
        approver: str | None,
        reason: str,
        now: datetime,
    ) -> None:
        """Record APPROVED, REFUSED or EXPIRED; only a request that waits can be decided.

        Raises ApprovalRefused when it does not wait, or is approved by nobody or too late.
        """
        known = self.get(approval_id)
        if known is None or known.status is not ApprovalStatus.WAITING:
            found = "not known" if known is None else f"{known.status} already"
            raise ApprovalRefused(f"approval {approval_id} is {found}: nothing is left to decide")
        if status in {ApprovalStatus.WAITING, ApprovalStatus.USED}:
            raise InvariantBroken(f"approval {approval_id}: {status} is not a decision")
        if status is ApprovalStatus.APPROVED and not approver:
            raise ApprovalRefused(f"approval {approval_id}: nobody's name is on it")
        if status is ApprovalStatus.APPROVED and now >= known.expires_at:
            raise ApprovalRefused(_expired(known, now))
        self._session.rows(
            "UPDATE approvals SET status = ?, approver = ?, reason = ?, decided_at = ? "
            "WHERE approval_id = ?",
            status,
            approver,
            reason,
            now,
            approval_id,
        )

    def redeem(self, approval: Approval, plan: TradingPlan, now: datetime) -> None:
        """Use up the people's yes to exactly this plan; ApprovalRefused says why not.

        What counts are the rows, not the object in hand: as many of them as the plan needs,
        of different people who may, and the plan within its caps. The transaction that
        redeems is the one that commits the intents: they are used, all together, if and only
        if those are written.
        """
        refusal = (
            _refusal(self.get(approval.approval_id), approval, plan, now)
            or _flaw(self._with(plan, ApprovalStatus.APPROVED), plan, now)
            or beyond_caps(plan.rules, plan.opens_notional, self.opened_today(plan, now))
        )
        if refusal is not None:
            raise ApprovalRefused(f"{refusal}; nothing more is sent")
        self._session.rows(
            "UPDATE approvals SET status = ?, used_at = ? "
            "WHERE plan_digest = ? AND run_id = ? AND account = ? AND status = ?",
            ApprovalStatus.USED,
            now,
            plan.digest,
            plan.run_id,
            plan.account,
            ApprovalStatus.APPROVED,
        )

    def require_redeemed(self, approval: Approval, plan: TradingPlan) -> None:
        """Raise ApprovalRefused unless this approval was redeemed for exactly this plan."""
        known = self.get(approval.approval_id)
        if known is None or known.status is not ApprovalStatus.USED:
            raise ApprovalRefused(
                f"approval {approval.approval_id} was not redeemed; nothing was sent"
            )
        if not known.plan_digest == approval.digest == plan.digest:
            raise ApprovalRefused(
                f"approval {approval.approval_id} was redeemed for another plan; nothing was sent"
            )
        flaw = _flaw(self._with(plan, ApprovalStatus.USED), plan, None)
        if flaw is not None:
            raise ApprovalRefused(f"{flaw}; nothing was sent")

    def void(self, approval_id: str, reason: str, now: datetime) -> None:
        """Take back every yes to that one's plan that was not used: it no longer holds."""
        self._session.rows(
            "UPDATE approvals SET status = ?, reason = ?, decided_at = ? WHERE status = ? "
            "AND plan_digest = (SELECT plan_digest FROM approvals WHERE approval_id = ?)",
            ApprovalStatus.EXPIRED,
            reason,
            now,
            ApprovalStatus.APPROVED,
            approval_id,
        )

    def opened_today(self, plan: TradingPlan, now: datetime) -> Decimal:
        """What the account's other plans open that were used this day (UTC), or still may be."""
        midnight = datetime.combine(now.date(), time.min, now.tzinfo)
        rows = self._session.rows(OPENED_ON, plan.account, plan.digest, midnight, now)
        return Decimal(rows[0][0] or ZERO)

    def count(self, plan_digest: str) -> int:
        """How often this plan was put to a person."""
        return len(self._session.rows("SELECT 1 FROM approvals WHERE plan_digest = ?", plan_digest))

    def get(self, approval_id: str) -> ApprovalRequest | None:
        """One request, or None."""
        row = self._session.row("SELECT * FROM approvals WHERE approval_id = ?", approval_id)
        return None if row is None else _request(row)

    def of(self, run_id: RunId) -> tuple[ApprovalRequest, ...]:
        """The run's requests, oldest first."""
        return self._found("run_id = ? ORDER BY requested_at, rowid", run_id)

    def recent(self, accounts: Iterable[AccountId], limit: int) -> tuple[ApprovalRequest, ...]:
        """The last requests of these accounts, newest first."""
        where = "list_contains(?, account) ORDER BY requested_at DESC, rowid DESC LIMIT ?"
        return self._found(where, list(accounts), limit)

    def waiting(self, accounts: Iterable[AccountId], now: datetime) -> tuple[ApprovalRequest, ...]:
        """The requests of these accounts that somebody can still answer, newest first."""
        where = (
            "list_contains(?, account) AND status = ? AND expires_at > ? "
            "ORDER BY requested_at DESC, rowid DESC"
        )
        return self._found(where, list(accounts), ApprovalStatus.WAITING, now)

    def unchecked(self, account: AccountId, stage: str, since: datetime) -> tuple[RunId, ...]:
        """Runs whose orders have changed since they last completed that stage, if ever.

        Those whose approval was used since then, and that kept all terms of what was shown.
        """
        rows = self._session.rows(UNCHECKED, account, ApprovalStatus.USED, since, stage)
        return tuple(RunId(run_id) for (run_id,) in rows)

    def _with(self, plan: TradingPlan, status: ApprovalStatus) -> tuple[ApprovalRequest, ...]:
        """The plan's requests in that status, first signature first."""
        where = (
            "plan_digest = ? AND run_id = ? AND account = ? AND status = ? "
            "ORDER BY requested_at, rowid"
        )
        return self._found(where, plan.digest, plan.run_id, plan.account, status)

    def _found(self, where: str, *params: object) -> tuple[ApprovalRequest, ...]:
        rows = self._session.rows(f"SELECT * FROM approvals WHERE {where}", *params)  # noqa: S608
        return tuple(_request(row) for row in rows)


def _refusal(
    known: ApprovalRequest | None, approval: Approval, plan: TradingPlan, now: datetime
) -> str | None:
    if known is None:
        return f"approval {approval.approval_id}: no such approval"
    name = f"approval {known.approval_id}"
    if known.status is ApprovalStatus.USED:
        return f"{name} was used already at {known.used_at}"
    if known.status is not ApprovalStatus.APPROVED:
        return f"{name} is {known.status}, not approved"
    if not known.plan_digest == approval.digest == plan.digest:
        return (
            f"{name} is for plan {known.plan_digest[:12]}, not {plan.digest[:12]}: "
            "the digest is of another plan"
        )
    if (known.run_id, known.account) != (plan.run_id, plan.account):
        return f"{name} is for run {known.run_id} on account {known.account}"
    if (approval.run_id, approval.approver) != (known.run_id, known.approver):
        return f"{name} was given by {known.approver} to run {known.run_id}, not as presented"
    return _expired(known, now) if now >= known.expires_at else None


def _flaw(signed: Iterable[ApprovalRequest], plan: TradingPlan, now: datetime | None) -> str | None:
    """Why these rows are not the approval that the plan needs; without `now` at any time."""
    rows = list(signed)
    for row in rows:
        if now is not None and now >= row.expires_at:
            return _expired(row, now)
        if _shown(row) != plan.digest:
            return f"approval {row.approval_id}: what the person was shown is another plan"
    trigger_user = next((row.trigger_user for row in rows if row.trigger_user), None)
    names = [row.approver or "" for row in rows]
    return signatures_missing(names, plan.people_needed, plan.rules, trigger_user)


def _shown(request: ApprovalRequest) -> object:
    """The digest of the plan that the person was shown; None when it cannot be read."""
    try:
        shown = json.loads(request.plan)
    except ValueError:
        return None
    return shown.get("digest") if isinstance(shown, dict) else None


def _expired(known: ApprovalRequest, now: datetime) -> str:
    return f"approval {known.approval_id} expired at {known.expires_at}, it is {now}"


def _request(row: Row) -> ApprovalRequest:
    approval_id, run_id, account, digest, plan, status, approver, reason, *rest = row
    requested_at, expires_at, decided_at, used_at, *rest = rest
    orders, notional, opens_notional, signature, needed, triggered_by, trigger_user = rest
    return ApprovalRequest(
        approval_id=approval_id,
        run_id=run_id,
        account=account,
        plan_digest=digest,
        plan=plan,
        status=ApprovalStatus(status),
        approver=approver,
        reason=reason,
        requested_at=requested_at,
        expires_at=expires_at,
        decided_at=decided_at,
        used_at=used_at,
        orders=orders,
        notional=notional,
        opens_notional=opens_notional,
        signature=signature,
        signatures_needed=needed,
        triggered_by=triggered_by,
        trigger_user=trigger_user,
    )
