"""The `regent` command in a process of its own, with books of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.store.connection import Ledger

REGENT = [sys.executable, "-c", "from flows.cli import main; main()"]
TABLES = ("runs", "intents", "orders", "order_events", "fills", "transfers", "simulated_orders")
GOOD = "symbol,time,regime,side,weight,confidence\nAAPL,2012-06-11T20:00:00Z,calm,1,0.1,0.9\n"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - whatever the command wrote
        return json.loads(self.out)


def regent(home: Path, *args: str, prefix: tuple[str, ...] = (), **environment: str) -> Ended:
    """Run `regent ARGS` with REGENT_HOME=home, without a terminal."""
    process = start(home, *args, prefix=prefix, **environment)
    try:
        out, err = process.communicate(timeout=180)
    finally:
        process.kill()
    return Ended(process.returncode, out, err)


def start(
    home: Path, *args: str, prefix: tuple[str, ...] = (), **environment: str
) -> subprocess.Popen[str]:
    """Start `regent ARGS` with REGENT_HOME=home, without a terminal."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("REGENT_", "PREFECT_"))}
    return subprocess.Popen(
        [*prefix, *REGENT, *args],
        env={**known, "REGENT_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """Interrupt a command and all that it started, as a terminal does."""
    os.killpg(process.pid, signal.SIGINT)


def counts(home: Path) -> dict[str, int]:
    """Rows in every table that a run could have written to."""
    if not (home / "ledger.duckdb").exists():
        return dict.fromkeys(TABLES, 0)
    with Ledger(home / "ledger.duckdb").reading() as books:
        return {t: books.session.rows(f"SELECT count(*) FROM {t}")[0][0] for t in TABLES}  # noqa: S608


def has_open(pid: int, name: str) -> bool:
    """Whether a process has a file open."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if fd.readlink().name == name:
                return True
    return False
