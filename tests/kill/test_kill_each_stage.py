"""The real flow on a real Prefect server, killed in each of its six stages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.store.connection import Ledger
from data.store.verify import verify
from tests.conftest import Serving
from tests.cycles import STAGES
from tests.kill.child import CONFIG

COMPUTED = STAGES[STAGES.index("regime-analysis") :]


@pytest.mark.slow
@pytest.mark.parametrize("stage", COMPUTED)
def test_a_run_killed_in_a_stage_is_made_good_by_the_next(
    serving: Serving, tmp_path: Path, stage: str
):
    home = tmp_path / "home"

    assert run(serving, home, stage) == -signal.SIGKILL
    assert run(serving, home, "none") == 0

    with Ledger(home / "ledger.duckdb").reading() as books:
        assert verify(books) == ()
        assert books.discrepancies.open(CONFIG.account_id) == ()
        intents = books.session.rows("SELECT client_order_id FROM intents")
        taken = books.session.rows(
            "SELECT o.client_order_id, o.order_qty, sum(f.last_qty) "
            "FROM simulated_orders o JOIN simulated_fills f USING (client_order_id) GROUP BY ALL"
        )
        stages = {e.stage for run in runs(books) for e in books.stages.of(run)}
    assert len(intents) == len(taken) == 2
    assert all(order_qty == filled for _, order_qty, filled in taken)
    assert stages >= set(STAGES)


def run(serving: Serving, home: Path, stage: str) -> int:
    """Run the flow in a process of its own; return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "tests.kill.child", stage],
        env={
            **os.environ,
            **serving.clients,
            "REGENT_HOME": str(home),
        },
        check=False,
        timeout=120,
        capture_output=True,
    ).returncode


def runs(books: object) -> list[str]:
    return [row[0] for row in books.session.rows("SELECT run_id FROM runs")]  # type: ignore[attr-defined]
