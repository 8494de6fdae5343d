from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from execution.model.identifiers import StrategyId
from flows import console
from flows.documents import to_json
from flows.planning import PlannedCycle
from tasks.encoding import plan_document
from tasks.risk import Planned
from tasks.signals import SignalBatch
from tests.tasks.reports import DIFFERENCE, DISCREPANCY, LIVE, WARNED, make_report


def shown(show: Callable[[Console], None], *, terminal: bool = False, width: int = 80) -> str:
    """What is written, on a terminal or into a pipe."""
    file = io.StringIO()
    show(Console(file=file, width=width, force_terminal=terminal, highlight=False))
    return file.getvalue()


def test_a_cycle_is_told_stage_by_stage(tmp_path: Path):
    report = make_report(tmp_path, quality=(WARNED,))

    text = shown(lambda c: console.show_cycle(c, report))

    stages = ["DATA QUALITY", "REGIMES", "SIGNALS", "RISK", "ORDERS", "FILLS", "POSITIONS"]
    places = [text.index(stage) for stage in (*stages, "EQUITY", "RECONCILIATION")]
    assert places == sorted(places)
    for part in (
        "AAPL.SCRIPTED: volume_outlier: row 7, column volume: value <script>",
        "BUY 1,250 AAPL for 125,000.00 USD: approved, 2/2 checks passed",
        "BUY 10 MSFT for 1,000.00 USD: denied by 1 of 2 checks",
        "no  position_size: share=0.20 limit=20000",
        "MSFT: this signal's order was sent before and is filled",
        "buy 3 AAPL.SCRIPTED: was unknown, is filled",
        "row 3, column weight: value 1.7 breaks 0 <= weight <= 1",
        "AAPL: partially_filled: 10 of 20 filled",
        "Weight in  Share of",
        "1.25%     100.0%     12.7%",
        "1,001,549.97 USD",
        "books equal the venue: orders, fills, positions, cash",
        f"ledger: {tmp_path}/ledger.duckdb\n",
        f"report: {tmp_path}/reports/run-1.html\n",
    ):
        assert part in text


def test_an_account_that_is_halted_is_told_of_although_there_was_nothing_to_decide(tmp_path: Path):
    """An empty plan alone looks like a calm market."""
    report = make_report(tmp_path, standing="trading is HALTED since noon")

    *_, told, _, ledger, _ = shown(lambda c: console.show_cycle(c, report)).splitlines()

    assert (told, ledger[:7]) == ("trading is HALTED since noon", "ledger:")


def test_the_model_of_each_regime_is_told_and_why_one_is_unknown(tmp_path: Path):
    report = make_report(tmp_path)
    model = report.regimes[0].model
    assert model is not None

    text = shown(lambda c: console.show_cycle(c, report))

    assert f"2024-01-17  bucket-adx {model.sha256[:8]}" in text
    assert "  MSFT: before this bar, bars=2 breaks bars >= 100: too few to fit" in text


def test_a_live_cycle_tells_whether_what_was_sent_was_approved(tmp_path: Path):
    """In another mode nobody approves anything, and nothing is said of it."""
    told = "more than approved order-a: approved 1250, sent 1251 filled"
    for changes, parts in (
        ({"cycle": LIVE}, ["APPROVED AND SENT", "nothing was sent but what was approved"]),
        ({"cycle": LIVE, "differences": (DIFFERENCE,)}, ["APPROVED AND SENT", told]),
        ({}, []),
    ):
        report = make_report(tmp_path, **changes)
        text = shown(lambda c, report=report: console.show_cycle(c, report))
        for part in ("APPROVED AND SENT", "nothing was sent but what was approved", told):
            assert (part in text) is (part in parts)


def test_checks_that_passed_are_listed_only_when_asked_for(tmp_path: Path):
    report = make_report(tmp_path)

    assert "ok  confidence" not in shown(lambda c: console.show_cycle(c, report))
    text = shown(lambda c: console.show_cycle(c, report, verbose=True))
    assert text.count("ok  confidence: share=0.20 limit=20000") == 2


def test_a_disagreement_is_not_called_equal(tmp_path: Path):
    report = make_report(tmp_path, discrepancies=(DISCREPANCY,))

    text = shown(lambda c: console.show_cycle(c, report))

    assert "books and venue DISAGREE" in text
    assert "position AAPL: books 1250, venue 1200" in text
    assert "books equal the venue" not in text


def test_what_is_piped_has_no_color_and_whole_lines(tmp_path: Path):
    text = shown(lambda c: console.show_cycle(c, make_report(tmp_path)))

    assert "\x1b" not in text
    assert "  MSFT: this signal's order was sent before and is filled" in text.splitlines()


@pytest.mark.parametrize("terminal", [True, False])
def test_everything_but_long_reasons_fits_eighty_columns(tmp_path: Path, terminal: bool):
    report = make_report(tmp_path)
    signal = replace(report.signals.signals[0], strategy=StrategyId("mean_reversion"))
    report = replace(report, signals=SignalBatch(signals=(signal,)), ledger_path=Path("here"))
    report = replace(report, report_path=Path("there"))
    report = replace(report, regimes=tuple(replace(r, reason="") for r in report.regimes))

    lines = shown(lambda c: console.show_cycle(c, report), terminal=terminal).splitlines()

    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert all(len(line) <= 80 for line in plain)
    assert not any("…" in line for line in plain)


def test_a_name_too_long_for_the_terminal_cuts_no_number(tmp_path: Path):
    text = shown(lambda c: console.show_cycle(c, make_report(tmp_path)), width=80)

    (row,) = (line for line in text.splitlines() if "AAPL" in line and "long" in line)
    assert "12.5%         80%  2024-01-17 16:00Z" in row
    assert "…" in row


def test_markup_in_what_users_wrote_is_not_obeyed(tmp_path: Path):
    report = make_report(tmp_path, skipped=("[bold]MSFT[/] [/] [red]",))

    assert "[bold]MSFT[/] [/] [red]" in shown(lambda c: console.show_cycle(c, report))


def test_a_plan_says_that_nothing_is_sent(tmp_path: Path):
    report = make_report(tmp_path)
    planned = PlannedCycle(
        recovered=(),
        quality=(),
        regimes=report.regimes,
        signals=report.signals,
        planned=Planned(plan=report.plan, skipped=report.skipped),
    )

    text = shown(lambda c: console.show_plan(c, planned))

    assert "plan only: nothing is sent or written" in text
    assert "a run would send 1 order for 125,000.00 USD" in text


def test_a_waiting_plan_is_shown_as_the_ledger_keeps_it(tmp_path: Path):
    plan = make_report(tmp_path).plan

    text = shown(lambda c: console.show_waiting(c, json.loads(plan_document(plan))))

    assert f"digest  {plan.digest}" in text
    assert "BUY 1,250 AAPL.SCRIPTED market, worth 125,000.00 USD at 100.00" in text
    assert "denied, will not be sent: BUY 10 MSFT.SCRIPTED" in text
    assert "2/2 checks passed" in text


def test_a_document_keeps_every_number_exact(tmp_path: Path):
    document = json.loads(to_json(make_report(tmp_path)))

    assert document["fills"][0]["last_px"] == "100.25"
    assert document["plan"]["decision"]["approved"][0]["order_qty"] == "1250"
    assert document["positions"][0]["instrument_id"] == "AAPL.SCRIPTED"
    assert document["equity"]["equity"] == "1001549.969"
    assert document["cycle"]["config"]["mode"] == "dry-run"
    assert document["marks"]["AAPL.SCRIPTED"] == "101.5"
