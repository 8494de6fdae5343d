"""Between cycles: are the books still what the venue says? No order is made here."""

from __future__ import annotations

from prefect import flow

from execution.model.discrepancy import Discrepancy
from tasks.approved import compare_earlier_with_approved
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.market_data import load_market
from tasks.orders import recover_orders
from tasks.reconciliation import reconcile


@flow(name="reconcile-books", retries=0, persist_result=False)
def reconcile_books(config: RunConfig) -> tuple[Discrepancy, ...]:
    """Settle what is open, book every fill, and compare; a disagreement is no failure.

    It quarantines the instrument and alerts, as at the end of a cycle. An order that is
    open for too long is canceled.
    """
    with open_cycle(config, sends=False) as cycle:
        market = load_market(cycle)
        recover_orders(cycle, market)
        discrepancies = reconcile(cycle, market)
        compare_earlier_with_approved(cycle)
        return discrepancies
