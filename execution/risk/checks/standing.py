"""Controls of how things stand around an order: who allows it, and what is known just now.

`kill_switch` and `trading_state` are where an emergency stops everything but its own orders.
"""

from __future__ import annotations

from execution.model.enums import OrderType, RunMode, TimeInForce, TradingState
from execution.model.order import IN_FLIGHT, OrderIntent
from execution.risk.checks.control import Finding, age, control, seconds, young
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook


@control("session open", number=16)
def session_open(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening what the venue does not trade now, unless it can wait at its limit."""
    around = outlook.account.surroundings
    if around is None or around.closed is None:
        return Finding(False, "open=unknown")
    closed = intent.instrument_id in around.closed
    at_once = intent.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    waits = intent.order_type is OrderType.LIMIT and not at_once
    return Finding(not closed or waits, f"open={not closed} waits_at_its_limit={waits}")


@control("stale price", "max_quote_age_s", number=17)
def stale_price(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening without a price, or on one that is too old."""
    account = outlook.account
    quote = account.quotes.get(intent.instrument_id)
    if quote is None or intent.instrument_id not in account.marks:
        return Finding(False, "price_age_s=unknown")
    # A price of the future is held to the same limit: clocks differ, but not by much.
    age_s = abs(seconds(account.ts - quote.ts_event))
    return young("price_age_s", age_s, "max_price_age_s", seconds(quote.age_max))


@control("deployment limits fixed before go-live", number=21)
def limits_fixed(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening with real money under limits looser than those that a person has fixed."""
    around = outlook.account.surroundings
    if around is None:
        return Finding(False, "mode=unknown")
    if around.mode is not RunMode.LIVE:
        return Finding(True, f"mode={around.mode}")
    if around.limits_fixed is None:
        return Finding(False, "limits_fixed=none remedy=`regent live enable --config FILE`")
    looser = limits.looser_than(around.limits_fixed)
    return Finding(not looser, f"limits_fixed=True looser={','.join(looser) or 'none'}")


@control("kill function", number=22, opens_only=False)
def kill_switch(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny everything while an emergency stop is in force, but what it closes itself."""
    around = outlook.account.surroundings
    stops = None if around is None else around.stops
    told = "unknown" if stops is None else ",".join(stops) or "none"
    return Finding(stops == () or intent.flattens, f"stops={told}")


@control("reduce-only state", number=23, opens_only=False)
def trading_state(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """ACTIVE lets all pass, REDUCING what reduces, HALTED only what an emergency closes."""
    state = outlook.account.trading_state
    reduces = state is TradingState.REDUCING and intent.reduce_only
    halted = state is TradingState.HALTED and intent.flattens
    passed = state is TradingState.ACTIVE or reduces or halted
    return Finding(passed, f"trading_state={state} reduce_only={intent.reduce_only}")


@control("cancel on disconnect", "max_disconnect_s", number=24)
def disconnect(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening when the venue was not heard of for too long."""
    around = outlook.account.surroundings
    silent_s = None if around is None else age(around.now, around.heard_at)
    return young("silent_s", silent_s, "max_disconnect_s", limits.max_disconnect_s)


@control("real-time alerts", "max_alert_delay_s", number=29)
def alerts_delivered(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening while a critical alert reaches nobody."""
    around = outlook.account.surroundings
    if around is not None and around.alerts_waiting_since is None:
        return Finding(True, "alerts_waiting=none")
    waiting_s = None if around is None else age(around.now, around.alerts_waiting_since)
    return young("alerts_waiting_s", waiting_s, "max_alert_delay_s", limits.max_alert_delay_s)


@control("post-trade reconciliation", "max_reconciliation_age_s", number=30)
def reconciled(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening when the books were not compared with the venue for too long."""
    around, activity = outlook.account.surroundings, outlook.account.activity
    ago_s = age(around.now, activity.reconciled_at) if around and activity else None
    limit_s = limits.max_reconciliation_age_s
    return young("reconciled_ago_s", ago_s, "max_reconciliation_age_s", limit_s)


@control("account not blocked by the venue", opens_only=False)
def account_free(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny while the venue says that it takes no orders of the account, or does not say."""
    blocks = outlook.account.blocks
    told = "unknown" if blocks is None else ",".join(blocks) or "none"
    return Finding(blocks == (), f"blocks={told}")


@control("instrument not quarantined or in flight", opens_only=False)
def instrument_free(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny while books and venue disagree there, or an order's fate is unknown.

    What an emergency stop closes is held by both sides: a disagreement does not stop it.
    """
    quarantined = {intent.instrument_id, None} & outlook.account.quarantined
    unknown = [
        order.client_order_id
        for order in outlook.account.working
        if order.intent.instrument_id == intent.instrument_id and order.status in IN_FLIGHT
    ]
    return Finding(
        (not quarantined or intent.flattens) and not unknown,
        f"quarantined={bool(quarantined)} orders_in_flight={len(unknown)}",
    )
