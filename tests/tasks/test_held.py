"""Orders that wait, in whole cycles: stops, targets, slices; through restarts, live too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.verify import verify
from execution.model.enums import OrderStatus as S
from execution.model.enums import OrderType, TradingState
from execution.model.identifiers import RunId
from execution.model.order import Order, OrderIntent
from execution.risk.limits import RiskLimits
from execution.venues.base import SubmitOutcome, SubmitResult
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.market_data import load_market
from tasks.sync import sync
from tests.cycles import assert_books_are_right, finish_cycle, plan_cycle, run_cycle
from tests.scripted_venue import ScriptedVenue
from tests.tasks.paper import GOOG, PAPER, install, read, reconciled
from tests.tasks.test_live_gate import CONFIG as LIVE
from tests.tasks.test_live_gate import Ready, log, sent  # noqa: F401 - a fixture

STOPS_THERE = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP})


PATIENT = RiskLimits(max_quote_age_s=3_600)


@pytest.fixture
def signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """10 GOOG, to be left at 700 or 900; it trades at 806.42 until somebody drifts it."""
    monkeypatch.setenv("SCRIPTED_DRIFT", str(tmp_path / "drift"))
    path = tmp_path / "signals.csv"
    now = datetime.now(UTC).replace(microsecond=0)
    path.write_text(
        "symbol,time,regime,side,weight,confidence,strategy,quantity,stop_loss,take_profit\n"
        f"GOOG,{now.isoformat()},trending,1,0.2,0.9,donchian,10,700,900\n"
    )
    return path


@pytest.fixture
def config(signals: Path) -> RunConfig:
    return PAPER.model_copy(update={"signals": signals, "monitor_s": 0})


def drift(signals: Path, factor: str) -> None:
    signals.with_name("drift").write_text(factor)


def wished(signals: Path, **terms: str) -> None:
    """10 GOOG on these terms."""
    now = datetime.now(UTC).replace(microsecond=0)
    names, values = ",".join(terms), ",".join(terms.values())
    signals.write_text(
        f"symbol,time,regime,side,weight,confidence,strategy,quantity,{names}\n"
        f"GOOG,{now.isoformat()},trending,1,0.2,0.9,donchian,10,{values}\n"
    )


def legs() -> dict[str, Order]:
    orders: tuple[Order, ...] = read(lambda b: b.orders.all(PAPER.account_id))  # type: ignore[assignment]
    return {order.intent.leg: order for order in orders}


def held_qty() -> Decimal:
    return read(lambda b: b.positions.get(PAPER.account_id, GOOG)).net_qty  # type: ignore[attr-defined, no-any-return]


def paper(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, native: frozenset[OrderType]
) -> ScriptedVenue:
    venue = ScriptedVenue()
    able = venue.capabilities(GOOG)
    monkeypatch.setattr(venue, "capabilities", lambda _: replace(able, order_types=native))
    return install(monkeypatch, tmp_path / "home", venue)


def test_an_entry_is_protected_at_the_venue_where_it_does_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig
):
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)

    run_cycle(config)

    assert {leg: o.status for leg, o in legs().items()} == {
        "entry": S.FILLED,
        "stop": S.ACCEPTED,
        "target": S.HELD,
    }
    (_, stop) = venue.sent
    assert (stop.order_type, stop.order_qty, stop.stop_px) == (OrderType.STOP, 10, 700)
    assert (held_qty(), reconciled(config)) == (10, ())


def test_a_target_that_is_reached_replaces_the_stop_and_never_joins_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig, signals: Path
):
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    run_cycle(config)
    drift(signals, "1.2")

    assert reconciled(config) == ()

    venue.fill(legs()["target"].client_order_id, Decimal(10), Decimal(967), wiring.wall_clock())
    assert reconciled(config) == ()
    assert {leg: o.status for leg, o in legs().items()} == {
        "entry": S.FILLED,
        "stop": S.CANCELED,
        "stop #2": S.CANCELED,
        "target": S.FILLED,
    }
    assert held_qty() == 0
    assert read(verify) == ()


def test_a_stop_that_the_venue_does_not_do_is_held_and_sent_when_its_price_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig, signals: Path
):
    """In the ledger, so the process that sent the entry may be long gone."""
    venue = paper(monkeypatch, tmp_path, frozenset({OrderType.MARKET, OrderType.LIMIT}))
    run_cycle(config)
    assert len(venue.submitted) == 1
    drift(signals, "0.8")

    assert reconciled(config) == ()

    stop = legs()["stop"]
    assert (stop.status, stop.cum_qty, held_qty()) == (S.FILLED, 10, 0)
    out = next(
        e for e in read(lambda b: b.orders.events(stop.client_order_id)) if e.status is S.SUBMITTED
    )
    assert "stop 700 reached at 644.952: sent as market" in out.reason
    assert legs()["target"].status is S.CANCELED
    assert reconciled(config) == ()


def test_a_due_stop_is_not_sent_while_trading_is_halted_and_a_person_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig, signals: Path
):
    venue = paper(monkeypatch, tmp_path, frozenset({OrderType.MARKET, OrderType.LIMIT}))
    run_cycle(config)
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.trading_state.set(PAPER.account_id, TradingState.HALTED, "test", "Ann", now)
    drift(signals, "0.8")

    reconciled(config)

    assert len(venue.submitted) == 1
    alerts = read(lambda b: b.alerts.latest(9))
    assert {a.topic for a in alerts if a.severity == "critical"} == {"position unprotected"}  # type: ignore[attr-defined]


def test_the_same_signals_again_make_no_second_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig
):
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)

    run_cycle(config)
    run_cycle(config)

    assert len(venue.submitted) == 2
    assert set(legs()) == {"entry", "stop", "target"}


def test_a_close_makes_the_stop_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig, signals: Path
):
    """A resting stop claims what the exit is to sell: with both, it would be sold twice."""
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    run_cycle(config)
    later = datetime.now(UTC) + timedelta(seconds=1)
    signals.write_text(
        "symbol,time,regime,side,weight,confidence,strategy\n"
        f"GOOG,{later.replace(microsecond=0).isoformat()},trending,0,0,0.9,donchian\n"
    )
    while wiring.wall_clock() < later:
        pass

    run_cycle(config)

    assert {leg: o.status for leg, o in legs().items()} == {
        "entry": S.FILLED,
        "stop": S.CANCELED,
        "stop #2": S.CANCELED,
        "target": S.CANCELED,
        "exit": S.FILLED,
    }
    assert (held_qty(), reconciled(config)) == (0, ())
    assert [i.leg for i in venue.sent] == ["entry", "stop", "exit"]


def test_a_large_entry_goes_out_in_slices_over_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig
):
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    # The scripted prices keep the real time, and without a price nothing opens.
    sliced = config.model_copy(update={"twap_slices": 3, "twap_spacing_s": 600, "limits": PATIENT})

    run_cycle(sliced)
    run_cycle(sliced)  # the wish is under way: no second one

    assert [(i.leg, i.order_qty) for i in venue.sent if i.leg.startswith("entry")] == [
        ("entry 1/3", 3)
    ]
    clock = wiring.wall_clock
    for minutes, out in ((11, 2), (22, 3), (33, 3)):
        late = timedelta(minutes=minutes)
        with monkeypatch.context() as later:
            later.setattr(wiring, "wall_clock", lambda late=late: clock() + late)
            reconciled(sliced)
        assert len([i for i in venue.sent if i.leg.startswith("entry")]) == out
    assert held_qty() == 10
    assert (
        sum(
            o.intent.order_qty
            for leg, o in legs().items()
            if leg.startswith("stop") and o.status is S.ACCEPTED
        )
        == 10
    )
    assert read(verify) == ()


def test_a_stop_that_a_person_approved_is_sent_long_after_its_plan(
    log: Path,  # noqa: F811 - the fixture
    signals: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """It was in the digest; the run that finds its price has no plan and no approval of its own."""
    live = LIVE.model_copy(update={"symbols": ("GOOG",), "signals": signals, "monitor_s": 0})
    limited = frozenset({OrderType.MARKET, OrderType.LIMIT})
    able = ScriptedVenue().capabilities(GOOG)
    monkeypatch.setattr(
        ScriptedVenue, "capabilities", lambda self, _: replace(able, order_types=limited)
    )
    with open_cycle(live) as cycle:
        market, planned = plan_cycle(cycle)
        ready = Ready(cycle, market, planned.plan, log)
        finish_cycle(cycle, market, planned, ready.approve())
    assert sent(log) == 1
    monkeypatch.setenv("SCRIPTED_DRIFT", str(signals.with_name("drift")))
    drift(signals, "0.8")

    assert reconciled(live) == ()

    assert sent(log) == 2
    with wiring.open_ledger().reading() as books:
        orders = {o.intent.leg: o.status for o in books.orders.all(live.account_id)}
    assert orders == {"entry": S.FILLED, "stop": S.FILLED, "target": S.CANCELED}


def test_a_slice_is_not_opened_into_a_quarantine_or_a_blocked_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig
):
    """It was planned when nothing stood against it; when it is due, something does."""
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    config = config.model_copy(update={"limits": PATIENT})
    run_cycle(config.model_copy(update={"twap_slices": 3, "twap_spacing_s": 600}))
    venue.blocks = ("trading_blocked=True",)
    clock = wiring.wall_clock
    monkeypatch.setattr(wiring, "wall_clock", lambda: clock() + timedelta(minutes=11))

    reconciled(config)
    assert [i.leg for i in venue.sent if i.leg.startswith("entry")] == ["entry 1/3"]
    venue.blocks = ()
    reconciled(config)

    entries = [i.leg for i in venue.sent if i.leg.startswith("entry")]
    assert entries == ["entry 1/3", "entry 2/3"]


@pytest.mark.parametrize("by", ["reconcile", "poll"])
def test_a_slice_is_not_opened_into_what_the_breaker_has_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig, by: str
):
    """It is due in the same look that finds the trip: the breaker comes first."""
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    config = config.model_copy(update={"limits": PATIENT})
    run_cycle(config.model_copy(update={"twap_slices": 3, "twap_spacing_s": 600}))
    clock = wiring.wall_clock
    monkeypatch.setattr(wiring, "wall_clock", lambda: clock() + timedelta(minutes=11))
    with wiring.open_ledger().transaction() as books:
        for _ in range(PATIENT.max_venue_errors):
            books.activity.failed(PAPER.account_id, RunId("run"), "timeout", wiring.wall_clock())

    if by == "reconcile":
        reconciled(config)
    else:
        with open_cycle(config, sends=False) as cycle:
            market = load_market.fn(cycle)
            asyncio.run(sync(cycle, venue, market))

    assert read(lambda b: b.trading_state.get(PAPER.account_id)) is TradingState.REDUCING
    assert [i.leg for i in venue.sent if i.leg.startswith("entry")] == ["entry 1/3"]


def test_a_stop_that_the_venue_ends_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig
):
    """Some venues end what rests for long; the position is still there."""
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    run_cycle(config)
    venue.end(legs()["stop"].client_order_id, S.EXPIRED)

    assert reconciled(config) == ()

    assert (legs()["stop"].status, legs()["stop #2"].status) == (S.EXPIRED, S.ACCEPTED)
    assert [i.leg for i in venue.sent] == ["entry", "stop", "stop #2"]


def test_an_entry_that_was_refused_and_fills_all_the_same_is_protected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig
):
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    take = venue.submit

    async def refuses(intent: OrderIntent, now: datetime) -> SubmitResult:
        result = await take(intent, now)
        if intent.leg != "entry":
            return result
        return SubmitResult(outcome=SubmitOutcome.REJECTED, ts_event=now, reason="no funds")

    monkeypatch.setattr(venue, "submit", refuses)

    run_cycle(config)
    reconciled(config)

    assert (legs()["entry"].status, held_qty()) == (S.FILLED, 10)
    stops = [o for leg, o in legs().items() if leg.startswith("stop")]
    assert [o.intent.order_qty for o in stops if o.status is S.ACCEPTED] == [10]


def test_a_stop_entry_is_no_order_to_be_sliced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig, signals: Path
):
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    wished(signals, stop_px="850")

    run_cycle(config.model_copy(update={"twap_slices": 3}))

    assert [(i.leg, i.order_type, i.order_qty) for i in venue.sent] == [
        ("entry", OrderType.STOP, 10)
    ]


def test_an_entry_whose_terms_the_venue_does_not_do_is_not_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig, signals: Path
):
    """Found out when it is sent, its legs would be in the plan that a person approves."""
    venue = paper(monkeypatch, tmp_path, STOPS_THERE)
    wished(signals, post_only="true")

    run_cycle(config)

    assert venue.sent == []
    assert legs() == {}


def test_a_live_entry_that_we_would_have_to_hold_is_not_planned(
    log: Path,  # noqa: F811 - the fixture
    signals: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Its price can come long after the approval has expired; at the venue it may rest."""
    live = LIVE.model_copy(update={"symbols": ("GOOG",), "signals": signals, "monitor_s": 0})
    wished(signals, stop_px="850")
    able = ScriptedVenue().capabilities(GOOG)
    for native, planned_legs in ((STOPS_THERE, ["entry"]), (STOPS_THERE - {OrderType.STOP}, [])):
        monkeypatch.setattr(
            ScriptedVenue,
            "capabilities",
            lambda self, _, native=native: replace(able, order_types=native),
        )
        with open_cycle(live) as cycle:
            _, planned = plan_cycle(cycle)
        assert [i.leg for i in planned.plan.intents] == planned_legs


def test_a_dry_run_holds_its_stops_itself_and_works_them_on_later_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The simulated venue knows market and limit orders alone, so emulation is what runs."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    path = tmp_path / "signals.csv"
    path.write_text(
        "symbol,time,regime,side,weight,confidence,strategy,quantity,stop_loss\n"
        "GOOG,2012-04-12T20:00:00Z,trending,1,0.2,0.9,donchian,10,615\n"
    )
    config = RunConfig(symbols=("GOOG",), signals=path, as_of="2012-04-13")
    run_cycle(config)
    with wiring.open_ledger().reading() as books:
        before = {o.intent.leg: o.status for o in books.orders.all(config.account_id)}

    later = config.model_copy(update={"as_of": RunConfig(as_of="2012-05-15").as_of})
    run_cycle(later)

    assert before == {"entry": S.FILLED, "stop": S.HELD}
    with wiring.open_ledger().reading() as books:
        after = {o.intent.leg: o.status for o in books.orders.all(config.account_id)}
    assert after == {"entry": S.FILLED, "stop": S.FILLED}
    assert_books_are_right(later)


def test_a_stop_entry_waits_for_its_price_and_its_stop_trails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: RunConfig, signals: Path
):
    """Both as the signal asked for; the venue does neither, so both are held."""
    venue = paper(monkeypatch, tmp_path, frozenset({OrderType.MARKET, OrderType.LIMIT}))
    now = datetime.now(UTC).replace(microsecond=0)
    signals.write_text(
        "symbol,time,regime,side,weight,confidence,strategy,quantity,stop_px,trail_pct\n"
        f"GOOG,{now.isoformat()},trending,1,0.2,0.9,donchian,10,850,0.1\n"
    )
    run_cycle(config)
    assert (len(venue.submitted), legs()["entry"].status) == (0, S.HELD)

    for factor, out, held in (("1.06", 1, 10), ("1.2", 1, 10), ("1.1", 1, 10), ("1.07", 2, 0)):
        drift(signals, factor)
        assert reconciled(config) == ()
        assert (len(venue.submitted), held_qty()) == (out, held), factor
    assert [i.leg for i in venue.sent] == ["entry", "stop"]
    assert reconciled(config) == ()
