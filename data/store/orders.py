"""Orders: intents and events are written once, the order is folded from them and fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from data.store.rows import (
    EVENTS,
    FILLS,
    INTENTS,
    INTENTS_WITH_ORDERS,
    event_from,
    fill_from,
    intent_from,
    intent_row,
    order_from,
    order_row,
)
from data.store.session import Session
from execution.errors import InputInvalid, InvariantBroken
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    RunId,
    VenueOrderId,
)
from execution.model.order import SENDABLE, STOPS, TERMINAL, Order, OrderEvent, OrderIntent

NEXT_SEQ = """
    SELECT 1 + greatest((SELECT coalesce(max(seq), 0) FROM order_events),
                        (SELECT coalesce(max(seq), 0) FROM fills))
"""
# Alive is what has not ended, and what protects a position that is open, ended or not: the legs
# of orders that have filled since it was flat, and legs without a parent that are newer than that.
ALIVE = """
    WITH trades AS (
        SELECT f.instrument, f.client_order_id, f.seq, sum(
            if(f.side = 'buy', f.last_qty, -f.last_qty)
            - if(f.commission_ccy = f.base, f.commission, 0)
        ) OVER (PARTITION BY f.instrument ORDER BY f.seq) AS net_qty
        FROM fills f SEMI JOIN positions p
        ON (p.account = f.account AND p.instrument = f.instrument AND p.net_qty != 0)
        WHERE f.account = ?
    ), flat AS (
        SELECT instrument, coalesce(max(seq) FILTER (net_qty = 0), 0) AS seq
        FROM trades GROUP BY instrument
    ), alive AS (
        SELECT i.client_order_id, i.parent_id, i.group_id
        FROM intents i JOIN orders o USING (client_order_id) LEFT JOIN flat USING (instrument)
        WHERE i.account = ? AND (
            list_contains(?, o.status)
            OR i.reduce_only AND i.parent_id IS NOT NULL AND flat.seq < (
                SELECT max(t.seq) FROM trades t WHERE t.client_order_id = i.parent_id
            )
            OR i.reduce_only AND i.parent_id IS NULL
            AND (i.group_id IS NOT NULL OR list_contains(?, i.order_type)) AND flat.seq < (
                SELECT min(e.seq) FROM order_events e WHERE e.client_order_id = i.client_order_id
            )
        )
    )
"""
WITH_KIN = """
    WHERE i.account = ? AND (
        i.client_order_id IN (SELECT client_order_id FROM alive)
        OR i.client_order_id IN (SELECT parent_id FROM alive)
        OR i.group_id IN (SELECT group_id FROM alive)
    ) ORDER BY i.created_at, i.rowid
"""


def next_seq(session: Session) -> int:
    """The next number of the one story that order events and fills tell."""
    return int(session.rows(NEXT_SEQ)[0][0])


class Orders:
    """The `intents`, `order_events` and `orders` tables."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def commit_intents(
        self, run_id: RunId, plan_digest: str, intents: Iterable[OrderIntent], now: datetime
    ) -> tuple[Order, ...]:
        """Write what may be sent, before it is sent; return the orders as the ledger has them.

        An intent that is there already wins, quantity and all: send what comes back, not
        what was given. Only one that was proven never sent gives way to the new one.
        """
        ids = []
        for intent in intents:
            ids.append(intent.client_order_id)
            known = self.get(intent.client_order_id)
            if known is not None and not self._never_sent(known):
                continue
            if known is not None:
                _check_same_wish(known.intent, intent)
                key = intent.client_order_id
                self._session.rows("DELETE FROM intents WHERE client_order_id = ?", key)
            self._session.insert("intents", [intent_row(intent, run_id, plan_digest, now)])
            if known is None:
                self._session.insert("orders", [order_row(self._first(intent), now)])
            else:
                self.save(replace(known, intent=intent), now)
        if len(set(ids)) != len(ids):
            raise InvariantBroken(f"plan {plan_digest[:12]} has one client order id twice")
        return tuple(self._known(client_order_id) for client_order_id in ids)

    def append(self, event: OrderEvent) -> Order | None:
        """Write an event; return the order after it, or None when somebody was here before.

        That is when the event's key is booked already, or when it is SUBMITTED and the
        order has left: then the venue may have it, and nobody may send it again.
        """
        order = self._known(event.client_order_id)
        booked = self._session.row(
            "SELECT client_order_id FROM order_events WHERE event_key = ?", event.event_key
        )
        if booked is not None:
            if booked[0] != event.client_order_id:
                raise InvariantBroken(f"event key {event.event_key} belongs to {booked[0]}")
            return None
        if event.status is S.SUBMITTED and order.status not in SENDABLE:
            return None
        row = (
            next_seq(self._session),
            event.client_order_id,
            event.event_key,
            event.status,
            event.venue_order_id,
            event.reason,
            event.ts_event,
            event.ts_init,
            event.order_qty,
            event.limit_px,
        )
        self._session.insert("order_events", [row])
        after = order.apply(event)
        self.save(after, event.ts_init)
        return after

    def save(self, order: Order, now: datetime) -> None:
        """Store a folded order; for this package alone, as it is not a fact."""
        self._session.rows(
            "UPDATE orders SET status = ?, venue_order_id = ?, cum_qty = ?, avg_px = ?, "
            "reason = ?, updated_at = ?, order_qty = ?, limit_px = ? WHERE client_order_id = ?",
            *order_row(order, now)[1:],
            order.client_order_id,
        )

    def get(self, client_order_id: ClientOrderId) -> Order | None:
        """One order, or None when no intent of that id was ever written."""
        row = self._session.row(f"{INTENTS_WITH_ORDERS} WHERE client_order_id = ?", client_order_id)
        return None if row is None else order_from(row)

    def all(self, account: AccountId) -> tuple[Order, ...]:
        """Every order of the account, oldest first."""
        return self.by_status(account, S)

    def of_wish(self, intent: OrderIntent) -> tuple[Order, ...]:
        """The orders of the same signal and leg: that intent's own, or its slices."""
        rows = self._session.rows(
            f"{INTENTS_WITH_ORDERS} WHERE i.account = ? AND i.strategy = ? AND i.instrument = ? "
            "AND i.signal_time = ? AND split_part(i.leg, ' ', 1) = split_part(?, ' ', 1) "
            "ORDER BY i.leg",
            intent.account,
            intent.strategy,
            intent.instrument_id,
            intent.signal_time,
            intent.leg,
        )
        return tuple(order_from(row) for row in rows)

    def of_run(self, run_id: RunId) -> dict[ClientOrderId, OrderIntent]:
        """The intents that a run wrote, in their first terms, oldest first."""
        rows = self._session.rows(f"{INTENTS} WHERE run_id = ? ORDER BY created_at, rowid", run_id)
        return {i.client_order_id: i for i in map(intent_from, rows)}

    def intents(self, account: AccountId) -> dict[ClientOrderId, OrderIntent]:
        """Every intent of the account in its first terms."""
        rows = self._session.rows(f"{INTENTS} WHERE account = ?", account)
        return {i.client_order_id: i for i in map(intent_from, rows)}

    def by_venue_id(
        self, account: AccountId, venue_order_ids: Iterable[VenueOrderId]
    ) -> dict[tuple[InstrumentId, VenueOrderId], Order]:
        """Those of the account's orders that the venue has named so, by instrument and name.

        Some venues count their orders for each instrument apart.
        """
        rows = self._session.rows(
            f"{INTENTS_WITH_ORDERS} WHERE i.account = ? AND list_contains(?, o.venue_order_id)",
            account,
            list(venue_order_ids),
        )
        orders = map(order_from, rows)
        return {(o.intent.instrument_id, o.venue_order_id): o for o in orders if o.venue_order_id}

    def working(self, account: AccountId) -> tuple[Order, ...]:
        """The orders that are not terminal, oldest first."""
        return self.by_status(account, set(S) - TERMINAL)

    def by_status(self, account: AccountId, statuses: Iterable[S]) -> tuple[Order, ...]:
        """The account's orders in these statuses, oldest first."""
        rows = self._session.rows(
            f"{INTENTS_WITH_ORDERS} WHERE i.account = ? AND list_contains(?, o.status) "
            "ORDER BY i.created_at, i.rowid",
            account,
            [status.value for status in statuses],
        )
        return tuple(order_from(row) for row in rows)

    def with_kin(self, account: AccountId) -> tuple[Order, ...]:
        """The orders that are not terminal and all legs of what is held, with their kin.

        That is: with all of their groups and their parents. The legs of an open position are
        there when they have ended too: another may have to take over from them.
        """
        rows = self._session.rows(
            f"{ALIVE} {INTENTS_WITH_ORDERS} {WITH_KIN}",
            account,
            account,
            [status.value for status in set(S) - TERMINAL],
            [order_type.value for order_type in STOPS],
            account,
        )
        return tuple(order_from(row) for row in rows)

    def approved(self, client_order_id: ClientOrderId) -> OrderIntent | None:
        """An intent in its first terms, not ended, of a plan whose approval was used for it."""
        row = self._session.row(
            f"{INTENTS} SEMI JOIN orders o ON (o.client_order_id = intents.client_order_id "
            "AND NOT list_contains(?, o.status)) "
            "SEMI JOIN approvals a ON (a.plan_digest = intents.plan_digest AND a.status = 'used') "
            "WHERE client_order_id = ?",
            [status.value for status in TERMINAL],
            client_order_id,
        )
        return None if row is None else intent_from(row)

    def events(self, client_order_id: ClientOrderId) -> tuple[OrderEvent, ...]:
        """What happened to one order, oldest first; fills are told apart."""
        rows = self._session.rows(
            f"{EVENTS} WHERE client_order_id = ? ORDER BY seq",
            client_order_id,
        )
        return tuple(event_from(row) for row in rows)

    def sends(self, orders: Iterable[Order]) -> dict[ClientOrderId, tuple[datetime, ...]]:
        """When each was sent, by our clock, oldest first; those that never were are left out."""
        rows = self._session.rows(
            "SELECT client_order_id, list(ts_init ORDER BY seq) FROM order_events "
            "WHERE status = ? AND list_contains(?, client_order_id) GROUP BY ALL",
            S.SUBMITTED,
            [order.client_order_id for order in orders],
        )
        return {client_order_id: tuple(times) for client_order_id, times in rows}

    def story(self, client_order_id: ClientOrderId) -> tuple[OrderEvent | Fill, ...]:
        """Events and fills of one order, in the order in which they were booked."""
        events = self._session.rows(
            "SELECT seq, * EXCLUDE (seq) FROM order_events WHERE client_order_id = ?",
            client_order_id,
        )
        fills = self._session.rows(
            "SELECT seq, * EXCLUDE (venue, seq, base, quote) FROM fills WHERE client_order_id = ?",
            client_order_id,
        )
        steps: list[tuple[int, OrderEvent | Fill]] = [
            *((seq, event_from(tuple(row))) for seq, *row in events),
            *((seq, fill_from(tuple(row))) for seq, *row in fills),
        ]
        return tuple(step for _, step in sorted(steps, key=lambda numbered: numbered[0]))

    def find(self, prefix: str) -> Order:
        """The one order whose id starts with what a person typed; InputInvalid otherwise."""
        rows = self._session.rows(
            f"{INTENTS_WITH_ORDERS} WHERE starts_with(client_order_id, ?) LIMIT 2", prefix
        )
        if len(rows) != 1:
            found = "several orders start" if rows else "no order starts"
            raise InputInvalid(f"{found} with {prefix!r}")
        return order_from(rows[0])

    def origin(self, client_order_id: ClientOrderId) -> tuple[RunId, str]:
        """The run and the digest of the plan under which the recorded intent was written."""
        row = self._session.row(
            "SELECT run_id, plan_digest FROM intents WHERE client_order_id = ?", client_order_id
        )
        if row is None:
            raise InvariantBroken(f"order {client_order_id}: no intent of that id was written")
        return RunId(row[0]), str(row[1])

    def _known(self, client_order_id: ClientOrderId) -> Order:
        order = self.get(client_order_id)
        if order is None:
            raise InvariantBroken(f"order {client_order_id}: no intent of that id was written")
        return order

    def _first(self, intent: OrderIntent) -> Order:
        """The order of a new intent; fills that are booked already prove that it was sent."""
        order = Order(intent=intent)
        rows = self._session.rows(
            f"{FILLS} WHERE client_order_id = ? ORDER BY seq", intent.client_order_id
        )
        for row in rows:
            order = order.fill(fill_from(row))
        return order

    def _never_sent(self, order: Order) -> bool:
        """Whether the story proves that no venue has it, and none of it changed its terms."""
        if order.status not in SENDABLE or order.cum_qty:
            return False
        events = self.events(order.client_order_id)
        changed = any(event.has_terms for event in events)
        return not changed and (not events or events[-1].status in SENDABLE)


def _check_same_wish(old: OrderIntent, new: OrderIntent) -> None:
    """Raise unless both are what the id was derived from."""
    for field in ("account", "instrument_id", "strategy", "signal_time", "leg"):
        if getattr(old, field) != getattr(new, field):
            raise InvariantBroken(
                f"order {new.client_order_id} was written for {field}={getattr(old, field)}, "
                f"not {getattr(new, field)}"
            )
