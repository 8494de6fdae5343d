"""How far held trailing stops have come, so that a restart forgets nothing."""

from __future__ import annotations

from collections.abc import Iterable

from data.store.session import Session
from execution.model.identifiers import ClientOrderId
from execution.orders.held import Trigger


class Triggers:
    """The `order_triggers` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, trigger: Trigger) -> None:
        """Keep the newest; one that was seen before a saved one changes nothing."""
        row = (trigger.client_order_id, trigger.extreme_px, trigger.ts_event)
        self._session.insert(
            "order_triggers",
            [row],
            "ON CONFLICT (client_order_id) DO UPDATE SET extreme_px = excluded.extreme_px, "
            "ts_event = excluded.ts_event WHERE excluded.ts_event >= order_triggers.ts_event",
        )

    def of(self, client_order_ids: Iterable[ClientOrderId]) -> dict[ClientOrderId, Trigger]:
        """Those of the orders that have one, by order."""
        rows = self._session.rows(
            "SELECT client_order_id, extreme_px, ts_event FROM order_triggers "
            "WHERE list_contains(?, client_order_id)",
            list(client_order_ids),
        )
        return {
            key: Trigger(client_order_id=key, extreme_px=extreme_px, ts_event=ts_event)
            for key, extreme_px, ts_event in rows
        }
