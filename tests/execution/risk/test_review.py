"""The whole plan: intents count for each other, and every word is kept."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from execution.model.enums import OrderSide, TradingState
from execution.model.order import OrderIntent
from execution.model.plan import RiskDecision
from execution.orders.bracket import legs
from execution.risk.checks import CHECKS
from execution.risk.limits import RiskLimits
from execution.risk.review import review
from execution.risk.reviewed import Reviewed
from tests.execution.examples import MSFT, make_instrument
from tests.execution.risk.views import (
    ALL_CHECKS,
    IBM,
    LIMITS,
    at_limit,
    holding,
    make_view,
    working,
)

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def ids(intents: tuple[OrderIntent, ...]) -> list[str]:
    return [intent.client_order_id for intent in intents]


def denied_by(decision: RiskDecision) -> set[str]:
    return {verdict.check for verdict in decision.verdicts if not verdict.passed}


@pytest.mark.parametrize(
    ("first", "second", "limits", "check"),
    [
        ({}, {}, RiskLimits(max_position_size_pct=Decimal("0.015")), "position_size"),
        ({}, {"instrument_id": MSFT}, RiskLimits(max_exposure_pct=Decimal("0.015")), "exposure"),
        ({}, {"instrument_id": MSFT}, RiskLimits(max_positions=1), "positions_count"),
    ],
)
def test_two_orders_that_pass_alone_fail_together(
    first: dict[str, object], second: dict[str, object], limits: RiskLimits, check: str
):
    a, b = at_limit("order-a", **first), at_limit("order-b", **second)
    assert not review([a], make_view(), limits).denied
    assert not review([b], make_view(), limits).denied

    decision = review([a, b], make_view(), limits)

    assert (ids(decision.approved), ids(decision.denied)) == (["order-a"], ["order-b"])
    assert denied_by(decision) == {check}


def test_two_buys_share_the_buying_power():
    a, b = at_limit("order-a"), at_limit("order-b", instrument_id=MSFT)
    view = make_view(buying_power=Decimal(2_019))

    decision = review([a, b], view, LIMITS)

    assert ids(decision.denied) == ["order-b"]
    assert denied_by(decision) == {"buying_power"}


def test_two_exits_close_a_position_once():
    """Else the second would open the other side."""
    exits = [
        at_limit(name, side=SELL, order_qty=Decimal(6), reduce_only=True)
        for name in ("order-a", "order-b")
    ]

    decision = review(exits, make_view(positions=holding(AAPL=10)), LIMITS)

    assert ids(decision.denied) == ["order-b"]
    assert denied_by(decision) == {"reduce_only"}


def test_what_is_denied_does_not_count_for_the_next():
    large = at_limit("order-a", order_qty=Decimal(201))
    fits = at_limit("order-b", order_qty=Decimal(200))

    decision = review([large, fits], make_view(), LIMITS)

    assert (ids(decision.approved), ids(decision.denied)) == (["order-b"], ["order-a"])


def test_reducing_orders_go_first_and_the_others_keep_their_order():
    intents = [
        at_limit("order-b", instrument_id=MSFT),
        at_limit("order-a", instrument_id=IBM),
        at_limit("order-c", side=SELL, reduce_only=True),
    ]

    decision = review(intents, make_view(positions=holding(AAPL=10)), LIMITS)

    assert ids(decision.approved) == ["order-c", "order-b", "order-a"]


def test_an_exit_in_the_same_plan_makes_no_room_for_an_entry():
    """Nobody knows whether the exit will fill."""
    view = make_view(cash=Decimal(5_000), buying_power=Decimal(5_000), positions=holding(MSFT=950))
    out = at_limit(
        "order-a", instrument_id=MSFT, side=SELL, order_qty=Decimal(950), reduce_only=True
    )

    decision = review([out, at_limit("order-b", order_qty=Decimal(1))], view, LIMITS)

    assert (ids(decision.approved), ids(decision.denied)) == (["order-a"], ["order-b"])
    assert denied_by(decision) == {"exposure", "net_exposure"}


def test_every_checks_word_is_kept_for_every_intent_even_after_a_denial():
    """A person who asks why sees all the reasons, not the first."""
    intents = [at_limit(f"order-{n}", confidence=Decimal(n) / 2) for n in range(3)]

    decision = review(intents, make_view(trading_state=TradingState.HALTED), LIMITS)

    words = [(verdict.client_order_id, verdict.check) for verdict in decision.verdicts]
    assert words == [(f"order-{n}", check) for n in range(3) for check in ALL_CHECKS]
    assert [v.check for v in decision.denials(intents[0].client_order_id)] == [
        "trading_state",
        "confidence",
    ]
    assert all(verdict.facts for verdict in decision.verdicts)


def test_an_entry_is_not_made_without_the_protection_that_it_was_wished_with():
    """A stop that may not be placed leaves a position that nobody meant to hold bare."""
    entry = at_limit("entry", stop_loss=Decimal(90), take_profit=Decimal(110))
    stop, target = legs(entry, make_instrument())
    larger = replace(stop, order_qty=entry.order_qty + 1)

    decision = review([entry, larger, target], make_view(), LIMITS)

    assert decision.approved == ()
    assert {i.leg for i in decision.denied} == {"entry", "stop", "target"}
    told = decision.denials(entry.client_order_id)
    assert [(v.check, v.facts) for v in told] == [("protection", "a leg of its group is denied")]


def test_legs_are_looked_at_after_their_entry_and_share_its_fate():
    """Without the entry there is nothing to protect, and a sale would open a short."""
    entry = at_limit("entry", stop_loss=Decimal(95), take_profit=Decimal(110))
    bracket = [*legs(entry, make_instrument()), entry]

    passed = review(bracket, make_view(), LIMITS)
    halted = review(bracket, make_view(trading_state=TradingState.REDUCING), LIMITS)

    assert [i.leg for i in passed.approved] == ["entry", "stop", "target"]
    assert [i.leg for i in halted.denied] == ["entry", "stop", "target"]
    assert denied_by(halted) == {"trading_state", "reduce_only"}


def test_no_intents_no_verdicts():
    decision = review([], make_view(), LIMITS)

    assert decision == RiskDecision(approved=(), denied=(), verdicts=())


def test_a_working_order_on_another_instrument_is_part_of_the_outlook():
    view = make_view(working=(working("order-b", instrument_id=MSFT, order_qty=Decimal(940)),))

    decision = review([at_limit(order_qty=Decimal(11))], view, LIMITS)
    assert denied_by(decision) == {"exposure", "net_exposure"}
    assert not review([at_limit(order_qty=Decimal(9))], view, LIMITS).denied


def test_reviewed_tells_how_many_checks_said_yes():
    intent = at_limit(confidence=Decimal("0.4"))
    decision = review([intent], make_view(), LIMITS)

    told = Reviewed(intent=intent, approved=False, verdicts=decision.verdicts)

    assert told.passed == len(CHECKS) - 1
    assert [verdict.check for verdict in told.denials] == ["confidence"]
