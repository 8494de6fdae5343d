"""Whatever risk lets pass, the limits hold at the marks, whichever of it fills."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from execution.model.account import AccountView
from execution.model.enums import OrderSide
from execution.model.identifiers import InstrumentId
from execution.model.money import ZERO, quantize
from execution.model.order import Order, OrderIntent
from execution.model.position import Position
from execution.risk.limits import RiskLimits
from execution.risk.review import review
from tests.execution.examples import AAPL, ACCOUNT, MSFT, make_intent
from tests.execution.risk.views import IBM, holding, make_view

IDS = (AAPL, MSFT, IBM)
QTY_MAX = 300
px = st.decimals(50, 150, places=2)
shares = st.decimals("0.10", 1, places=2)  # room for one to a few of the orders below


@st.composite
def intents(draw: st.DrawFn, prefix: str, max_size: int) -> list[OrderIntent]:
    """Orders of all kinds; half of those that say so reduce nothing."""
    return [
        make_intent(
            f"{prefix}-{number}",
            instrument_id=draw(st.sampled_from(IDS)),
            side=draw(st.sampled_from(OrderSide)),
            order_qty=Decimal(draw(st.integers(1, QTY_MAX))),
            px_ref=draw(px),
            reduce_only=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, max_size)))
    ]


@st.composite
def views(draw: st.DrawFn) -> AccountView:
    """Accounts with longs, shorts and orders under way."""
    held = draw(st.dictionaries(st.sampled_from(IDS), st.integers(-QTY_MAX, QTY_MAX).filter(bool)))
    return make_view(
        marks={i: draw(px) for i in IDS},
        positions={
            i: Position(account=ACCOUNT, instrument_id=i, net_qty=Decimal(qty))
            for i, qty in held.items()
        },
        working=tuple(Order(intent=intent) for intent in draw(intents("working", 2))),
    )


limits = st.builds(
    RiskLimits,
    max_position_size_pct=shares,
    max_exposure_pct=shares,
    max_positions=st.integers(1, 3),
    max_daily_loss_pct=st.just(Decimal(1)),
)


def filled(view: AccountView, orders: Iterable[OrderIntent]) -> dict[InstrumentId, Decimal]:
    """Holdings once all these orders have filled."""
    qty = {i: p.net_qty for i, p in view.positions.items()}
    for order in orders:
        held = qty.get(order.instrument_id, ZERO)
        qty[order.instrument_id] = held + order.side.sign * order.order_qty
    return qty


@settings(max_examples=150, deadline=None)
@given(plan=intents("order", 5), view=views(), limits=limits)
def test_limits_hold_at_the_marks_whichever_orders_fill(
    plan: list[OrderIntent], view: AccountView, limits: RiskLimits
):
    """Fills at the marks leave equity as it is; reducing orders alone may start over a limit."""
    approved = review(plan, view, limits).approved
    opened = {intent.instrument_id for intent in approved if not intent.reduce_only}
    under_way = [order.intent for order in view.working]
    equity = view.equity
    for orders in (
        approved,
        [*approved, *under_way],
        [i for i in [*approved, *under_way] if i.side is OrderSide.BUY],
        [i for i in [*approved, *under_way] if i.side is OrderSide.SELL],
        [i for i in approved if not i.reduce_only],
    ):
        held = filled(view, orders)
        worth = {i: quantize(abs(qty) * view.marks[i]) for i, qty in held.items()}
        if opened:
            assert equity is not None
            assert max(worth.get(i, ZERO) for i in opened) <= limits.max_position_size_pct * equity
            assert sum(worth.values()) <= limits.max_exposure_pct * equity
            assert sum(qty != 0 for qty in held.values()) <= limits.max_positions


qty = st.integers(1, QTY_MAX)


@settings(max_examples=150, deadline=None)
@given(held=qty, side=st.sampled_from(OrderSide), under_way=qty, wished=st.lists(qty, max_size=5))
def test_what_reduces_never_opens_or_flips(
    held: int, side: OrderSide, under_way: int, wished: list[int]
):
    """Not even with an order of that side under way, if all of it fills."""
    exits = [
        make_intent(f"exit-{n}", side=side, order_qty=Decimal(qty), reduce_only=True)
        for n, qty in enumerate([under_way, *wished])
    ]
    view = make_view(positions=holding(AAPL=-side.sign * held), working=(Order(intent=exits[0]),))

    approved = review(exits[1:], view, RiskLimits()).approved

    left = held - under_way - sum(int(intent.order_qty) for intent in approved)
    assert left >= 0 or not approved
