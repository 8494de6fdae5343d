"""An analysis as its files: a page that holds all it shows, a report, and signals to trade."""

from __future__ import annotations

import csv
import re
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from data.feeds.files import FilesFeed
from data.signal_files import read_signals
from execution.errors import ConfigInvalid, InputInvalid
from execution.evaluation.analysis import NAMES
from execution.model.enums import RegimeLabel
from execution.regime.config import RegimeSettings
from tasks import wiring
from tasks.analysis import analyse_histories, compare_models, read_histories, report_analysis
from tasks.analysis_charts import (
    HEIGHT,
    PLOT_WIDTH,
    PRICE_HEIGHT,
    PRICE_TOP,
    SHARES_HEIGHT,
    SHARES_TOP,
    regime_charts,
)
from tasks.analysis_report import DRAWN_MAX, AnalysisReport
from tasks.analysis_settings import AnalysisSettings, make_settings
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.market_data import load_market
from tasks.quality import judge_bars
from tests.execution.regime.chains import KINDS, history
from tests.execution.walks import random_walk
from tests.tasks.pages import Page

SETTINGS = RegimeSettings(bars_min=500, bars_max=600, every_bars=100)
HOSTILE = "<script>alert(1)<script>"


def write_bars(path: Path, bars: pd.DataFrame) -> Path:
    frame = bars.drop(columns="ts_close").rename(columns={"ts_open": "time"})
    frame.assign(time=frame["time"].map(lambda ts: ts.isoformat())).to_csv(path, index=False)
    return path


def config(*paths: Path, **changes: object) -> RunConfig:
    told = {"feed": "files", "bars": paths, "regime": SETTINGS}
    return RunConfig.model_validate({**told, **changes})


def made(folder: Path, told: RunConfig, **changes: object) -> AnalysisReport:
    """Run the flow's tasks in their order, without Prefect."""
    settings = AnalysisSettings.model_validate({"out": folder / "out", **changes})
    histories = read_histories.fn(told, settings)
    analyses = analyse_histories.fn(told, settings, histories)
    if settings.thorough:
        analyses = compare_models.fn(told, analyses)
    return report_analysis.fn(told, settings, histories, analyses, timedelta(seconds=7))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))


@pytest.fixture
def btc(tmp_path: Path) -> Path:
    return write_bars(tmp_path / "BTC-USD_1h.csv", history())


@pytest.fixture
def few(tmp_path: Path) -> Path:
    return write_bars(tmp_path / "ETH-USD_1h.csv", history()[:120])


def test_the_signals_are_in_the_format_that_was_asked_for_and_are_read_back(
    tmp_path: Path, btc: Path
):
    report = made(tmp_path, config(btc, symbols="X:BTCUSD"))

    text = report.signals_path.read_text()
    assert text.startswith("symbol,time,regime,side,weight,confidence,strategy\n")
    (row,) = csv.DictReader(text.splitlines())
    (analysis,) = report.analyses
    assert (row["symbol"], row["regime"]) == ("X:BTCUSD", analysis.regime.label.value)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00", row["time"])
    signals, bad = read_signals(report.signals_path, FilesFeed([btc]).instruments())
    assert (signals, bad) == (report.signals, ())


def test_too_few_bars_are_told_as_unknown_and_make_no_signal(tmp_path: Path, few: Path):
    report = made(tmp_path, config(few))

    assert report.signals == ()
    assert report.signals_path.read_text().count("\n") == 1  # the header
    text = report.markdown_path.read_text()
    assert "**Unknown**" in text
    assert "381 bars are missing" in text
    assert "381 bars are missing" in Page(report.html_path.read_text()).text
    assert read_signals(report.signals_path, FilesFeed([few]).instruments()) == ((), ())


def test_an_unknown_instrument_beside_a_known_one_is_not_traded(
    tmp_path: Path, btc: Path, few: Path
):
    report = made(tmp_path, config(btc, few))

    labels = {a.regime.instrument_id.symbol: a.regime.label for a in report.analyses}
    assert labels["ETH/USD"] is RegimeLabel.UNKNOWN
    assert {s.instrument_id.symbol for s in report.signals} == {"BTC/USD"}


def test_a_symbol_that_the_feed_does_not_have_names_the_nearest(tmp_path: Path, btc: Path):
    with pytest.raises(InputInvalid, match=r"'BTCUSDT' is unknown; did you mean BTC/USD\?"):
        made(tmp_path, config(btc, symbols="BTCUSDT"))


def test_a_thorough_report_has_every_model_with_figures_or_why_not(
    tmp_path: Path, btc: Path, monkeypatch: pytest.MonkeyPatch
):
    for package in ("hmmlearn.hmm", "jumpmodels.jump"):
        monkeypatch.setitem(sys.modules, package, None)

    report = made(tmp_path, config(btc), mode="thorough")

    (analysis,) = report.analyses
    scores = {m.name: m for m in analysis.models}
    assert {name for name, m in scores.items() if not m.problem} == set(KINDS)
    text = Page(report.html_path.read_text()).text
    markdown = report.markdown_path.read_text()
    for told in (text, markdown):
        assert "this model needs the package hmmlearn: pip install regent[regimes]" in told
        assert all(name in told for name in scores)
        assert f"{scores['four'].calibration_error:.3f}" in told


def test_a_fast_report_compares_no_models(tmp_path: Path, btc: Path):
    report = made(tmp_path, config(btc))

    assert report.analyses[0].models == ()
    assert "side by side" not in report.markdown_path.read_text()


def test_the_page_needs_nothing_from_outside_runs_no_script_and_escapes_what_users_wrote(
    tmp_path: Path, btc: Path
):
    """It is opened years later, or mailed to somebody; the folder's name is a user's text."""
    page = Page(made(tmp_path / HOSTILE, config(btc)).html_path.read_text())

    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "img", "object", "form"}
    assert not any({"src", "href", "onload", "onclick"} & attrs.keys() for _, attrs in page.tags)
    assert HOSTILE in page.text


def test_a_page_of_many_long_histories_stays_small(tmp_path: Path):
    """Only the first instruments are drawn; all are in the tables."""
    bars = random_walk(3, 1_100)
    paths = [write_bars(tmp_path / f"C{n:02}-USD_1h.csv", bars) for n in range(10)]

    report = made(tmp_path, config(*paths))

    html = report.html_path.read_text()
    assert len(html) < 2_000_000
    assert html.count("Not drawn") == 10 - DRAWN_MAX
    assert all(f"<h2>C{n:02}/USD" in html for n in range(10))
    undrawn = len(html.partition("<h2>C08/USD")[2].partition("<h2>")[0])
    assert undrawn < 20_000  # so a hundred instruments have room


def test_costs_are_taken_off_and_stated(tmp_path: Path, btc: Path):
    free = made(tmp_path, config(btc), cost_bps=0)
    dear = made(tmp_path, config(btc), cost_bps=100)

    def mean(report: AnalysisReport) -> float:
        rows = report.analyses[0].performance
        return next(p.mean or 0 for p in rows if (p.strategy, p.regime) == ("ma_cross", "all"))

    assert mean(dear) < mean(free)
    assert "net of 100 bp" in dear.markdown_path.read_text()


def test_bars_that_would_stop_a_run_stop_an_analysis_in_the_same_words(tmp_path: Path):
    """A signal computed over missing bars would be traded by a run that never saw the gap."""
    gap = write_bars(tmp_path / "BTC-USD_1h.csv", history().drop(range(700, 705)))

    with pytest.raises(InputInvalid) as analysed:
        made(tmp_path, config(gap))
    with open_cycle(config(gap)) as cycle, pytest.raises(InputInvalid) as ran:
        judge_bars.fn(cycle, load_market.fn(cycle))

    assert str(analysed.value) == str(ran.value)
    assert "no_gaps: 2024-01-30 09:00Z row 701" in str(analysed.value)
    assert "quality: {severity: {no_gaps: warning}}" in str(analysed.value)
    assert not (tmp_path / "out").exists()


def test_what_of_the_bars_is_not_as_expected_is_in_both_reports(tmp_path: Path):
    gap = write_bars(tmp_path / "BTC-USD_1h.csv", history().drop(range(700, 705)))
    accepted = {"severity": {"no_gaps": "warning"}}

    report = made(tmp_path, config(gap, quality=accepted))

    (result,) = (r for r in report.quality if r.expectation == "no_gaps")
    assert str(result) in report.markdown_path.read_text()
    assert str(result) in Page(report.html_path.read_text()).text


def test_an_analysis_writes_no_books(tmp_path: Path, btc: Path):
    report = made(tmp_path, config(btc))

    assert not wiring.open_ledger().path.exists()
    assert report.signals_path.exists()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path, btc: Path):
    (tmp_path / "out").write_text("in the way")

    with pytest.raises(ConfigInvalid, match=r"^out=.*out: cannot be written to: "):
        made(tmp_path, config(btc))


def test_without_a_folder_it_lies_where_the_installation_keeps_signals(tmp_path: Path, btc: Path):
    report = made(tmp_path, config(btc), out=None)

    assert report.signals_path == tmp_path / "home" / "signals" / "latest" / "signals.csv"
    assert report.signals_path.exists()


def test_wrong_settings_name_key_value_and_rule():
    with pytest.raises(ConfigInvalid, match=r"^cost_bps='x': .*decimal"):
        make_settings({"cost_bps": "x", "out": None})
    with pytest.raises(ConfigInvalid, match=r"^history_bars=0: .*greater"):
        make_settings({"history_bars": 0})


def test_the_cost_is_that_of_the_simulated_venue_unless_said():
    assert make_settings({}).cost_bps == Decimal("12.5")
    assert make_settings({"cost_bps": "20"}).cost == pytest.approx(0.002)


def test_bands_lanes_and_probabilities_cover_the_same_bars(tmp_path: Path, btc: Path):
    (analysis,) = made(tmp_path, config(btc)).analyses

    (chart,) = regime_charts(analysis, "USD")

    assert sum(band.width for band in chart.bands) == pytest.approx(PLOT_WIDTH, abs=2)
    in_lanes = sum(band.width for lane in chart.lanes for band in lane.bands)
    assert in_lanes == pytest.approx(PLOT_WIDTH, abs=2)
    assert [label for label, _ in chart.shares] == list(reversed(NAMES))
    whole = re.findall(r"(\d+),(\d+)", chart.shares[0][1])
    assert {int(y) for _, y in whole[1:-1]} == {int(SHARES_TOP)}  # all four add up to one
    assert max(int(y) for _, y in whole) == int(SHARES_TOP + SHARES_HEIGHT) < HEIGHT


def test_a_long_history_is_drawn_whole_and_near_and_loses_no_extreme(tmp_path: Path):
    bars = random_walk(3, 3_000)
    bars.loc[1_700, ["close", "high"]] = bars["high"].max() * 2  # one spike within a pixel
    told = config(write_bars(tmp_path / "BTC-USD_1h.csv", bars))
    (analysis,) = made(tmp_path, told, history_bars=3_000).analyses

    whole, near = regime_charts(analysis, "USD")

    points = [float(y) for _, y in re.findall(r"([\d.]+),([\d.]+)", whole.line)]
    assert len(points) <= 2 * PLOT_WIDTH
    top = PRICE_TOP + 0.06 / 1.12 * PRICE_HEIGHT  # the highest close, below a margin of 6 %
    assert min(points) == pytest.approx(top, abs=0.2)
    assert near.title == "the last 250 bars"
    assert len(re.findall(r"[ML]", near.line)) == 250
