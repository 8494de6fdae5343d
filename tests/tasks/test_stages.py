"""The stages on real books and the simulated venue, cycle after cycle."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from data.store.books import Books
from data.store.connection import LockTimeout
from data.store.runs import Run, RunStatus
from execution.errors import (
    ConfigInvalid,
    LedgerUnavailable,
    NotYetAvailable,
    TradingError,
)
from execution.model.discrepancy import DiscrepancyKind
from execution.model.enums import OrderStatus as S
from execution.model.enums import Severity, TradingState
from execution.model.identifiers import InstrumentId, VenueId
from execution.risk.checks import CHECKS
from execution.risk.limits import RiskLimits
from tasks import wiring
from tasks.config import SIMULATED, RunConfig
from tasks.cycle import open_cycle
from tasks.monitoring import monitor_orders
from tasks.orders import execute_orders, recover_orders
from tasks.reconciliation import reconcile
from tests.cycles import STAGES, assert_books_are_right, finish_cycle, plan_cycle, run_cycle

VENUE = VenueId(SIMULATED)
GOOG, MSFT = InstrumentId("GOOG", VENUE), InstrumentId("MSFT", VENUE)
BTC = InstrumentId("BTC/USD", VENUE)
CONFIG = RunConfig(symbols=("GOOG", "MSFT"))
THURSDAY = datetime(2013, 2, 28, 22, tzinfo=UTC)
LAST_CLOSE = datetime(2013, 3, 1, 21, tzinfo=UTC)  # of the sample, and what CONFIG trades on


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))


def read(question: Callable[[Books], Any]) -> Any:  # noqa: ANN401 - whatever was asked for
    with wiring.open_ledger().reading() as books:
        return question(books)


def last_run(config: RunConfig = CONFIG) -> Run:
    run: Run | None = read(lambda books: books.runs.latest(config.account_id))
    assert run is not None
    return run


def outcome(stage: str, config: RunConfig = CONFIG) -> dict[str, Any]:
    """What a stage of the last run did."""
    run_id = last_run(config).run_id
    events = read(lambda books: books.stages.of(run_id))
    (detail,) = [e.detail for e in events if (e.stage, e.event) == (stage, "completed")]
    found: dict[str, Any] = json.loads(detail)
    return found


def denials(config: RunConfig = CONFIG) -> Counter[str]:
    """How many intents each check of the last run denied."""
    run_id = last_run(config).run_id
    recorded = read(lambda books: books.risk_decisions.of(run_id))
    return Counter(r.verdict.check for r in recorded if not r.verdict.passed)


def at_venue(config: RunConfig = CONFIG) -> dict[str, Decimal]:
    """What the venue holds for the account, by instrument."""
    sql = "SELECT instrument, net_qty FROM simulated_positions WHERE account = ?"
    return dict(read(lambda books: books.session.rows(sql, config.account_id)))


def orders_sent() -> int:
    """How many orders the venue ever took."""
    rows = read(lambda books: books.session.rows("SELECT count(*) FROM simulated_orders"))
    return int(rows[0][0])


HUGE = RiskLimits(max_order_value=Decimal(2_000_000_000), max_adv_pct=1)


def held(config: RunConfig = CONFIG) -> dict[str, Decimal]:
    """What the books hold, by instrument."""
    positions = read(lambda books: books.positions.open(config.account_id))
    return {str(position.instrument_id): position.net_qty for position in positions}


def alerts() -> list[tuple[Severity, str, str]]:
    return [(a.severity, a.topic, a.text) for a in read(lambda books: books.alerts.latest(50))]


def tamper(sql: str, *params: object) -> None:
    """Change the venue's side behind our back."""
    with wiring.open_ledger().transaction() as books:
        books.session.rows(sql, *params)


def set_state(state: TradingState) -> None:
    with wiring.open_ledger().transaction() as books:
        books.trading_state.set(CONFIG.account_id, state, "test", "ann", LAST_CLOSE)


def signals_file(path: Path, *rows: str) -> Path:
    path.write_text("symbol,time,regime,side,weight,confidence,quantity\n" + "\n".join(rows))
    return path


def test_a_first_cycle_sends_and_a_second_has_nothing_left_to_do():
    first = run_cycle(CONFIG)

    assert len(first.orders) == 2
    assert {order.intent.instrument_id for order in first.orders} == {GOOG, MSFT}
    wanted = {str(o.intent.instrument_id): o.intent.order_qty for o in first.orders}
    assert held() == at_venue() == wanted
    assert_books_are_right(CONFIG)

    second = run_cycle(CONFIG)

    assert second.orders == ()
    assert orders_sent() == 2
    assert held() == wanted
    skipped = outcome("risk-approval")["skipped"]
    assert len(skipped) == 2
    # The second equity is a little smaller, its targets with it: not worth an order.
    assert all(": nothing to do (" in line or " is below 0.02 of " in line for line in skipped)
    assert all(line.endswith(" held)") for line in skipped)
    assert_books_are_right(CONFIG)


def test_every_stage_writes_its_start_and_its_end_under_the_runs_id():
    run_cycle(CONFIG)

    run = last_run()
    assert (run.status, run.message, run.attempts) == (RunStatus.COMPLETED, "", 1)
    assert RunConfig.model_validate_json(run.config) == CONFIG
    events = read(lambda books: books.stages.of(run.run_id))
    assert [(e.stage, e.event) for e in events] == [
        (stage, event) for stage in STAGES for event in ("started", "completed")
    ]
    assert {e.attempt for e in events} == {1}


def test_what_was_seen_wished_and_judged_is_written():
    execution = run_cycle(CONFIG)

    run_id = last_run().run_id
    regimes = read(lambda books: books.regimes.of(run_id))
    signals = read(lambda books: books.signals.of(run_id))
    assert {r.instrument_id: r.ts_event for r in regimes} == dict.fromkeys((GOOG, MSFT), LAST_CLOSE)
    assert [s.instrument_id for s in signals] == [r.instrument_id for r in regimes]
    recorded = read(lambda books: books.risk_decisions.of(run_id))
    per_intent = Counter(r.verdict.client_order_id for r in recorded)
    assert per_intent == {order.client_order_id: len(CHECKS) for order in execution.orders}
    assert all(r.verdict.passed for r in recorded)
    assert {r.plan_digest for r in recorded} == {outcome("risk-approval")["digest"]}


def test_equity_is_cash_and_holdings_at_marks_that_are_written_too():
    run_cycle(CONFIG)

    opened, after = read(lambda books: books.equity.of(CONFIG.account_id))
    marks = read(lambda books: books.marks.of(CONFIG.account_id))
    cash = read(lambda books: books.cash(CONFIG.account_id))
    assert (opened.cash, opened.equity, opened.holdings) == (100_000, 100_000, 0)
    assert marks == {GOOG: Decimal("806.19"), MSFT: Decimal("27.95")}
    assert after.cash == cash["USD"]
    assert after.holdings == sum(qty * marks[InstrumentId.parse(i)] for i, qty in held().items())
    assert after.equity == after.cash + after.holdings < opened.equity
    assert {opened.ts_event, after.ts_event} == {LAST_CLOSE}


def test_an_account_does_not_go_back_in_time():
    """Prices of yesterday after those of today would undo what the books know."""
    run_cycle(CONFIG)
    back = CONFIG.model_copy(update={"as_of": THURSDAY})

    with pytest.raises(ConfigInvalid) as error:
        run_cycle(back)

    assert str(error.value) == (
        "the bars end at 2013-02-28 21:00Z, but account dry-run/simulated/sample has seen bars "
        "up to 2013-03-01 21:00Z; choose another with --account"
    )
    run = last_run()
    assert (run.status, run.message) == (RunStatus.FAILED, str(error.value))
    assert orders_sent() == 2
    run_cycle(back.model_copy(update={"account": "another"}))
    assert orders_sent() == 4


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_an_account_that_a_person_stopped_opens_nothing(state: TradingState, tmp_path: Path):
    buy = signals_file(tmp_path / "buy.csv", "GOOG,2013-03-01T21:00:00Z,calm,1,0,0.9,5")
    config = CONFIG.model_copy(update={"signals": buy})
    run_cycle(CONFIG.model_copy(update={"strategies": {}}))  # opens the account, trades nothing
    set_state(state)

    execution = run_cycle(config)

    assert execution.orders == ()
    assert orders_sent() == 0
    assert denials() == {"trading_state": 1}
    assert outcome("risk-approval")["denied"] == 1
    assert_books_are_right(config)


@pytest.mark.parametrize(("state", "left"), [(TradingState.REDUCING, 5), (TradingState.HALTED, 10)])
def test_reducing_lets_a_position_go_and_halted_does_not(
    state: TradingState, left: int, tmp_path: Path
):
    path = tmp_path / "signals.csv"
    config = CONFIG.model_copy(update={"signals": path})
    signals_file(path, "GOOG,2013-03-01T21:00:00Z,calm,1,0,0.9,10")
    run_cycle(config)
    set_state(state)
    signals_file(path, "GOOG,2013-03-01T21:00:00Z,calm,0,0,0.9,5")

    run_cycle(config)

    assert held() == at_venue() == {"GOOG.SIMULATED": left}
    assert denials() == ({"trading_state": 1} if state is TradingState.HALTED else {})
    assert_books_are_right(config)


def test_a_persons_signals_are_traded_and_the_same_file_again_sends_nothing(tmp_path: Path):
    path = signals_file(
        tmp_path / "mine.csv",
        "GOOG,2013-03-01T21:00:00Z,calm,1,0.1,0.9,",
        "msft,2013-03-01T21:00:00Z,trending,1,0,0.8,100",
    )
    config = CONFIG.model_copy(update={"signals": path})

    run_cycle(config)

    assert held() == at_venue() == {"GOOG.SIMULATED": 12, "MSFT.SIMULATED": 100}
    sources = read(lambda books: books.session.rows("SELECT DISTINCT source FROM signals"))
    assert sources == [("mine.csv",)]
    assert run_cycle(config).orders == ()
    assert orders_sent() == 2
    assert_books_are_right(config)


def test_a_signals_order_that_was_sent_is_not_sent_again_for_another_size(tmp_path: Path):
    """One wish is one order: a second one at the same time is told, not guessed."""
    path = tmp_path / "mine.csv"
    config = CONFIG.model_copy(update={"signals": path})
    signals_file(path, "GOOG,2013-03-01T21:00:00Z,calm,1,0,0.9,10")
    run_cycle(config)
    signals_file(path, "GOOG,2013-03-01T21:00:00Z,calm,1,0,0.9,15")

    assert run_cycle(config).orders == ()

    assert outcome("risk-approval")["skipped"] == [
        "GOOG.SIMULATED: this signal's order was sent before and is filled"
    ]
    assert held() == {"GOOG.SIMULATED": 10}


@pytest.fixture
def thin_market(tmp_path: Path) -> Callable[..., RunConfig]:
    """Bars of 100 a day, of which a tenth can be bought, and one wish of 30 on February 10."""
    bars = tmp_path / "BTC-USD.csv"
    first = date(2024, 1, 1)
    lines = [f"{first + timedelta(days=n)},100,103,99,{100 + n % 3},100" for n in range(50)]
    bars.write_text("date,open,high,low,close,volume\n" + "\n".join(lines))
    wish = "BTC/USD,2024-02-10T00:00:00Z,trending,1,0,0.9,30"
    signals = signals_file(tmp_path / "signals.csv", wish)

    def on(day: int, **changes: Any) -> RunConfig:  # noqa: ANN401 - any setting
        return RunConfig(
            feed="files",
            bars=(bars,),
            signals=signals,
            as_of=datetime(2024, 2, day, tzinfo=UTC),
            limits=HUGE,  # more than a bar can fill is more than the default limits allow
            **changes,
        )

    return on


def test_what_a_bar_cannot_fill_is_carried_over_to_the_next(thin_market: Callable[..., RunConfig]):
    filled = []
    for day in (10, 11, 12):
        config = thin_market(day, order_timeout_s=7 * 86_400)
        run_cycle(config)
        assert held(config) == at_venue(config)
        assert_books_are_right(config)
        filled.append(held(config)["BTC/USD.SIMULATED"])

    assert filled == [10, 20, 30]
    assert orders_sent() == 1
    (order,) = read(lambda books: books.orders.all(config.account_id))
    assert (order.status, order.cum_qty) == (S.FILLED, 30)
    assert [text.partition(": ")[2] for _, topic, text in alerts()] == [
        "20 of 30 filled, carried on",
        "10 of 30 filled, carried on",
    ]


def test_an_overdue_rest_is_canceled_and_its_late_fills_are_booked(
    thin_market: Callable[..., RunConfig],
):
    run_cycle(thin_market(10))
    config = thin_market(11)

    assert run_cycle(config).orders == ()

    (order,) = read(lambda books: books.orders.all(config.account_id))
    assert (order.status, order.cum_qty) == (S.CANCELED, 20)
    events = read(lambda books: books.orders.events(order.client_order_id))
    assert [e.status for e in events] == [S.SUBMITTED, S.ACCEPTED, S.PENDING_CANCEL, S.CANCELED]
    assert held(config) == at_venue(config) == {"BTC/USD.SIMULATED": 20}
    assert outcome("risk-approval", config)["skipped"] == [
        "BTC/USD.SIMULATED: this signal's order was sent before and is canceled"
    ]
    assert orders_sent() == 1
    assert_books_are_right(config)


def test_a_day_order_of_the_sample_expires_with_the_next_day(tmp_path: Path):
    """Of 500 million, a tenth of a day's volume is bought on Thursday and again on Friday."""
    wish = signals_file(tmp_path / "wish.csv", "GOOG,2013-02-28T21:00:00Z,calm,1,0.2,0.9,")
    large = {"signals": wish, "starting_cash": Decimal(5_000_000_000), "symbols": ("GOOG",)}
    large |= {"limits": HUGE}
    config = CONFIG.model_copy(update={**large, "as_of": THURSDAY})
    run_cycle(config)
    (thursday,) = held(config).values()
    (order,) = read(lambda books: books.orders.all(config.account_id))
    assert order.status is S.PARTIALLY_FILLED

    run_cycle(config.model_copy(update={"as_of": LAST_CLOSE}))

    (friday,) = held(config).values()
    (order,) = read(lambda books: books.orders.all(config.account_id))
    assert 0 < thursday < friday < order.intent.order_qty
    assert (order.status, order.cum_qty) == (S.EXPIRED, friday)
    assert at_venue(config) == held(config)
    assert_books_are_right(config)


def test_a_position_that_changed_at_the_venue_is_told_and_quarantined(tmp_path: Path):
    run_cycle(CONFIG)
    tamper(
        "UPDATE simulated_positions SET net_qty = net_qty + 1 WHERE instrument = 'GOOG.SIMULATED'"
    )

    run_cycle(CONFIG)

    (difference,) = read(lambda books: books.discrepancies.open(CONFIG.account_id))
    assert (difference.kind, difference.instrument_id) == (DiscrepancyKind.POSITION, GOOG)
    assert (difference.books, difference.venue) == ("23.000000000000", "24.000000000000")
    assert outcome("reconciliation")["discrepancies"] == ["position GOOG.SIMULATED"]
    assert alerts() == [
        (
            Severity.CRITICAL,
            "books differ",
            "position GOOG.SIMULATED: books 23.000000000000, venue 24.000000000000",
        )
    ]

    sell = signals_file(
        tmp_path / "sell.csv",
        "GOOG,2013-03-01T21:00:00Z,calm,0,0,0.9,",
        "MSFT,2013-03-01T21:00:00Z,calm,0,0,0.9,",
    )
    execution = run_cycle(CONFIG.model_copy(update={"signals": sell}))

    assert [order.intent.instrument_id for order in execution.orders] == [MSFT]
    assert denials() == {"instrument_free": 1}
    assert held() == {"GOOG.SIMULATED": 23}


def test_cash_that_changed_at_the_venue_stops_the_whole_account_until_it_agrees(tmp_path: Path):
    run_cycle(CONFIG)
    tamper("UPDATE simulated_accounts SET cash = cash - 1")
    run_cycle(CONFIG)
    (difference,) = read(lambda books: books.discrepancies.open(CONFIG.account_id))
    assert (difference.kind, difference.key) == (DiscrepancyKind.CASH, "USD")
    assert difference.instrument_id is None
    assert Decimal(difference.books) - Decimal(difference.venue) == 1
    sell = signals_file(
        tmp_path / "sell.csv",
        "GOOG,2013-03-01T21:00:00Z,calm,0,0,0.9,",
        "MSFT,2013-03-01T21:00:00Z,calm,0,0,0.9,",
    )
    config = CONFIG.model_copy(update={"signals": sell})

    assert run_cycle(config).orders == ()
    assert denials() == {"instrument_free": 2}

    tamper("UPDATE simulated_accounts SET cash = cash + 1")
    assert len(run_cycle(config).orders) == 2  # it agrees again, so it trades again
    assert held() == at_venue() == {}
    assert_books_are_right(config)


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"mode": "backtest"}, NotYetAvailable, r"^backtest mode is not there yet: .*engine is "),
        (
            {"mode": "paper", "venue": "kraken"},
            ConfigInvalid,
            r"^kraken has no testnet: .*use --mode dry-run --feed ccxt:kraken",
        ),
        (
            {"mode": "live", "venue": "kraken"},
            ConfigInvalid,
            r"^kraken: missing in the environment: KRAKEN_API_KEY, KRAKEN_SECRET_KEY; ",
        ),
        (
            {"mode": "live", "venue": "binanse"},
            ConfigInvalid,
            r"^venue='binanse' is unknown; did you mean binance\?",
        ),
    ],
)
def test_what_cannot_be_traded_names_what_is_missing(
    settings: dict[str, str],
    error: type[TradingError],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
):
    """Before anything is read, written or sent."""
    monkeypatch.setattr(wiring, "VENUES", {})  # no test's own venue overrules the real ones
    with pytest.raises(error, match=told):
        run_cycle(RunConfig.model_validate(settings))

    with pytest.raises(LedgerUnavailable, match="no ledger at"):
        read(lambda books: books)


@contextmanager
def somebody_else_at_work() -> Iterator[None]:
    """Another thread that holds the account's guard."""
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with wiring.account_guard(CONFIG.account_id).hold():
            holds.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holds.wait(10)
        yield
    finally:
        done.set()
        thread.join()


def test_nobody_touches_an_account_that_somebody_else_works_on(monkeypatch: pytest.MonkeyPatch):
    """Every stage that asks or tells the venue waits its turn, and gives up in time."""
    with open_cycle(CONFIG) as cycle:
        market, planned = plan_cycle(cycle)
        assert len(planned.plan.intents) == 2
        monkeypatch.setenv("REGENT_LEDGER_TIMEOUT_S", "0.1")
        with somebody_else_at_work():
            for stage in (
                partial(recover_orders.fn, cycle, market),
                partial(execute_orders.fn, cycle, market, planned.plan),
                partial(monitor_orders.fn, cycle, market),
                partial(reconcile.fn, cycle, market),
            ):
                with pytest.raises(LockTimeout, match=r"dry-run_simulated_sample"):
                    stage()
            assert orders_sent() == 0
            run_cycle(CONFIG.model_copy(update={"account": "another"}))
        finish_cycle(cycle, market, planned)

    assert len(held()) == 2
    assert_books_are_right(CONFIG)


def test_two_cycles_at_once_send_each_wish_once():
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run_cycle(CONFIG)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert orders_sent() == 2
    assert held() == at_venue()
    assert_books_are_right(CONFIG)
