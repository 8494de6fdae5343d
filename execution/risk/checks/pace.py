"""Controls of what the account has done lately: how often, and how well."""

from __future__ import annotations

from decimal import Decimal

from execution.model.activity import REPEATS, Lock
from execution.model.money import quantize
from execution.model.order import OrderIntent
from execution.risk.checks.control import Finding, age, control, money
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook


@control("message rate", "max_orders_per_minute", number=4)
def message_rate(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order too many within a minute, those of this plan that leave at once included."""
    activity = outlook.account.activity
    if activity is None:
        return Finding(False, "orders_in_minute=unknown")
    count = 1 + activity.sent_last_minute + sum(_leaves(i, outlook) for i in outlook.approved)
    return Finding(
        not _leaves(intent, outlook) or count <= limits.max_orders_per_minute,
        f"orders_in_minute={count} max_orders_per_minute={limits.max_orders_per_minute}",
    )


@control("repeated-execution throttle", "max_repeats_per_day", number=5)
def repeated_execution(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny one wish too many of a strategy on an instrument in 24 hours, until a person says so.

    A wish that is sent in slices is one. The lock that a denial leads to has no end.
    """
    activity, locks = outlook.account.activity, outlook.account.locks
    if activity is None or locks is None:
        return Finding(False, "entries=unknown")
    key = (intent.strategy, intent.instrument_id)
    planned = {
        i.signal_time
        for i in outlook.approved
        if (i.strategy, i.instrument_id) == key and not i.reduce_only
    }
    count = 1 + activity.entries.get(key, 0) + len(planned - {intent.signal_time})
    off = [lock.lock_id for lock in locks if lock.protection == REPEATS and _covers(lock, intent)]
    return Finding(
        count <= limits.max_repeats_per_day and not off,
        f"entries={count} max_repeats_per_day={limits.max_repeats_per_day}"
        + (f" locked_until_a_person_lifts={off[0]}" if off else ""),
    )


@control("orders per day", "max_orders_per_day", number=14)
def orders_per_day(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order too many in the account's day; what only protects is not counted here."""
    activity = outlook.account.activity
    if activity is None:
        return Finding(False, "orders_today=unknown")
    count = 1 + activity.sent_today + sum(not i.protects for i in outlook.approved)
    return Finding(
        count <= limits.max_orders_per_day,
        f"orders_today={count} max_orders_per_day={limits.max_orders_per_day}",
    )


@control("max drawdown on equity", "max_drawdown_pct", number=25)
def drawdown(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening once the equity is its share below its peak."""
    peak, equity = outlook.account.equity_peak, outlook.equity
    lost = _lost(peak, equity)
    if lost is None:
        return Finding(False, f"equity_peak={money(peak)} equity={money(equity)}")
    return Finding(
        lost <= limits.max_drawdown_pct,
        f"drawdown_pct={lost:.4f} max_drawdown_pct={limits.max_drawdown_pct}",
    )


@control("daily loss", "max_daily_loss_pct", number=26)
def daily_loss(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening once the day has lost its share, realized and unrealized together."""
    start, equity = outlook.account.equity_day_open, outlook.equity
    lost = _lost(start, equity)
    if lost is None:
        return Finding(False, f"equity_day_open={start} equity={equity}")
    return Finding(
        lost <= limits.max_daily_loss_pct,
        f"daily_loss_pct={lost:.4f} max_daily_loss_pct={limits.max_daily_loss_pct}",
    )


@control("stop-loss streak", "max_stop_losses", "cooldown_min", number=27)
def stop_losses(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening after too many stop losses in a row, until the cooldown is over."""
    activity = outlook.account.activity
    if activity is None:
        return Finding(False, "stop_losses=unknown")
    count, since_s = activity.stop_losses_in_row, age(outlook.account.ts, activity.stop_loss_at)
    cooled = since_s is not None and since_s >= 60 * limits.cooldown_min
    return Finding(
        count < limits.max_stop_losses or cooled,
        f"stop_losses={count} max_stop_losses={limits.max_stop_losses} "
        f"cooled_down={cooled} cooldown_min={limits.cooldown_min}",
    )


@control("cooldown", number=27)
def locked(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening what a protection has locked."""
    locks = outlook.account.locks
    if locks is None:
        return Finding(False, "locks=unknown")
    found = [lock for lock in locks if lock.protection != REPEATS and _covers(lock, intent)]
    told = ",".join(lock.lock_id for lock in found) or "none"
    return Finding(not found, f"locks={told}")


def _covers(lock: Lock, intent: OrderIntent) -> bool:
    return lock.covers(intent.instrument_id, intent.strategy)


def _leaves(intent: OrderIntent, outlook: Outlook) -> bool:
    """Whether it is sent as soon as the plan is: neither its parent nor its time is waited for."""
    later = intent.not_before is not None and intent.not_before > outlook.account.ts
    return intent.parent_id is None and not later


def _lost(start: Decimal | None, equity: Decimal | None) -> Decimal | None:
    """The part of `start` that is gone; None when it cannot be told."""
    if start is None or equity is None or start <= 0:
        return None
    return quantize((start - equity) / start)
