"""The lock that the repeated-execution throttle leads to: off until a person lifts it."""

from __future__ import annotations

import hashlib

from execution.model.account import AccountView
from execution.model.activity import REPEATS, Lock
from execution.model.order import OrderIntent
from execution.model.plan import RiskDecision
from execution.risk.checks.pace import repeated_execution
from execution.risk.limits import RiskLimits


def repeats(decision: RiskDecision, account: AccountView, limits: RiskLimits) -> tuple[Lock, ...]:
    """The locks to make, one a strategy and instrument that have wished too often.

    None where one is in force, and none because a count is not known.
    """
    if account.activity is None or account.locks is None:
        return ()
    found: dict[str, Lock] = {}
    for intent in decision.denied:
        said = (v.check for v in decision.denials(intent.client_order_id))
        known = any(
            lock.protection == REPEATS and lock.covers(intent.instrument_id, intent.strategy)
            for lock in account.locks
        )
        if repeated_execution.code in said and not known:
            lock = _lock(intent, account, limits)
            found[lock.lock_id] = lock
    return tuple(found.values())


def _lock(intent: OrderIntent, account: AccountView, limits: RiskLimits) -> Lock:
    words = (account.account, intent.strategy, str(intent.instrument_id), account.ts.isoformat())
    return Lock(
        lock_id=f"repeats-{hashlib.sha256('/'.join(words).encode()).hexdigest()[:8]}",
        account=account.account,
        protection=REPEATS,
        reason=f"{intent.strategy} wished {intent.instrument_id} more than "
        f"{limits.max_repeats_per_day} times in 24 hours",
        made_at=account.ts,
        until=None,
        instrument_id=intent.instrument_id,
        strategy=intent.strategy,
    )
