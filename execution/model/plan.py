"""The exact orders to be sent, with a digest that a person can approve."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from execution.model.approval import ApprovalRules
from execution.model.enums import RunMode
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    RunId,
    VenueId,
)
from execution.model.money import ZERO, plain
from execution.model.order import OrderIntent

# What a person types who approves a plan, or lets an installation trade with real money.
APPROVAL_PHRASE = "I UNDERSTAND THE RISKS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one check said of one intent; `facts` are `key=value`."""

    client_order_id: ClientOrderId
    check: str
    passed: bool
    facts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskDecision:
    """The verdict on a plan: what may be sent, what may not, and every check's word."""

    approved: tuple[OrderIntent, ...]
    denied: tuple[OrderIntent, ...]
    verdicts: tuple[Verdict, ...]

    def denials(self, client_order_id: ClientOrderId) -> tuple[Verdict, ...]:
        """The checks that said no to one intent."""
        return tuple(
            v for v in self.verdicts if v.client_order_id == client_order_id and not v.passed
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingPlan:
    """What will be sent if nobody says no; never changed, only made again."""

    run_id: RunId
    account: AccountId
    venue: VenueId
    mode: RunMode
    currency: str
    created_at: datetime  # UTC
    expires_at: datetime  # UTC; an approval after this is worth nothing
    decision: RiskDecision
    # What was held or on its way when the plan was made, in base units: where its
    # quantities start from. A plan that starts elsewhere is another plan.
    held: dict[InstrumentId, Decimal] = field(default_factory=dict)
    # Who must approve it, and the caps: in the digest, so they cannot be lessened afterwards.
    rules: ApprovalRules = field(default_factory=ApprovalRules)

    @property
    def intents(self) -> tuple[OrderIntent, ...]:
        """The intents that risk approved, in the order they are sent."""
        return self.decision.approved

    @property
    def notional(self) -> Decimal:
        """Sum of the approved intents' worth, in the account's currency.

        What only protects one of them is not counted again.
        """
        return sum((i.notional for i in self.intents if not i.protects), ZERO)

    @property
    def opens_notional(self) -> Decimal:
        """What of `notional` may open or enlarge a position: what the caps are about."""
        return sum((i.notional for i in self.intents if not i.reduce_only), ZERO)

    @property
    def people_needed(self) -> int:
        """How many different people must approve it."""
        return self.rules.people_needed(self.notional)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides what is sent, when and where; 64 hex."""
        body = {
            "run_id": self.run_id,
            "account": self.account,
            "venue": self.venue,
            "mode": self.mode.value,
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "approval": {
                "people_needed": self.people_needed,
                "two_person_above": _exact(self.rules.two_person_above),
                "notional_max": _exact(self.rules.notional_max),
                "daily_notional_max": _exact(self.rules.daily_notional_max),
                "approvers": self.rules.approvers,
            },
            "held": {str(i): _exact(qty) for i, qty in sorted(self.held.items())},
            "intents": [
                {
                    "client_order_id": i.client_order_id,
                    "instrument": str(i.instrument_id),
                    "side": i.side.value,
                    "order_qty": _exact(i.order_qty),
                    "order_type": i.order_type.value,
                    "limit_px": _exact(i.limit_px),
                    "stop_loss": _exact(i.stop_loss),
                    "take_profit": _exact(i.take_profit),
                    "time_in_force": i.time_in_force.value,
                    "reduce_only": i.reduce_only,
                    "px_ref": _exact(i.px_ref),
                    "stop_px": _exact(i.stop_px),
                    "trail_pct": _exact(i.trail_pct),
                    "post_only": i.post_only,
                    "display_qty": _exact(i.display_qty),
                    "expire_at": _iso(i.expire_at),
                    "not_before": _iso(i.not_before),
                    "parent_id": i.parent_id,
                    "group_id": i.group_id,
                }
                for i in self.intents
            ],
        }
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _exact(value: Decimal | None) -> str | None:
    """One text for one number, however many zeros it came with."""
    return None if value is None else plain(value)


def _iso(ts: datetime | None) -> str | None:
    """One text for one moment, whichever zone it came in."""
    return None if ts is None else ts.astimezone(UTC).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's yes to one exact plan; worth nothing without its row in the ledger."""

    approval_id: str
    run_id: RunId
    digest: str
    approver: str
    decided_at: datetime  # UTC
    expires_at: datetime  # UTC
