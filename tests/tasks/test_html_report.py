from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from execution.errors import LedgerUnavailable
from tasks.html_report import render_html, write_html
from tasks.price_chart import BARS_SHOWN, PLOT_HEIGHT, PLOT_WIDTH, price_chart
from tests.execution.examples import AAPL, MSFT, make_fill
from tests.tasks.pages import Page
from tests.tasks.reports import (
    DIFFERENCE,
    DISCREPANCY,
    HOSTILE,
    LIVE,
    WARNED,
    make_labels,
    make_market,
    make_report,
)


def test_the_page_needs_nothing_from_outside_and_runs_no_script(tmp_path: Path):
    """It is opened years later, or mailed to somebody: it must hold all it shows."""
    page = Page(render_html(make_report(tmp_path), make_market(), make_labels()))

    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "img", "object", "form"}
    assert not any({"src", "href", "onload", "onclick"} & attrs.keys() for _, attrs in page.tags)


def test_what_users_and_venues_wrote_is_shown_as_text(tmp_path: Path):
    report = make_report(tmp_path, quality=(WARNED,))
    html = render_html(report, make_market(), make_labels())

    assert "<script" not in html
    # A bar's value, the strategy's name, and the intent's reason.
    assert Page(html).text.count(HOSTILE) == 3


def test_a_live_page_tells_whether_what_was_sent_was_approved(tmp_path: Path):
    def text(**changes: object) -> str:
        page = Page(render_html(make_report(tmp_path, **changes), make_market(), make_labels()))
        return " ".join(page.text.split())

    assert "Nothing was sent but what was approved" in text(cycle=LIVE)
    differs = text(cycle=LIVE, differences=(DIFFERENCE,))
    assert "What was sent is not what was approved." in differs
    assert "more than approved order-a 1250 1251 filled" in differs
    assert "Approved and sent" not in text()


def test_every_part_of_the_cycle_is_on_the_page(tmp_path: Path):
    report = make_report(tmp_path)

    text = " ".join(Page(render_html(report, make_market(), make_labels())).text.split())

    for part in (
        "Equity, USD1,001,549.97",
        "The books equal the venue",
        "BUY 1,250 AAPL.SCRIPTED for 125,000.00 USD · approved, 2/2 checks passed",
        "BUY 10 MSFT.SCRIPTED for 1,000.00 USD · denied by position_size",
        "share=0.20 limit=20000",
        "this signal's order was sent before and is filled",
        "row 3, column weight: value 1.7",
        "was unknown, is filled",
        "10 of 20 filled",
        "12.53 USD",  # commission
        "126,875.00",  # the position's value
        "Weight in holdings",
        "Share of equity",
        "1,562.50 1.25% 100.0% 12.7%",  # its profit and both shares
        str(report.ledger_path),
        report.plan.digest,
    ):
        assert part in text


def test_a_halt_is_the_first_thing_on_the_page(tmp_path: Path):
    report = make_report(tmp_path, standing="trading is HALTED since noon")

    text = Page(render_html(report, make_market(), make_labels())).text

    assert text.index("trading is HALTED since noon") < text.index("Equity, USD")


def test_the_page_tells_which_model_said_it_and_why_nothing_is_known(tmp_path: Path):
    report = make_report(tmp_path)
    model = report.regimes[0].model
    assert model is not None

    text = " ".join(Page(render_html(report, make_market(), make_labels())).text.split())

    assert f"bucket-adx {model.sha256[:8]} 2024-01-17 15:00Z" in text
    assert "bars=2 breaks bars >= 100: too few to fit a regime model" in text


def test_a_disagreement_with_the_venue_is_told_with_both_sides(tmp_path: Path):
    text = Page(
        render_html(
            make_report(tmp_path, discrepancies=(DISCREPANCY,)), make_market(), make_labels()
        )
    ).text

    assert "Books and venue disagree" in text
    assert "1250" in text
    assert "1200" in text
    assert "The books equal the venue" not in text


def test_a_cycle_without_equity_or_orders_has_a_page_too(tmp_path: Path):
    report = make_report(tmp_path, equity=None, orders=(), fills=(), positions=(), attention=())

    text = Page(render_html(report, make_market(), make_labels())).text

    assert "not known: a price is missing" in text
    assert "Nothing is held" in text


def test_the_page_replaces_an_older_one_whole(tmp_path: Path):
    report = make_report(tmp_path)
    write_html(report, make_market(), make_labels())
    write_html(report, make_market(), make_labels())

    assert [p.name for p in report.report_path.parent.iterdir()] == ["run-1.html"]
    assert report.report_path.read_text().rstrip().endswith("</html>")


def test_a_page_that_cannot_be_written_is_one_clear_line(tmp_path: Path):
    """By then the orders are sent and booked: the text must not make anybody send again."""
    (tmp_path / "reports").write_text("in the way")

    with pytest.raises(LedgerUnavailable, match=r"the report was not written, the books are compl"):
        write_html(make_report(tmp_path), make_market(), make_labels())


def test_the_chart_shows_the_last_bars_and_covers_them_with_regimes():
    chart = price_chart(AAPL, make_market().bars[AAPL], make_labels()[AAPL], ())

    assert len(re.findall(r"[ML]", chart.line)) == BARS_SHOWN
    assert sum(band.width for band in chart.bands) == pytest.approx(PLOT_WIDTH, abs=1)
    assert chart.bands[-1].label == make_labels()[AAPL][-1]
    assert len({band.label for band in chart.bands}) >= 3
    assert all(0 <= mark.y <= PLOT_HEIGHT for mark in chart.prices)
    assert len(chart.prices) >= 2


def test_a_fill_stands_at_its_bar_and_its_price():
    bars = make_market().bars[AAPL]
    at = bars["ts_close"].iloc[-100].to_pydatetime() - timedelta(minutes=5)
    fill = make_fill(ts_event=at)

    (marker,) = price_chart(
        AAPL, bars, make_labels()[AAPL], [fill, replace(fill, instrument_id=MSFT)]
    ).fills

    assert marker.x == pytest.approx((BARS_SHOWN - 100 + 0.5) / BARS_SHOWN * PLOT_WIDTH, abs=0.1)
    assert marker.text.startswith("BUY 10 at 100.00, 2024-01-")


def test_a_price_that_never_moved_can_be_drawn():
    bars = make_market().bars[AAPL].assign(open=5.0, high=5.0, low=5.0, close=5.0)

    assert price_chart(AAPL, bars.tail(1), ["unknown"], ()).line.startswith("M")
    assert price_chart(AAPL, bars, make_labels()[AAPL], ()).last == "5.00"
