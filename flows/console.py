"""A cycle, a plan, an account in the terminal: for a trader, within 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from data.quality.expectation import Result
from execution.model.discrepancy import Discrepancy
from execution.model.enums import OrderType, RunMode
from execution.model.fill import Fill
from execution.model.money import ZERO, plain
from execution.model.order import Order
from execution.model.plan import TradingPlan
from execution.model.regime import Regime
from execution.model.signal import Signal
from execution.portfolio.summary import Portfolio, summarize
from execution.risk.reviewed import Reviewed, reviewed
from flows.cli_output import table as _table
from tasks import figures

if TYPE_CHECKING:
    from data.store.runs import Run
    from flows.explain import Step
    from flows.planning import PlannedCycle
    from tasks.cycle_report import CycleReport
    from tasks.emergency_report import EmergencyReport

WISHES = {1: "long", -1: "short", 0: "close"}
SHARES = (">Weight in\nholdings", ">Share of\nequity")
RUN_STYLES = {"completed": "green", "failed": "red", "refused": "yellow"}
STATUS_STYLES = {"filled": "green", "rejected": "red", "unknown": "bold red", "canceled": "yellow"}


def show_cycle(console: Console, report: CycleReport, *, verbose: bool = False) -> None:
    """What one cycle saw and did, stage by stage."""
    _headline(console, report.plan, report.regimes, report.cycle.run_id)
    _list(console, "LEFT BY AN EARLIER RUN", report.recovered)
    _quality(console, report.quality)
    _regimes(console, report.regimes)
    _signals(console, report.signals.signals, report.signals.left_out)
    _risk(console, report.plan, report.skipped, verbose=verbose)
    _list(console, "DENIED WHEN ABOUT TO BE SENT", report.withdrawn, "yellow")
    show_orders(console, report.orders)
    _fills(console, report.fills)
    attention = [f"{a.instrument_id.symbol}: {a.kind}: {a.reason}" for a in report.attention]
    _list(console, "FOR YOUR ATTENTION", attention, "yellow")
    equity = report.equity
    _positions(console, summarize(report.positions, report.marks, equity.cash if equity else ZERO))
    _equity(console, report)
    _reconciliation(console, report)
    _approved(console, report)
    _standing(console, report.standing)
    _line(console, f"ledger: {report.ledger_path}")
    _line(console, f"report: {report.report_path}")


def show_plan(console: Console, planned: PlannedCycle, *, verbose: bool = False) -> None:
    """What a run would do now."""
    plan = planned.planned.plan
    _headline(console, plan, planned.regimes, "plan only: nothing is sent or written")
    _list(console, "LEFT BY AN EARLIER RUN", planned.recovered)
    _quality(console, planned.quality)
    _regimes(console, planned.regimes)
    _signals(console, planned.signals.signals, planned.signals.left_out)
    _risk(console, plan, planned.planned.skipped, verbose=verbose)
    count = len(plan.intents)
    orders = "no order" if not count else "1 order" if count == 1 else f"{count} orders"
    total = figures.money(plan.notional, plan.currency)
    console.print()
    _standing(console, planned.standing)
    _line(console, f"a run would send {orders}" + (f" for {total}" if count else ""), "bold")


def show_waiting(console: Console, plan: Mapping[str, Any]) -> None:
    """A plan that waits for a person, as the ledger keeps it."""
    _line(console, f"{plan['account']}  ({plan['mode']}, venue {plan['venue']})", "bold")
    _line(console, f"run     {plan['run_id']}")
    _line(console, f"digest  {plan['digest']}")
    _line(console, f"expires {figures.when(datetime.fromisoformat(plan['expires_at']))}")
    _title(console, "ORDERS TO BE SENT")
    verdicts: dict[str, list[bool]] = {}
    for v in plan["verdicts"]:
        verdicts.setdefault(v["client_order_id"], []).append(v["passed"])
    for intent in plan["approved"]:
        worth = figures.money(Decimal(intent["notional"]), plan["currency"])
        _line(
            console,
            f"  {_order(intent)} {intent['terms']}, worth {worth} at {_px(intent['px_ref'])}",
            "bold",
        )
        checks = verdicts.get(intent["client_order_id"], [])
        text = f"{sum(checks)}/{len(checks)} checks passed; {intent['reason']}"
        _item(console, text, indent=4)
    for intent in plan["denied"]:
        _line(console, f"  denied, will not be sent: {_order(intent)}", "dim")
    console.print()


def show_portfolio(
    console: Console,
    account: str,
    currency: str,
    buying_power: Decimal | None,
    portfolio: Portfolio,
    notes: Iterable[str],
) -> None:
    """The portfolio summary: money first, then a line a position."""
    rows = [
        ("Account Equity", figures.money(portfolio.equity), ""),
        ("Portfolio Value", figures.money(portfolio.value), ""),
        ("Cash", figures.money(portfolio.cash), ""),
        ("Buying Power", figures.money(buying_power), ""),
        ("Total P&L", figures.money(portfolio.pnl), figures.percent(portfolio.pnl_pct)),
        ("Net Exposure", figures.money(portfolio.value), figures.percent(portfolio.exposure_pct)),
    ]
    _title(console, f"PORTFOLIO SUMMARY  {account}")
    for name, amount, share in rows:
        tail = f" ({share})" if share else ""
        _line(console, f"  {name + ':':<17}{amount:>16} {currency}{tail}")
    _line(console, f"  {'Positions:':<17}{len(portfolio.holdings):>16}")
    if portfolio.holdings:
        _positions(console, portfolio)
    for note in notes:
        _item(console, note, "dim")


def show_discrepancies(console: Console, found: Sequence[Discrepancy]) -> None:
    """Whether the books are what the venue says, and where not."""
    if found:
        text, style = "books and venue DISAGREE; nothing new is sent until they agree", "bold red"
    else:
        text, style = "books equal the venue: orders, fills, positions, cash", "green"
    _line(console, f"  {text}", style)
    for d in found:
        _item(console, str(d), "red")


def show_emergency(console: Console, report: EmergencyReport) -> None:
    """What an emergency stop did, an account after the other, and what it could not do."""
    _line(console, report.summary, "bold green" if report.done else "bold red")
    for problem in report.problems:
        _item(console, problem, "red")
    for account in report.accounts:
        console.print()
        _line(console, str(account.account), "bold")
        _line(console, f"  {account.summary}")
        for left in account.left:
            _item(console, left, "red")
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("Instrument", "What", "Became"):
            table.add_column(title, overflow="fold")
        for order in account.orders:
            name = f"order {order.order}{'' if order.ours else ', not ours'}"
            table.add_row(order.instrument, name, order.fate.value)
        for position in account.positions:
            held = f"position of {plain(position.held_qty)}"
            table.add_row(position.instrument, held, position.fate.value)
        if table.row_count:
            console.print(Padding(table, (1, 0, 0, 2)))
    console.print()
    for note in report.notes:
        _line(console, note, "yellow")


def show_runs(console: Console, runs: Sequence[Run]) -> None:
    """The last runs: start, status, account, and what was said at the end."""
    for run in runs:
        style = RUN_STYLES.get(run.status, "")
        started = figures.when(run.started_at)
        line = Text.assemble(
            f"{run.run_id[:8]}  {started}  ", (f"{run.status:<9}", style), f"  {run.account}"
        )
        console.print(line, soft_wrap=True)
        for text in run.message.splitlines():
            _line(console, f"          {text}", "dim")


def show_story(console: Console, order: Order, steps: Sequence[Step]) -> None:
    """One order's life, a line a step."""
    intent = order.intent
    what = f"{intent.side.upper()} {figures.quantity(intent.order_qty)} {intent.instrument_id}"
    _title(console, f"{order.client_order_id}  {what}: {_words(order.status)}")
    table = _table("", "at", "what the ledger says")
    for step in steps:
        at = figures.when(step.ts) if step.ts else ""
        table.add_row(step.what, at, Text(step.text))
    _table_or(console, table, "nothing")


def show_findings(console: Console, accounts: Sequence[str], findings: Sequence[str]) -> None:
    """Whether the books are what their facts say."""
    for text in findings:
        _line(console, text, "red")
    if findings:
        _line(console, f"the books are NOT exact: {len(findings)} findings", "bold red")
    else:
        names = ", ".join(accounts) or "no account yet"
        _line(console, f"the books are exact: orders, positions, cash ({names})", "green")


def _headline(console: Console, plan: TradingPlan, regimes: Sequence[Regime], which: str) -> None:
    style = "bold white on red" if plan.mode is RunMode.LIVE else "reverse"
    console.print(Text.assemble((plan.account, "bold"), "  ", (f" {plan.mode} ", style)))
    _line(console, which, "dim")
    _line(console, f"bars up to {figures.when(max(r.ts_event for r in regimes))}", "dim")


def _quality(console: Console, rows: Sequence[Result]) -> None:
    _list(console, "DATA QUALITY: warnings, they stop nothing", [str(r) for r in rows], "yellow")


def _regimes(console: Console, rows: Sequence[Regime]) -> None:
    _title(console, "REGIMES")
    table = _table("instrument", "regime", ">confidence", ">volatility", "trained to", "model")
    for r in rows:
        table.add_row(
            r.instrument_id.symbol,
            _words(r.label),
            figures.percent(r.confidence, 0),
            figures.percent(r.volatility, 1),
            f"{r.model.trained_to:%Y-%m-%d}" if r.model else figures.DASH,
            str(r.model or figures.DASH),
        )
    _table_or(console, table, "no instrument")
    for r in rows:
        if r.reason:
            _item(console, f"{r.instrument_id.symbol}: {r.reason}", "yellow")


def _signals(console: Console, rows: Sequence[Signal], left_out: Sequence[str]) -> None:
    _title(console, "SIGNALS")
    table = _table("instrument", "wish", ">weight", ">confidence", "time", "strategy")
    for s in rows:
        table.add_row(
            s.instrument_id.symbol,
            WISHES[s.side],
            figures.percent(s.weight, 1),
            figures.percent(s.confidence, 0),
            figures.when(s.ts_event),
            _words(s.strategy),
        )
    _table_or(console, table, "no signal")
    _list(console, "LEFT OUT", left_out, "yellow")


def _risk(console: Console, plan: TradingPlan, skipped: Sequence[str], *, verbose: bool) -> None:
    _title(console, "RISK")
    for r in reviewed(plan):
        _verdict(console, r, plan.currency, verbose=verbose)
    if not plan.decision.verdicts:
        _line(console, "  nothing to decide", "dim")
    _list(console, "NO ORDER FOR", skipped)


def _verdict(console: Console, r: Reviewed, currency: str, *, verbose: bool) -> None:
    intent = r.intent
    what = (
        f"{intent.side.upper()} {figures.quantity(intent.order_qty)} {intent.instrument_id.symbol}"
        + ("" if intent.order_type is OrderType.MARKET else f" {figures.terms(intent)}")
    )
    worth = figures.money(intent.notional, currency)
    if r.approved:
        word = Text(f"approved, {r.passed}/{len(r.verdicts)} checks passed", "green")
    else:
        word = Text(f"denied by {len(r.denials)} of {len(r.verdicts)} checks", "red")
    console.print(Text.assemble("  ", (what, "bold"), f" for {worth}: ", word), soft_wrap=True)
    for v in r.verdicts:
        if verbose or not v.passed:
            mark, style = ("ok", "") if v.passed else ("no", "red")
            _item(console, f"{mark}  {v.check}: {v.facts}", style, indent=4)


def show_orders(console: Console, rows: Sequence[Order]) -> None:
    """Orders as they stand, each with the reason for that."""
    _title(console, "ORDERS")
    table = _table("id", "symbol", ">quantity", ">filled", ">avg price", "status", "order")
    for o in rows:
        table.add_row(
            o.client_order_id,
            o.intent.instrument_id.symbol,
            figures.quantity(o.intent.order_qty),
            figures.quantity(o.cum_qty),
            figures.price(o.avg_px if o.cum_qty else None),
            Text(_words(o.status), STATUS_STYLES.get(o.status, "")),
            f"{o.intent.side} {figures.terms(o.intent)}",
        )
    _table_or(console, table, "none")
    for o in rows:
        if o.reason:
            _item(console, f"{o.client_order_id}: {o.reason}", "dim")


def _fills(console: Console, rows: Sequence[Fill]) -> None:
    _title(console, "FILLS")
    table = _table("instrument", "side", ">quantity", ">price", ">commission", "time")
    for f in rows:
        table.add_row(
            f.instrument_id.symbol,
            f.side,
            figures.quantity(f.last_qty),
            figures.price(f.last_px),
            figures.money(f.commission, f.commission_ccy),
            figures.when(f.ts_event),
        )
    _table_or(console, table, "nothing was filled")


def _positions(console: Console, portfolio: Portfolio) -> None:
    _title(console, "POSITIONS")
    table = _table("symbol", ">Qty", ">Price", ">Value", ">P&L", ">(%)", *SHARES)
    for h in portfolio.holdings:
        table.add_row(
            h.position.instrument_id.symbol,
            figures.quantity(h.position.net_qty),
            figures.price(h.mark),
            figures.money(h.value),
            Text(figures.money(h.pnl), "red" if h.pnl is not None and h.pnl < 0 else "green"),
            figures.percent(h.pnl_pct),
            figures.percent(h.weight, 1),
            figures.percent(h.equity_share, 1),
        )
    _table_or(console, table, "nothing is held")


def _equity(console: Console, report: CycleReport) -> None:
    _title(console, "EQUITY")
    point = report.equity
    if point is None:
        _line(console, "  not known: the price of something held is missing", "yellow")
        return
    for name, amount in (
        ("equity", point.equity),
        ("cash", point.cash),
        ("holdings", point.holdings),
        ("unrealized P&L", point.unrealized_pnl),
        ("realized P&L", point.realized_pnl),
    ):
        _line(console, f"  {name:<15}{figures.money(amount):>16} {point.currency}")


def _reconciliation(console: Console, report: CycleReport) -> None:
    _title(console, "RECONCILIATION")
    show_discrepancies(console, report.discrepancies)
    console.print()


def _approved(console: Console, report: CycleReport) -> None:
    """Whether what was sent is what people approved; only a live cycle has that to tell."""
    if not report.cycle.live:
        return
    _title(console, "APPROVED AND SENT")
    if not any(d.serious for d in report.differences):
        _line(console, "  nothing was sent but what was approved", "green")
    for d in report.differences:
        _item(console, str(d), "bold red" if d.serious else "dim")
    console.print()


def _standing(console: Console, text: str) -> None:
    """Last of all where an account does not trade freely: an empty plan alone looks like calm."""
    if text:
        _line(console, text, "bold red")
        console.print()


def _table_or(console: Console, table: Table, nothing: str) -> None:
    if table.row_count:
        console.print(Padding(table, (0, 0, 0, 2), expand=False))
    else:
        _line(console, f"  {nothing}", "dim")


def _list(console: Console, title: str, lines: Sequence[str], style: str = "") -> None:
    if lines:
        _title(console, title)
    for line in lines:
        _item(console, line, style)


def _item(console: Console, text: str, style: str = "", indent: int = 2) -> None:
    """A line that may be long: broken between words on a terminal, and whole in a pipe."""
    if console.is_terminal:
        console.print(Padding(Text(text, style), (0, 0, 0, indent)))
    else:
        _line(console, f"{' ' * indent}{text}", style)


def _title(console: Console, text: str) -> None:
    console.print()
    _line(console, text, "bold")


def _line(console: Console, text: str, style: str = "") -> None:
    """One line, never broken by us: paths and facts stay whole to be copied."""
    console.print(Text(text, style), soft_wrap=True)


def _order(intent: Mapping[str, str]) -> str:
    qty = figures.quantity(Decimal(intent["order_qty"]))
    return f"{intent['side'].upper()} {qty} {intent['instrument']}"


def _px(text: str) -> str:
    return figures.price(Decimal(text))


def _words(text: str) -> str:
    return text.replace("_", " ")
