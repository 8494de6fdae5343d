"""The verdict on a plan as a whole: every check on every intent."""

from __future__ import annotations

from collections.abc import Iterable

from execution.model.account import AccountView
from execution.model.order import OrderIntent
from execution.model.plan import RiskDecision, Verdict
from execution.risk.checks import CHECKS
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook


def review(
    intents: Iterable[OrderIntent], account: AccountView, limits: RiskLimits
) -> RiskDecision:
    """Run every check on every intent; one no is enough.

    Reducing orders go first, protective legs last: without its parent a leg has nothing to
    protect. Each approved intent counts for those after it, because two orders that pass
    alone can fail together.
    """
    outlook = Outlook(account=account, approved=())
    denied: list[OrderIntent] = []
    verdicts: list[Verdict] = []
    for intent in sorted(intents, key=lambda i: (i.protects, not i.reduce_only)):
        findings = {check.__name__: check(intent, outlook, limits) for check in CHECKS}
        verdicts += [
            Verdict(
                client_order_id=intent.client_order_id,
                check=name,
                passed=finding.passed,
                facts=finding.facts,
            )
            for name, finding in findings.items()
        ]
        if all(finding.passed for finding in findings.values()):
            outlook = outlook.after(intent)
        else:
            denied.append(intent)
    return RiskDecision(approved=outlook.approved, denied=tuple(denied), verdicts=tuple(verdicts))
