"""After an error: what is halted, looked up or left alone, through real runs."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from data.store.runs import RunStatus
from execution.errors import (
    ApprovalRefused,
    ConfigInvalid,
    InvariantBroken,
    LiveNotAllowed,
    PlanOutdated,
    SafetyViolation,
    TradingStopped,
    VenueUnavailable,
)
from execution.model.enums import OrderStatus as S
from execution.model.enums import RunMode, TradingState
from execution.model.fill import Fill
from execution.model.order import IN_FLIGHT
from tasks import halting, wiring
from tasks.cycle import open_cycle
from tests.cycles import run_cycle
from tests.scripted_venue import ScriptedVenue, accepts, raises, times_out_after_accepting
from tests.tasks.paper import PAPER, install, read

ACCOUNT = PAPER.account_id
LIVE = PAPER.model_copy(update={"mode": RunMode.LIVE, "dry_run": False, "confirm_live": True})


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    return install(monkeypatch, tmp_path, ScriptedVenue())


def set_active() -> None:
    """As an account trades that was opened before."""
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.trading_state.set(ACCOUNT, TradingState.ACTIVE, "test", "Ann", now)


def after() -> tuple[str, Any, list[tuple[str, str]]]:
    """How the last run stands, the trading state, and what a person was told of, oldest first."""
    run: Any = read(lambda b: b.runs.latest(ACCOUNT))
    alerts: Any = read(lambda b: b.alerts.latest(20, ACCOUNT))
    state = read(lambda b: b.trading_state.get(ACCOUNT))
    return run.status, state, [(a.severity, a.topic) for a in reversed(alerts)]


def halt_reasons() -> list[str]:
    sql = "SELECT reason FROM trading_state WHERE state = 'halted' AND actor = 'regent'"
    rows: Any = read(lambda b: b.session.rows(sql))
    return [reason for (reason,) in rows]


@pytest.mark.parametrize(
    ("error", "topic"),
    [
        (SafetyViolation("an order of another plan"), "safety violation"),
        (InvariantBroken("two fills of one id"), "run failed"),
        (ZeroDivisionError("secret"), "run failed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_only_a_person_can_judge_halts_the_account_and_alerts(
    venue: ScriptedVenue, error: Exception, topic: str
):
    set_active()
    with pytest.raises(type(error)), open_cycle(PAPER):
        raise error

    _, state, alerts = after()
    assert (state, alerts) == (TradingState.HALTED, [("critical", topic)])
    assert len(halt_reasons()) == 1
    told: Any = read(lambda b: b.alerts.latest(1))
    assert "halted until a person lifts it" in told[0].text
    assert "secret" not in told[0].text + halt_reasons()[0]

    with pytest.raises(type(error)), open_cycle(PAPER):
        raise error
    assert len(halt_reasons()) == 1  # the reason that a person has read stays the last word


@pytest.mark.parametrize(
    ("error", "status", "alert"),
    [
        (ApprovalRefused("Ann refused"), RunStatus.REFUSED, ("warning", "run refused")),
        (LiveNotAllowed("not enabled"), RunStatus.REFUSED, ("warning", "run refused")),
        (TradingStopped("halted"), RunStatus.REFUSED, ("warning", "run refused")),
        (PlanOutdated("moved"), RunStatus.REFUSED, ("warning", "run refused")),
        (ConfigInvalid("a typo"), RunStatus.FAILED, ("warning", "run failed")),
        (VenueUnavailable("away"), RunStatus.FAILED, ("warning", "run failed")),
        (KeyboardInterrupt(), RunStatus.FAILED, ("warning", "run failed")),
        (SystemExit(143), RunStatus.FAILED, ("warning", "run failed")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_to_be_expected_halts_nothing(
    venue: ScriptedVenue, error: BaseException, status: RunStatus, alert: tuple[str, str]
):
    set_active()
    with pytest.raises(type(error)), open_cycle(PAPER):
        raise error
    assert after() == (status, TradingState.ACTIVE, [alert])


def test_a_violation_deep_in_a_run_halts_it_and_what_had_left_is_still_looked_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = [accepts(), raises(SafetyViolation("no such plan"))]
    venue = install(monkeypatch, tmp_path, ScriptedVenue(on_submit=script))

    with pytest.raises(SafetyViolation, match="1 of 2 orders were sent; no such plan"):
        run_cycle(PAPER)

    assert len(venue.submitted) == 2
    orders: Any = read(lambda b: b.orders.all(ACCOUNT))
    assert sorted(order.status for order in orders) == [S.FILLED, S.INITIALIZED]
    status, state, alerts = after()
    assert (status, state) == (RunStatus.REFUSED, TradingState.HALTED)
    assert ("critical", "safety violation") in alerts

    run_cycle(PAPER)  # every order of its plan is denied
    assert len(venue.submitted) == 2


def test_a_venue_that_goes_away_afterwards_does_not_cover_up_the_violation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The stages that follow ask the venue; their error is the one that ends the run."""
    venue = install(
        monkeypatch, tmp_path, ScriptedVenue(on_submit=raises(SafetyViolation("no such plan")))
    )
    fills = venue.fills

    async def gone(since: datetime) -> tuple[Fill, ...]:
        if venue.submitted:
            raise VenueUnavailable("away")
        return await fills(since)

    monkeypatch.setattr(venue, "fills", gone)

    with pytest.raises(VenueUnavailable):
        run_cycle(PAPER.model_copy(update={"symbols": ("GOOG",)}))

    _, state, alerts = after()
    assert state is TradingState.HALTED
    assert ("critical", "safety violation") in alerts
    assert "no such plan" in halt_reasons()[0]


def test_the_server_of_the_runs_being_away_halts_nothing(venue: ScriptedVenue):
    """Prefect's troubles say nothing of the orders."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    response = httpx.Response(503, request=httpx.Request("GET", "http://prefect"))
    set_active()
    for error in (
        httpx.ConnectError("no"),
        PrefectHTTPStatusError("503", request=response.request, response=response),
    ):
        with pytest.raises(type(error)), open_cycle(PAPER):
            raise error
    assert after()[1] is TradingState.ACTIVE


def test_an_error_before_the_account_is_opened_keeps_it_from_being_opened_to_trade(
    venue: ScriptedVenue,
):
    with pytest.raises(KeyError), open_cycle(PAPER):
        raise KeyError
    run_cycle(PAPER)
    assert venue.submitted == []
    assert after()[1] is TradingState.HALTED


def test_an_order_of_unknown_fate_is_looked_up_and_adopted_in_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An execution failure is no reason to stop: the order is there, and it is ours."""
    venue = install(monkeypatch, tmp_path, ScriptedVenue(on_submit=[times_out_after_accepting()]))

    run_cycle(PAPER)

    orders: Any = read(lambda b: b.orders.all(ACCOUNT))
    assert venue.submitted
    assert not [order for order in orders if order.status in IN_FLIGHT]
    assert all(order.status is S.FILLED for order in orders)
    assert after() == (RunStatus.COMPLETED, TradingState.ACTIVE, [])


def test_a_bug_in_the_adapter_leaves_an_order_that_is_adopted_not_a_halt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whatever a submit raises, the order may have left: it is unknown, and looked up."""
    script = [raises(KeyError("x"), after_accepting=True)]
    venue = install(monkeypatch, tmp_path, ScriptedVenue(on_submit=script))

    run_cycle(PAPER)

    assert len({*venue.submitted}) == len(venue.submitted)
    assert after()[1] is TradingState.ACTIVE


def test_a_live_run_without_its_switches_is_refused_and_told_and_halts_nothing(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("REGENT_ALLOW_LIVE", raising=False)
    with pytest.raises(LiveNotAllowed), open_cycle(LIVE):
        pass
    alerts: Any = read(lambda b: b.alerts.latest(5, LIVE.account_id))
    assert [(a.severity, a.topic) for a in alerts] == [("warning", "run refused")]
    assert read(lambda b: b.trading_state.get(LIVE.account_id)) is None


def test_a_plan_that_is_denied_whole_is_told_with_the_checks_that_decided(
    venue: ScriptedVenue,
):
    run_cycle(PAPER.model_copy(update={"symbols": ("GOOG",)}))
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.trading_state.set(ACCOUNT, TradingState.HALTED, "test", "Ann", now)

    run_cycle(PAPER)

    alerts: Any = read(lambda b: b.alerts.latest(5, ACCOUNT))
    (denied,) = [a for a in alerts if a.topic == "plan denied"]
    assert denied.severity == "warning"
    assert denied.text.startswith("all ")
    assert "MSFT" in denied.text
    assert "trading_state" in denied.text


def test_a_run_that_would_send_does_not_start_with_channels_that_are_wrong(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """Alerts that go nowhere are found out before the money moves, not after."""
    monkeypatch.setenv("REGENT_ALERTS", "jsn://nowhere")
    with pytest.raises(ConfigInvalid, match="did you mean json"):
        run_cycle(PAPER)
    assert venue.submitted == []


def test_a_reconciliation_goes_on_with_channels_that_are_wrong_and_says_so(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """It protects what is held, and sends nothing new."""
    monkeypatch.setenv("REGENT_ALERTS", "/nowhere/alerts.yaml")
    with open_cycle(PAPER, sends=False):
        pass
    assert after()[2] == [("warning", "settings invalid")]


def test_a_halt_that_the_ledger_cannot_take_is_written_to_the_halt_file(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    set_active()
    monkeypatch.setenv("REGENT_LEDGER_TIMEOUT_S", "0.2")
    with pytest.raises(SafetyViolation), open_cycle(PAPER):
        busy = threading.Thread(target=_hold_the_ledger, args=(ready := threading.Event(),))
        busy.start()
        ready.wait(10)
        raise SafetyViolation("an order of another plan")

    busy.join()
    assert halting.halt_file().covers(ACCOUNT)
    assert read(lambda b: halting.trading_state(b, ACCOUNT)) is TradingState.HALTED


def _hold_the_ledger(ready: threading.Event) -> None:
    with wiring.open_ledger().guard.hold():
        ready.set()
        time.sleep(1)
