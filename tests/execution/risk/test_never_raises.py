"""A review always decides: what it cannot read, and what a check raises, is a denial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.errors import InvariantBroken
from execution.model.account import AccountView
from execution.model.enums import OrderSide, OrderType, TradingState
from execution.model.order import Order, OrderIntent
from execution.risk.checks import CHECKS, Finding, control
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook
from execution.risk.review import broken, review
from tests.execution.examples import AAPL, MSFT, make_intent
from tests.execution.risk.views import LIMITS, around, at_limit, holding, lately, make_view

absurd = st.sampled_from(
    [None, Decimal(0), Decimal(-1), Decimal("1E+30"), Decimal("NaN"), Decimal("sNaN")]
)
# Everything that may be wrong with an account, and what is right.
VIEW: dict[str, st.SearchStrategy[Any]] = {
    "cash": absurd,
    "buying_power": absurd,
    "positions": st.sampled_from([{}, holding(AAPL=0), holding(MSFT=-5), {AAPL: None}, None]),
    "working": st.sampled_from([(), (None,), None]),
    "marks": st.one_of(
        st.just({}), st.none(), st.dictionaries(st.sampled_from([AAPL, MSFT]), absurd)
    ),
    "equity_day_open": absurd,
    "equity_peak": absurd,
    "trading_state": st.sampled_from([None, *TradingState]),
    "blocks": st.sampled_from([None, ("blocked",), ()]),
    "quarantined": st.sampled_from([frozenset({None}), None, frozenset()]),
    "activity": st.sampled_from([None, lately(entries=None, sent_lately=(None,))]),
    "locks": st.sampled_from([None, (None,)]),
    "surroundings": st.sampled_from([None, around(heard_at=None, closed=None, stops=None)]),
    "instruments": st.sampled_from([{}, {AAPL: None}, None]),
    "quotes": st.sampled_from([{}, {AAPL: None}, None]),
    "sent_at": st.sampled_from([{}, None]),
    "ts": st.none(),
}
INTENT: dict[str, st.SearchStrategy[Any]] = {
    "order_qty": absurd,
    "px_ref": absurd,
    "limit_px": absurd,
    "stop_px": absurd,
    "confidence": absurd,
    "signal_time": st.none(),
    "side": st.sampled_from([*OrderSide, None]),
    "order_type": st.sampled_from([*OrderType, None]),
    "reduce_only": st.booleans(),
    "group_id": st.sampled_from([None, "group"]),
}


@st.composite
def broken_by(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Up to three of the fields with something absurd in them."""
    names = draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True))
    return {name: draw(fields[name]) for name in names}


@settings(max_examples=400, deadline=None)
@given(view=broken_by(VIEW), intent=broken_by(INTENT))
def test_a_review_decides_on_any_input_and_what_opens_needs_all_of_it(
    view: dict[str, Any], intent: dict[str, Any]
):
    wish, other = replace(make_intent("order-a"), **intent), make_intent("order-b")
    account = replace(make_view(), **view)

    decision = review([wish, other], account, LIMITS)

    decided = [i.client_order_id for i in (*decision.approved, *decision.denied)]
    assert sorted(decided) == ["order-a", "order-b"]
    unknown = {name for name, value in view.items() if value is None}
    if unknown - {"sent_at"}:  # without a working order nobody asks when it was sent
        assert all(i.reduce_only for i in decision.approved)
    for one in decision.approved:
        told = [v for v in decision.verdicts if v.client_order_id == one.client_order_id]
        assert len(told) == len(CHECKS)
        assert all(v.passed for v in told)


def failing(error: Exception) -> Callable[..., Finding]:
    @control("a control that fails")
    def fails(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
        raise error

    return fails


@pytest.mark.parametrize(
    ("error", "told"), [(ZeroDivisionError(), 0), (KeyError("AAPL"), 0), (InvariantBroken("x"), 1)]
)
def test_a_control_that_fails_denies_with_the_name_of_its_error_alone(
    error: Exception, told: int, monkeypatch: pytest.MonkeyPatch
):
    """The text of an error of another's may quote a secret; a broken rule of ours is told."""
    monkeypatch.setattr("execution.risk.review.CHECKS", (*CHECKS, failing(error)))

    decision = review([at_limit()], make_view(), LIMITS)

    assert decision.approved == ()
    (said,) = (v for v in decision.verdicts if not v.passed)
    assert (said.check, said.facts) == ("fails", f"error={type(error).__name__}")
    assert len(broken(decision)) == told


def test_an_order_that_cannot_be_counted_is_not_approved(monkeypatch: pytest.MonkeyPatch):
    """Else what comes after it would be judged as if it were not there."""

    def cannot(*_: object) -> Outlook:
        raise InvariantBroken("cannot be counted")

    monkeypatch.setattr("execution.risk.review.CHECKS", ())
    monkeypatch.setattr(Outlook, "after", cannot)

    decision = review([at_limit()], make_view(), LIMITS)

    assert (decision.approved, len(decision.denied)) == ((), 1)
    assert [(v.check, v.facts) for v in decision.verdicts] == [("outlook", "error=InvariantBroken")]


def test_an_account_that_cannot_be_read_denies_by_every_control():
    unread: AccountView = make_view(working=(Order(intent=None),))  # type: ignore[arg-type]

    decision = review([at_limit()], unread, LIMITS)

    assert decision.approved == ()
    assert [v.check for v in decision.verdicts] == [c.code for c in CHECKS]
    assert {v.facts for v in decision.verdicts} == {"error=AttributeError"}
