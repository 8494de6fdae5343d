"""What the books know of the orders that we hold, in one reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from data.store.books import Books
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.order import Order, OrderIntent
from execution.orders.held import lapsed, received
from execution.orders.working import Desk


def load_desk(
    books: Books,
    account: AccountId,
    prices: Mapping[InstrumentId, Decimal],
    positions: Mapping[InstrumentId, Decimal],
) -> Desk:
    """The account's desk; `prices` are fresh ones alone, quote per base unit.

    `positions` are the signed base units that are there to be closed: what was traded, less
    fees that no fill tells; an instrument that is not among them is flat. Read it when every
    fill is booked: what was opened comes from them. It is for no instrument yet: `traded`,
    and what may be sent, is for the caller to say.
    """
    orders = books.orders.with_kin(account)
    keys = [order.client_order_id for order in orders]
    intents = books.orders.intents(account)
    events = {key: books.orders.events(key) for key in keys}
    parents = {key for key in keys if any(o.intent.parent_id == key for o in orders)}
    return Desk(
        orders=orders,
        intended={key: intents[key] for key in keys},
        received={
            key: received(books.fills.of_order(key), intents[key].instrument_id.base)
            for key in parents
        },
        positions=positions,
        prices=prices,
        sends={key: sum(e.status is S.SUBMITTED for e in events[key]) for key in keys},
        triggers=books.triggers.of(keys),
        lapsed=frozenset(
            key for key, order in zip(keys, orders, strict=True) if lapsed(order, events[key])
        ),
    )


def hold(books: Books, intent: OrderIntent, after: Order, now: datetime) -> Order:
    """Write an intent under the run and the plan of the order that it takes over from.

    How far a trailing stop has come is taken over too: it must not start again lower.
    """
    run_id, plan_digest = books.orders.origin(after.client_order_id)
    held = books.orders.commit_intents(run_id, plan_digest, [intent], now)[0]
    for trigger in books.triggers.of([after.client_order_id]).values():
        books.triggers.save(replace(trigger, client_order_id=held.client_order_id))
    return held
