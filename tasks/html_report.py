"""One cycle as a single HTML page: no scripts, nothing from outside, every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from execution.errors import LedgerUnavailable
from execution.model.money import ZERO
from execution.portfolio.summary import summarize
from execution.risk.reviewed import reviewed
from tasks.pages import template, write_whole
from tasks.price_chart import HEIGHT, PLOT_HEIGHT, PLOT_WIDTH, WIDTH, price_chart

if TYPE_CHECKING:
    from execution.model.identifiers import InstrumentId
    from tasks.cycle_report import CycleReport
    from tasks.market_data import Market

TEMPLATE = "cycle.html"


Labels = Mapping["InstrumentId", Sequence[str]]  # of every bar


def write_html(report: CycleReport, market: Market, labels: Labels) -> None:
    """Write the page to `report.report_path`, whole or not at all."""
    page = render_html(report, market, labels)
    path = report.report_path
    try:
        write_whole(path, page)
    except OSError as error:
        raise LedgerUnavailable(
            f"{path}: {error.strerror}; the report was not written, the books are complete"
        ) from error


def render_html(report: CycleReport, market: Market, labels: Labels) -> str:
    """The page as text."""
    equity = report.equity
    return template(TEMPLATE).render(
        report=report,
        config=report.cycle.config,
        as_of=market.ts_event,
        currency=equity.currency if equity else report.plan.currency,
        charts=[price_chart(i, bars, labels[i], report.fills) for i, bars in market.bars.items()],
        room=WIDTH - PLOT_WIDTH,  # beside the plot, for the scale
        size={"w": WIDTH, "h": HEIGHT, "plot_w": PLOT_WIDTH, "plot_h": PLOT_HEIGHT},
        reviewed=reviewed(report.plan),
        portfolio=summarize(report.positions, report.marks, equity.cash if equity else ZERO),
    )
