"""A plan intent by intent: what risk decided, and the word of every check."""

from __future__ import annotations

from dataclasses import dataclass

from execution.model.order import OrderIntent
from execution.model.plan import TradingPlan, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """One intent with the word of every check."""

    intent: OrderIntent
    approved: bool
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> int:
        """How many checks said yes."""
        return sum(v.passed for v in self.verdicts)

    @property
    def denials(self) -> tuple[Verdict, ...]:
        """The checks that said no."""
        return tuple(v for v in self.verdicts if not v.passed)


def reviewed(plan: TradingPlan) -> tuple[Reviewed, ...]:
    """The plan's intents, those to be sent first, each with its verdicts."""
    decision = plan.decision
    return tuple(
        Reviewed(
            intent=intent,
            approved=approved,
            verdicts=tuple(
                v for v in decision.verdicts if v.client_order_id == intent.client_order_id
            ),
        )
        for approved, intents in ((True, decision.approved), (False, decision.denied))
        for intent in intents
    )
