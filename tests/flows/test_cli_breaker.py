"""`regent breaker`, `locks` and `unlock`, as a person types them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from data.store.connection import Ledger
from data.store.halt import HaltFile
from execution.model.activity import Lock
from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.enums import Topic, TradingState
from execution.model.identifiers import AccountId, RunId, VenueId
from execution.model.state_change import REGENT, StateChange
from tasks import wiring
from tests.flows.test_cli_books import ACCOUNT, BTC, home, run

__all__ = ["home"]

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
TRIP = StateChange(
    state=HALTED,
    reason="drawdown: drawdown_pct=0.1200 max_drawdown_pct=0.10",
    actor=REGENT,
    ts=wiring.wall_clock(),
    cause="drawdown",
)
LOCK = Lock(
    lock_id="abc123",
    account=ACCOUNT,
    protection="stoploss_guard",
    reason="4 stop losses",
    made_at=wiring.wall_clock(),
    until=wiring.wall_clock() + timedelta(hours=4),
    instrument_id=BTC,
)


def state(home: Path) -> TradingState | None:
    with Ledger(home / "ledger.duckdb").reading() as books:
        return books.trading_state.get(ACCOUNT)


@pytest.fixture
def halted(home: Path) -> Path:
    """Halted by the breaker, with one cash difference and one lock."""
    difference = Discrepancy(kind=DiscrepancyKind.CASH, key="USD", books="1", venue="2")
    with Ledger(home / "ledger.duckdb").transaction() as books:
        books.trading_state.apply(ACCOUNT, TRIP)
        books.discrepancies.replace(ACCOUNT, RunId("run"), [difference], wiring.wall_clock())
        books.locks.add(LOCK)
    return home


@pytest.mark.parametrize("words", [("breaker",), ("breaker", "status")])
def test_the_status_says_what_tripped_and_what_is_open(
    halted: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
):
    assert run(*words) == 0

    out = capsys.readouterr().out
    assert f"{ACCOUNT}: halted" in out
    assert "drawdown_pct=0.1200" in out
    assert "DISAGREES with the venue: cash USD: books 1, venue 2" in out
    assert "locked: abc123" in out


def test_a_halt_by_file_alone_is_shown_and_a_reset_lifts_it(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    """The ledger could not be written then, and still says that the account trades."""
    file = HaltFile(home / "halt")
    file.write((ACCOUNT,), "Bob", "the disk is full", wiring.wall_clock())

    assert run("breaker") == 0
    out = capsys.readouterr().out
    assert f"{ACCOUNT}: halted" in out
    assert f"halted by the file {home / 'halt'}" in out
    assert "by Bob: the disk is full" in out

    assert run("breaker", "--json") == 0
    [account] = json.loads(capsys.readouterr().out)["accounts"]
    assert (account["state"], account["halt_file"]["actor"]) == ("halted", "Bob")

    assert run("breaker", "reset", "looked at it", "--name", "Ann") == 0
    assert not file.covers(ACCOUNT)
    assert f"{ACCOUNT}: was halted, is active" in capsys.readouterr().out
    with Ledger(home / "ledger.duckdb").reading() as books:
        (told,) = books.alerts.latest(5)
    assert "trading is ACTIVE, set by Ann: looked at it" in told.text


def test_a_reset_takes_a_name_shows_what_is_open_and_lets_the_account_trade(
    halted: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("breaker", "reset", "looked at it") == 2  # no name, and no terminal to ask at
    assert "drawdown_pct=0.1200" in capsys.readouterr().out
    assert state(halted) is HALTED
    assert run("breaker", "reset", "looked at it", "--name", " ") == 2
    assert state(halted) is HALTED

    assert run("breaker", "reset", "looked at it", "--name", "Ann") == 0

    assert state(halted) is ACTIVE
    with Ledger(halted / "ledger.duckdb").reading() as books:
        last = books.trading_state.history(ACCOUNT)[-1]
        told = [a.text for a in books.alerts.latest(5) if a.topic == Topic.BREAKER]
    assert (last.actor, last.reason, last.by_person) == ("Ann", "looked at it", True)
    assert ["set by Ann: looked at it" in text for text in told] == [True]


def test_of_several_that_are_stopped_a_reset_lets_go_who_is_named(
    halted: Path, capsys: pytest.CaptureFixture[str]
):
    """Each has a reason of its own, and a person who has looked at one has not at the others."""
    other = AccountId("paper/binance/main")
    with Ledger(halted / "ledger.duckdb").transaction() as books:
        books.accounts.open(other, VenueId("binance"), "uid", wiring.wall_clock())
        books.trading_state.set(other, REDUCING, "news", "Bob", wiring.wall_clock())

    assert run("breaker", "reset", "fine", "--name", "Ann") == 2
    told = capsys.readouterr().err
    assert f"2 accounts are stopped: {ACCOUNT} (halted), {other} (reducing)" in told
    assert state(halted) is HALTED

    assert run("breaker", "reset", "fine", "--name", "Ann", "--account", other) == 0
    assert f"{other}: was reducing, is active" in capsys.readouterr().out
    assert state(halted) is HALTED

    with Ledger(halted / "ledger.duckdb").transaction() as books:
        books.trading_state.set(other, HALTED, "news", "Bob", wiring.wall_clock())
    assert run("breaker", "reset", "fine", "--name", "Ann", "--all", "--json") == 0
    accounts = json.loads(capsys.readouterr().out)["accounts"]
    assert {(a["was"], a["state"]) for a in accounts} == {("halted", "active")}
    assert len(accounts) == 2


@pytest.mark.parametrize("command", ["trip", "reset"])
def test_the_reason_is_an_argument_or_an_option_as_elsewhere_and_never_both(
    halted: Path, capsys: pytest.CaptureFixture[str], command: str
):
    assert run("breaker", command, "--name", "Ann") == 2
    assert run("breaker", command, "so", "--reason", "so", "--name", "Ann") == 2
    assert "given twice" in capsys.readouterr().err
    assert run("breaker", command, "--reason", "so", "--name", "Ann") == 0


def test_a_trip_halts_every_account_or_the_one_that_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("breaker", "trip", "odd", "--name", "Ann", "--account", "nobody") == 2
    assert state(home) is ACTIVE
    capsys.readouterr()

    assert run("breaker", "trip", "odd prices", "--name", "Ann", "--json") == 0

    [account] = json.loads(capsys.readouterr().out)["accounts"]
    assert (account["state"], account["changes"][0]["cause"]) == ("halted", "manual")
    assert state(home) is HALTED


def test_a_reset_leaves_what_trades_alone(home: Path):
    assert run("breaker", "reset", "why not", "--name", "Ann") == 0

    with Ledger(home / "ledger.duckdb").reading() as books:
        assert len(books.trading_state.history(ACCOUNT)) == 1


def test_a_lock_is_listed_and_lifted_by_a_name_for_a_reason_and_not_made_again(
    halted: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("locks", "--json") == 0
    assert [k["lock_id"] for k in json.loads(capsys.readouterr().out)["locks"]] == ["abc123"]
    assert run("unlock", "xyz", "--name", "Ann", "--reason", "fine") == 2
    assert run("unlock", "abc", "--name", "Ann") == 2

    assert run("unlock", "abc", "--name", "Ann", "--reason", "fine") == 0

    with Ledger(halted / "ledger.duckdb").transaction() as books:
        assert not books.locks.add(LOCK)
        assert books.locks.active(ACCOUNT, wiring.wall_clock()) == ()
        [lifted] = books.session.rows("SELECT lifted_by FROM locks")
    assert lifted == ("Ann: fine",)
    assert run("locks") == 0
    assert "nothing is locked" in capsys.readouterr().out
