"""The verdict on a plan as a whole: every check on every intent."""

from __future__ import annotations

from collections.abc import Iterable

from execution.errors import InvariantBroken
from execution.model.account import AccountView
from execution.model.order import OrderIntent
from execution.model.plan import RiskDecision, Verdict
from execution.risk.checks import CHECKS, Control, Finding
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook

ERROR = "error="  # how the facts of a check that failed begin


def review(
    intents: Iterable[OrderIntent], account: AccountView, limits: RiskLimits
) -> RiskDecision:
    """Run every check on every intent; one no is enough, and so is a check that fails.

    Reducing orders go first, protective legs last: without its parent a leg has nothing to
    protect. Each approved intent counts for those after it, because two orders that pass
    alone can fail together. An entry whose stop or target is denied is denied with it: it
    was wished with a protection. It always decides: what a check raises is a denial.
    """
    given = tuple(intents)
    decision = _review(given, account, limits)
    bare = {i.parent_id for i in decision.denied if i.parent_id is not None}
    bare &= {i.client_order_id for i in decision.approved}
    if not bare:
        return decision
    lost = [i for i in given if {i.client_order_id, i.parent_id} & bare]
    ids = {i.client_order_id for i in lost}
    rest = review([i for i in given if i.client_order_id not in ids], account, limits)
    told = [v for v in decision.verdicts if v.client_order_id in ids]
    alone = [_verdict(i, "protection", "a leg of its group is denied") for i in lost]
    return RiskDecision(
        approved=rest.approved,
        denied=(*rest.denied, *lost),
        verdicts=(*rest.verdicts, *told, *alone),
    )


def broken(decision: RiskDecision) -> tuple[Verdict, ...]:
    """The denials because one of our own rules was broken: a person has to look."""
    said = f"{ERROR}{InvariantBroken.__name__}"
    return tuple(v for v in decision.verdicts if v.facts.startswith(said))


def ask(control: Control, intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """A control's word; one that raises could not tell, and that is a no."""
    try:
        return control(intent, outlook, limits)
    except Exception as error:  # noqa: BLE001 - whatever it was, nobody said yes
        return Finding(False, _failed(error))


def _review(
    intents: tuple[OrderIntent, ...], account: AccountView, limits: RiskLimits
) -> RiskDecision:
    """One pass over all of them."""
    try:
        outlook = Outlook.of(account, limits)
    except Exception as error:  # noqa: BLE001 - an account that cannot be read allows nothing
        return RiskDecision(
            approved=(),
            denied=intents,
            verdicts=tuple(_verdict(i, c.code, _failed(error)) for i in intents for c in CHECKS),
        )
    denied: list[OrderIntent] = []
    verdicts: list[Verdict] = []
    for intent in sorted(intents, key=lambda i: (i.protects, not i.reduce_only)):
        findings = [(check.code, ask(check, intent, outlook, limits)) for check in CHECKS]
        verdicts += [_verdict(intent, code, f.facts, passed=f.passed) for code, f in findings]
        after = outlook
        if all(finding.passed for _, finding in findings):
            try:
                after = outlook.after(intent)
            except Exception as error:  # noqa: BLE001 - what cannot be counted is not sent
                verdicts.append(_verdict(intent, "outlook", _failed(error)))
        if after is outlook:
            denied.append(intent)
        outlook = after
    return RiskDecision(approved=outlook.approved, denied=tuple(denied), verdicts=tuple(verdicts))


def _verdict(intent: OrderIntent, check: str, facts: str, *, passed: bool = False) -> Verdict:
    return Verdict(client_order_id=intent.client_order_id, check=check, passed=passed, facts=facts)


def _failed(error: Exception) -> str:
    return f"{ERROR}{type(error).__name__}"
