"""The halt file: a halt that holds although the ledger cannot be written.

It lies beside the ledger, is written before anything else of an emergency, and goes only by
a person's word. While it names an account, nothing of that account is sent. A file that
cannot be read halts everybody: unknown means no.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from execution.errors import LedgerUnavailable
from execution.model.identifiers import AccountId

EVERY = "*"  # in place of an account: all of them, those of later as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Whom the file halts, and who said so."""

    accounts: tuple[str, ...]  # EVERY among them: all
    actor: str
    reason: str
    since: str  # UTC, ISO 8601

    def covers(self, account: AccountId) -> bool:
        """Whether nothing of this account may be sent."""
        return EVERY in self.accounts or account in self.accounts


UNREADABLE = Halt(accounts=(EVERY,), actor="unknown", reason="it cannot be read", since="unknown")


class HaltFile:
    """`REGENT_HOME/halt`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Halt | None:
        """The halt in force by the file; None when there is no file."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            return UNREADABLE
        try:
            told = json.loads(text)
            accounts = tuple(str(account) for account in told["accounts"])
            words = (str(told[name]) for name in ("actor", "reason", "since"))
            actor, reason, since = words
        except (ValueError, KeyError, TypeError):
            return UNREADABLE
        return Halt(accounts=accounts, actor=actor, reason=reason, since=since)

    def covers(self, account: AccountId) -> bool:
        """Whether the file halts this account."""
        halt = self.read()
        return halt is not None and halt.covers(account)

    def write(
        self, accounts: Iterable[str], actor: str, reason: str, now: datetime
    ) -> Callable[[], None]:
        """Halt these accounts too, safe from a power cut once it returns.

        What it returns takes exactly this back, for a press that was about nobody: the file
        says again what it said before, unless somebody has written it since. On a full disk a
        file without a word is left, which halts everybody. Raises LedgerUnavailable when not
        even that could be made.
        """
        try:
            with self._alone():
                known = self.read()
                before = self.path.read_bytes() if known else None
                names = {*accounts, *(known.accounts if known else ())}
                said = known if known and known is not UNREADABLE else None
                self._put(
                    Halt(
                        accounts=(EVERY,) if EVERY in names else tuple(sorted(names)),
                        actor=said.actor if said else actor,
                        reason=said.reason if said else reason,
                        since=said.since if said else now.isoformat(),
                    )
                )
                after = self.path.read_bytes()
        except OSError as error:
            try:
                self.path.write_bytes(b"")
            except OSError:
                raise LedgerUnavailable(
                    f"{self.path}: {error.strerror}; the halt was not written to a file"
                ) from error
            return _nothing  # what it said before may be lost, so it goes on halting
        return lambda: self._take_back(before, after)

    def lift(self, account: AccountId, others: Iterable[AccountId]) -> None:
        """Let one account go; where all were halted, `others` stay so. For a person to call."""
        if self.read() is None:
            return
        try:
            with self._alone():
                halt = self.read()
                if halt is None:
                    return
                names = others if EVERY in halt.accounts else halt.accounts
                left = tuple(sorted({*names} - {account}))
                if left:
                    self._put(
                        Halt(
                            accounts=left,
                            actor=halt.actor,
                            reason=halt.reason,
                            since=halt.since,
                        )
                    )
                else:
                    self.path.unlink(missing_ok=True)
                    self._sync_folder()
        except OSError as error:
            raise LedgerUnavailable(
                f"{self.path}: {error.strerror}; {account} stays halted"
            ) from error

    def _take_back(self, before: bytes | None, after: bytes) -> None:
        try:
            with self._alone():
                if not self.path.exists() or self.path.read_bytes() != after:
                    return  # somebody else's word by now
                if before is None:
                    self.path.unlink()
                    self._sync_folder()
                else:
                    self._replace(before)
        except OSError as error:
            raise LedgerUnavailable(
                f"{self.path}: {error.strerror}; it may halt more than before"
            ) from error

    def _put(self, halt: Halt) -> None:
        self._replace(json.dumps(asdict(halt), indent=1).encode())

    def _replace(self, content: bytes) -> None:
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time; held for some milliseconds, so it is simply waited for."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(self.path.name + ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _nothing() -> None:
    """Take nothing back."""
