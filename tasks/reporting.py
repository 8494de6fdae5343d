"""What one cycle saw and did, for people: read back from the books, and drawn."""

from __future__ import annotations

from prefect import get_run_logger, task

from data.store.snapshot import publish
from execution.errors import LedgerUnavailable
from execution.model.discrepancy import Discrepancy
from execution.model.money import plain
from execution.model.order import Order
from execution.model.regime import Regime
from execution.monitoring.orders import OrderAttention
from execution.reconciliation.approved import Difference
from tasks import artifacts, wiring
from tasks.account import held
from tasks.cycle import Cycle
from tasks.cycle_report import CycleReport
from tasks.html_report import write_html
from tasks.market_data import Market
from tasks.orders import Execution
from tasks.policies import READS
from tasks.regime_models import kept_models, labels_of
from tasks.risk import Planned
from tasks.signals import SignalBatch
from tasks.trading_state import standing


@task(name="report", **READS)
def report_cycle(
    cycle: Cycle,
    market: Market,
    *,
    recovered: tuple[Order, ...],
    regimes: tuple[Regime, ...],
    signals: SignalBatch,
    planned: Planned,
    execution: Execution,
    attention: tuple[OrderAttention, ...],
    discrepancies: tuple[Discrepancy, ...],
    differences: tuple[Difference, ...] = (),
) -> CycleReport:
    """Read back from the ledger what came of it all, and write the report."""
    settings = wiring.settings()
    with wiring.open_ledger().reading() as books:
        touched = [o.client_order_id for o in (*recovered, *execution.orders)]
        now = {cid: books.orders.get(cid) for cid in touched}
        fills = tuple(f for cid in dict.fromkeys(touched) for f in books.fills.of_order(cid))
        positions = tuple(held(books, cycle, market).values())
        equity = books.equity.latest(cycle.account)
        stands = standing(books, cycle.account)
        models = kept_models(books, regimes)
    report = CycleReport(
        cycle=cycle,
        recovered=tuple(
            f"{o.intent.side} {plain(o.intent.order_qty)} {o.intent.instrument_id}: "
            f"was {o.status}, is {_status(now[o.client_order_id])}"
            for o in recovered
        ),
        regimes=regimes,
        signals=signals,
        plan=planned.plan,
        skipped=planned.skipped,
        withdrawn=execution.withdrawn,
        orders=tuple(now[o.client_order_id] or o for o in execution.orders),
        fills=fills,
        attention=attention,
        positions=positions,
        marks=market.marks,
        equity=equity,
        discrepancies=discrepancies,
        quality=market.quality,
        differences=differences,
        standing=stands,
        ledger_path=settings.ledger_path,
        report_path=settings.home.absolute() / "reports" / f"{cycle.run_id}.html",
    )
    artifacts.fills(fills)
    artifacts.positions(positions)
    try:
        labels = {i: labels_of(model, market.bars[i]) for i, model in models.items()}
        write_html(report, market, labels)
        publish(wiring.open_ledger())  # for whoever reads while we write
    except LedgerUnavailable as error:  # the books are right all the same
        get_run_logger().warning("the report is incomplete: %s", error)
    return report


def _status(order: Order | None) -> str:
    return "gone" if order is None else order.status
