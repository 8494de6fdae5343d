"""What the books know of the orders that we hold, in one reading."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from data.store.books import Books
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.order import Order, OrderIntent
from execution.orders.held import received
from execution.orders.working import Desk


def load_desk(books: Books, account: AccountId, prices: Mapping[InstrumentId, Decimal]) -> Desk:
    """The account's desk; `prices` are fresh ones alone, quote per base unit.

    Read it when every fill is booked: what was opened and what is held come from them.
    """
    orders = books.orders.with_kin(account)
    keys = [order.client_order_id for order in orders]
    intents = books.orders.intents(account)
    parents = {key for key in keys if any(o.intent.parent_id == key for o in orders)}
    return Desk(
        orders=orders,
        intended={key: intents[key] for key in keys},
        received={
            key: received(books.fills.of_order(key), intents[key].instrument_id.base)
            for key in parents
        },
        positions={p.instrument_id: p.net_qty for p in books.positions.open(account)},
        prices=prices,
        sends={key: len(books.orders.sent_at(key)) for key in keys},
        triggers=books.triggers.of(keys),
    )


def hold(books: Books, intent: OrderIntent, after: Order, now: datetime) -> Order:
    """Write an intent under the run and the plan of the order that it takes over from."""
    run_id, plan_digest = books.orders.origin(after.client_order_id)
    return books.orders.commit_intents(run_id, plan_digest, [intent], now)[0]
