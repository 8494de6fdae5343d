"""A backup of this installation's ledger; and one put back, while nobody is at work."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from data.store.backup import Backup, backup
from data.store.connection import LockTimeout
from data.store.restore import Restored, restore
from execution.errors import LedgerUnavailable, Refused
from execution.model.identifiers import AccountId
from tasks import wiring
from tasks.crashes import note_crashed_runs


def make_backup(folder: Path | None = None) -> Backup:
    """Back up to a folder, or where backups are kept; the newest REGENT_BACKUPS_KEPT stay."""
    return backup(
        wiring.open_ledger(),
        folder.absolute() if folder else wiring.backup_folder(),
        wiring.wall_clock(),
        kept=wiring.settings().backups_kept,
    )


def restore_ledger(path: Path, actor: str, *, runs_ended: bool = False) -> Restored:
    """Restore, and halt every account that anybody knows of.

    Raises Refused while somebody is at work on an account, or while a run has not
    ended as far as the books know: with `runs_ended` a person says that it has, killed.
    """
    ledger = wiring.open_ledger()
    running: list[str] = []
    accounts = set(wiring.guarded_accounts())
    try:
        note_crashed_runs(ledger)
        with ledger.reading() as books:
            accounts |= {*books.accounts.names(), *books.runs.accounts()}
            rows = books.session.rows(
                "SELECT run_id, account FROM runs WHERE status = 'running' ORDER BY started_at"
            )
            running = [f"{run_id[:8]} of {account}" for run_id, account in rows]
    except LockTimeout:
        raise
    except LedgerUnavailable:
        pass  # that it cannot be read may be why it is replaced
    if running and not runs_ended:
        raise Refused(
            f"not ended, as far as the books know: run {', '.join(running)}; end it, or say "
            "--runs-ended when it was killed; nothing was restored"
        )
    with ExitStack() as held:
        for account in sorted(accounts):
            _hold(held, account)
        return restore(ledger, path, actor, wiring.wall_clock(), accounts=accounts)


def _hold(held: ExitStack, account: AccountId) -> None:
    try:
        held.enter_context(wiring.account_guard(account, timeout_s=0).hold())
    except LockTimeout:
        raise Refused(
            f"somebody is at work on account {account}: wait, or end it; nothing was restored"
        ) from None
