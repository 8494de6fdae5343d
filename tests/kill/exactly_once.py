"""What has to be so once all is settled: the exchange's word against the ledger's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from data.store.books import Books
from data.store.verify import verify
from execution.model.discrepancy import DiscrepancyKind
from execution.model.order import TERMINAL
from tasks import wiring
from tests.kill.wishes import QUANTITIES, Wishes
from tests.venues.lying_exchange.lies import Fault


def require_exactly_once(wishes: Wishes, account: str, state: dict[str, Any]) -> None:
    """Each wish one order at the venue, each fill booked once, and books equal venue.

    `account` is its key there, `state` all that the exchange knows.
    """
    assert state["crashes"] == []
    at_venue = [o for o in state["orders"] if o["account"] == account]
    ours = {o["client_id"]: o for o in at_venue if not o["liquidation"]}
    liquidated = wishes.fault == Fault.FORCED_LIQUIDATION
    assert len(at_venue) == len(ours) + liquidated, f"an order twice: {at_venue}"
    with reading() as books:
        assert books is not None
        assert verify(books) == ()
        account_id = wishes.config.account_id
        orders = {str(o.client_order_id): o for o in books.orders.all(account_id)}
        fills = books.fills.of(account_id)
        found = books.discrepancies.open(account_id)
        alerted = {alert.topic for alert in books.alerts.latest(100, account_id)}
        cash = books.cash(account_id)
        held = {p.instrument_id.base: p.net_qty for p in books.positions.all(account_id)}
    assert len(orders) == len(wishes.bases), orders
    assert orders.keys() == ours.keys(), f"a wish without an order: {orders}"
    assert {o.status for o in orders.values()} <= TERMINAL, orders
    for key, order in orders.items():
        assert QUANTITIES[order.intent.instrument_id.base] == order.intent.order_qty
        assert Decimal(ours[key]["cum_qty"]) == order.cum_qty, (ours[key], order)
        # The rest of a market order may end unfilled.
        full = wishes.fault != Fault.PARTIAL_FILLS or order.intent.limit_px is not None
        assert order.cum_qty == order.intent.order_qty or not full, order
    executed = [f for f in state["fills"] if f["account"] == account]
    assert Counter(_told(f["symbol"], f["qty"], f["px"]) for f in executed) == Counter(
        _told(f.instrument_id.symbol, f.last_qty, f.last_px) for f in fills
    )
    if liquidated:  # by a venue that says so, or by a trade that is nobody's
        assert {d.kind for d in found} <= {DiscrepancyKind.EXTERNAL}
        assert alerted & {"liquidation", "external trade"}
    else:
        assert found == ()
    for currency, there in state["balances"][account].items():
        total = Decimal(there["free"]) + Decimal(there["locked"])
        assert held.get(currency, cash.get(currency, Decimal(0))) == total, (currency, held, cash)


def _told(symbol: str, qty: object, px: object) -> tuple[str, Decimal, Decimal]:
    return symbol.replace("/", ""), Decimal(str(qty)), Decimal(str(px))


@contextmanager
def reading() -> Iterator[Books | None]:
    """The books as they are; None before there are any."""
    ledger = wiring.open_ledger()
    if not ledger.path.exists():
        yield None
        return
    with ledger.reading() as books:
        yield books
