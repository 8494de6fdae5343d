"""A run on bars of the market store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.feeds.factors import read_factors
from data.feeds.files import FilesFeed
from data.quality.rules import QualityRules, Severity
from data.store.market.download import download
from execution.errors import InputInvalid
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.market_data import Market, load_market
from tasks.quality import judge_bars

NOW = datetime(2024, 1, 5, 12, tzinfo=UTC)  # before the session that follows the last bar
CONFIG = RunConfig(feed="store", source="files")
DAYS = """date,open,high,low,close,volume
2024-01-02,20,20,20,20,100
2024-01-03,10,10,10,10,100
2024-01-04,10,10,10,10,100
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stocks in a store of our own, a split of one of them known; a clock that stands still."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(wiring, "wall_clock", lambda: NOW)
    keep(tmp_path, DAYS)
    factors = tmp_path / "AAPL_factors.csv"
    factors.write_text("20240102,1,0.5,20\n20501231,1,1,0\n")
    with wiring.market_store().transaction() as archive:
        archive.factors.save("files", "AAPL", read_factors(factors))


def keep(folder: Path, content: str) -> None:
    for symbol in ("AAPL", "IBM"):
        path = folder / f"{symbol}.csv"
        path.write_text(content)
        feed = FilesFeed([path])
        download(wiring.market_store(), "files", feed, feed.instruments()[0], NOW)


def judged(config: RunConfig = CONFIG) -> Market:
    with open_cycle(config) as cycle:
        return judge_bars.fn(cycle, load_market.fn(cycle))


def told(market: Market, expectation: str) -> list[str]:
    return [result.subject for result in market.quality if result.expectation == expectation]


def test_one_stocks_factors_hide_nothing_of_another(tmp_path: Path):
    """Adjusted history changes with every dividend; IBM's is as it was traded, and may not."""
    judged()
    keep(tmp_path, DAYS.replace("20,20,20,20", "21,21,21,21"))

    assert told(judged(), "not_restated") == ["IBM.SIMULATED"]


def test_old_bars_are_told_and_a_replay_of_them_is_not(monkeypatch: pytest.MonkeyPatch):
    """Downloads that have stopped leave a store that looks as good as ever."""
    assert told(judged(), "stored_fresh") == []

    later = NOW + timedelta(days=4)
    monkeypatch.setattr(wiring, "wall_clock", lambda: later)

    assert told(judged(), "stored_fresh") == ["AAPL.SIMULATED", "IBM.SIMULATED"]
    assert told(judged(CONFIG.model_copy(update={"as_of": later})), "stored_fresh") == []


def test_whoever_wants_no_run_on_old_bars_makes_it_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wiring, "wall_clock", lambda: NOW + timedelta(days=4))
    strict = QualityRules(severity={"stored_fresh": Severity.ERROR})

    with pytest.raises(InputInvalid, match=r"AAPL.*stored_fresh: .* 2 since .*say --as-of"):
        judged(CONFIG.model_copy(update={"quality": strict}))
