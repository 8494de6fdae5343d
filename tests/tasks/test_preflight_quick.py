from pathlib import Path

import pytest

from execution.errors import LedgerUnavailable
from tasks import health_here, preflight
from tasks.config import RunConfig


def test_a_disk_that_is_nearly_full_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Prefect's server would fail on it first, with a page of its own."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    preflight.quick(RunConfig())
    monkeypatch.setattr(health_here, "FREE_MB_MIN", 10**9)
    with pytest.raises(LedgerUnavailable, match=r"free=\d+ MB needed=.* nothing was sent"):
        preflight.quick(RunConfig())
