"""Plans as JSON: what a person was shown, kept word for word."""

from __future__ import annotations

import json
from typing import Any

from execution.model.order import OrderIntent
from execution.model.plan import TradingPlan
from tasks import figures


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
        "parent_id": intent.parent_id,
        "not_before": None if intent.not_before is None else intent.not_before.isoformat(),
        "time_in_force": intent.time_in_force,
        "reduce_only": intent.reduce_only,
        "px_ref": f"{intent.px_ref:f}",
        "notional": f"{intent.notional:f}",
        "confidence": f"{intent.confidence:f}",
        "reason": intent.reason,
    }
