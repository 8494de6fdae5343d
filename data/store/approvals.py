"""Approvals: a person's word on one exact plan, good once and for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from data.store.session import Row, Session
from execution.errors import ApprovalRefused, InvariantBroken
from execution.model.identifiers import AccountId, RunId
from execution.model.plan import Approval, TradingPlan


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

    def request(self, approval_id: str, plan: TradingPlan, plan_json: str, now: datetime) -> None:
        """Ask for a plan to be approved; asking again for the same plan changes nothing."""
        known = self.get(approval_id)
        if known is not None and known.plan_digest != plan.digest:
            raise InvariantBroken(f"approval {approval_id} was asked for another plan")
        if known is not None:
            return
        asked = (approval_id, plan.run_id, plan.account, plan.digest, plan_json)
        waiting = (ApprovalStatus.WAITING, None, "", now, plan.expires_at, None, None)
        self._session.insert("approvals", [(*asked, *waiting)])

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
        """Use up a person's yes to exactly this plan; ApprovalRefused says why not.

        What counts is the row, not the object in hand. The transaction that redeems is the
        one that commits the intents: an approval is used if and only if they are written.
        """
        known = self.get(approval.approval_id)
        refusal = _refusal(known, approval, plan, now)
        if refusal is not None:
            raise ApprovalRefused(f"{refusal}; nothing more is sent")
        self._session.rows(
            "UPDATE approvals SET status = ?, used_at = ? WHERE approval_id = ?",
            ApprovalStatus.USED,
            now,
            approval.approval_id,
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

    def void(self, approval_id: str, reason: str, now: datetime) -> None:
        """Take back a yes that was not used: what it was given for no longer holds."""
        self._session.rows(
            "UPDATE approvals SET status = ?, reason = ?, decided_at = ? "
            "WHERE approval_id = ? AND status = ?",
            ApprovalStatus.EXPIRED,
            reason,
            now,
            approval_id,
            ApprovalStatus.APPROVED,
        )

    def count(self, plan_digest: str) -> int:
        """How often this plan was put to a person."""
        return len(self._session.rows("SELECT 1 FROM approvals WHERE plan_digest = ?", plan_digest))

    def get(self, approval_id: str) -> ApprovalRequest | None:
        """One request, or None."""
        row = self._session.row("SELECT * FROM approvals WHERE approval_id = ?", approval_id)
        return None if row is None else _request(row)

    def of(self, run_id: RunId) -> tuple[ApprovalRequest, ...]:
        """The run's requests, oldest first."""
        rows = self._session.rows(
            "SELECT * FROM approvals WHERE run_id = ? ORDER BY requested_at, rowid", run_id
        )
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


def _expired(known: ApprovalRequest, now: datetime) -> str:
    return f"approval {known.approval_id} expired at {known.expires_at}, it is {now}"


def _request(row: Row) -> ApprovalRequest:
    approval_id, run_id, account, digest, plan, status, approver, reason, *times = row
    requested_at, expires_at, decided_at, used_at = times
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
    )
