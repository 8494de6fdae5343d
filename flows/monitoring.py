"""Between cycles: what becomes of the orders, as it happens. No new order is made here."""

from __future__ import annotations

from prefect import flow, get_run_logger
from pydantic import PositiveInt

from execution.model.order import Order
from tasks import figures, wiring
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.market_data import load_market
from tasks.monitoring import watch_account
from tasks.watch import telling


@flow(name="watch-orders", retries=0, persist_result=False)
def watch_orders(
    config: RunConfig,
    run_for_s: PositiveInt | None = None,
    reconcile_every_s: PositiveInt = 60,
) -> tuple[Order, ...]:
    """Book every fill as it happens and compare the books with the venue again and again.

    Without `run_for_s` it goes on until it is ended. An order that is open for too long is
    canceled, what we hold goes out when it is due. Returns the orders that are not terminal
    at the end.
    """
    logger = get_run_logger()
    with (
        open_cycle(config, sends=False) as cycle,
        telling(lambda order: logger.info("%s", described(order))),
    ):
        market = load_market(cycle)
        watch_account(cycle, market, run_for_s, reconcile_every_s)
        with wiring.open_ledger().reading() as books:
            return books.orders.working(cycle.account)


def described(order: Order) -> str:
    """One order as it stands, in one line for a person."""
    intent = order.intent
    what = f"{intent.side} {figures.quantity(intent.order_qty)} {intent.instrument_id}"
    filled = f"{figures.quantity(order.cum_qty)} filled"
    at = f" at {figures.price(order.avg_px)}" if order.cum_qty else ""
    why = f" ({order.reason})" if order.reason else ""
    return f"{order.client_order_id}  {what}: {order.status}, {filled}{at}{why}"
