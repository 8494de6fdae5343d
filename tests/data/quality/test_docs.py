"""Great Expectations counts what we find, and its pages ask nobody for anything."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from data.quality import docs, run
from data.quality.bars import BARS
from data.quality.books import SUITES
from data.quality.expectation import look
from data.quality.ledger import BookSample
from data.quality.rules import DEFAULT_RULES, QualityRules
from data.store.verify import Finding
from execution.errors import InvariantBroken, LedgerUnavailable
from tests.data.quality.samples import COIN, coin_hours
from tests.data.quality.test_bars import PLANTED, edited

NOW = datetime(2024, 3, 1, tzinfo=UTC)
HOSTILE = "<img src=https://example.org/x onerror=alert(1)><script>alert(2)</script>"
POSITIONS = BookSample(
    subject="positions",
    table=pd.DataFrame({"key": ["test SPY"], "ts": [NOW]}),
    findings=(Finding(what="position", key="test SPY", stored=HOSTILE, folded="0"),),
    external=frozenset(),
    currencies=frozenset(),
)


@pytest.fixture(scope="module")
def judged() -> list[run.Judged]:
    """Bars with a gap and a volume beyond belief, bars of the wrong shape, hostile books."""
    gx = run.context()
    gap = edited(lambda bars: bars.drop([5, 6, 7, 300]), PLANTED["volume_outlier"][0]())
    shapeless = edited(lambda bars: bars[:0].drop(columns="close"))
    other = replace(COIN, instrument_id=replace(COIN.instrument_id, symbol="ETH/USD"))
    shapeless = replace(shapeless, instrument=other)
    return [
        run.run(gx, "bars", look(BARS.values(), gap, DEFAULT_RULES)),
        run.run(gx, "bars", look(BARS.values(), shapeless, DEFAULT_RULES)),
        run.run(gx, "positions", look(SUITES["positions"], POSITIONS, DEFAULT_RULES)),
    ]


@pytest.fixture(scope="module")
def pages(judged: list[run.Judged], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    index = docs.write_docs(judged, tmp_path_factory.mktemp("docs") / "quality", NOW)
    return {path.name: path.read_text() for path in index.parent.iterdir()}


def test_great_expectations_counts_what_we_found(judged: list[run.Judged]):
    bars = judged[0].validation
    failed = {
        r.expectation_config.kwargs["column"]: r.result["unexpected_count"]
        for r in bars.results
        if r.expectation_config and not r.success
    }

    assert len(bars.results) == 26
    assert failed == {"no_gaps": 2, "volume_outlier": 1}
    assert not judged[1].validation.success


def test_nobody_is_told_that_it_ran(judged: list[run.Judged]):
    """Its telemetry is off by the environment, before it is imported, and by its settings."""
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
    assert run.context().config.analytics_enabled is False


def test_a_count_that_is_not_ours_breaks(monkeypatch: pytest.MonkeyPatch):
    """A table that says that all is well, while a fault was found, must not be printed."""
    found = look(BARS.values(), PLANTED["closed"][0](), DEFAULT_RULES)
    clean = run.with_faults(look(BARS.values(), coin_hours(), DEFAULT_RULES))
    monkeypatch.setattr(run, "with_faults", lambda _: clean)

    with pytest.raises(InvariantBroken, match="closed: 1 rows here, 0 counted"):
        run.run(run.context(), "bars", found)


def test_the_pages_say_what_is_wrong_and_where(pages: dict[str, str]):
    assert pages.keys() == {
        "index.html",
        "bars-BTC-USD.SIMULATED.html",
        "bars-ETH-USD.SIMULATED.html",
        "positions.html",
    }
    fault = "2024-01-02 08:00Z row 6, column ts_open: value 2024-01-02 08:00:00+00:00: 3 missing"
    assert fault in pages["bars-BTC-USD.SIMULATED.html"]
    assert "2 unexpected values found" in pages["bars-BTC-USD.SIMULATED.html"]
    index = pages["index.html"]
    assert "row 6, ts_open: 2024-01-02 08:00:00+00:00: 3 missing" in index
    assert index.index("no_gaps") < index.index("times_utc")  # what is not met comes first
    assert all(f'href="{name}"' in index for name in pages if name != "index.html")


def test_no_page_loads_or_runs_anything(pages: dict[str, str]):
    """Not from a host that would learn of it, nor from a text in the books."""
    for page in pages.values():
        assert "default-src 'none'; style-src 'unsafe-inline'" in page
        assert not re.search(r"<(script|link|img|iframe|object|embed)\b", page)
        assert not re.search(r"<[^<>]*\b(src|href|action)\s*=\s*[\"']?(https?:)?//|url\(", page)
    for name in ("index.html", "positions.html"):
        assert "&lt;script&gt;alert(2)" in pages[name]


def test_new_documents_take_the_place_of_the_old_whole(judged: list[run.Judged], tmp_path: Path):
    """A table that is looked at no more has no page that seems to be of today."""
    folder = tmp_path / "quality"
    docs.write_docs(judged, folder, NOW)

    docs.write_docs(judged[2:], folder, NOW)

    assert {path.name for path in folder.iterdir()} == {"index.html", "positions.html"}
    assert [path.name for path in tmp_path.iterdir()] == ["quality"]


def test_a_folder_that_cannot_be_written_is_told(judged: list[run.Judged], tmp_path: Path):
    (tmp_path / "file").write_text("")

    with pytest.raises(LedgerUnavailable, match="no Data Docs written"):
        docs.write_docs(judged, tmp_path / "file" / "quality", NOW)


def test_an_expectation_that_is_off_is_on_no_page(tmp_path: Path):
    rules = QualityRules(severity={"no_gaps": "off"})
    found = look(BARS.values(), PLANTED["no_gaps"][0](), rules)

    index = docs.write_docs([run.run(run.context(), "bars", found)], tmp_path / "docs", NOW)

    assert "no_gaps" not in index.read_text()
