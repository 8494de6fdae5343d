"""The breaker in real runs: what trips it there, when it is looked at, and how it ends.

The paper account is at the scripted venue and the prices are the test's; see `paper.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml

from execution.errors import VenueUnavailable
from execution.model.activity import Lock
from execution.model.enums import Severity, Topic, TradingState
from execution.model.identifiers import RunId
from execution.model.order import OrderIntent
from execution.model.reports import BalanceReport
from execution.risk.breaker import Cause
from execution.risk.limits import RiskLimits
from execution.risk.protections import CooldownPeriod
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.manual import accept
from tasks.market_data import at_prices_of_now, load_market
from tasks.rhythm import Pace
from tasks.shocks import shock
from tasks.trading_state import put, trip
from tasks.watch import watch
from tests.cycles import finish_cycle, plan_cycle, run_cycle
from tests.execution.examples import make_bar
from tests.scripted_venue import ScriptedVenue, rejects
from tests.tasks.paper import PAPER, install, read, reconciled

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
ACCOUNT = PAPER.account_id
STOP = "emergency-stop"
QUICK = PAPER.model_copy(update={"monitor_s": 0})
# A price may move as it likes: what is looked at here is the loss.
UNSHOCKED = QUICK.model_copy(update={"limits": RiskLimits(max_volatility_shock=Decimal(999))})


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    monkeypatch.setenv("SCRIPTED_DRIFT", str(tmp_path / "drift"))
    return install(monkeypatch, tmp_path / "home", ScriptedVenue())


@pytest.fixture
def drift(tmp_path: Path) -> Callable[[str], object]:
    """What is traded now, as a factor on the last close."""
    return (tmp_path / "drift").write_text


def state() -> TradingState:
    return read(lambda b: b.trading_state.get(ACCOUNT))  # type: ignore[return-value,attr-defined]


def causes() -> list[str | None]:
    return [c.cause for c in read(lambda b: b.trading_state.history(ACCOUNT))]  # type: ignore[attr-defined]


def alerts() -> list[tuple[Severity, str]]:
    found = read(lambda b: b.alerts.latest(50, ACCOUNT))
    return [(a.severity, a.text) for a in found if a.topic == Topic.BREAKER]  # type: ignore[attr-defined]


def cool_down() -> None:
    """Let the time pass that the breaker has set."""
    with wiring.open_ledger().transaction() as books:
        books.session.rows("UPDATE trading_state SET until = ts WHERE until IS NOT NULL")


def test_a_drawdown_halts_before_anything_new_is_planned_and_only_a_person_resets_it(
    venue: ScriptedVenue, drift: Callable[[str], object]
):
    """Two positions of 19 % each and a fall of 40 %: 15 % of the account is gone."""
    run_cycle(UNSHOCKED)
    sent = list(venue.submitted)
    drift("0.6")

    execution = run_cycle(UNSHOCKED)

    assert state() is HALTED
    assert execution.orders == ()
    assert venue.submitted == sent
    [told] = [text for severity, text in alerts() if severity is Severity.CRITICAL]
    assert "drawdown: drawdown_pct=0.1511" in told
    assert "regent breaker reset" in told

    reconciled(UNSHOCKED)
    assert state() is HALTED

    put(ACCOUNT, ACTIVE, "looked at it", "Ann")
    reconciled(UNSHOCKED)  # the same prices: the loss is not seen again
    assert state() is ACTIVE
    drift("0.2")
    reconciled(UNSHOCKED)
    assert state() is HALTED


def test_a_drawdown_that_comes_while_a_plan_waits_stops_it(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """A person may take a quarter of an hour to approve; money can be gone by then."""
    with open_cycle(QUICK) as cycle:
        market, planned = plan_cycle(cycle)
        assert len(planned.plan.intents) == 2
        venue.cash -= 20_000  # a loss that the books do not explain yet is no loss of theirs ...
        with wiring.open_ledger().transaction() as books:
            books.session.rows("UPDATE equity SET equity = 150000")  # ... so the peak was higher
        execution = finish_cycle(cycle, market, planned)

    assert state() is HALTED
    assert venue.submitted == []
    assert len(execution.withdrawn) == 2


def test_a_volatility_shock_only_reduces_and_its_cooldown_leads_back(
    venue: ScriptedVenue, drift: Callable[[str], object]
):
    run_cycle(QUICK)
    drift("1.15")

    reconciled(QUICK)

    assert (state(), causes()) == (REDUCING, [None, Cause.VOLATILITY_SHOCK])
    assert [severity for severity, _ in alerts()] == [Severity.WARNING]
    drift("1")
    reconciled(QUICK)
    assert state() is REDUCING  # it is over, and the cooldown is not

    cool_down()
    reconciled(QUICK)
    assert (state(), causes()[-1]) == (ACTIVE, Cause.COOLDOWN)
    assert "the cooldown is over and nothing trips" in alerts()[0][1]


def test_orders_refused_in_a_row_stop_opening(venue: ScriptedVenue):
    refusing = ScriptedVenue(on_submit=rejects())
    wiring.VENUES["scripted"] = lambda config, instruments: refusing
    limits = RiskLimits(max_failed_orders=2)

    run_cycle(QUICK.model_copy(update={"limits": limits}))

    assert len(refusing.submitted) == 2
    assert (state(), causes()[-1]) == (REDUCING, Cause.FAILED_ORDERS)


def test_a_venue_that_does_not_answer_is_counted_and_trips_once_it_is_back(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    config = QUICK.model_copy(update={"limits": RiskLimits(max_venue_errors=2)})
    run_cycle(config)

    async def down(self: ScriptedVenue) -> tuple[BalanceReport, ...]:
        raise VenueUnavailable("scripted: down")

    with monkeypatch.context() as patch:
        patch.setattr(ScriptedVenue, "balances", down)
        for _ in range(2):
            with pytest.raises(VenueUnavailable):
                reconciled(config)
    assert state() is ACTIVE
    reconciled(config)

    assert (state(), causes()[-1]) == (REDUCING, Cause.VENUE_ERRORS)


def test_books_that_differ_too_much_stop_opening_until_they_agree(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    config = QUICK.model_copy(update={"limits": RiskLimits(max_discrepancies=1)})
    run_cycle(config)
    venue.cash -= 5

    assert len(reconciled(config)) == 1
    assert (state(), causes()[-1]) == (REDUCING, Cause.MISMATCH)

    cool_down()
    monkeypatch.setattr(
        "tasks.breaker.assess", lambda *_: ()
    )  # were the limit higher it would not trip now: the difference is there all the same
    reconciled(config)
    assert state() is REDUCING
    venue.cash += 5
    reconciled(config)
    assert state() is ACTIVE


def test_a_watch_looks_at_the_breaker_at_each_comparison(
    venue: ScriptedVenue, drift: Callable[[str], object]
):
    run_cycle(UNSHOCKED)
    drift("0.6")
    pace = Pace(reconcile_every_s=0.01)

    with open_cycle(UNSHOCKED, sends=False) as cycle:
        market = load_market.fn(cycle)
        venue_of = wiring.VENUES["scripted"](UNSHOCKED, market.traded)
        asyncio.run(watch(cycle, venue_of, market, pace, for_s=0.1))

    assert state() is HALTED


def test_a_watch_does_not_trip_on_prices_that_it_could_have_asked_for(
    venue: ScriptedVenue, drift: Callable[[str], object]
):
    """Nothing of ours waits for a price, and what is compared is worth what it is now."""
    run_cycle(UNSHOCKED)
    pace = Pace(reconcile_every_s=0.01)

    with open_cycle(UNSHOCKED, sends=False) as cycle:
        begun = load_market.fn(cycle)
        old = {
            i: replace(s, ts_event=s.ts_event - timedelta(hours=1))
            for i, s in begun.snapshots.items()
        }
        there = wiring.VENUES["scripted"](UNSHOCKED, begun.traded)
        prices = partial(at_prices_of_now, wiring.build_feed(UNSHOCKED))
        market = replace(begun, snapshots=old)  # an hour later
        asyncio.run(watch(cycle, there, market, pace, prices=prices, for_s=0.1))

    assert (state(), causes()) == (ACTIVE, [None])


def test_a_withdrawal_that_the_venue_does_not_list_is_no_loss_once_it_is_accepted(
    venue: ScriptedVenue,
):
    run_cycle(UNSHOCKED)
    venue.cash -= 15_000  # moved to another wallet

    for found in reconciled(UNSHOCKED):
        accept(found, ACCOUNT, "Ann", "I moved it")

    assert reconciled(UNSHOCKED) == ()
    assert (state(), causes()) == (ACTIVE, [None])


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would go to Prefect of accounts, as if in a flow."""
    found: list[dict[str, Any]] = []

    def emit(**event: Any) -> None:  # noqa: ANN401 - as Prefect takes them
        if event["event"].startswith("regent.breaker."):
            found.append(event)

    monkeypatch.setattr("tasks.events.FlowRunContext", SimpleNamespace(get=lambda: "a flow's"))
    monkeypatch.setattr("tasks.events.emit_event", emit)
    return found


def automation() -> dict[str, Any]:
    """The trigger of the emergency stop, as it is deployed."""
    deployed = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    [trigger] = [t for d in deployed for t in d.get("triggers", ()) if d["name"] == STOP]
    return trigger  # type: ignore[no-any-return]


def starts(events: list[dict[str, Any]]) -> list[str]:
    """The accounts that the automation closes upon these events."""
    trigger = automation()
    assert trigger["parameters"]["accounts"] == ["{{ event.resource['regent.account'] }}"]
    return [
        event["resource"]["regent.account"]
        for event in events
        if event["event"] in trigger["expect"]
        and all(fnmatch(event["resource"][k], v) for k, v in trigger["match"].items())
    ]


def fail_often() -> None:
    """Venue errors enough to trip on."""
    with wiring.open_ledger().transaction() as books:
        for _ in range(UNSHOCKED.limits.max_venue_errors):
            books.activity.failed(ACCOUNT, RunId("run"), "timeout", wiring.wall_clock())


def test_a_halt_by_the_breaker_starts_the_automation_once(
    venue: ScriptedVenue, drift: Callable[[str], object], events: list[dict[str, Any]]
):
    run_cycle(UNSHOCKED)
    drift("0.6")

    for _ in range(2):
        reconciled(UNSHOCKED)
    fail_often()
    reconciled(UNSHOCKED)  # on top of its own halt

    assert (state(), causes()[-1]) == (HALTED, Cause.VENUE_ERRORS)
    assert starts(events) == [ACCOUNT]


def test_what_trips_on_top_of_a_person_s_halt_starts_no_automation(
    venue: ScriptedVenue, drift: Callable[[str], object], events: list[dict[str, Any]]
):
    """A person has it in hand: nothing may be closed because the venue failed to answer."""
    run_cycle(UNSHOCKED)
    trip(ACCOUNT, "I want to look", "Ann")
    drift("0.6")
    fail_often()

    reconciled(UNSHOCKED)

    assert {Cause.DRAWDOWN, Cause.VENUE_ERRORS} <= set(causes())
    assert events == []


def test_reducing_starts_no_automation(
    venue: ScriptedVenue, drift: Callable[[str], object], events: list[dict[str, Any]]
):
    run_cycle(UNSHOCKED)
    fail_often()

    reconciled(UNSHOCKED)

    assert [e["event"] for e in events] == ["regent.breaker.reducing"]
    assert starts(events) == []


def test_an_event_that_a_kill_has_cut_off_is_told_by_the_next_look(
    venue: ScriptedVenue,
    drift: Callable[[str], object],
    events: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
):
    """Else the account stays halted with its positions open, and nothing closes them."""
    run_cycle(UNSHOCKED)
    drift("0.6")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def cut_off(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("tasks.breaker.emit_breaker", cut_off)
        reconciled(UNSHOCKED)
    assert (state(), events) == (HALTED, [])

    for _ in range(2):
        reconciled(UNSHOCKED)

    assert starts(events) == [ACCOUNT]


def test_an_alert_that_a_kill_has_cut_off_is_told_by_the_next_look(
    venue: ScriptedVenue, drift: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
):
    run_cycle(UNSHOCKED)
    drift("0.6")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def cut_off(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("tasks.breaker.emit_breaker", cut_off)
        reconciled(UNSHOCKED)
    assert (state(), alerts()) == (HALTED, [])

    for _ in range(2):
        reconciled(UNSHOCKED)

    assert sorted(severity for severity, _ in alerts()) == [Severity.CRITICAL, Severity.WARNING]


def test_a_protection_of_the_configuration_makes_its_lock_once(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    cooldown = CooldownPeriod(method="cooldown_period", stop_h=Decimal(2))
    config = QUICK.model_copy(update={"protections": (cooldown,)})
    run_cycle(config)
    orders = read(lambda b: b.orders.all(ACCOUNT))
    first = orders[0].intent  # type: ignore[index]
    venue.take(
        OrderIntent(
            **{
                **{f: getattr(first, f) for f in first.__dataclass_fields__},
                "client_order_id": "by-hand",
                "side": "sell",
            }
        ),
        wiring.wall_clock(),
    )

    for _ in range(2):
        reconciled(config)

    found: tuple[Lock, ...] = read(lambda b: b.locks.active(ACCOUNT, wiring.wall_clock()))  # type: ignore[assignment]
    assert [(k.instrument_id, k.protection) for k in found] == [
        (first.instrument_id, "cooldown_period")
    ]


def bars(closes: list[float], interval: timedelta) -> pd.DataFrame:
    ends = [NOON - (len(closes) - 1 - n) * interval for n in range(len(closes))]
    return pd.DataFrame(
        {
            "open": closes,
            "high": closes,
            "low": closes,
            "close": closes,
            "volume": 1.0,
            "ts_open": pd.to_datetime([e - interval for e in ends]),
            "ts_close": pd.to_datetime(ends),
        }
    )


NOON = datetime.fromisoformat("2024-03-01T12:00:00+00:00")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize(("interval", "a_day"), [(DAY, 1), (HOUR, 24)])
def test_a_shock_is_a_day_s_move_against_the_days_before_it(interval: timedelta, a_day: int):
    """With its own day among those it is measured by, no move could ever be 4.5 times as large."""
    usual = [100 * (1.01 if (n // a_day) % 2 else 1.0) for n in range(30 * a_day)]
    frame = bars([*usual, *[150.0] * a_day], interval)
    now = make_bar(NOON - interval, NOON, last_px=Decimal(150))

    found = shock(now, frame)

    assert found is not None
    assert 35 < found < 45  # ln(150 / 101) over about 1 %


def test_a_quote_is_compared_with_the_last_close_of_a_day_ago():
    frame = bars([100.0 + n % 2 for n in range(30)], DAY)
    evening = make_bar(NOON, NOON + 22 * HOUR, last_px=Decimal(101))

    assert shock(evening, frame) == 0  # the last close is 101 and 22 hours old
    moved = make_bar(NOON, NOON + 22 * HOUR, last_px=Decimal(102))
    assert shock(moved, frame.iloc[:2]) is None  # two closes are no deviation
    assert shock(moved, frame.iloc[:1]) is None
    flat = bars([100.0] * 30, DAY)
    assert shock(moved, flat) is None  # it has never moved: nobody knows what is usual


def test_a_halt_in_the_sample_replay_stands_through_later_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By the market's clock, not by ours: the peak of the replay is not lost in 2026."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    tight = RiskLimits(max_drawdown_pct=Decimal("0.0001"))
    config = RunConfig(
        symbols=("GOOG", "MSFT"), limits=tight, as_of=datetime.fromisoformat("2013-02-28T22:00Z")
    )

    run_cycle(config)
    halted = read(lambda b: b.trading_state.get(config.account_id))
    put(config.account_id, ACTIVE, "a test", "Ann")
    later = config.model_copy(update={"as_of": datetime.fromisoformat("2013-03-01T22:00Z")})
    before = read(lambda b: b.trading_state.released_at(config.account_id))
    run_cycle(later.model_copy(update={"limits": RiskLimits()}))

    assert halted is HALTED  # the commissions alone are more than a basis point
    assert before == datetime.fromisoformat("2013-02-28T21:00:00+00:00")
    assert read(lambda b: b.trading_state.get(config.account_id)) is ACTIVE
