"""Locks made of what has gone wrong lately."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.model.activity import Lock
from execution.model.enums import OrderSide
from execution.model.identifiers import InstrumentId, TradeId
from execution.model.worth import Worth
from execution.portfolio.trades import ClosedBy, Trade
from execution.risk.protections import (
    CooldownPeriod,
    History,
    LowProfitInstruments,
    MaxDrawdown,
    StoplossGuard,
    locks,
)
from tests.execution.examples import AAPL, ACCOUNT, MSFT, NOW

HOUR = timedelta(hours=1)


def make_trade(hours_ago: float, pnl: str = "-1", **changes: Any) -> Trade:  # noqa: ANN401
    closed_at = NOW - hours_ago * HOUR
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "instrument_id": AAPL,
        "strategy": None,
        "side": OrderSide.BUY,
        "qty": Decimal(1),
        "cost": Decimal(100),
        "pnl": Decimal(pnl),
        "opened_at": closed_at - HOUR,
        "closed_at": closed_at,
        "closed_by": ClosedBy.STOP,
        "last_trade_id": TradeId(f"T-{hours_ago}"),
    }
    return Trade(**(values | changes))


def history(*trades: Trade, worths: tuple[Worth, ...] = ()) -> History:
    return History(account=ACCOUNT, trades=trades, worths=worths)


GUARD = StoplossGuard(
    method="stoploss_guard", lookback_h=Decimal(24), trade_limit=2, stop_h=Decimal(4)
)
GUARD_EACH = GUARD.model_copy(update={"per_instrument": True})


def held(found: tuple[Lock, ...]) -> list[tuple[InstrumentId | None, float]]:
    """What is locked, and for how many hours from now."""
    return [(k.instrument_id, (k.until - NOW) / HOUR) for k in found if k.until]


def test_the_stop_loss_guard_locks_all_from_the_last_loss_on():
    lost = (make_trade(24), make_trade(1, instrument_id=MSFT))

    assert held(locks([GUARD], history(*lost), NOW)) == [(None, 3)]
    assert locks([GUARD], history(lost[1]), NOW) == ()
    assert locks([GUARD], history(*lost), NOW + timedelta(seconds=1)) == ()  # one is too old


def test_the_guard_of_each_instrument_counts_each_by_itself():
    mixed = (make_trade(3), make_trade(2, instrument_id=MSFT), make_trade(1))

    assert held(locks([GUARD_EACH], history(*mixed), NOW)) == [(AAPL, 3)]


def test_what_closed_with_a_profit_or_by_a_signal_is_no_stop_loss():
    fine = (make_trade(2, "0"), make_trade(1, closed_by=ClosedBy.SIGNAL), make_trade(0.5))

    assert locks([GUARD], history(*fine), NOW) == ()


def test_a_liquidation_counts_as_a_stop_loss():
    assert locks(
        [GUARD], history(make_trade(2), make_trade(1, closed_by=ClosedBy.LIQUIDATION)), NOW
    )


def worths(*units: str) -> tuple[Worth, ...]:
    """Worth of a unit, an hour apart; the last one is of now."""
    return tuple(
        Worth(unit=Decimal(unit), ts=NOW - (len(units) - 1 - n) * HOUR)
        for n, unit in enumerate(units)
    )


def test_max_drawdown_looks_at_the_equity_within_the_lookback():
    method = MaxDrawdown(
        method="max_drawdown",
        lookback_h=Decimal(2),
        stop_h=Decimal(6),
        max_drawdown_pct=Decimal("0.05"),
    )

    assert locks([method], history(worths=worths("1", "0.97", "0.95")), NOW) == ()
    assert held(locks([method], history(worths=worths("1", "0.94", "0.96")), NOW)) == [(None, 5)]
    # The peak lies before the lookback.
    assert locks([method], history(worths=worths("2", "1", "1", "0.99")), NOW) == ()


def test_an_instrument_that_brings_too_little_is_left_alone():
    method = LowProfitInstruments(
        method="low_profit_instruments",
        lookback_h=Decimal(48),
        stop_h=Decimal(10),
        trade_limit=2,
        required_profit=Decimal("0.01"),
    )
    fair = (make_trade(3, "2", instrument_id=MSFT), make_trade(2, "-1", instrument_id=MSFT))
    poor = (make_trade(3, "2"), make_trade(1, "-1.01"))

    assert held(locks([method], history(*fair, *poor), NOW)) == [(AAPL, 9)]
    assert locks([method], history(poor[1]), NOW) == ()  # one trade is no judgment


def test_the_cooldown_period_locks_what_was_just_closed():
    method = CooldownPeriod(method="cooldown_period", stop_h=Decimal(2))
    closed = (make_trade(3, "9", instrument_id=MSFT), make_trade(1.5, "9"))

    assert held(locks([method], history(*closed), NOW)) == [(AAPL, 0.5)]
    assert locks([method], history(*closed), NOW + HOUR / 2) == ()


@pytest.mark.parametrize("method", [GUARD, GUARD_EACH])
def test_made_twice_a_lock_is_one_and_new_losses_make_another(method: StoplossGuard):
    first = (make_trade(3), make_trade(2))

    [now] = locks([method, method], history(*first), NOW)
    [later] = locks([method], history(*first), NOW + HOUR)
    [another] = locks([method], history(*first, make_trade(1)), NOW)

    assert now.lock_id == later.lock_id != another.lock_id
    assert now.until != another.until
