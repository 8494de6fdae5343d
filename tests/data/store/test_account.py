from datetime import timedelta
from decimal import Decimal

import pytest

from data.store.books import Books
from data.store.equity import EquityPoint
from execution.errors import SafetyViolation
from execution.model.alert import Alert
from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.enums import Severity, Topic, TradingState
from execution.model.identifiers import AccountId, RunId
from tests.execution.examples import AAPL, ACCOUNT, MSFT, NOW

RUN = RunId("run-1")
HOUR = timedelta(hours=1)
MIDNIGHT = NOW.replace(hour=0, minute=0)


def make_point(equity: str, hours: int) -> EquityPoint:
    ts = MIDNIGHT + hours * HOUR
    return EquityPoint(
        account=ACCOUNT,
        run_id=RUN,
        currency="USD",
        cash=Decimal(equity),
        holdings=Decimal(0),
        equity=Decimal(equity),
        unrealized_pnl=Decimal("-1.5"),
        realized_pnl=Decimal("2.5"),
        ts_event=ts - HOUR,
        ts_init=ts,
    )


def test_the_day_opens_with_the_last_equity_before_it(books: Books):
    points = [make_point("90", -30), make_point("100", -2), make_point("80", 9)]
    for point in points:
        books.equity.append(point)

    assert round(books.equity.opening(ACCOUNT, Decimal(80), "USD", MIDNIGHT), 9) == 100
    assert points[2] == books.equity.latest(ACCOUNT)
    assert tuple(points) == books.equity.of(ACCOUNT)


def test_the_first_day_opens_with_its_first_equity(books: Books):
    for equity, hours in (("100", 9), ("80", 10)):
        books.equity.append(make_point(equity, hours))

    assert round(books.equity.opening(ACCOUNT, Decimal(80), "USD", MIDNIGHT), 9) == 100
    assert books.equity.latest(AccountId("nobody")) is None


def test_the_newest_mark_of_each_instrument_is_kept(books: Books):
    books.marks.save(ACCOUNT, {AAPL: Decimal(100), MSFT: Decimal(50)}, NOW)
    books.marks.save(ACCOUNT, {AAPL: Decimal("101.5")}, NOW + HOUR)

    assert books.marks.of(ACCOUNT) == {AAPL: Decimal("101.5"), MSFT: Decimal(50)}
    assert books.marks.of(AccountId("nobody")) == {}


def make_discrepancy(key: str, books: str = "1", venue: str = "2") -> Discrepancy:
    return Discrepancy(
        kind=DiscrepancyKind.POSITION, key=key, books=books, venue=venue, instrument_id=AAPL
    )


def test_a_discrepancy_stays_open_until_it_is_found_no_more(books: Books):
    a, b, c = make_discrepancy("a"), make_discrepancy("b"), make_discrepancy("c")
    later = make_discrepancy("b", venue="3")
    cash = Discrepancy(kind=DiscrepancyKind.CASH, key="USD", books="1", venue="2")

    books.discrepancies.replace(ACCOUNT, RUN, [a, b], NOW)
    books.discrepancies.replace(AccountId("other"), RUN, [a], NOW)
    books.discrepancies.replace(ACCOUNT, RunId("run-2"), [later, c, cash], NOW + HOUR)

    assert (later, cash, c) == books.discrepancies.open(ACCOUNT)
    assert (a,) == books.discrepancies.open(AccountId("other"))
    assert books.session.rows(
        "SELECT key, found_at, resolved_at FROM discrepancies "
        "WHERE account = ? AND run_id = ? ORDER BY key",
        ACCOUNT,
        RUN,
    ) == [("a", NOW, NOW + HOUR), ("b", NOW, None)]


def test_a_discrepancy_that_comes_back_is_a_new_one(books: Books):
    for found in ([make_discrepancy("a")], [], [make_discrepancy("a")]):
        books.discrepancies.replace(ACCOUNT, RUN, found, NOW)

    assert (make_discrepancy("a"),) == books.discrepancies.open(ACCOUNT)
    assert books.session.rows("SELECT count(*) FROM discrepancies") == [(2,)]


def test_the_last_trading_state_counts_and_none_means_unknown(books: Books):
    assert books.trading_state.get(ACCOUNT) is None

    books.trading_state.set(ACCOUNT, TradingState.ACTIVE, "opened", "regent", NOW)
    books.trading_state.set(ACCOUNT, TradingState.HALTED, "loss limit", "regent", NOW)

    assert TradingState.HALTED is books.trading_state.get(ACCOUNT)
    assert books.trading_state.get(AccountId("other")) is None


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (TradingState.HALTED, TradingState.ACTIVE),
        (TradingState.HALTED, TradingState.REDUCING),
        (TradingState.REDUCING, TradingState.ACTIVE),
    ],
)
def test_only_a_person_loosens_the_trading_state(
    books: Books, known: TradingState, wanted: TradingState
):
    books.trading_state.set(ACCOUNT, known, "loss limit", "regent", NOW)

    with pytest.raises(SafetyViolation, match=f"is {known}: only a person may set it to {wanted}"):
        books.trading_state.set(ACCOUNT, wanted, "all is well", "regent", NOW)
    assert known is books.trading_state.get(ACCOUNT)

    books.trading_state.set(ACCOUNT, wanted, "looked at it", "ada", NOW)
    assert wanted is books.trading_state.get(ACCOUNT)


def test_live_trading_is_off_until_a_person_turns_it_on(books: Books):
    assert not books.live_trading.enabled()
    with pytest.raises(SafetyViolation):
        books.live_trading.set(True, "regent", NOW)

    books.live_trading.set(True, "ada", NOW)
    assert books.live_trading.enabled()

    books.live_trading.set(False, "regent", NOW)
    assert not books.live_trading.enabled()


def test_an_alert_is_told_once_and_the_newest_first(books: Books):
    def make_alert(alert_id: str, account: AccountId | None, hours: int) -> Alert:
        return Alert(
            alert_id=alert_id,
            account=account,
            run_id=None,
            severity=Severity.CRITICAL,
            topic=Topic.BREAKER,
            text="halted",
            ts=NOW + hours * HOUR,
        )

    old, new, general = (
        make_alert("a", ACCOUNT, 0),
        make_alert("b", ACCOUNT, 2),
        make_alert("c", None, 1),
    )

    assert [books.alerts.append(x) for x in (old, new, general, old)] == [True, True, True, False]
    assert (new, general) == books.alerts.latest(2)
    assert (new, old) == books.alerts.latest(5, ACCOUNT)


@pytest.mark.parametrize(
    ("word", "topic", "text"),
    [
        ("watch", Topic.WATCH_BLIND, "blind"),
        ("order partially_filled", Topic.ORDER_PARTIALLY_FILLED, "blind"),
        ("risk", Topic.OTHER, "risk: blind"),
    ],
)
def test_an_alert_of_a_time_before_there_was_a_list_of_topics_is_read(
    books: Books, word: str, topic: Topic, text: str
):
    """A ledger outlives the words of the code that wrote it."""
    books.session.insert("alerts", [("a", None, None, "info", word, "blind", NOW)])

    (alert,) = books.alerts.latest(1)

    assert (alert.topic, alert.text) == (topic, text)
