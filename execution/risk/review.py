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
    alone can fail together. An entry whose stop or target is denied is denied with it: it
    was wished with a protection.
    """
    given = tuple(intents)
    decision = _review(given, account, limits)
    bare = {i.parent_id for i in decision.denied if i.parent_id is not None}
    bare &= {i.client_order_id for i in decision.approved}
    if not bare:
        return decision
    lost = [i for i in given if {i.client_order_id, i.parent_id} & bare]
    rest = review([i for i in given if i not in lost], account, limits)
    told = [
        v for v in decision.verdicts if any(v.client_order_id == i.client_order_id for i in lost)
    ]
    alone = [
        Verdict(
            client_order_id=i.client_order_id,
            check="protection",
            passed=False,
            facts="a leg of its group is denied",
        )
        for i in lost
    ]
    return RiskDecision(
        approved=rest.approved,
        denied=(*rest.denied, *lost),
        verdicts=(*rest.verdicts, *told, *alone),
    )


def _review(
    intents: Iterable[OrderIntent], account: AccountView, limits: RiskLimits
) -> RiskDecision:
    """One pass over all of them."""
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
