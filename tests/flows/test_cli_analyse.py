"""`regent analyse` as a person types it, and its signals traded."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.flows.commands import counts, regent


@pytest.mark.slow
def test_what_an_analysis_writes_is_what_a_run_trades(tmp_path: Path):
    """The analysis itself sends nothing: the books are not even there before the run."""
    home = tmp_path / "home"

    analysed = regent(home, "analyse", "--symbol", "GOOG,msft", "--mode", "fast")

    assert analysed.code == 0, analysed.err
    assert not (home / "ledger.duckdb").exists()
    folder = home / "signals" / "latest"
    assert {p.name for p in folder.iterdir()} == {"report.md", "report.html", "signals.csv"}
    for told in ("GOOG", "MSFT", str(folder / "signals.csv"), "nothing was sent"):
        assert told in analysed.out

    ran = regent(home, "run", "--signals", str(folder / "signals.csv"), "--json")

    assert ran.code == 0, ran.err
    wished = [s["instrument_id"] for s in ran.document["signals"]["signals"]]
    assert wished == ["GOOG.SIMULATED", "MSFT.SIMULATED"]
    assert counts(home)["fills"] > 0


@pytest.mark.slow
def test_a_run_of_the_signals_plans_the_orders_that_a_run_without_them_plans(tmp_path: Path):
    """The stop of a strategy that says one goes with its position, whichever way it is traded."""
    settings = tmp_path / "settings.yaml"
    regimes = ("trending", "calm", "mean_reverting", "volatile")
    settings.write_text(
        yaml.safe_dump({"strategies": dict.fromkeys(regimes, "volatility_breakout")})
    )
    at = ("--symbols", "GOOG", "--as-of", "2013-02-21", "--config", str(settings))
    file = tmp_path / "out" / "signals.csv"

    analysed = regent(tmp_path / "a", "analyse", *at, "--out", str(file.parent))
    assert analysed.code == 0, analysed.err
    runs = [
        regent(tmp_path / name, "plan", *at, *more, "--json")
        for name, more in (("a", ("--signals", str(file))), ("b", ()))
    ]

    assert [run.code for run in runs] == [0, 0]
    ours, theirs = (run.document["planned"]["plan"]["decision"]["approved"] for run in runs)
    assert ours == theirs
    assert [(i["leg"], i["stop_px"]) for i in ours] == [("entry", None), ("stop", "770.22")]


@pytest.mark.slow
def test_the_document_has_every_figure_and_where_the_files_are(tmp_path: Path):
    out = tmp_path / "elsewhere"

    analysed = regent(tmp_path / "home", "analyse", "--symbol", "FB", "--out", str(out), "--json")

    assert analysed.code == 0, analysed.err
    (fb,) = analysed.document["instruments"]
    assert (fb["label"], fb["bars_missing"]) == ("unknown", 305)
    assert analysed.document["signals"] == []
    assert analysed.document["page"] == str(out / "report.html")
    assert len(fb["performance"]) > 0


def test_a_symbol_that_there_is_not_names_those_that_there_are(tmp_path: Path):
    ended = regent(tmp_path, "analyse", "--symbol", "X:BTCUSD", "--mode", "thorough")

    assert ended.code == 2
    assert "'X:BTCUSD' is unknown; there are AAPL, FB, GOOG, IBM, MSFT" in ended.err


def test_a_strategy_that_there_is_not_is_refused_before_anything_starts(tmp_path: Path):
    settings = tmp_path / "settings.yaml"
    settings.write_text("strategies: {calm: macross}\n")

    ended = regent(tmp_path, "analyse", "--config", str(settings))

    assert ended.code == 2
    assert "strategies.calm='macross' is unknown" in ended.err


def test_wrong_options_are_refused_before_anything_starts(tmp_path: Path):
    ended = regent(tmp_path, "analyse", "--cost-bps", "much")

    assert (ended.code, ended.out) == (2, "")
    assert "cost_bps='much': " in ended.err
