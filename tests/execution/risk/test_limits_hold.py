"""Whatever risk lets pass, the limits hold, whichever of it fills, in any order, at any price.

Any price inside the collar, that is; a limit order never fills at a worse one than its limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from execution.model.account import AccountView
from execution.model.enums import OrderSide
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import InstrumentId
from execution.model.money import ZERO
from execution.model.order import IN_FLIGHT, Order, OrderIntent
from execution.model.position import Position
from execution.risk.limits import RiskLimits
from execution.risk.review import review
from tests.execution.examples import AAPL, ACCOUNT, MSFT, NOW, make_intent
from tests.execution.risk.views import IBM, holding, make_view

IDS = (AAPL, MSFT, IBM)
BUY = OrderSide.BUY
WIDE: dict[str, Any] = {
    "max_position_size_pct": 1,
    "max_exposure_pct": 1,
    "max_net_exposure_pct": 1,
    "max_leverage": 10,
    "max_group_exposure_pct": 1,
    "groups": {"two": ("AAPL", "MSFT")},
    "max_daily_loss_pct": 1,
    "max_drawdown_pct": 1,
    "buying_power_buffer_pct": 0,
    "min_balance": 0,
}
EQUITY = Decimal(100_000)
SEEDS = st.integers(0, 2**32)  # hypothesis alone tries the same few sizes again and again


class Case:
    """An account, a plan, and limits that it just reaches; all of it follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)  # noqa: S311 - not a secret
        choice = self.dice.choice
        self.collar = Decimal(choice(["0.001", "0.02", "0.1", "0.2"]))
        self.share = Decimal(self.dice.randint(5, 33)) / 100
        self.marks = {i: Decimal(self.dice.randint(500, 15_000)) / 100 for i in IDS}
        several = min(Decimal(1), self.share * choice([1, 2, 3]))
        tight = {
            "max_position_size_pct": self.share,
            "max_exposure_pct": several,
            "max_net_exposure_pct": several,
            "max_leverage": several,
            "max_group_exposure_pct": several,
            "max_order_value": EQUITY * self.share,
            "max_positions": choice([1, 2, 3]),
        }
        # One or two at a time: all at once would let nothing pass.
        named = self.dice.sample([*tight, "buying power"], k=choice([1, 2]))
        changes = {name: tight[name] for name in named if name in tight}
        self.limits = RiskLimits(**WIDE | changes | {"price_collar_pct": self.collar})
        self.plan = self._orders("order", choice([1, 2, 3, 4]))
        power = EQUITY * several if "buying power" in named else 10 * EQUITY
        self.view = self._view(power, self._orders("working", choice([0, 0, 1])))

    def _view(self, power: Decimal, working: list[OrderIntent]) -> AccountView:
        held: dict[InstrumentId, Decimal] = {}
        for i in self.dice.sample(IDS, k=self.dice.choice([0, 1, 1, 2])):
            part = self.dice.choice(["-0.5", "0.2", "0.5", "0.9", "2"])
            held[i] = round(EQUITY * self.share * Decimal(part) / self.marks[i], 0) or Decimal(1)
        worth = sum((qty * self.marks[i] for i, qty in held.items()), ZERO)
        return make_view(
            cash=EQUITY - worth,
            marks=self.marks,
            positions={
                i: Position(account=ACCOUNT, instrument_id=i, net_qty=q) for i, q in held.items()
            },
            working=tuple(
                Order(intent=i, status=self.dice.choice([S.ACCEPTED, S.HELD])) for i in working
            ),
            buying_power=power,
            sent_at={i.client_order_id: NOW for i in working},
        )

    def _orders(self, prefix: str, count: int) -> list[OrderIntent]:
        """Market and limit orders near the price; some say that they reduce, and do not.

        Most are of the largest worth: at the mark or at the worst price, with or without room.
        """
        choice, found = self.dice.choice, []
        rooms = [1, 1 + self.collar, (1 + self.collar) * (1 + self.collar * self.share)]
        for number in range(count):
            instrument_id = choice(IDS)
            mark, part = self.marks[instrument_id], Decimal(choice(["0.3", "0.95", "0.99", "1"]))
            near = mark * (1 + self.collar * choice([-1, 0, 1]))
            qty = EQUITY * self.share * part / choice(rooms) / mark
            found.append(
                make_intent(
                    f"{prefix}-{number}",
                    instrument_id=instrument_id,
                    side=choice([BUY, BUY, BUY, OrderSide.SELL]),
                    order_qty=max(Decimal(1), qty.quantize(Decimal(1), ROUND_DOWN)),
                    px_ref=mark,
                    limit_px=choice([None, None, near.quantize(Decimal("0.01"), ROUND_DOWN)]),
                    reduce_only=choice([False, False, False, True]),
                )
            )
        return found


@dataclass
class Filled:
    """The account after some fills, valued at the marks."""

    view: AccountView
    qty: dict[InstrumentId, Decimal]
    cash: Decimal
    spent: Decimal = ZERO  # on buys that the venue had not counted
    largest: Decimal = ZERO  # the most that one of the plan's orders was worth
    opened: set[InstrumentId] = field(default_factory=set)
    paid: dict[InstrumentId, Decimal] = field(default_factory=dict)  # the highest price of a buy

    def fill(self, intent: OrderIntent, qty: Decimal, at: Decimal) -> None:
        key = intent.instrument_id
        self.cash -= intent.side.sign * qty * at
        self.qty[key] = self.qty.get(key, ZERO) + intent.side.sign * qty
        if intent.side is BUY and not intent.reduce_only and qty:
            self.paid[key] = max(at, self.paid.get(key, ZERO))

    def worth(self, *ids: InstrumentId) -> Decimal:
        return sum((abs(self.qty.get(i, ZERO)) * self.view.marks[i] for i in ids), ZERO)

    @property
    def net(self) -> Decimal:
        return sum((qty * self.view.marks[i] for i, qty in self.qty.items()), ZERO)

    @property
    def equity(self) -> Decimal:
        return self.cash + self.net


def prices(intent: OrderIntent, mark: Decimal, collar: Decimal) -> tuple[Decimal, Decimal]:
    """Between which prices it fills: inside the collar, and no worse than its limit."""
    low, high = mark * (1 - collar), mark * (1 + collar)
    if intent.limit_px is None:
        return low, high
    if intent.side is BUY:
        return min(low, intent.limit_px), intent.limit_px
    return intent.limit_px, max(high, intent.limit_px)


def fill_some(case: Case, approved: tuple[OrderIntent, ...], how: str) -> Filled:
    """Fill any part of any of the orders, at any price they may fill at, in any order."""
    held = {i: p.net_qty for i, p in case.view.positions.items()}
    after = Filled(view=case.view, qty=held, cash=case.view.cash)
    unpaid = {o.client_order_id for o in case.view.working if o.status in IN_FLIGHT | {S.HELD}}
    orders = [*approved, *(o.intent for o in case.view.working)]
    case.dice.shuffle(orders)
    for intent in orders:
        mark = case.view.marks[intent.instrument_id]
        low, high = prices(intent, mark, case.collar)
        worst = 1 if intent.side is BUY else 0
        if how == "any":
            where, part = case.dice.choice([worst, 1 - worst]), case.dice.choice([0, 1, 1])
        else:
            where, part = worst, 1 if how in ("all", intent.side) else 0
        at, qty = low + (high - low) * where, intent.order_qty * part
        after.fill(intent, qty, at)
        if intent.side is BUY and (intent in approved or intent.client_order_id in unpaid):
            after.spent += qty * at
        if intent in approved and not intent.reduce_only:
            after.opened.add(intent.instrument_id)
            after.largest = max(after.largest, qty * at)
    return after


@settings(max_examples=500, deadline=None)
@given(seed=SEEDS)
def test_limits_hold_whatever_fills_at_any_price_inside_the_collar(seed: int):
    """Orders that only reduce may start over a limit; they make no room and take none."""
    case = Case(seed)
    approved = review(case.plan, case.view, case.limits).approved

    for how in ("all", "buy", "sell", "any", "any"):
        after = fill_some(case, approved, how)
        if after.opened:
            assert_within(case, after)
        if any(intent.side is BUY for intent in approved):
            assert after.spent <= (case.view.buying_power or ZERO)


def assert_within(case: Case, after: Filled) -> None:
    """All limits, at the marks, on what is left of the equity."""
    limits, equity = case.limits, after.equity
    for instrument_id in after.opened:
        limit = limits.max_position_size_pct * equity
        assert after.worth(instrument_id) <= limit
        # Nor at the highest price that was paid for it, should that be what it is worth now.
        assert after.qty.get(instrument_id, ZERO) * after.paid.get(instrument_id, ZERO) <= limit
    assert after.worth(*IDS) <= limits.max_exposure_pct * equity
    assert after.worth(*IDS) <= limits.max_leverage * equity
    assert abs(after.net) <= limits.max_net_exposure_pct * equity
    if after.opened & {AAPL, MSFT}:
        assert after.worth(AAPL, MSFT) <= limits.max_group_exposure_pct * equity
    assert sum(qty != 0 for qty in after.qty.values()) <= limits.max_positions
    assert after.largest <= limits.max_order_value


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_orders_sized_with_the_room_left_for_it_pass_together(seed: int):
    """As many positions of the largest size as the exposure allows, sized one by one."""
    case = Case(seed)
    limits = RiskLimits(
        price_collar_pct=case.collar, max_position_size_pct=case.share, buying_power_buffer_pct=0
    )
    cap = limits.max_position_size_pct * (1 - limits.room_pct())
    count = int(limits.max_exposure_pct / limits.max_position_size_pct)
    view = make_view(marks=case.marks)
    plan = [
        make_intent(
            f"order-{i.symbol}",
            instrument_id=i,
            px_ref=case.marks[i],
            order_qty=(view.cash * cap / case.marks[i]).quantize(Decimal(1), ROUND_DOWN),
        )
        for i in IDS[: min(count, 3)]
    ]

    assert review(plan, view, limits).approved == tuple(plan)


qty = st.integers(1, 300)


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
