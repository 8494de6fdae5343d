import subprocess
import sys
from pathlib import Path

import pytest

from data.store.market.store import MarketStore
from tests.data.feeds.candle_exchange import Exchange
from tests.data.store.market.conftest import SINCE, Fetch, hour_of

ROOT = Path(__file__).parents[4]
TABLES = ("series", "instruments", "bars", "chunks", "missing")


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with MarketStore(path).reading() as archive:
        return {t: archive.session.rows(f"SELECT * FROM {t} ORDER BY ALL") for t in TABLES}  # noqa: S608


@pytest.mark.slow
def test_killed_at_every_statement_nothing_is_doubled_and_nothing_lost(
    tmp_path: Path, fetch: Fetch, exchange: Exchange, store: MarketStore
):
    """Each download goes on where the last one was killed, and the store is as if none was."""
    exchange.missing = set(range(hour_of(SINCE) + 100, hour_of(SINCE) + 104))
    fetch()
    killed = tmp_path / "killed.duckdb"

    ended = subprocess.run(
        [sys.executable, "-m", "tests.data.store.market.killed", str(killed), exchange.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 10
    one, other = content(store.path), content(killed)
    # How often a gap was asked for depends on who was killed after asking.
    assert [row[:2] for row in one.pop("missing")] == [row[:2] for row in other.pop("missing")]
    assert one == other
