"""Every control: the order that it alone denies, and the one just inside its limit.

Each goes through the whole review. So a control that is dropped from the list lets its order
pass, which the last test shows for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from execution.model.account import AccountView, Quote
from execution.model.activity import REPEATS, Lock, Sent
from execution.model.enums import OrderSide, OrderType, RunMode, TradingState
from execution.model.identifiers import ClientOrderId, InstrumentId, StrategyId
from execution.model.order import OrderIntent
from execution.model.plan import RiskDecision
from execution.risk.checks import CHECKS, STANDING
from execution.risk.limits import RiskLimits
from execution.risk.review import review
from tests.execution.examples import AAPL, ACCOUNT, MSFT, NOW, make_instrument
from tests.execution.risk.views import (
    ALL_CHECKS,
    LIMITS,
    around,
    at_limit,
    holding,
    lately,
    make_view,
    working,
)

BUY, SELL = OrderSide.BUY, OrderSide.SELL
DONCHIAN = StrategyId("donchian")
A_MICROSECOND = timedelta(microseconds=1)


def d(text: str) -> Decimal:
    return Decimal(text)


def ago(**since: int) -> datetime:
    return NOW - timedelta(**since)


ORDER, ACCOUNT_AT_REST = at_limit(), make_view()


@dataclass(frozen=True)
class Case:
    """An order on an account; 10 AAPL at 100 with 100,000 USD, unless said otherwise."""

    intent: OrderIntent = ORDER
    view: AccountView = ACCOUNT_AT_REST
    limits: RiskLimits = LIMITS

    def decide(self) -> RiskDecision:
        return review([self.intent], self.view, self.limits)


def order(**intent: object) -> Case:
    return Case(intent=at_limit(**intent))


def account(**view: object) -> Case:
    return Case(view=make_view(**view))


def acting(**activity: object) -> Case:
    return account(activity=lately(**activity))


def standing(**surroundings: object) -> Case:
    return account(surroundings=around(**surroundings))


def under(qty: int = 10, view: Mapping[str, object] | None = None, **limits: object) -> Case:
    """An order of `qty` under other limits."""
    intent, seen = at_limit(order_qty=Decimal(qty)), make_view(**(view or {}))
    return Case(intent=intent, view=seen, limits=RiskLimits(**limits))


def held(qty: int) -> dict[str, object]:
    """So many MSFT, of 100,000 USD in all."""
    return {"cash": Decimal(100_000 - 100 * qty), "positions": holding(MSFT=qty)}


def of_market(**view: object) -> Case:
    """A market order: it cannot wait at its limit."""
    return Case(at_limit(order_type=OrderType.MARKET), make_view(**view))


def closing(qty: int) -> Case:
    intent = at_limit(side=SELL, reduce_only=True, order_qty=Decimal(qty))
    return Case(intent, make_view(positions=holding(AAPL=10)))


def quoted(since: timedelta = timedelta(), adv: int = 1_000_000) -> dict[InstrumentId, Quote]:
    price = Quote(ts_event=NOW - since, age_max=timedelta(minutes=5), adv=Decimal(adv))
    return {AAPL: price}


def resting(limit_px: str) -> Case:
    """Ours, on the other side of the book."""
    sale = working("exit", side=SELL, reduce_only=True, limit_px=Decimal(limit_px))
    sent_at = {ClientOrderId("exit"): NOW}
    return account(positions=holding(AAPL=10), working=(sale,), sent_at=sent_at)


def sent(since: timedelta) -> Case:
    like = Sent(
        client_order_id=ClientOrderId("another"),
        strategy=DONCHIAN,
        instrument_id=AAPL,
        side=OrderSide.BUY,
        order_qty=Decimal(10),
        ts_init=NOW - since,
    )
    return acting(sent_lately=(like,))


def waiting(since: timedelta) -> Case:
    """An order of ours on the instrument, open since then."""
    sent_at = {ClientOrderId("another"): NOW - since}
    return account(working=(working("another"),), sent_at=sent_at)


def lock(instrument_id: InstrumentId | None, protection: str = "stoploss guard") -> Lock:
    return Lock(
        lock_id="lock-1",
        account=ACCOUNT,
        protection=protection,
        reason="a test",
        made_at=NOW,
        until=None,
        instrument_id=instrument_id,
    )


LIVE = {"mode": RunMode.LIVE}
NET, GROSS = {"max_net_exposure_pct": 1}, {"max_exposure_pct": d("0.95")}
TECH = {"groups": {"tech": ("aapl", "X:MSFT")}, "max_group_exposure_pct": d("0.50")}

# For each control an order that it alone denies, and one just inside.
CASES: dict[str, tuple[Case, Case]] = {
    "price_collar": (order(limit_px=d("102.01")), order(limit_px=d("102"))),
    "order_value": (under(11, max_order_value=1_000), under(10, max_order_value=1_000)),
    "order_volume": (under(11, max_order_volume=10), under(10, max_order_volume=10)),
    "message_rate": (acting(sent_last_minute=60), acting(sent_last_minute=59)),
    "repeated_execution": (
        acting(entries={(DONCHIAN, AAPL): 24}),
        acting(entries={(DONCHIAN, AAPL): 23, (DONCHIAN, MSFT): 24}),
    ),
    "duplicate_order": (sent(timedelta(seconds=59)), sent(timedelta(seconds=60))),
    "buying_power": (account(buying_power=d("1009.99")), account(buying_power=d("1010"))),
    "min_balance": (under(min_balance=d("100000.01")), under(min_balance=100_000)),
    "open_orders": tuple(
        under(
            view={"working": [working(f"order-{n}", instrument_id=MSFT) for n in range(count)]},
            max_open_orders=3,
        )
        for count in (3, 2)
    ),
    "position_size": (order(order_qty=d("201")), order(order_qty=d("200"))),
    "exposure": (under(151, held(800), **NET), under(150, held(800), **NET)),
    "net_exposure": (
        under(101, held(400), max_net_exposure_pct=d("0.5")),
        under(100, held(400), max_net_exposure_pct=d("0.5")),
    ),
    "leverage": (
        under(101, held(400), max_leverage=d("0.5")),
        under(100, held(400), max_leverage=d("0.5")),
    ),
    "concentration": (under(101, held(400), **TECH), under(100, held(400), **TECH)),
    "restricted": (under(restricted=("x:aapl",)), under(restricted=("MSFT",))),
    "orders_per_day": (acting(sent_today=200), acting(sent_today=199)),
    "order_steps": (order(order_qty=d("10.5")), order(order_qty=d("11"))),
    "session_open": (
        of_market(surroundings=around(closed=frozenset({AAPL}))),
        of_market(surroundings=around(closed=frozenset({MSFT}))),
    ),
    "stale_price": (
        account(quotes=quoted(timedelta(minutes=5) + A_MICROSECOND)),
        account(quotes=quoted(timedelta(minutes=5))),
    ),
    "reduce_only": (closing(11), closing(10)),
    "self_match": (resting("100"), resting("100.01")),
    "participation": (account(quotes=quoted(adv=199)), account(quotes=quoted(adv=200))),
    "limits_fixed": (
        standing(**LIVE, limits_fixed=RiskLimits(max_positions=9)),
        standing(**LIVE, limits_fixed=RiskLimits()),
    ),
    "kill_switch": (standing(stops=("halted by ada",)), standing(stops=())),
    "trading_state": (
        account(trading_state=TradingState.REDUCING),
        account(trading_state=TradingState.ACTIVE),
    ),
    "disconnect": (
        standing(heard_at=ago(seconds=60, microseconds=1)),
        standing(heard_at=ago(seconds=60)),
    ),
    "drawdown": (account(equity_peak=d("111112")), account(equity_peak=d("111111"))),
    "daily_loss": (account(equity_day_open=d("105264")), account(equity_day_open=d("105263"))),
    "stop_losses": (
        acting(stop_losses_in_row=4, stop_loss_at=ago(minutes=59)),
        acting(stop_losses_in_row=3, stop_loss_at=ago(minutes=59)),
    ),
    "locked": (account(locks=(lock(AAPL),)), account(locks=(lock(MSFT),))),
    "unfilled": (waiting(timedelta(seconds=901)), waiting(timedelta(seconds=900))),
    "alerts_delivered": (
        standing(alerts_waiting_since=ago(seconds=301)),
        standing(alerts_waiting_since=ago(seconds=300)),
    ),
    "reconciled": (
        acting(reconciled_at=ago(seconds=3_601)),
        acting(reconciled_at=ago(seconds=3_600)),
    ),
    "account_free": (account(blocks=("trading_blocked=True",)), account(blocks=())),
    "instrument_free": (
        account(quarantined=frozenset({AAPL})),
        account(quarantined=frozenset({MSFT})),
    ),
    "positions_count": (under(view=held(1), max_positions=1), under(view=held(1), max_positions=2)),
    "confidence": (order(confidence=d("0.4999")), order(confidence=d("0.50"))),
    "signal_age": (
        order(signal_time=ago(hours=96, minutes=1)),
        order(signal_time=ago(hours=96)),
    ),
}


def denied_by(decision: RiskDecision) -> set[str]:
    return {verdict.check for verdict in decision.verdicts if not verdict.passed}


def test_every_control_has_its_two_cases_and_the_thirty_numbers_are_there():
    assert set(CASES) == set(ALL_CHECKS)
    assert len(set(ALL_CHECKS)) == len(CHECKS) == 38
    assert {c.number for c in CHECKS} - {None} == set(range(1, 31))
    assert {name for c in CHECKS for name in c.limits} <= set(RiskLimits.model_fields)
    assert all(c.name and c.summary for c in CHECKS)
    assert set(STANDING) <= set(CHECKS)


@pytest.mark.parametrize("code", ALL_CHECKS)
def test_past_its_limit_a_control_denies_and_it_alone(code: str):
    breach, _ = CASES[code]
    decision = breach.decide()

    assert decision.approved == ()
    assert denied_by(decision) == {code}
    (facts,) = {v.facts for v in decision.verdicts if v.check == code}
    assert "=" in facts


@pytest.mark.parametrize("code", ALL_CHECKS)
def test_just_inside_its_limit_everything_passes(code: str):
    _, inside = CASES[code]
    decision = inside.decide()

    assert denied_by(decision) == set()
    assert len(decision.verdicts) == len(CHECKS)
    assert decision.approved == (inside.intent,)


@pytest.mark.parametrize("code", ALL_CHECKS)
def test_a_control_that_is_dropped_lets_its_order_pass(code: str, monkeypatch: pytest.MonkeyPatch):
    """Each is there for a reason that no other covers: the mutation that must be seen."""
    breach, _ = CASES[code]
    others = tuple(control for control in CHECKS if control.code != code)
    monkeypatch.setattr("execution.risk.review.CHECKS", others)

    assert breach.decide().approved == (breach.intent,)


UNKNOWN: dict[str, list[Case]] = {
    "price_collar": [account(marks={})],
    "order_value": [account(marks={})],
    "message_rate": [account(activity=None)],
    "repeated_execution": [account(activity=None), account(locks=None)],
    "duplicate_order": [account(activity=None), acting(sent_lately=None)],
    "buying_power": [account(buying_power=None), of_market(marks={})],
    "min_balance": [account(positions=holding(IBM=1), marks={AAPL: d("100")})],
    "position_size": [account(marks={})],
    "exposure": [account(marks={})],
    "net_exposure": [account(marks={})],
    "leverage": [account(marks={})],
    "concentration": [Case(view=make_view(marks={}), limits=RiskLimits(**TECH))],
    "orders_per_day": [account(activity=None)],
    "order_steps": [account(instruments={})],
    "session_open": [account(surroundings=None), standing(closed=None)],
    "stale_price": [account(quotes={}), account(marks={})],
    "self_match": [],
    "participation": [account(quotes={}), account(quotes=quoted(adv=0))],
    "limits_fixed": [account(surroundings=None), standing(**LIVE, limits_fixed=None)],
    "kill_switch": [account(surroundings=None), standing(stops=None)],
    "trading_state": [account(trading_state=None)],
    "disconnect": [account(surroundings=None), standing(heard_at=None)],
    "drawdown": [account(equity_peak=None), account(equity_peak=d("0"))],
    "daily_loss": [account(equity_day_open=None), account(equity_day_open=d("-1"))],
    "stop_losses": [account(activity=None), acting(stop_losses_in_row=4, stop_loss_at=None)],
    "locked": [account(locks=None)],
    "unfilled": [account(working=(working("another"),), sent_at={})],
    "alerts_delivered": [account(surroundings=None)],
    "reconciled": [account(activity=None), acting(reconciled_at=None), account(surroundings=None)],
    "account_free": [account(blocks=None)],
}


@pytest.mark.parametrize(
    ("code", "case"), [(code, case) for code, cases in UNKNOWN.items() for case in cases]
)
def test_a_missing_input_is_a_denial(code: str, case: Case):
    decision = case.decide()

    assert decision.approved == ()
    assert code in denied_by(decision)


# What an order that only reduces does not pass: it keeps the books right.
NEVER_PASSED = {
    "duplicate_order",
    "order_steps",
    "reduce_only",
    "kill_switch",
    "trading_state",
    "account_free",
    "instrument_free",
}


def test_the_way_out_is_closed_by_what_keeps_the_books_right_and_by_nothing_else():
    assert {c.code for c in CHECKS if not c.opens_only} == NEVER_PASSED
    blind = make_view(
        cash=d("-99000"),
        buying_power=None,
        positions=holding(AAPL=10, MSFT=5_000),
        marks={},
        equity_day_open=None,
        equity_peak=None,
        activity=None,
        locks=None,
        quotes={},
        surroundings=around(
            closed=None,
            heard_at=None,
            alerts_waiting_since=ago(days=1),
            mode=RunMode.LIVE,
        ),
    )
    way_out = at_limit(order_type=OrderType.MARKET, side=SELL, reduce_only=True)

    assert review([way_out], blind, RiskLimits(restricted=("AAPL",))).approved == (way_out,)


def test_a_short_is_covered_without_a_price_and_without_buying_power():
    """A venue that grants no more power is when it has to be covered."""
    view = make_view(positions=holding(AAPL=-10), buying_power=d("0"), marks={})
    cover = at_limit(order_type=OrderType.MARKET, side=BUY, reduce_only=True)

    assert review([cover], view, LIMITS).approved == (cover,)


def test_the_unfilled_rest_of_an_entry_does_not_trap_what_it_has_bought():
    bid = working("bid", limit_px=d("101"))
    view = make_view(positions=holding(AAPL=10), working=(bid,))
    way_out = at_limit(order_type=OrderType.MARKET, side=SELL, reduce_only=True)

    assert review([way_out], view, LIMITS).approved == (way_out,)


def test_what_an_emergency_closes_is_not_measured_at_an_old_price():
    small = {AAPL: make_instrument(AAPL, notional_min=d("10000"))}
    view = make_view(positions=holding(AAPL=10), instruments=small)
    close = at_limit(side=SELL, reduce_only=True, strategy="emergency")

    assert review([close], view, LIMITS).approved == (close,)
    assert denied_by(review([replace(close, strategy="donchian")], view, LIMITS)) == {"order_steps"}


def test_an_emergency_closes_what_is_held_whatever_is_halted_and_opens_nothing():
    halted = make_view(
        trading_state=TradingState.HALTED,
        positions=holding(AAPL=10),
        surroundings=around(stops=("halted by ada",)),
    )
    close = at_limit(side=SELL, reduce_only=True, strategy="emergency")

    assert review([close], halted, LIMITS).approved == (close,)
    assert denied_by(review([at_limit(strategy="emergency")], halted, LIMITS)) == {
        "kill_switch",
        "trading_state",
    }
    other = at_limit(side=SELL, reduce_only=True)
    assert review([other], halted, LIMITS).approved == ()


def test_a_lock_for_repeats_holds_until_a_person_lifts_it_however_few_there_were():
    off = account(locks=(lock(AAPL, REPEATS),))

    assert denied_by(off.decide()) == {"repeated_execution"}


def test_after_the_cooldown_a_streak_of_stops_opens_again():
    """Else it never would: without an entry no other way of closing breaks the streak."""
    cooled = acting(stop_losses_in_row=9, stop_loss_at=ago(minutes=60))

    assert denied_by(cooled.decide()) == set()


def test_an_id_that_is_under_way_is_not_sent_again_not_even_to_close():
    view = {"working": (working("order-a", instrument_id=MSFT),), "positions": holding(AAPL=10)}
    twice = at_limit(side=SELL, reduce_only=True)

    assert denied_by(account(**view).decide()) == {"duplicate_order"}
    assert denied_by(review([twice], make_view(**view), LIMITS)) == {"duplicate_order"}
    same = [at_limit(), at_limit(instrument_id=MSFT)]
    assert len(review(same, make_view(), LIMITS).denied) == 1
