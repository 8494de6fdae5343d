"""Accounts as risk sees them: 100,000 USD, everything known, every price 100."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from execution.model.account import AccountView
from execution.model.enums import OrderStatus as S
from execution.model.enums import TradingState
from execution.model.identifiers import InstrumentId
from execution.model.order import Order
from execution.model.position import Position
from execution.risk.checks import CHECKS
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook
from tests.execution.examples import AAPL, ACCOUNT, MSFT, NOW, VENUE, make_intent, make_order

IBM = InstrumentId("IBM", VENUE)
LIMITS = RiskLimits()
ALL_CHECKS = [check.__name__ for check in CHECKS]


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
    return make_order(client_order_id, intent=intent, status=status, cum_qty=Decimal(cum_qty))


def passes(
    check: str,
    view: AccountView,
    limits: RiskLimits = LIMITS,
    **intent: object,
) -> bool:
    """Whether one check alone lets one intent pass."""
    function = {c.__name__: c for c in CHECKS}[check]
    return function(make_intent(**intent), Outlook(account=view, approved=()), limits).passed


def facts(check: str, view: AccountView, limits: RiskLimits = LIMITS, **intent: object) -> str:
    """What one check says of one intent."""
    function = {c.__name__: c for c in CHECKS}[check]
    return function(make_intent(**intent), Outlook(account=view, approved=()), limits).facts
