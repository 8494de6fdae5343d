"""The trading cycle without Prefect's engine: the same stages in the same order.

`trading_cycle` itself is run with a real server in other tests; here what matters is what
the stages leave in the ledger and at the venue, many times over.
"""

from __future__ import annotations

from data.store.verify import verify
from execution.model.plan import Approval
from tasks import wiring
from tasks.approved import compare_with_approved
from tasks.config import RunConfig
from tasks.cycle import Cycle, open_cycle
from tasks.market_data import Market, load_market
from tasks.monitoring import monitor_orders
from tasks.orders import Execution, execute_orders, recover_orders
from tasks.quality import judge_bars
from tasks.reconciliation import reconcile
from tasks.regime import analyse_regime
from tasks.risk import Planned, approve_risk
from tasks.signals import validate_signals

# Of a cycle in which nobody has to approve, as the ledger names them.
STAGES = [
    "load-market",
    "recovery",
    "data-quality",
    "regime-analysis",
    "signal-validation",
    "risk-approval",
    "order-execution",
    "monitoring",
    "reconciliation",
]


def run_cycle(config: RunConfig) -> Execution:
    """All stages, up to reconciled books; raises what they raise."""
    with open_cycle(config) as cycle:
        market, planned = plan_cycle(cycle)
        return finish_cycle(cycle, market, planned)


def plan_cycle(cycle: Cycle) -> tuple[Market, Planned]:
    """The stages before anything is sent."""
    market = load_market.fn(cycle)
    recover_orders.fn(cycle, market)
    market = judge_bars.fn(cycle, market)
    regimes = analyse_regime.fn(cycle, market)
    signals = validate_signals.fn(cycle, market, regimes)
    return market, approve_risk.fn(cycle, market, signals.signals)


def finish_cycle(
    cycle: Cycle, market: Market, planned: Planned, approval: Approval | None = None
) -> Execution:
    """The stages from the first order on."""
    try:
        return execute_orders.fn(cycle, market, planned.plan, approval)
    finally:
        monitor_orders.fn(cycle, market)
        reconcile.fn(cycle, market)
        if cycle.live:
            compare_with_approved.fn(cycle)


def assert_books_are_right(config: RunConfig) -> None:
    """The folds are exact, nothing is open that should not be, and books equal venue."""
    with wiring.open_ledger().reading() as books:
        assert verify(books) == ()
        assert books.discrepancies.open(config.account_id) == ()
