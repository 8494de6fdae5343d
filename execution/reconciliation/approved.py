"""What people approved against what was sent: order by order, term by term, fill by fill.

One side is the plan as it was shown and approved, the other what the ledger has of the run's
orders: their terms as they were written and as they went out, and the venue's executions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId
from execution.model.money import ZERO, plain
from execution.model.order import Order, OrderEvent, OrderIntent
from execution.orders.groups import AGAIN
from execution.venues.approved import covers, is_worse

NOTHING = "nothing"


class DifferenceKind(StrEnum):
    """How what was sent differs from what was approved."""

    NOT_APPROVED = "not approved"
    OTHER_TERMS = "other terms"
    MORE = "more than approved"
    WORSE_PRICE = "worse price"
    NOT_SENT = "not sent"  # for information: nobody is harmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One order that is not what was approved, or an approved one that did not leave."""

    kind: DifferenceKind
    client_order_id: ClientOrderId
    approved: str
    sent: str

    @property
    def serious(self) -> bool:
        """Whether more was done than people said yes to."""
        return self.kind is not DifferenceKind.NOT_SENT

    def __str__(self) -> str:
        return f"{self.kind} {self.client_order_id}: approved {self.approved}, sent {self.sent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An order of the run as the ledger has it."""

    order: Order
    first: OrderIntent  # in the terms that it was written with
    events: tuple[OrderEvent, ...]
    fills: tuple[Fill, ...]

    @property
    def left(self) -> bool:
        """Whether a venue may have it."""
        return bool(self.fills) or any(event.status is S.SUBMITTED for event in self.events)


def compare_approved(
    approved: Iterable[OrderIntent], written: Iterable[Written]
) -> tuple[Difference, ...]:
    """Return every difference, none when exactly what was approved was sent.

    A leg that took over from an approved one is held to that one's terms, and what both
    filled to its quantity.
    """
    intents = {intent.client_order_id: intent for intent in approved}
    orders = tuple(written)
    found: list[Difference] = []
    filled: dict[ClientOrderId, Decimal] = {}
    for one in orders:
        source = _source(one.first, intents)
        if source is None:
            found.append(_difference(DifferenceKind.NOT_APPROVED, one, NOTHING, _told(one.first)))
            continue
        key = source.client_order_id
        filled[key] = filled.get(key, ZERO) + sum((f.last_qty for f in one.fills), ZERO)
        found += _differences(one, source)
        if filled[key] > source.order_qty:
            told = f"{plain(filled[key])} filled"
            found.append(_difference(DifferenceKind.MORE, one, plain(source.order_qty), told))
    by_id = {one.order.client_order_id: one for one in orders}
    found += [_not_sent(i, by_id.get(key)) for key, i in intents.items() if not _left(by_id, key)]
    return tuple(found)


def _source(first: OrderIntent, intents: dict[ClientOrderId, OrderIntent]) -> OrderIntent | None:
    """The approved intent that an order is, or took over from."""
    own = intents.get(first.client_order_id)
    if own is not None or not first.reduce_only:
        return own
    name = first.leg.partition(AGAIN)[0]
    for intent in intents.values():
        if intent.leg.partition(AGAIN)[0] == name and _wish(intent) == _wish(first):
            return intent
    return None


def _wish(intent: OrderIntent) -> tuple[object, ...]:
    return (intent.account, intent.strategy, intent.instrument_id, intent.signal_time)


def _differences(one: Written, source: OrderIntent) -> Iterable[Difference]:
    """Where one order, its changes and its fills are not what `source` is."""
    ours = replace(source, client_order_id=one.first.client_order_id)
    if not covers(ours, one.first):
        yield _difference(DifferenceKind.OTHER_TERMS, one, _told(source), _told(one.first))
    for event in one.events:
        if event.order_qty is not None and event.order_qty > source.order_qty:
            told = plain(event.order_qty)
            yield _difference(DifferenceKind.MORE, one, plain(source.order_qty), told)
        if event.limit_px is not None and is_worse(source, event.limit_px):
            told = f"limit {plain(event.limit_px)}"
            yield _difference(DifferenceKind.WORSE_PRICE, one, _told(source), told)
    for fill in one.fills:
        told = f"{fill.side} {plain(fill.last_qty)} {fill.instrument_id} at {plain(fill.last_px)}"
        if (fill.side, fill.instrument_id) != (source.side, source.instrument_id):
            yield _difference(DifferenceKind.OTHER_TERMS, one, _told(source), told)
        elif source.limit_px is not None and is_worse(source, fill.last_px):
            yield _difference(DifferenceKind.WORSE_PRICE, one, _told(source), told)


def _left(by_id: dict[ClientOrderId, Written], key: ClientOrderId) -> bool:
    return key in by_id and by_id[key].left


def _not_sent(intent: OrderIntent, one: Written | None) -> Difference:
    if one is None:
        why = "this run did not write it"
    else:
        why = f"{one.order.status}: {one.order.reason}" if one.order.reason else one.order.status
    return Difference(
        kind=DifferenceKind.NOT_SENT,
        client_order_id=intent.client_order_id,
        approved=_told(intent),
        sent=f"{NOTHING} ({why})",
    )


def _difference(kind: DifferenceKind, one: Written, approved: str, sent: str) -> Difference:
    return Difference(
        kind=kind, client_order_id=one.order.client_order_id, approved=approved, sent=sent
    )


def _told(intent: OrderIntent) -> str:
    at = "" if intent.limit_px is None else f" limit {plain(intent.limit_px)}"
    stop = "" if intent.stop_px is None else f" stop {plain(intent.stop_px)}"
    qty = plain(intent.order_qty)
    return f"{intent.side} {qty} {intent.instrument_id} {intent.order_type}{at}{stop}"
