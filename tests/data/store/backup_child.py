"""Backs up or restores, and kills itself with -9 at one step.

Run as `python -m tests.data.store.backup_child backup|restore LEDGER PLACE STEP`.
"""

import os
import signal
import sys
from pathlib import Path

from data.store.backup import backup
from data.store.connection import Ledger
from data.store.restore import restore
from tests.execution.examples import NOW


def main(what: str, ledger: Path, place: Path, wanted: str) -> None:
    def step(name: str) -> None:
        if name == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    if what == "backup":
        backup(Ledger(ledger), place, NOW, kept=1, step=step)
    else:
        restore(Ledger(ledger), place, "ada", NOW, step=step)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
