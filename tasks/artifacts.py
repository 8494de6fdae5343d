"""What a person looks at in the Prefect UI: tables, the plan, progress."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.context import FlowRunContext

from data.quality.expectation import Result
from execution.model.discrepancy import Discrepancy
from execution.model.fill import Fill
from execution.model.money import plain
from execution.model.plan import TradingPlan
from execution.model.position import Position
from execution.model.regime import Regime
from execution.monitoring.health import Line
from execution.risk.reviewed import reviewed
from tasks import figures
from tasks.emergency_report import EmergencyReport

if TYPE_CHECKING:  # an emergency stop does not wait for the models to be loaded
    from data.store.market.download import Downloaded
    from tasks.analysis_report import AnalysisReport

T = TypeVar("T")
GAPS_SHOWN = 100


# Who else wants to know how far a long step is: (what, done, total).
PROGRESS: list[Callable[[str, int, int], None]] = []


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """Hand out `items` one by one and show how far we are, in the UI and to whoever listens."""
    shown = None
    if items and _in_run():
        key = re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")
        shown = cast("UUID", create_progress_artifact(0.0, key=key, description=what))
    for done, item in enumerate(items, start=1):
        yield item
        for listener in PROGRESS:
            listener(what, done, len(items))
        if shown is not None:
            update_progress_artifact(shown, 100.0 * done / len(items))


def downloads(rows: Sequence[Downloaded], failed: Mapping[str, str]) -> None:
    """What a download brought, what is missing, and what its source has changed."""
    _table(
        "market-data",
        [
            {
                "series": str(row.series),
                "bars": row.bars,
                "new": row.bars_new,
                "restated": sum(one.bars for one in row.restated),
                "missing": sum(gap.bars for gap in row.gaps),
                "of these the source has none": sum(g.bars for g in row.gaps if g.confirmed),
                "until": f"{row.asked.end:%Y-%m-%d %H:%M}Z" if row.asked else "",
                "failed": "",
            }
            for row in rows
        ]
        + [{"series": symbol, "failed": why} for symbol, why in failed.items()],
        "Bars that were downloaded",
    )
    gaps = [gap for row in rows for gap in row.gaps]
    if gaps:
        _table(
            "gaps",
            [
                {
                    "series": str(gap.series),
                    "from": f"{gap.first:%Y-%m-%d %H:%M}Z",
                    "to": f"{gap.last:%Y-%m-%d %H:%M}Z",
                    "bars": gap.bars,
                    "asked again": gap.asked,
                    "source": "has none" if gap.confirmed else "is asked again",
                }
                for gap in gaps[:GAPS_SHOWN]
            ],
            f"Bars that are missing: {len(gaps)} gaps",
        )
    restated = [one for row in rows for one in row.restated]
    if restated:
        _table(
            "restatements",
            [
                {
                    "series": str(one.series),
                    "from": f"{one.first:%Y-%m-%d %H:%M}Z",
                    "to": f"{one.last:%Y-%m-%d %H:%M}Z",
                    "bars": one.bars,
                    "chunk before": one.old_sha256[:12],
                    "after": one.new_sha256[:12],
                }
                for one in restated
            ],
            "Bars that their source gave differently from before: the newest are kept",
        )


def preflight(lines: Iterable[Line]) -> None:
    """What was looked at before the run, the gravest last."""
    _table(
        "preflight",
        [
            {"check": line.name, "is": line.level.value, "facts": line.facts, "do": line.remedy}
            for line in lines
        ],
        "Is everything there that the run needs?",
    )


def quality(rows: Sequence[Result]) -> None:
    """What of the data is not as expected, or that all is."""
    if not rows:
        if _in_run():
            text = "The data is as expected."
            create_markdown_artifact(text, key="quality", description=text)
        return
    _table(
        "quality",
        [
            {
                "severity": r.severity.value,
                "of": r.subject,
                "expectation": r.expectation,
                "failing": f"{r.failing:,} of {r.rows:,}",
                "first": str(r.first or ""),
                "at": f"{r.at:%Y-%m-%d %H:%M}Z" if r.at else "",
            }
            for r in rows
        ],
        "What of the data is not as expected",
    )


def regimes(rows: Iterable[Regime]) -> None:
    """The regime table."""
    _table(
        "regimes",
        [
            {
                "instrument": str(r.instrument_id),
                "regime": r.label.value,
                "confidence": f"{r.confidence:.2f}",
                "volatility": f"{r.volatility:.1%}",
                "ADX": f"{r.trend_strength:.1f}",
                "at": f"{r.ts_event:%Y-%m-%d %H:%M}Z",
                "bars": r.bars,
                "model": str(r.model or figures.DASH),
                "trained to": figures.when(r.model.trained_to) if r.model else figures.DASH,
                "why unknown": r.reason,
            }
            for r in rows
        ],
        "How each market behaves at its last bar",
    )


def analysis(report: AnalysisReport, markdown: str) -> None:
    """The report, and where its files are on the machine that made it."""
    if not _in_run():
        return
    create_markdown_artifact(markdown, key="analysis", description=report.summary)
    for key, path in (("analysis-page", report.html_path), ("signals", report.signals_path)):
        create_link_artifact(path.as_uri(), key=key, link_text=str(path), description=path.name)


def plan(trading_plan: TradingPlan) -> None:
    """The plan with every risk verdict."""
    if _in_run():
        create_markdown_artifact(
            plan_markdown(trading_plan),
            key="plan",
            description=f"{len(trading_plan.intents)} orders for {trading_plan.notional:,.2f} "
            f"{trading_plan.currency} approved by risk, {len(trading_plan.decision.denied)} denied",
        )


def fills(rows: Iterable[Fill]) -> None:
    """What was executed."""
    _table(
        "fills",
        [
            {
                "instrument": str(f.instrument_id),
                "side": f.side.value,
                "quantity": plain(f.last_qty),
                "price": plain(f.last_px),
                "commission": f"{f.commission:.2f} {f.commission_ccy}",
                "trade": f.trade_id,
                "order": f.client_order_id or "not ours",
            }
            for f in rows
        ],
        "Fills booked by this run",
    )


def positions(rows: Iterable[Position]) -> None:
    """What is held."""
    _table(
        "positions",
        [
            {
                "instrument": str(p.instrument_id),
                "quantity": plain(p.net_qty),
                "average price": f"{p.avg_px:.4f}",
                "realized P&L": f"{p.realized_pnl:.2f}",
            }
            for p in rows
        ],
        "Open positions",
    )


def reconciliation(rows: Sequence[Discrepancy]) -> None:
    """Where books and venue disagree, or that they do not."""
    if not rows:
        if _in_run():
            text = "The books equal the venue: orders, fills, positions and cash."
            create_markdown_artifact(text, key="reconciliation", description=text)
        return
    _table(
        "reconciliation",
        [{"kind": d.kind.value, "of": d.key, "books": d.books, "venue": d.venue} for d in rows],
        f"Books and venue disagree: {len(rows)} differences",
    )


def emergency(report: EmergencyReport) -> None:
    """What an emergency stop did, and what it could not do."""
    if _in_run():
        create_markdown_artifact(
            emergency_markdown(report), key="emergency-stop", description=report.summary
        )


def emergency_markdown(report: EmergencyReport) -> str:
    """First what could not be done: that is what a person has to see to."""
    lines = [f"### {report.summary}", "", f"Reason: {report.reason}", ""]
    lines += [f"- **{problem}**" for problem in report.problems]
    for account in report.accounts:
        lines += ["", f"#### `{account.account}`", "", account.summary, ""]
        lines += [f"- **{left}**" for left in account.left]
        rows = (*account.orders, *account.positions)
        if rows:
            lines += ["", "| instrument | what | became | why |", "|---|---|---|---|"]
        lines += [
            f"| {o.instrument} | order {o.order}{'' if o.ours else ', not ours'} "
            f"| {o.fate} | {o.reason} |"
            for o in account.orders
        ]
        lines += [
            f"| {p.instrument} | position of {plain(p.held_qty)}, {plain(p.left_qty)} left "
            f"| {p.fate} | {p.reason} |"
            for p in account.positions
        ]
    lines += ["", *(f"- {note.strip()}" for note in report.notes)]
    return "\n".join(lines)


def plan_markdown(trading_plan: TradingPlan, *, every_check: bool = True) -> str:
    """The exact plan for a person to read; without `every_check` only the denials in full.

    The approval form shows the short one: there the fields to fill in come below it.
    """
    currency = trading_plan.currency
    orders = reviewed(trading_plan)
    lines = [
        f"### {trading_plan.mode} plan for `{trading_plan.account}`",
        "",
        "| instrument | side | quantity | type | notional | risk | why |",
        "|---|---|---:|---|---:|---|---|",
    ]
    for order in orders:
        i = order.intent
        lines.append(
            f"| {i.instrument_id} | {i.side.upper()} | {plain(i.order_qty)} "
            f"| {figures.terms(i)} | {i.notional:,.2f} {currency} "
            f"| {'approved' if order.approved else '**DENIED**'}, "
            f"{order.passed}/{len(order.verdicts)} checks passed | {i.reason} |"
        )
    if not trading_plan.intents:
        lines.append("| *nothing is to be sent* | | | | | | |")
    lines += [
        "",
        f"Total **{trading_plan.notional:,.2f} {currency}** in {len(trading_plan.intents)} orders "
        f"to **{trading_plan.venue}**.  ",
        f"Expires **{trading_plan.expires_at:%Y-%m-%d %H:%M:%S}Z**.  ",
        f"Digest `{trading_plan.digest}`",
    ]
    verdicts = [
        (order.intent.instrument_id, verdict)
        for order in orders
        for verdict in (order.verdicts if every_check else order.denials)
    ]
    if verdicts:
        lines += ["", "| instrument | check | verdict | facts |", "|---|---|---|---|"]
        lines += [
            f"| {instrument_id} | {v.check} | {'ok' if v.passed else '**DENIED**'} | {v.facts} |"
            for instrument_id, v in verdicts
        ]
    return "\n".join(lines)


def _table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    if _in_run():
        create_table_artifact(rows, key=key, description=description)


def _in_run() -> bool:
    return FlowRunContext.get() is not None
