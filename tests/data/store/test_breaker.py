"""What the breaker keeps: the story of a state, the worth of a unit, what counts from when."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from data.store.books import Books
from execution.errors import SafetyViolation
from execution.model.activity import Activity
from execution.model.enums import OrderSide, OrderType, TradingState, TransferKind
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, ClientOrderId, RunId, TradeId
from execution.model.state_change import REGENT, StateChange
from tests.data.store.test_account import make_point
from tests.execution.examples import (
    AAPL,
    ACCOUNT,
    NOW,
    VENUE,
    make_event,
    make_fill,
    make_intent,
    make_transfer,
)

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
HOUR = timedelta(hours=1)
MIDNIGHT = NOW.replace(hour=0, minute=0)


def reduced(books: Books, until_h: int | None = 1, cause: str = "stop losses") -> None:
    until = None if until_h is None else NOW + until_h * HOUR
    change = StateChange(
        state=REDUCING, reason="a test", actor=REGENT, ts=NOW, cause=cause, until=until
    )
    books.trading_state.apply(ACCOUNT, change)


def recovered(hours: int) -> StateChange:
    return StateChange(
        state=ACTIVE, reason="over", actor=REGENT, ts=NOW + hours * HOUR, cause="cooldown"
    )


@pytest.fixture(autouse=True)
def _opened(books: Books) -> None:
    books.trading_state.set(ACCOUNT, ACTIVE, "account opened", REGENT, NOW - HOUR)


def test_the_breaker_s_reducing_ends_when_its_time_has_come_and_not_before(books: Books):
    reduced(books, 2)

    with pytest.raises(SafetyViolation, match="only a person"):
        books.trading_state.apply(ACCOUNT, recovered(1))
    books.trading_state.apply(ACCOUNT, recovered(2))

    assert books.trading_state.get(ACCOUNT) is ACTIVE
    assert [c.state for c in books.trading_state.history(ACCOUNT)] == [ACTIVE, REDUCING, ACTIVE]
    assert [c.cause for c in books.trading_state.episode(ACCOUNT)] == ["cooldown"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("state", [REDUCING, HALTED])
def test_the_ledger_itself_refuses_to_loosen_what_a_person_has_set(
    books: Books, state: TradingState, first: bool
):
    """Whoever asks: the rule does not hang on the caller alone."""
    if not first:
        reduced(books)
    books.trading_state.set(ACCOUNT, state, "careful", "Ann", NOW)
    if first and state is REDUCING:
        reduced(books)

    with pytest.raises(SafetyViolation):
        books.trading_state.apply(ACCOUNT, recovered(99))
    assert books.trading_state.get(ACCOUNT) is state


def test_a_reducing_without_an_end_or_of_nobody_s_cause_does_not_end(books: Books):
    reduced(books, None)
    with pytest.raises(SafetyViolation):
        books.trading_state.apply(ACCOUNT, recovered(99))

    books.trading_state.set(ACCOUNT, ACTIVE, "again", "Ann", NOW)
    books.trading_state.set(ACCOUNT, REDUCING, "an error", REGENT, NOW)
    with pytest.raises(SafetyViolation):
        books.trading_state.apply(ACCOUNT, recovered(99))


def test_a_halt_does_not_end_by_its_time_even_where_it_has_one(books: Books):
    """As what trips on top of a halt has: its own cause would only have reduced."""
    change = StateChange(
        state=HALTED, reason="a test", actor=REGENT, ts=NOW, cause="stale data", until=NOW
    )
    books.trading_state.apply(ACCOUNT, change)

    with pytest.raises(SafetyViolation, match="is halted: only a person"):
        books.trading_state.apply(ACCOUNT, recovered(1))


def test_losses_are_measured_from_a_person_s_loosening_by_the_account_s_clock(books: Books):
    """A replay's clock stands in 2012 whatever the person's shows: no peak must get lost."""
    books.equity.append(make_point("100", 1))
    assert books.trading_state.released_at(ACCOUNT) is None

    books.trading_state.set(ACCOUNT, HALTED, "drawdown", REGENT, NOW)
    assert books.trading_state.released_at(ACCOUNT) is None  # tightened, and not by a person
    books.trading_state.set(ACCOUNT, REDUCING, "looked", "Ann", NOW + timedelta(days=9_999))

    assert books.trading_state.released_at(ACCOUNT) == MIDNIGHT + HOUR
    reduced(books, 2)
    assert books.trading_state.released_at(ACCOUNT) == MIDNIGHT + HOUR


def peak(books: Books, equity: str, since_h: int | None = None) -> Decimal:
    since = None if since_h is None else MIDNIGHT + since_h * HOUR
    return books.equity.peak(ACCOUNT, Decimal(equity), "USD", since)


def test_every_point_counts_for_the_peak_and_the_present_too(books: Books):
    for hours, equity in enumerate(("100", "120", "90")):
        books.equity.append(make_point(equity, hours))

    assert peak(books, "90") == 120
    assert peak(books, "130") == 130


def test_after_a_reset_the_peak_is_the_equity_at_the_reset(books: Books):
    """Else the breaker would trip again at once, on the same loss."""
    for hours, equity in enumerate(("100", "120", "90", "95")):
        books.equity.append(make_point(equity, hours))

    assert peak(books, "95", since_h=2) == 95
    assert peak(books, "80", since_h=2) == 95
    assert peak(books, "80", since_h=3) == 95


def moved(books: Books, kind: TransferKind, amount: str, currency: str = "USD") -> None:
    name = f"{kind} {amount}"
    books.transfers.record(make_transfer(ACCOUNT, name, kind, currency, Decimal(amount), MIDNIGHT))


def test_deposits_and_withdrawals_are_neither_profit_nor_drawdown(books: Books):
    moved(books, TransferKind.DEPOSIT, "1000")  # before the first look: it is what was there
    books.equity.append(make_point("1000", 0))
    books.equity.append(make_point("950", 1))
    moved(books, TransferKind.WITHDRAWAL, "-760")
    assert abs(peak(books, "190") - 200) < Decimal("1E-8")  # 5 % below the peak, as before
    books.equity.append(make_point("190", 2))
    moved(books, TransferKind.DEPOSIT, "810")
    books.equity.append(make_point("1000", 3))

    assert abs(peak(books, "1000") - Decimal(1000) / Decimal("0.95")) < Decimal("1E-8")
    opening = books.equity.opening(ACCOUNT, Decimal(1000), "USD", MIDNIGHT + HOUR)
    assert abs(opening - 1000) < Decimal("1E-8")  # nothing was lost since the second point


def test_an_asset_that_came_in_is_worth_what_it_was_when_it_came(books: Books):
    """Sold later, its price must not move what is taken for a profit."""
    books.equity.append(make_point("1000", 0))
    books.marks.save(ACCOUNT, {AAPL: Decimal(100)}, NOW)
    moved(books, TransferKind.DEPOSIT, "10", "AAPL")
    books.equity.append(make_point("2000", 1))
    assert peak(books, "2000") == 2000

    books.marks.save(ACCOUNT, {AAPL: Decimal(50)}, NOW)
    assert peak(books, "1500") == 2000  # the fall counts: it is our money now


def test_a_difference_that_a_person_accepted_is_neither_profit_nor_drawdown(books: Books):
    """Some venues list no withdrawal: accepted as it is, it must not halt the account."""
    books.equity.append(make_point("1000", 0))
    moved(books, TransferKind.ADJUSTMENT, "-200")

    assert peak(books, "800") == 800
    books.equity.append(make_point("800", 1))
    assert peak(books, "760") == 800  # what is lost besides counts


def test_other_transfers_and_other_accounts_move_no_unit(books: Books):
    books.equity.append(make_point("1000", 0))
    moved(books, TransferKind.FEE, "-100")
    books.transfers.record(
        make_transfer(AccountId("other"), "d", TransferKind.DEPOSIT, "USD", Decimal(9), MIDNIGHT)
    )

    assert peak(books, "900") == 1000


def test_a_ledger_of_before_units_were_kept_goes_on_from_there(books: Books):
    books.equity.append(make_point("1000", 0))
    books.session.rows("UPDATE equity SET unit = NULL, flows = NULL")
    moved(books, TransferKind.DEPOSIT, "500")
    books.equity.append(make_point("900", 1))

    assert peak(books, "900") == 1000


def test_after_all_was_lost_a_deposit_begins_anew(books: Books):
    books.equity.append(make_point("1000", 0))
    assert peak(books, "0") == 1000
    books.equity.append(make_point("0", 1))
    moved(books, TransferKind.DEPOSIT, "500")
    books.equity.append(make_point("500", 2))

    assert peak(books, "250", since_h=2) == 500


def activity(books: Books, now_h: int = 5) -> Activity:
    now = NOW + now_h * HOUR
    return books.activity.of(ACCOUNT, now, MIDNIGHT, now - timedelta(minutes=15))


def stopped_out(books: Books, number: int, px: str) -> None:
    """Buy at 100, and be stopped out at `px`."""
    for name, side, at in ((f"b-{number}", OrderSide.BUY, "100"), (f"s-{number}", None, px)):
        stop: dict[str, Any] = {"order_type": OrderType.STOP, "stop_px": Decimal(at)}
        stop |= {"side": OrderSide.SELL, "reduce_only": True}
        intent = make_intent(name, **({"side": side} if side else stop))
        ts = NOW + timedelta(minutes=number)
        books.orders.commit_intents(RunId("run"), "digest", [intent], ts)
        fill = make_fill(
            trade_id=TradeId(name),
            client_order_id=ClientOrderId(name),
            side=intent.side,
            last_px=Decimal(at),
            ts_event=ts,
            ts_init=ts,
        )
        books.fills.record(VENUE, fill, "AAPL", "USD")


def test_stop_losses_in_a_row_are_losses_only_and_count_from_the_last_change(books: Books):
    stopped_out(books, 1, "90")
    stopped_out(books, 2, "110")
    stopped_out(books, 3, "90")
    stopped_out(books, 4, "99")
    assert activity(books).stop_losses_in_row == 2

    books.trading_state.set(ACCOUNT, HALTED, "a test", "Ann", NOW)
    assert activity(books).stop_losses_in_row == 0
    stopped_out(books, 5, "90")
    assert activity(books).stop_losses_in_row == 1


def refused(books: Books, name: str, status: S, minutes: int) -> None:
    ts = NOW + timedelta(minutes=minutes)
    books.orders.commit_intents(RunId("run"), "digest", [make_intent(name)], ts)
    for step in (S.SUBMITTED, status):
        books.orders.append(
            make_event(name, status=step, event_key=f"{name}:{step}", ts_event=ts, ts_init=ts)
        )


def test_refusals_in_a_row_count_from_the_last_change(books: Books):
    refused(books, "a", S.REJECTED, 1)
    refused(books, "b", S.ACCEPTED, 2)
    refused(books, "c", S.REJECTED, 3)
    assert activity(books).failed_in_row == 1

    reduced(books)  # by the breaker, at NOW
    assert activity(books).failed_in_row == 1
    books.trading_state.set(ACCOUNT, ACTIVE, "looked", "Ann", NOW)
    assert activity(books).failed_in_row == 0


def test_venue_errors_count_within_their_window_and_from_the_last_change(books: Books):
    for minutes in (0, 50, 58, 59, 61):
        ts = NOW + timedelta(minutes=minutes)
        books.activity.failed(ACCOUNT, RunId("run"), "timeout", ts)

    assert activity(books, 1).venue_errors == 3  # not the one of long ago, nor that of later
    change = StateChange(
        state=REDUCING,
        reason="a test",
        actor=REGENT,
        ts=NOW + timedelta(minutes=59),
        cause="venue errors",
        until=NOW + 2 * HOUR,
    )
    books.trading_state.apply(ACCOUNT, change)
    assert activity(books, 1).venue_errors == 1


def test_venue_errors_of_before_a_reset_do_not_count_again(books: Books):
    """While the venue is away nothing moves the account's own clock: the person's does."""
    books.equity.append(make_point("1000", 1))
    for minutes in (55, 56, 57):
        ts = NOW + timedelta(minutes=minutes)
        books.activity.failed(ACCOUNT, RunId("run"), "timeout", ts)
    assert activity(books, 1).venue_errors == 3

    books.trading_state.set(ACCOUNT, ACTIVE, "looked", "Ann", NOW + timedelta(minutes=58))
    assert activity(books, 1).venue_errors == 0

    books.activity.failed(ACCOUNT, RunId("run"), "timeout", NOW + timedelta(minutes=59))
    assert activity(books, 1).venue_errors == 1
