from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from data.store import migrate
from data.store.backup import Backup, backup, rows_of
from data.store.connection import Ledger, attached
from data.store.restore import restore
from data.store.verify import verify
from execution.errors import InputInvalid, InvariantBroken, LedgerUnavailable
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId, VenueId
from tests.data.store.test_backup import COUNTS, killed_at
from tests.data.store.writer import write_unit
from tests.execution.examples import ACCOUNT, NOW

LATER = NOW + timedelta(hours=1)
OTHER, UNSEEN = AccountId("other"), AccountId("unseen")
RESTORE_STEPS = ("stage", "halt", "keep", "swap", "verify")


def opened(ledger: Ledger, account: AccountId) -> None:
    with ledger.transaction() as books:
        books.accounts.open(account, VenueId("scripted"), str(account), NOW)
        books.trading_state.set(account, TradingState.ACTIVE, "opened", "regent", NOW)


@pytest.fixture
def saved(ledger: Ledger, tmp_path: Path) -> Backup:
    """A backup with one order; the ledger has a second one since, and a second account."""
    write_unit(ledger, "order-a")
    opened(ledger, ACCOUNT)
    made = backup(ledger, tmp_path / "backups", NOW)
    write_unit(ledger, "order-b")
    opened(ledger, OTHER)
    return made


def orders(ledger: Ledger) -> list[str]:
    with ledger.reading() as books:
        assert verify(books) == ()
        return sorted(order.client_order_id for order in books.orders.all(ACCOUNT))


def states(ledger: Ledger) -> dict[str, TradingState | None]:
    with ledger.reading() as books:
        return {a: books.trading_state.get(a) for a in (ACCOUNT, OTHER, UNSEEN)}


def test_the_backup_becomes_the_ledger_and_the_old_one_is_kept(ledger: Ledger, saved: Backup):
    restored = restore(ledger, saved.path, "ada", LATER)

    assert orders(ledger) == ["order-a"]
    assert restored.before == ledger.path.with_name("ledger.before-restore-20240301T220500Z.duckdb")
    assert orders(Ledger(restored.before)) == ["order-a", "order-b"]
    assert restored.forgotten == ("order-b",)
    assert not list(ledger.path.parent.glob("*.restoring*"))


def test_every_account_is_halted_those_opened_since_too(ledger: Ledger, saved: Backup):
    """An account that these books have never seen would be opened anew, and trade at once."""
    restored = restore(ledger, saved.path, "ada", LATER, accounts=[UNSEEN])

    assert restored.halted == (OTHER, ACCOUNT, UNSEEN)
    assert set(states(ledger).values()) == {TradingState.HALTED}
    with ledger.reading() as books:
        (reason, actor) = books.session.row(
            "SELECT reason, actor FROM trading_state ORDER BY seq DESC LIMIT 1"
        )
    assert reason == (
        "restored the backup of 2024-03-01 21:05:00Z: what was sent since is unknown to these books"
    )
    assert actor == "ada"


def test_a_damaged_backup_is_refused_and_nothing_is_touched(ledger: Ledger, saved: Backup):
    content = bytearray(saved.path.read_bytes())
    content[len(content) // 2] ^= 1
    saved.path.write_bytes(content)

    with pytest.raises(InputInvalid, match="damaged: its SHA-256 is not"):
        restore(ledger, saved.path, "ada", LATER)

    assert orders(ledger) == ["order-a", "order-b"]
    assert states(ledger)[ACCOUNT] is TradingState.ACTIVE
    assert not list(ledger.path.parent.glob("*restor*"))


def test_what_is_no_backup_is_told(ledger: Ledger, saved: Backup, tmp_path: Path):
    with pytest.raises(InputInvalid, match=r"no backup: ledger\.json beside it cannot be read"):
        restore(ledger, ledger.path, "ada", LATER)
    saved.path.unlink()
    with pytest.raises(InputInvalid, match="there is no such backup"):
        restore(ledger, saved.path, "ada", LATER)
    assert orders(ledger) == ["order-a", "order-b"]


def test_a_restored_ledger_that_is_not_exact_gives_way_to_the_old_one(
    ledger: Ledger, saved: Backup
):
    def spoil(step: str) -> None:
        if step == "verify":
            with attached(ledger.path) as con:
                con.execute("UPDATE positions SET net_qty = 11")

    with pytest.raises(InvariantBroken, match="not exact"):
        restore(ledger, saved.path, "ada", LATER, step=spoil)

    assert orders(ledger) == ["order-a", "order-b"]
    assert states(ledger)[ACCOUNT] is TradingState.ACTIVE
    assert not list(ledger.path.parent.glob("*restor*"))


def test_a_ledger_that_cannot_be_read_is_replaced(ledger: Ledger, saved: Backup):
    """That is what backups are for. Which accounts it knew, nobody can tell any more."""
    ledger.path.write_bytes(b"not a database" * 1000)
    ledger.path.with_name("ledger.duckdb.wal").write_bytes(b"nor its log")

    restored = restore(ledger, saved.path, "ada", LATER, accounts=[UNSEEN])

    assert not ledger.path.with_name("ledger.duckdb.wal").exists()
    assert orders(ledger) == ["order-a"]
    assert restored.forgotten is None
    assert restored.halted == (ACCOUNT, UNSEEN)
    assert restored.before is not None
    assert restored.before.read_bytes().startswith(b"not a database")
    assert restored.before.with_name(f"{restored.before.name}.wal").exists()


def test_a_ledger_that_is_gone_is_put_back(ledger: Ledger, saved: Backup):
    ledger.path.unlink()
    restored = restore(ledger, saved.path, "ada", LATER)
    assert (orders(ledger), restored.before) == (["order-a"], None)


def test_an_older_backup_is_brought_up_to_this_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The tables of the first version, kept by a Regent of that time."""
    known = migrate.migrations()
    ledger = Ledger(tmp_path / "ledger.duckdb")
    with monkeypatch.context() as then:
        then.setattr(migrate, "migrations", lambda *_: known[:1])
        with ledger.transaction():
            pass
    made = backup(ledger, tmp_path / "backups", NOW)  # before anything has brought it up
    assert made.schema == 1

    restore(ledger, made.path, "ada", LATER)

    with ledger.reading() as books:
        assert sum(rows_of(books).values()) == 0
        assert books.session.rows("SELECT max(version) FROM schema_migrations") == [(len(known),)]


def test_a_backup_of_a_newer_regent_is_refused(ledger: Ledger, tmp_path: Path):
    new = [*migrate.migrations(), migrate.Migration(99, "SELECT 1")]
    made = backup(ledger, tmp_path / "backups", NOW)
    with pytest.MonkeyPatch.context() as later:
        later.setattr(migrate, "migrations", lambda *_: tuple(new[:-2]))
        with pytest.raises(LedgerUnavailable, match="use a newer Regent"):
            restore(ledger, made.path, "ada", LATER)


@pytest.mark.parametrize("step", RESTORE_STEPS)
def test_a_kill_in_the_middle_leaves_the_old_ledger_or_the_new_one(
    ledger: Ledger, saved: Backup, step: str
):
    """Each whole; and the new one is halted from its first moment on."""
    killed_at(step, "restore", ledger, saved.path)

    old = step != "verify"
    assert orders(ledger) == (["order-a", "order-b"] if old else ["order-a"])
    state = TradingState.ACTIVE if old else TradingState.HALTED
    assert states(ledger)[ACCOUNT] is state
    again = restore(ledger, saved.path, "ada", LATER)
    assert again.backup.counts == COUNTS
    assert orders(ledger) == ["order-a"]
    assert set(states(ledger).values()) <= {TradingState.HALTED, None}


def test_the_database_refuses_a_log_that_is_not_its_own(ledger: Ledger, saved: Backup):
    """What a kill between the swap and the log's removal leaves: loud, and healed by restoring."""
    log = ledger.path.with_name("ledger.duckdb.wal")
    folded = duckdb.connect()
    folded.execute(f"ATTACH '{ledger.path}' AS old (TYPE duckdb)")
    folded.execute("UPDATE old.positions SET net_qty = 12")
    stale = log.read_bytes()
    folded.execute("DETACH old")
    folded.close()
    restore(ledger, saved.path, "ada", LATER)
    log.write_bytes(stale)

    with pytest.raises(LedgerUnavailable, match="WAL"), ledger.reading():
        pass
    restore(ledger, saved.path, "ada", LATER)
    assert orders(ledger) == ["order-a"]
