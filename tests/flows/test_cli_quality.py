"""`regent quality`, as a person types it, and the flow of that name."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from data.store.connection import Ledger
from execution.errors import InputInvalid, InvariantBroken
from flows.quality import quality
from tasks import wiring
from tasks.config import RunConfig
from tests.data.quality.samples import coin_hours
from tests.data.store.writer import write_unit
from tests.flows.test_cli_books import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A file of hours without a fault."""
    return written(tmp_path / "BTC-USD_1h.csv")


def written(path: Path, *dropped: int, **cells: object) -> Path:
    bars = coin_hours().table
    for column, value in cells.items():
        bars.loc[3, column] = value
    bars = bars.drop(index=list(dropped), columns="ts_close")
    bars.rename(columns={"ts_open": "time"}).to_csv(path, index=False)
    return path


def test_good_bars_end_with_0_and_documents(
    good: Path, home: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("quality", "--bars", str(good)) == 0

    told = capsys.readouterr().out.splitlines()
    assert told == [
        "BTC/USD.SIMULATED: 26 of 26 expectations met by 400 rows",
        "errors: 0, warnings: 0",
        f"Data Docs: {home}/quality/index.html",
    ]
    assert (home / "quality" / "bars-BTC-USD.SIMULATED.html").exists()
    assert not (home / "ledger.duckdb").exists()


def test_every_fault_of_a_file_is_told_not_the_first_alone(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
):
    """A run refuses such a file at once; whoever is to mend it wants all that is wrong."""
    bad = written(tmp_path / "BTC-USD_1h.csv", 10, 11, high=1.0, volume=-5)

    assert run("quality", "--bars", str(bad), "--json") == 2

    document = json.loads(capsys.readouterr().out)
    unmet = {r["expectation"]: r for r in document["results"] if r["failing"]}
    assert unmet.keys() == {"no_gaps", "high_is_highest", "volume_not_negative"}
    assert unmet["high_is_highest"]["first"]["row"] == 4
    assert (document["errors"], document["warnings"]) == (3, 0)
    assert Path(document["docs"]) == home / "quality" / "index.html"


def test_books_that_are_not_exact_end_with_8(home: Path, capsys: pytest.CaptureFixture[str]):
    ledger = Ledger(home / "ledger.duckdb")
    write_unit(ledger, "order-a")
    with ledger.transaction() as books:
        books.session.rows("UPDATE positions SET net_qty = 1")

    assert run("quality", "--symbols", "FB", "--books") == 8

    told = " ".join(capsys.readouterr().out.split())
    assert "orders: 7 of 7 expectations met by 1 rows" in told
    assert "error positions_add_up 1" in told


def test_the_documents_are_opened_where_they_are(
    good: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)

    run("quality", "--bars", str(good), "--open")

    assert opened == [f"file://{home}/quality/index.html"]


def test_a_symbol_that_is_not_there_is_told(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run("quality", "--symbols", "AAPX") == 2
    assert "symbol 'AAPX' is unknown; did you mean AAPL?" in capsys.readouterr().err


def test_the_flow_ends_as_a_run_would(tmp_path: Path, good: Path, home: Path):
    """Errors fail it, so that its page is red; those of the books come before those of bars."""
    write_unit(wiring.open_ledger(), "order-a")
    config = RunConfig(feed="files", bars=(good,))
    with disable_run_logger():
        assert quality.fn(config).startswith("44 expectations, 0 warnings: ")

        bad = written(tmp_path / "ETH-USD_1h.csv", 10)
        with pytest.raises(InputInvalid, match="no_gaps"):
            quality.fn(RunConfig(feed="files", bars=(bad,)), books=False)

        with wiring.open_ledger().transaction() as books:
            books.session.rows("UPDATE positions SET net_qty = 1")
        with pytest.raises(InvariantBroken, match="positions_add_up"):
            quality.fn(RunConfig(feed="files", bars=(bad,)))
