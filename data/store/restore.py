"""A backup put back in the ledger's place; the ledger that was there is kept beside it.

What was sent after the backup is unknown to these books, and could be sent a second time. So
every account is halted in the copy before it becomes the ledger: there is no moment at which
an older ledger trades. A kill anywhere leaves the old ledger or the new one, each whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from data.store import migrate
from data.store.backup import STAMP, Backup, Step, described, require_exact, sha256_of
from data.store.books import Books
from data.store.connection import Ledger, attached, sync, told
from data.store.session import Session
from execution.errors import InputInvalid, InvariantBroken, LedgerUnavailable, TradingError
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId, ClientOrderId

NAMES = """
    SELECT account FROM accounts UNION SELECT account FROM trading_state
    UNION SELECT account FROM runs UNION SELECT account FROM intents ORDER BY account
"""
SENT = "SELECT DISTINCT client_order_id FROM order_events WHERE status = 'submitted'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back, and what a person must know of it."""

    backup: Backup
    before: Path | None  # the ledger that was there
    halted: tuple[AccountId, ...]
    forgotten: tuple[ClientOrderId, ...] | None  # sent since; None: the old one tells nothing


def restore(
    ledger: Ledger,
    path: Path,
    actor: str,
    now: datetime,
    *,
    accounts: Iterable[AccountId] = (),
    step: Step = lambda _: None,
) -> Restored:
    """Put a backup in the ledger's place, and halt every account that either of them knows.

    `accounts` are halted too, whoever knows them. The backup is checked before anything is
    touched, and the ledger after it: if that one is not exact, the old one is back. Raises
    InputInvalid for a file that is no backup or is damaged.
    """
    wanted = described(path)
    staged = ledger.path.with_name(ledger.path.name + ".restoring")
    try:
        ledger.path.parent.mkdir(parents=True, exist_ok=True)
        with ledger.guard.hold():
            step("stage")
            _stage(wanted, staged)
            step("halt")
            known, sent = _present(ledger.path)
            reason = (
                f"restored the backup of {wanted.made_at:%Y-%m-%d %H:%M:%S}Z: what was sent since "
                "is unknown to these books"
            )
            halted, forgotten = _halt(staged, {*known, *accounts}, sent, reason, actor, now)
            sync(staged)
            step("keep")
            before = _keep(ledger.path, now)
            try:
                step("swap")
                _swap(ledger.path, staged)
                step("verify")
                require_exact(ledger.path, wanted.counts)
            except BaseException:
                _back(ledger.path, before)
                raise
            finally:
                ledger.forget_schema()
    except OSError as error:
        raise LedgerUnavailable(
            f"{ledger.path}: {error.strerror}; nothing was restored, the ledger is the old one"
        ) from error
    finally:
        _unlink(staged)
    return Restored(backup=wanted, before=before, halted=halted, forgotten=forgotten)


def _stage(wanted: Backup, staged: Path) -> None:
    """A copy beside the ledger, found to be what was backed up, in this code's tables."""
    _unlink(staged)
    try:
        shutil.copyfile(wanted.path, staged)
    except FileNotFoundError:
        raise InputInvalid(f"{wanted.path}: there is no such backup") from None
    if sha256_of(staged) != wanted.sha256:
        raise InputInvalid(
            f"{wanted.path}: damaged: its SHA-256 is not {wanted.sha256[:12]}…; nothing was "
            "changed; take another backup (`regent backups`)"
        )
    with told(staged), attached(staged) as con:
        migrate.apply(con, staged)
    require_exact(staged, wanted.counts)


def _present(path: Path) -> tuple[set[AccountId], set[ClientOrderId] | None]:
    """The accounts and sent orders of the ledger that is there, as far as it can be read."""
    if not path.exists():
        return set(), set()
    try:
        with attached(path):
            pass  # folds in the log of a process that died
        with told(path), attached(path, "TYPE duckdb, READ_ONLY") as con:
            session = Session(con)
            names = {AccountId(name) for (name,) in session.rows(NAMES)}
            return names, {ClientOrderId(key) for (key,) in session.rows(SENT)}
    except (duckdb.Error, TradingError):
        return set(), None  # that it cannot be read may be why it is replaced


def _halt(
    staged: Path,
    known: set[AccountId],
    sent: set[ClientOrderId] | None,
    reason: str,
    actor: str,
    now: datetime,
) -> tuple[tuple[AccountId, ...], tuple[ClientOrderId, ...] | None]:
    with told(staged), attached(staged) as con:
        books = Books(Session(con))
        con.execute("BEGIN")
        names = {AccountId(name) for (name,) in books.session.rows(NAMES)} | known
        for account in sorted(names):
            books.trading_state.set(account, TradingState.HALTED, reason, actor, now)
        # What a person has switched off, or fixed tighter, since the backup must not come back.
        books.live_trading.set(False, actor, now)
        kept = {ClientOrderId(key) for (key,) in books.session.rows(SENT)}
        con.execute("COMMIT")
    return tuple(sorted(names)), None if sent is None else tuple(sorted(sent - kept))


def _keep(path: Path, now: datetime) -> Path | None:
    """Give the ledger that is there a second name, under which it stays."""
    if not path.exists():
        return None
    before = _free(path, now)
    before.hardlink_to(path)
    if _log(path).exists():  # it could not be opened, so its log could not be folded in
        _log(before).hardlink_to(_log(path))
    sync(path.parent)
    return before


def _swap(path: Path, staged: Path) -> None:
    """Give the ledger's name to the staged copy, in one step."""
    staged.replace(path)
    # Killed before this, the database refuses a log that is not its own: restore again.
    _log(path).unlink(missing_ok=True)
    sync(path.parent)


def _back(path: Path, before: Path | None) -> None:
    """Give the ledger's name back to the one that had it."""
    _log(path).unlink(missing_ok=True)
    if before is None:
        path.unlink(missing_ok=True)
        return
    if _log(before).exists():
        _log(before).replace(_log(path))
    before.replace(path)
    before.unlink(missing_ok=True)  # where it had never been changed: two names of one file
    sync(path.parent)


def _free(path: Path, now: datetime) -> Path:
    stem = f"{path.stem}.before-restore-{now.astimezone(UTC):{STAMP}}"
    for number in range(1000):
        free = path.with_name(f"{stem}-{number}.duckdb" if number else f"{stem}.duckdb")
        if not free.exists():
            return free
    raise InvariantBroken(f"{path.parent}: a thousand restores in one second")


def _log(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _unlink(path: Path) -> None:
    for one in (path, _log(path)):
        with suppress(FileNotFoundError):
            one.unlink()
