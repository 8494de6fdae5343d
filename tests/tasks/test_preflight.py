"""Before a run: each thing that it needs is looked at, and one that is missing stops it.

The venue is scripted, or the lying exchange where time matters; nothing is ever sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import metadata
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from data.store.backup import backup
from execution.errors import PreflightFailed, VenueUnavailable
from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.enums import OrderStatus, RunMode, Severity, Topic, TradingState
from execution.model.identifiers import RunId
from execution.model.reports import BalanceReport
from execution.monitoring.health import Level, Line
from execution.risk.limits import RiskLimits
from execution.venues.base import Permissions
from tasks import health_here, preflight, wiring
from tasks.config import RunConfig
from tasks.credentials import VENUE_NAMES
from tasks.cycle import open_cycle
from tests.conftest import free_port
from tests.execution.examples import NOW, make_event, make_intent
from tests.scripted_venue import ScriptedVenue
from tests.tasks.channel import open_channel
from tests.tasks.paper import GOOG, PAPER, install, placed, read

LIVE = PAPER.model_copy(update={"mode": RunMode.LIVE, "dry_run": False, "confirm_live": True})
OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE


class HangingVenue(ScriptedVenue):
    """Takes every question and answers none."""

    async def server_time(self) -> datetime:
        await asyncio.sleep(60)
        raise AssertionError

    async def account_blocks(self) -> tuple[str, ...]:
        await asyncio.sleep(60)
        raise AssertionError


class BrokenVenue(ScriptedVenue):
    """Breaks with an error that quotes what it should not."""

    async def balances(self) -> tuple[BalanceReport, ...]:
        raise RuntimeError("signature of secret=hunter2 is wrong")


class UnreachableVenue(ScriptedVenue):
    """Cannot be reached just now."""

    async def balances(self) -> tuple[BalanceReport, ...]:
        raise VenueUnavailable("scripted: no way there")


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    """A paper account with all that it needs, a backup included."""
    for name in VENUE_NAMES:  # another test's plugin may have put its own in their place
        monkeypatch.delitem(wiring.VENUES, name, raising=False)
    venue = install(monkeypatch, tmp_path / "home", ScriptedVenue())
    with wiring.open_ledger().transaction():
        pass
    backup(wiring.open_ledger(), wiring.backup_folder(), wiring.wall_clock())
    return venue


def lines(config: RunConfig = PAPER, deadline_s: float = 5.0) -> dict[str, Line]:
    return {line.name: line for line in preflight.look(config, deadline_s).lines}


def levels(config: RunConfig = PAPER) -> dict[str, Level]:
    """Every line that is not well."""
    return {name: line.level for name, line in lines(config).items() if line.level is not OK}


def test_everything_is_looked_at_and_all_is_well(venue: ScriptedVenue):
    """A check that is dropped is missed here; alerts go nowhere as long as there is no channel."""
    found = lines()

    assert set(found) == {
        "configuration",
        "credentials",
        "live switches",
        "limits",
        "ledger",
        "books and venue",
        "trading",
        "backup",
        "disk",
        "versions",
        "alerts",
        "worker",
        "symbols",
        "rights of the keys",
        "clock",
        "balances",
    }
    assert levels() == {"alerts": WARNING}
    assert venue.submitted == []


def test_a_dry_run_needs_no_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    found = lines(RunConfig())
    assert {"bars", "symbols", "ledger"} <= set(found)
    assert not {"clock", "balances", "rights of the keys"} & set(found)
    assert {line.level for line in found.values()} == {OK}
    assert not (tmp_path / "home").exists()  # only looked


def skewed(seconds: float) -> Callable[[ScriptedVenue], None]:
    def change(venue: ScriptedVenue) -> None:
        venue.clock = lambda: wiring.wall_clock() + timedelta(seconds=seconds)

    return change


def permitted(**may: bool | None) -> Callable[[ScriptedVenue], None]:
    def change(venue: ScriptedVenue) -> None:
        venue.permitted = Permissions(**may)

    return change


def poor(venue: ScriptedVenue) -> None:
    venue.cash = Decimal("99.99")


def blocked(venue: ScriptedVenue) -> None:
    venue.blocks = ("account_blocked=True",)


@pytest.mark.parametrize(
    ("change", "line", "level", "facts"),
    [
        (permitted(trade=False, withdraw=False), "rights of the keys", FAILURE, "trade=no"),
        (permitted(trade=True, withdraw=True), "rights of the keys", WARNING, "withdraw=yes"),
        (permitted(), "rights of the keys", WARNING, "trade=not told"),
        (blocked, "rights of the keys", FAILURE, "account_blocked=True"),
        (skewed(2), "clock", WARNING, "offset=+"),
        (skewed(-2), "clock", WARNING, "offset=-"),
        (skewed(7), "clock", FAILURE, "the venue refuses what is dated so"),
        (poor, "balances", WARNING, "cash=99.99 USD"),
    ],
)
def test_what_is_wrong_at_the_venue_is_its_own_line(
    venue: ScriptedVenue,
    change: Callable[[ScriptedVenue], None],
    line: str,
    level: Level,
    facts: str,
):
    change(venue)
    assert levels() == {"alerts": WARNING, line: level}
    assert facts in lines()[line].facts


def test_symbols_that_are_not_traded_are_a_failure_with_the_nearest(venue: ScriptedVenue):
    config = PAPER.model_copy(update={"symbols": ("GOOG", "MSTF")})
    found = lines(config)
    assert FAILURE is found["symbols"].level
    assert "did you mean MSFT" in found["symbols"].remedy
    assert OK is found["clock"].level  # the venue is asked all the same


def test_two_currencies_are_a_failure(venue: ScriptedVenue):
    found = lines(PAPER.model_copy(update={"stake_currency": "EUR"}))
    assert "stake_currency=EUR, but instruments are quoted in USD" in found["symbols"].facts
    assert found["balances"].remedy == "see symbols: the currency is unknown"


def test_prices_of_another_place_say_nothing_of_what_the_venue_trades(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(wiring.VENUES, "scripted")
    monkeypatch.setitem(wiring.VENUES, "other", lambda config, instruments: venue)
    monkeypatch.setattr(wiring, "load_plugins", lambda: None)
    monkeypatch.setitem(wiring.VENUES, "kraken", lambda config, instruments: venue)
    assert OK is lines(PAPER.model_copy(update={"venue": "kraken"}))["symbols"].level
    monkeypatch.delitem(wiring.VENUES, "kraken")
    found = lines(PAPER.model_copy(update={"venue": "binance"}))["symbols"]
    assert (found.level, found.remedy) == (WARNING, "feed: ccxt:binance, or none")


def test_an_unknown_strategy_is_a_failure(venue: ScriptedVenue):
    config = PAPER.model_copy(update={"strategies": {"calm": "nope"}})
    assert "strategies.calm='nope' is unknown" in lines(config)["configuration"].facts


def test_missing_keys_are_a_failure_that_names_them(venue: ScriptedVenue):
    found = lines(PAPER.model_copy(update={"venue": "bybit"}))["credentials"]
    assert FAILURE is found.level
    assert "BYBIT_API_KEY, BYBIT_SECRET_KEY" in found.facts


def test_unknown_orders_differences_and_a_halt_are_warnings(venue: ScriptedVenue):
    intent = make_intent("lost", account=PAPER.account_id, instrument_id=GOOG)
    with wiring.open_ledger().transaction() as books:
        books.orders.commit_intents(RunId("run"), "digest", [intent], NOW)
        for status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN):
            books.orders.append(make_event("lost", status=status))
        differs = Discrepancy(kind=DiscrepancyKind.CASH, key="USD", books="1", venue="2")
        now = wiring.wall_clock()
        books.discrepancies.replace(PAPER.account_id, RunId("run"), [differs], now)
        books.trading_state.set(PAPER.account_id, TradingState.HALTED, "odd", "ada", now)

    assert levels() == {"alerts": WARNING, "books and venue": WARNING, "trading": WARNING}
    facts = lines()["books and venue"].facts
    assert facts.startswith("unknown_orders=1 open_discrepancies=1: cash USD")


def test_books_that_are_not_exact_are_a_failure(venue: ScriptedVenue):
    order = placed(venue)
    with wiring.open_ledger().transaction() as books:
        books.session.rows("UPDATE orders SET cum_qty = 1")
    assert levels() == {"alerts": WARNING, "ledger": FAILURE}
    assert order.client_order_id in lines()["ledger"].facts


def test_books_too_large_to_fold_within_a_second_are_not(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    placed(venue)
    monkeypatch.setattr(health_here, "VERIFY_ROWS_MAX", 2)
    assert "too many to fold here: regent verify" in lines()["ledger"].facts


def test_a_ledger_that_is_none_is_a_failure(venue: ScriptedVenue):
    wiring.open_ledger().path.write_bytes(b"not a database" * 1000)
    found = lines()
    assert FAILURE is found["ledger"].level
    assert "not a valid DuckDB database file" in found["ledger"].facts


def test_backups_that_are_old_or_gone_are_warnings(venue: ScriptedVenue):
    (made,) = wiring.backup_folder().glob("*.json")
    note = json.loads(made.read_text())
    yesterday = wiring.wall_clock() - timedelta(hours=24, seconds=1)
    made.write_text(json.dumps(note | {"made_at": yesterday.isoformat()}))
    assert levels() == {"alerts": WARNING, "backup": WARNING}

    made.unlink()
    assert lines()["backup"].facts == "there is none"


def test_a_full_disk_is_a_failure(venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health_here, "FREE_MB_MIN", 10**9)
    assert levels() == {"alerts": WARNING, "disk": FAILURE}


@pytest.mark.parametrize("name", [*health_here.PINNED])
def test_each_pin_that_matters_is_kept(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch, name: str
):
    """Each has a version that breaks something without a word."""
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda of: "99.0" if of == name else real(of))
    found = lines()["versions"]
    assert FAILURE is found.level
    assert found.facts.startswith(f"{name}=99.0 breaks ")
    assert found.remedy == "make setup"


def test_a_library_that_is_gone_is_a_failure(venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch):
    def gone(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", gone)
    assert FAILURE is lines()["versions"].level


def test_each_live_switch_that_is_off_is_a_failure_of_its_own(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("REGENT_ALLOW_LIVE", raising=False)
    monkeypatch.delenv("REGENT_LIVE_CONFIRMATION", raising=False)
    off = LIVE.model_copy(update={"dry_run": True, "confirm_live": False})
    told = [str(x) for x in preflight.look(off).lines if x.name == "live switches"]
    for part in ("dry_run", "confirm_live", "ALLOW_LIVE", "LIVE_CONFIRMATION", "live enable"):
        assert [part in text for text in told].count(True) == 1, told

    monkeypatch.setenv("REGENT_ALLOW_LIVE", "true")
    monkeypatch.setenv("REGENT_LIVE_CONFIRMATION", wiring.LIVE_CONFIRMATION)
    with wiring.open_ledger().transaction() as books:
        books.live_trading.set(True, "ada", wiring.wall_clock())
    assert levels(LIVE) == {"alerts": WARNING, "limits": WARNING}
    assert lines(LIVE)["alerts"].facts.startswith("NOBODY will be told")


def test_limits_that_were_said_are_told_as_they_differ(venue: ScriptedVenue):
    limits = RiskLimits(max_positions=3)
    found = lines(LIVE.model_copy(update={"limits": limits}))["limits"]
    assert (found.level, found.facts) == (OK, "max_positions=3")
    same = RunConfig.model_validate(
        {"mode": "live", "venue": "scripted", "feed": "scripted", "limits": {}}
    )
    assert OK is lines(same)["limits"].level


def test_channels_are_told_each_with_what_is_wrong(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    with open_channel() as there:
        monkeypatch.setenv("REGENT_ALERTS", f"{there.url} jsons://127.0.0.1:{free_port()}")
        told = [(x.level, x.facts) for x in preflight.look(LIVE).lines if x.name == "alerts"]
    assert [level for level, _ in told] == [OK, WARNING]
    assert "can be reached" in told[0][1]


@pytest.mark.parametrize(("deadline_s", "asked"), [(1.0, {"clock", "rights of the keys"})])
def test_a_venue_that_hangs_holds_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadline_s: float, asked: set[str]
):
    install(monkeypatch, tmp_path / "home", HangingVenue())
    began = time.monotonic()
    found = preflight.look(PAPER, deadline_s)
    assert time.monotonic() - began < deadline_s + 1

    late = {line.name: (line.facts, line.remedy) for line in found.of(FAILURE)}
    assert late.keys() == asked
    assert set(late.values()) == {("no answer within 1 s", preflight.LATE)}
    assert [x.level for x in found.lines if x.name == "balances"] == [OK]


def test_a_check_that_breaks_is_a_failure_that_tells_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    install(monkeypatch, tmp_path / "home", BrokenVenue())
    found = preflight.look(PAPER)
    (line,) = found.of(FAILURE)
    assert (line.name, line.facts) == ("balances", "the check itself broke: RuntimeError")
    assert OK is {x.name: x.level for x in found.lines}["clock"]
    with pytest.raises(PreflightFailed) as refused:
        found.require()
    assert "hunter2" not in str(refused.value)


def topics() -> set[str]:
    return {a.topic for a in read(lambda books: books.alerts.latest(100))}


def run(config: RunConfig = PAPER) -> tuple[Line, ...]:
    """The task, as the flow calls it."""
    with open_cycle(config) as cycle, disable_run_logger():
        return preflight.preflight.fn(cycle)


def test_a_run_is_stopped_with_all_that_failed_and_a_person_is_told(venue: ScriptedVenue):
    venue.permitted = Permissions(trade=False)
    venue.clock = lambda: wiring.wall_clock() + timedelta(hours=1)

    with pytest.raises(PreflightFailed) as refused:
        run()

    text = str(refused.value)
    assert text.startswith("preflight: 2 of 16 failed; nothing was sent\n")
    assert "give the keys the right to trade" in text
    assert "timedatectl" in text
    alerts = read(lambda books: books.alerts.latest(100))
    assert (Topic.PREFLIGHT, Severity.WARNING, text) in [
        (a.topic, a.severity, a.text) for a in alerts
    ]


def test_a_venue_that_cannot_be_reached_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As the stages do: a moment's silence must not cancel the night's run."""
    install(monkeypatch, tmp_path / "home", UnreachableVenue())
    with pytest.raises(VenueUnavailable, match="1 of 16 failed"):
        run()
    assert Topic.PREFLIGHT not in topics()  # nobody is called for what may be well in a second
    monkeypatch.setenv("PREFECT__RUNTIME__TASK_RUN__RUN_COUNT", "4")
    with pytest.raises(VenueUnavailable):
        run()
    assert Topic.PREFLIGHT in topics()  # that was the last time

    both = install(monkeypatch, tmp_path / "home", UnreachableVenue())
    both.permitted = Permissions(trade=False)
    with pytest.raises(PreflightFailed, match="2 of 16 failed"):
        run()


def test_a_run_records_what_was_looked_at(venue: ScriptedVenue):
    run()
    (event,) = read(
        lambda books: books.session.rows(
            "SELECT detail FROM stages WHERE stage = 'preflight' AND event = 'completed'"
        )
    )
    told = json.loads(event[0])
    assert told["clock"].startswith("ok offset=")
    assert len(told) == 16


def test_a_dry_run_is_not_held_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    began = time.monotonic()
    with open_cycle(RunConfig()) as cycle:
        before = time.monotonic() - began
        assert preflight.preflight.fn(cycle) == ()
        assert time.monotonic() - began - before < 0.01
    assert replace(cycle, attempt=1) == cycle
    assert read(lambda books: books.stages.of(cycle.run_id)) == ()


def test_a_server_without_our_workers_is_a_warning(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """A run that a person starts needs none; what is scheduled does."""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        found = lines()["worker"]
    assert WARNING is found.level
    assert found.facts.startswith("pool regent cannot be asked for: ")


def test_a_channel_that_hangs_is_no_reason_to_stop(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(preflight.HERE, "alerts", lambda config: time.sleep(3))
    found = preflight.look(PAPER, deadline_s=1.0)
    assert [(x.name, x.facts) for x in found.of(WARNING)] == [("alerts", "no answer within 1 s")]
    found.require()
