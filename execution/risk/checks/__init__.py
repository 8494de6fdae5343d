"""The risk controls: one function each, with its number, name, code and limits.

Each looks at one intent and at the account with every intent approved before it, and every
order still working, counted at once and at the worst price inside the collar. Unknown means
no; exactly the limit is allowed. An order that only reduces passes every limit, but not what
keeps the books right: a halt, a quarantine, an order in flight on its instrument, the venue's
steps, reduce-only itself, an id that is under way, a match with ourselves. One that protects
what is held, or what its parent opens, is no change under way: it counts for nothing but
itself.

The numbers are those of the usual list of pre- and post-trade controls (SEC 15c3-5, MiFID
RTS 6 Arts 9, 12, 15 to 17); what has none is ours.
"""

from __future__ import annotations

from execution.risk.checks.control import Control, Finding, control
from execution.risk.checks.exposure import (
    buying_power,
    concentration,
    exposure,
    leverage,
    min_balance,
    net_exposure,
    open_orders,
    position_size,
    positions_count,
    unfilled,
)
from execution.risk.checks.order import (
    confidence,
    duplicate_order,
    order_steps,
    order_value,
    order_volume,
    participation,
    price_collar,
    reduce_only,
    restricted,
    self_match,
    signal_age,
)
from execution.risk.checks.pace import (
    daily_loss,
    drawdown,
    locked,
    message_rate,
    orders_per_day,
    repeated_execution,
    stop_losses,
)
from execution.risk.checks.standing import (
    account_free,
    alerts_delivered,
    disconnect,
    instrument_free,
    kill_switch,
    limits_fixed,
    reconciled,
    session_open,
    stale_price,
    trading_state,
)

__all__ = ["CHECKS", "STANDING", "Control", "Finding", "control"]

# All of them, in the order of their numbers; what is left out here is not looked at.
CHECKS: tuple[Control, ...] = (
    price_collar,  # 1
    order_value,
    order_volume,
    message_rate,
    repeated_execution,  # 5
    duplicate_order,
    buying_power,
    min_balance,
    open_orders,
    position_size,
    exposure,  # 10
    net_exposure,
    leverage,
    concentration,
    restricted,
    orders_per_day,
    order_steps,  # 15
    session_open,
    stale_price,
    reduce_only,
    self_match,
    participation,  # 20
    limits_fixed,
    kill_switch,
    trading_state,
    disconnect,
    drawdown,  # 25
    daily_loss,
    stop_losses,
    locked,
    unfilled,
    alerts_delivered,
    reconciled,  # 30
    account_free,
    instrument_free,
    positions_count,
    confidence,
    signal_age,
)

# What has to hold whenever something opens, however long ago that was planned.
STANDING: tuple[Control, ...] = (
    min_balance,
    restricted,
    session_open,
    stale_price,
    limits_fixed,
    kill_switch,
    trading_state,
    disconnect,
    drawdown,
    daily_loss,
    stop_losses,
    locked,
    alerts_delivered,
    reconciled,
    account_free,
    instrument_free,
)
