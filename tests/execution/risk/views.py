"""Accounts as risk sees them: 100,000 USD, everything known, every price 100."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from execution.model.account import AccountView, Quote, Surroundings
from execution.model.activity import Activity
from execution.model.enums import OrderStatus as S
from execution.model.enums import OrderType, RunMode, TradingState
from execution.model.identifiers import InstrumentId
from execution.model.order import Order, OrderIntent
from execution.model.position import Position
from execution.risk.checks import CHECKS, Finding
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook
from tests.execution.examples import (
    AAPL,
    ACCOUNT,
    MSFT,
    NOW,
    VENUE,
    make_instrument,
    make_intent,
    make_order,
)

IBM = InstrumentId("IBM", VENUE)
LIMITS = RiskLimits()
ALL_CHECKS = [check.code for check in CHECKS]
AROUND = Surroundings(
    now=NOW,
    mode=RunMode.DRY_RUN,
    heard_at=NOW,
    closed=frozenset(),
    stops=(),
    limits_fixed=None,
    alerts_waiting_since=None,
)
IDLE = Activity(
    sent_last_minute=0,
    sent_today=0,
    entries={},
    failed_in_row=0,
    venue_errors=0,
    stop_losses_in_row=0,
    reconciled_at=NOW,
    sent_lately=(),
)


def make_view(**changes: object) -> AccountView:
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "currency": "USD",
        "cash": Decimal(100_000),
        "buying_power": Decimal(100_000),
        "positions": {},
        "working": (),
        "marks": {AAPL: Decimal(100), MSFT: Decimal(100), IBM: Decimal(100)},
        "equity_day_open": Decimal(100_000),
        "trading_state": TradingState.ACTIVE,
        "quarantined": frozenset(),
        "blocks": (),
        "ts": NOW,
        "equity_peak": Decimal(100_000),
        "activity": IDLE,
        "locks": (),
        "surroundings": AROUND,
        "instruments": {i: make_instrument(i) for i in (AAPL, MSFT, IBM)},
        "quotes": {
            i: Quote(ts_event=NOW, age_max=timedelta(minutes=5), adv=Decimal(1_000_000))
            for i in (AAPL, MSFT, IBM)
        },
    }
    return AccountView(**(values | changes))


def holding(**qty_by_symbol: int) -> dict[InstrumentId, Position]:
    """Positions such as `holding(AAPL=10, MSFT=-5)`, bought at 100."""
    ids = {symbol: InstrumentId(symbol, VENUE) for symbol in qty_by_symbol}
    return {
        ids[symbol]: Position(
            account=ACCOUNT,
            instrument_id=ids[symbol],
            net_qty=Decimal(qty),
            avg_px=Decimal(100),
        )
        for symbol, qty in qty_by_symbol.items()
    }


def working(
    client_order_id: str, *, status: S = S.ACCEPTED, cum_qty: int = 0, **intent: object
) -> Order:
    order = make_order(client_order_id, status=status, cum_qty=Decimal(cum_qty))
    return replace(order, intent=at_limit(client_order_id, **intent))


def around(**changes: object) -> Surroundings:
    return replace(AROUND, **changes)


def lately(**changes: object) -> Activity:
    return replace(IDLE, **changes)


def at_limit(client_order_id: str = "order-a", **intent: object) -> OrderIntent:
    """An order that pays 100 at the most: a limit, unless it is of another type.

    So it counts as what it is worth at the mark, and as no cent more.
    """
    plain = intent.get("order_type", OrderType.LIMIT) is OrderType.LIMIT
    return make_intent(client_order_id, **(({"limit_px": Decimal(100)} if plain else {}) | intent))


def passes(check: str, view: AccountView, limits: RiskLimits = LIMITS, **intent: object) -> bool:
    """Whether one check alone lets one intent pass."""
    return _ask(check, view, limits, intent).passed


def facts(check: str, view: AccountView, limits: RiskLimits = LIMITS, **intent: object) -> str:
    """What one check says of one intent."""
    return _ask(check, view, limits, intent).facts


def _ask(check: str, view: AccountView, limits: RiskLimits, intent: dict[str, Any]) -> Finding:
    control = {c.code: c for c in CHECKS}[check]
    return control(at_limit(**intent), Outlook.of(view, limits), limits)
