"""Plans as JSON: what a person was shown, kept word for word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.order import OrderIntent
from execution.model.plan import TradingPlan
from tasks import figures

APPROVAL_STAGE = "approval-comparison"  # where a run keeps what `tasks.approved` found


def plan_document(plan: TradingPlan) -> str:
    """The plan as JSON, with its digest and every verdict."""
    return json.dumps(
        {
            "digest": plan.digest,
            "run_id": plan.run_id,
            "account": plan.account,
            "venue": plan.venue,
            "mode": plan.mode,
            "currency": plan.currency,
            "created_at": plan.created_at.isoformat(),
            "expires_at": plan.expires_at.isoformat(),
            "people_needed": plan.people_needed,
            "approvers": plan.rules.approvers,
            "approved": [intent_fields(i) for i in plan.intents],
            "denied": [intent_fields(i) for i in plan.decision.denied],
            "verdicts": [
                {
                    "client_order_id": v.client_order_id,
                    "check": v.check,
                    "passed": v.passed,
                    "facts": v.facts,
                }
                for v in plan.decision.verdicts
            ],
        },
        indent=1,
    )


def intent_fields(intent: OrderIntent) -> dict[str, Any]:
    """One intent as plain values; numbers as exact text."""
    return {
        "client_order_id": intent.client_order_id,
        "instrument": str(intent.instrument_id),
        "strategy": intent.strategy,
        "signal_time": intent.signal_time.isoformat(),
        "leg": intent.leg,
        "side": intent.side,
        "order_qty": f"{intent.order_qty:f}",
        "order_type": intent.order_type,
        "terms": figures.terms(intent),
        "limit_px": None if intent.limit_px is None else f"{intent.limit_px:f}",
        "stop_px": None if intent.stop_px is None else f"{intent.stop_px:f}",
        "trail_pct": None if intent.trail_pct is None else f"{intent.trail_pct:f}",
        "post_only": intent.post_only,
        "display_qty": None if intent.display_qty is None else f"{intent.display_qty:f}",
        "expire_at": None if intent.expire_at is None else intent.expire_at.isoformat(),
        "parent_id": intent.parent_id,
        "group_id": intent.group_id,
        "not_before": None if intent.not_before is None else intent.not_before.isoformat(),
        "time_in_force": intent.time_in_force,
        "reduce_only": intent.reduce_only,
        "px_ref": f"{intent.px_ref:f}",
        "notional": f"{intent.notional:f}",
        "confidence": f"{intent.confidence:f}",
        "reason": intent.reason,
    }


def approved_intents(document: str) -> tuple[OrderIntent, ...]:
    """The orders of a plan that a person was shown, read back from its JSON in all their terms."""
    plan = json.loads(document)
    return tuple(_intent(fields, AccountId(plan["account"])) for fields in plan["approved"])


def _intent(fields: Mapping[str, Any], account: AccountId) -> OrderIntent:
    return OrderIntent(
        client_order_id=fields["client_order_id"],
        account=account,
        instrument_id=InstrumentId.parse(fields["instrument"]),
        strategy=fields["strategy"],
        signal_time=datetime.fromisoformat(fields["signal_time"]),
        leg=fields["leg"],
        side=OrderSide(fields["side"]),
        order_qty=Decimal(fields["order_qty"]),
        order_type=OrderType(fields["order_type"]),
        time_in_force=TimeInForce(fields["time_in_force"]),
        reduce_only=fields["reduce_only"],
        px_ref=Decimal(fields["px_ref"]),
        confidence=Decimal(fields["confidence"]),
        reason=fields["reason"],
        limit_px=_number(fields.get("limit_px")),
        stop_px=_number(fields.get("stop_px")),
        trail_pct=_number(fields.get("trail_pct")),
        post_only=fields.get("post_only", False),
        display_qty=_number(fields.get("display_qty")),
        expire_at=_moment(fields.get("expire_at")),
        not_before=_moment(fields.get("not_before")),
        parent_id=fields.get("parent_id"),
        group_id=fields.get("group_id"),
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
