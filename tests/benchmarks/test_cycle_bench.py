"""How long a cycle takes, stage by stage, and how much of it is Prefect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.conftest import Serving

CYCLES = 8


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_a_warm_cycle_over_five_stocks_with_a_running_server(serving: Serving, tmp_path: Path):
    out = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.cycle", str(CYCLES)],
        env={
            **os.environ,
            **serving.clients,
            "REGENT_HOME": str(tmp_path / "home"),
            "PREFECT_LOGGING_LEVEL": "ERROR",
        },
        check=True,
        timeout=500,
        capture_output=True,
        text=True,
    ).stdout
    rows = json.loads(out.splitlines()[-1])
    assert len(rows) == CYCLES - 1
    print(f"\nseconds, {len(rows)} warm cycles      median    min    max")
    for name in rows[0]:
        values = [row[name] for row in rows if name in row]
        print(f"  {name:24} {median(values):10.3f} {min(values):6.3f} {max(values):6.3f}")
