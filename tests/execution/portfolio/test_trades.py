"""Round trips out of fills: what they brought, and what ended them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from execution.model.enums import FillKind, OrderSide, OrderType
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, InstrumentId, StrategyId, TradeId
from execution.model.order import OrderIntent
from execution.portfolio.trades import ClosedBy, Trade, closed_trades, stop_losses_in_row
from tests.execution.examples import AAPL, MSFT, NOW, VENUE, make_fill, make_intent

BUY, SELL = OrderSide.BUY, OrderSide.SELL
HOUR = timedelta(hours=1)
BTC = InstrumentId("BTC/USD", VENUE)


class Tape:
    """Fills one after the other, an hour apart, each with the order that it is of."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self.intents: dict[ClientOrderId, OrderIntent] = {}

    def trade(self, side: OrderSide, qty: str, px: str, **intent: Any) -> Tape:  # noqa: ANN401
        changes = {k: intent.pop(k) for k in tuple(intent) if k in FILL_FIELDS}
        number = len(self.fills)
        instrument_id = changes.get("instrument_id", AAPL)
        made = make_intent(f"o-{number}", side=side, instrument_id=instrument_id, **intent)
        self.intents[made.client_order_id] = made
        self.fills.append(
            make_fill(
                **{
                    "trade_id": TradeId(f"T-{number}"),
                    "client_order_id": made.client_order_id,
                    "side": side,
                    "last_qty": Decimal(qty),
                    "last_px": Decimal(px),
                    "ts_event": NOW + number * HOUR,
                    **changes,
                }
            )
        )
        return self

    @property
    def closed(self) -> tuple[Trade, ...]:
        return closed_trades(self.fills, self.intents)


FILL_FIELDS = {"instrument_id", "commission", "commission_ccy", "kind", "client_order_id"}
STOP: dict[str, Any] = {"order_type": OrderType.STOP, "stop_px": Decimal(1), "reduce_only": True}


def test_a_round_trip_is_averaged_in_and_pays_its_commissions():
    tape = Tape().trade(BUY, "10", "100", commission=Decimal(1))
    tape.trade(BUY, "10", "110", commission=Decimal(1))
    tape.trade(SELL, "5", "120", reduce_only=True, commission=Decimal("0.5"))
    assert tape.closed == ()

    tape.trade(SELL, "15", "90", commission=Decimal(2), **STOP)

    [trade] = tape.closed
    assert (trade.qty, trade.cost, trade.side) == (Decimal(20), Decimal(2_100), BUY)
    # 5 x (120 - 105) - 15 x (105 - 90) - 4.5
    assert trade.pnl == Decimal("-154.5")
    assert (trade.opened_at, trade.closed_at) == (NOW, NOW + 3 * HOUR)
    assert (trade.strategy, trade.closed_by) == (StrategyId("donchian"), ClosedBy.STOP)
    assert trade.stopped_out


def test_a_trade_says_what_ended_it():
    target = {
        "order_type": OrderType.LIMIT,
        "limit_px": Decimal(1),
        "group_id": "g",
        "reduce_only": True,
    }
    endings: list[tuple[ClosedBy, dict[str, Any]]] = [
        (ClosedBy.STOP, STOP),
        (ClosedBy.STOP, {**STOP, "order_type": OrderType.TRAILING_STOP}),
        (ClosedBy.TARGET, target),
        (ClosedBy.SIGNAL, {"reduce_only": True}),
        (ClosedBy.EMERGENCY, {"reduce_only": True, "strategy": StrategyId("emergency")}),
        (ClosedBy.HAND, {"client_order_id": None}),
        (ClosedBy.LIQUIDATION, {"client_order_id": None, "kind": FillKind.LIQUIDATION}),
    ]
    tape = Tape()
    for _, how in endings:
        tape.trade(BUY, "1", "100").trade(SELL, "1", "99", **how)

    assert [t.closed_by for t in tape.closed] == [closed_by for closed_by, _ in endings]


def test_a_fill_through_flat_ends_one_trade_and_begins_another():
    tape = Tape().trade(BUY, "10", "100").trade(SELL, "15", "110").trade(BUY, "5", "120")

    first, second = tape.closed
    assert (first.side, first.qty, first.pnl) == (BUY, Decimal(10), Decimal(100))
    assert (second.side, second.qty, second.pnl) == (SELL, Decimal(5), Decimal(-50))


def test_the_dust_that_a_fee_leaves_is_no_position():
    """A fee in the base currency, and a step of the venue, leave a rest that no order closes."""
    fee: dict[str, Any] = {"instrument_id": BTC, "commission_ccy": "BTC"}
    tape = Tape().trade(BUY, "1", "100", commission=Decimal("0.001"), **fee)
    tape.trade(SELL, "0.99", "90", instrument_id=BTC, **STOP)

    [trade] = tape.closed
    # The fee is lost at cost: 0.001 x 100; the rest is still there.
    assert trade.pnl == Decimal("-10.00") * Decimal("0.99") - Decimal("0.1")


def test_a_commission_in_a_third_currency_cannot_be_told_in_the_quote_and_is_left_out():
    tape = Tape()
    for side in (BUY, SELL):
        tape.trade(side, "1", "100", instrument_id=BTC, commission=Decimal(3), commission_ccy="BNB")

    assert [t.pnl for t in tape.closed] == [0]


def test_selling_what_was_never_bought_here_is_no_trade():
    tape = Tape().trade(SELL, "1", "100", **STOP)

    assert tape.closed == ()


def test_instruments_do_not_mix():
    tape = Tape().trade(BUY, "1", "100").trade(BUY, "1", "50", instrument_id=MSFT)
    tape.trade(SELL, "1", "40", instrument_id=MSFT, **STOP)

    assert [(t.instrument_id, t.pnl) for t in tape.closed] == [(MSFT, Decimal(-10))]


def stopped(tape: Tape, px: str) -> Tape:
    return tape.trade(BUY, "1", "100").trade(SELL, "1", px, **STOP)


def test_a_trailing_stop_that_closes_with_a_profit_breaks_the_streak():
    tape = stopped(stopped(Tape(), "90"), "105")
    assert stop_losses_in_row(tape.closed, None) == 0

    stopped(stopped(tape, "90"), "95")
    assert stop_losses_in_row(tape.closed, None) == 2

    tape.trade(BUY, "1", "100").trade(SELL, "1", "90", reduce_only=True)
    assert stop_losses_in_row(tape.closed, None) == 0


def test_only_what_was_stopped_out_since_counts():
    tape = stopped(stopped(stopped(Tape(), "90"), "90"), "90")
    second = tape.closed[1].closed_at

    assert stop_losses_in_row(tape.closed, second) == 1


LEGS = st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(1, 200)))


@given(LEGS)
def test_once_all_is_closed_the_trades_have_brought_what_the_cash_says(
    made: list[tuple[OrderSide, int, int]],
):
    tape = Tape()
    for side, qty, px in made:
        tape.trade(side, str(qty), str(px), commission=Decimal("0.25"))
    net = sum(f.side.sign * f.last_qty for f in tape.fills)
    if net:
        tape.trade(SELL if net > 0 else BUY, str(abs(net)), "77")

    cash = sum(-f.side.sign * f.notional - f.commission for f in tape.fills)
    brought = sum(t.pnl for t in tape.closed)

    assert abs(cash - brought) < Decimal("1E-8")  # averages are kept to twelve places
    assert not tape.fills or tape.closed
