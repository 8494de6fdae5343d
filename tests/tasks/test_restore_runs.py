"""After a restore: nothing is sent on older books, and what they forgot is found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.backup import Backup
from data.store.verify import verify
from execution.errors import InputInvalid, SafetyViolation
from execution.model.enums import RunMode, TradingState
from execution.model.identifiers import AccountId, RunId, VenueId
from tasks import wiring
from tasks.backup import make_backup, restore_ledger
from tasks.cycle import open_cycle
from tests.cycles import plan_cycle, run_cycle
from tests.scripted_venue import ScriptedVenue
from tests.tasks.paper import GOOG, PAPER, install, placed, read, reconciled

OTHER = PAPER.model_copy(update={"account": "other"})


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    return install(monkeypatch, tmp_path / "home", ScriptedVenue())


@pytest.fixture
def saved(venue: ScriptedVenue) -> Backup:
    """Books with an open account, backed up before anything was sent."""
    with open_cycle(PAPER) as cycle:
        plan_cycle(cycle)
    return make_backup()


def state(account: AccountId = PAPER.account_id) -> TradingState | None:
    return read(lambda books: books.trading_state.get(account))  # type: ignore[return-value]


def test_what_was_sent_after_the_backup_is_never_sent_again(venue: ScriptedVenue, saved: Backup):
    """The books do not know the order, and its wish is as fresh as ever."""
    run_cycle(PAPER)
    sent = list(venue.submitted)
    assert sent

    restored = restore_ledger(saved.path, "ada")

    assert set(restored.forgotten or ()) == set(sent)
    assert state() is TradingState.HALTED
    run_cycle(PAPER)
    assert venue.submitted == sent
    assert read(verify) == ()


def test_reconciling_finds_what_these_books_have_forgotten(venue: ScriptedVenue, saved: Backup):
    """Filled since, and resting since: both are flagged, and lock their instruments."""
    run_cycle(PAPER)
    rests = placed(venue, "resting")
    restore_ledger(saved.path, "ada")

    found = reconciled()

    assert {d.instrument_id for d in found if d.instrument_id} >= {GOOG}
    assert any(rests.venue_order_id in f"{d.key} {d.venue}" for d in found), found
    held = read(lambda books: books.positions.get(PAPER.account_id, GOOG))
    assert held.net_qty > Decimal(0)  # booked, because it is so
    assert state() is TradingState.HALTED
    with wiring.open_ledger().transaction() as books:
        books.trading_state.set(
            PAPER.account_id, TradingState.ACTIVE, "looked", "ada", wiring.wall_clock()
        )
    sent = list(venue.submitted)
    run_cycle(PAPER)
    assert [key for key in venue.submitted if venue.submitted.count(key) > 1] == []
    assert not set(venue.submitted[len(sent) :]) & set(sent)


def test_an_account_opened_after_the_backup_does_not_begin_anew(
    venue: ScriptedVenue, saved: Backup
):
    venue.uid = "other"
    run_cycle(OTHER)
    sent = list(venue.submitted)

    restore_ledger(saved.path, "ada")

    assert state(OTHER.account_id) is TradingState.HALTED
    run_cycle(OTHER)
    assert venue.submitted == sent


def test_it_is_halted_though_nobody_can_read_the_old_ledger(venue: ScriptedVenue, saved: Backup):
    """Whoever sent anything from here has left a lock with its name."""
    with wiring.account_guard(OTHER.account_id).hold():
        pass  # as every stage that sends
    wiring.open_ledger().path.write_bytes(b"not a database" * 1000)

    restored = restore_ledger(saved.path, "ada")

    assert set(restored.halted) == {PAPER.account_id, OTHER.account_id}
    assert state(OTHER.account_id) is TradingState.HALTED


def test_nothing_is_restored_while_somebody_is_at_work(venue: ScriptedVenue, saved: Backup):
    placed(venue)
    with (
        wiring.account_guard(PAPER.account_id).hold(),
        pytest.raises(SafetyViolation, match=f"at work on account {PAPER.account_id}"),
    ):
        restore_in_a_thread(saved)
    assert len(read(lambda books: books.orders.all(PAPER.account_id))) == 1


def test_a_run_that_has_not_ended_is_ended_first(venue: ScriptedVenue, saved: Backup):
    """It may wait for a person, and go on afterwards; killed ones never say so."""
    with wiring.open_ledger().transaction() as books:
        run_id, venue_id = RunId("abcdefgh-1"), VenueId("scripted")
        now = wiring.wall_clock()
        books.runs.start(run_id, PAPER.account_id, venue_id, RunMode.PAPER, "{}", now)

    with pytest.raises(SafetyViolation, match=f"run abcdefgh of {PAPER.account_id}; end it"):
        restore_ledger(saved.path, "ada")
    restore_ledger(saved.path, "ada", runs_ended=True)
    assert state() is TradingState.HALTED


def test_what_is_no_backup_is_told_before_anything(venue: ScriptedVenue, saved: Backup):
    with pytest.raises(InputInvalid, match="no backup"):
        restore_ledger(saved.path.with_name("nope.duckdb"), "ada")
    assert state() is TradingState.ACTIVE


def restore_in_a_thread(saved: Backup) -> None:
    """Another thread: the one that holds a guard would be told of its own mistake."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(restore_ledger, saved.path, "ada").result()


def test_live_trading_that_was_switched_off_since_stays_off(venue: ScriptedVenue, tmp_path: Path):
    with wiring.open_ledger().transaction() as books:
        books.live_trading.set(True, "ada", wiring.wall_clock())
    saved = make_backup()
    with wiring.open_ledger().transaction() as books:
        books.live_trading.set(False, "ada", wiring.wall_clock())

    restore_ledger(saved.path, "ada")

    assert read(lambda books: books.live_trading.enabled()) is False
