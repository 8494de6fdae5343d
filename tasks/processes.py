"""Whether a process is still there: it holds a lock file for as long as it lives.

The kernel lets go of the lock however the process ends, kill -9 and a power cut included,
and a lock is not fooled by a process id that was given to somebody else, by a restart of
the machine, or by another container.
"""

from __future__ import annotations

import atexit
import fcntl
import getpass
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from data.store.connection import Ledger
from data.store.run_processes import RunProcess

# What this process holds, by folder; a forked child is another process, and holds nothing.
_mine: dict[Path, tuple[RunProcess, int]] = {}
_taking = threading.Lock()


def process_locks(ledger: Ledger) -> Path:
    """Where the processes that work on a ledger hold their locks."""
    return ledger.path.parent / "locks" / "processes"


def this_process(folder: Path) -> RunProcess:
    """The process that asks; at first it takes its lock, in `folder`."""
    with _taking:
        if folder not in _mine:
            folder.mkdir(parents=True, exist_ok=True)
            found = RunProcess(process=str(uuid4()), host=socket.gethostname(), pid=os.getpid())
            fd = os.open(folder / found.process, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            _mine[folder] = (found, fd)
        return _mine[folder][0]


def is_dead(folder: Path, process: str) -> bool:
    """Whether the process has ended; its lock file is then removed.

    A file that is not there is of a process that has ended, too: the ledger may have been
    brought here from another machine.
    """
    if any(process == mine.process for mine, _ in _mine.values()):
        return False
    path = folder / process
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # somebody else's: nobody can tell
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def _leave() -> None:
    """Take our files away; after a kill those who look for us do."""
    for folder, (mine, _) in _mine.items():
        with suppress(OSError):
            (folder / mine.process).unlink()


def _forget() -> None:
    global _taking
    _taking = threading.Lock()
    for _, fd in _mine.values():
        with suppress(OSError):
            os.close(fd)  # a copy of our parent's: closing it leaves the parent's lock alone
    _mine.clear()


atexit.register(_leave)
os.register_at_fork(after_in_child=_forget)


def os_user() -> str:
    """The name that the operating system has for who started this process; noted, not trusted."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a process whose user has no name
        return str(os.getuid())
