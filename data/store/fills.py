"""Fills: facts from a venue, booked once; the order and the position follow at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from data.store.orders import Orders, next_seq
from data.store.positions import Positions
from data.store.rows import FILLS, fill_from, fill_row
from data.store.session import Session
from execution.errors import InvariantBroken
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    TradeId,
    VenueId,
)
from execution.model.order import Order
from execution.model.position import Position


class Fills:
    """The `fills` table."""

    def __init__(self, session: Session, orders: Orders, positions: Positions) -> None:
        self._session = session
        self._orders = orders
        self._positions = positions

    def record(self, venue: VenueId, fill: Fill, base: str, quote: str) -> bool:
        """Book one fill; False when its trade id is booked already."""
        return bool(self.record_all(venue, [fill], {fill.instrument_id: (base, quote)}))

    def record_all(
        self,
        venue: VenueId,
        fills: Iterable[Fill],
        currencies: Mapping[InstrumentId, tuple[str, str]],
    ) -> tuple[Fill, ...]:
        """Book fills and fold their orders and positions; return those that were new.

        `currencies` says base and quote of every instrument. Raises InvariantBroken when a
        trade id comes back as another trade, or a fill is not what its order is.
        """
        given: dict[tuple[AccountId, TradeId], Fill] = {}
        for fill in fills:
            _check_same_trade(given.setdefault((fill.account, fill.trade_id), fill), fill)
        seq = next_seq(self._session)
        inserted = self._session.insert(
            "fills",
            [
                fill_row(venue, seq + number, fill, *currencies[fill.instrument_id])
                for number, fill in enumerate(given.values())
            ],
            "ON CONFLICT (venue, account, trade_id) DO NOTHING RETURNING account, trade_id",
        )
        keys = set(inserted)
        for key, fill in given.items():
            if key not in keys:
                _check_same_trade(self._booked(venue, fill), fill)
        new = tuple(fill for key, fill in given.items() if key in keys)
        self._fold_orders(new)
        self._fold_positions(new, currencies)
        return new

    def of(self, account: AccountId) -> tuple[Fill, ...]:
        """Every fill of the account, in the order it was booked."""
        rows = self._session.rows(f"{FILLS} WHERE account = ? ORDER BY seq", account)
        return tuple(fill_from(row) for row in rows)

    def of_order(self, client_order_id: ClientOrderId) -> tuple[Fill, ...]:
        """The fills of one order, in the order they were booked."""
        rows = self._session.rows(
            f"{FILLS} WHERE client_order_id = ? ORDER BY seq", client_order_id
        )
        return tuple(fill_from(row) for row in rows)

    def external(self, account: AccountId) -> tuple[Fill, ...]:
        """Trades of the account that no order of ours made; forced ones are told apart."""
        rows = self._session.rows(
            f"{FILLS} WHERE account = ? AND client_order_id IS NULL AND kind = 'trade' "
            "ORDER BY seq",
            account,
        )
        return tuple(fill_from(row) for row in rows)

    def unbooked(self, venue: VenueId, fills: Iterable[Fill]) -> tuple[Fill, ...]:
        """Those of `fills` that are not in the books."""
        given = tuple(fills)
        sql = "SELECT account, trade_id FROM fills WHERE venue = ? AND list_contains(?, trade_id)"
        booked = set(self._session.rows(sql, venue, [f.trade_id for f in given]))
        return tuple(f for f in given if (f.account, f.trade_id) not in booked)

    def latest_ts(self, account: AccountId) -> datetime | None:
        """Venue time of the account's newest fill: where to ask on from."""
        rows = self._session.rows("SELECT max(ts_event) FROM fills WHERE account = ?", account)
        latest: datetime | None = rows[0][0]
        return latest

    def _booked(self, venue: VenueId, fill: Fill) -> Fill:
        row = self._session.rows(
            f"{FILLS} WHERE venue = ? AND account = ? AND trade_id = ?",
            venue,
            fill.account,
            fill.trade_id,
        )[0]
        return fill_from(row)

    def _fold_orders(self, fills: Iterable[Fill]) -> None:
        touched: dict[ClientOrderId, tuple[Order, datetime]] = {}
        for fill in fills:
            key = fill.client_order_id
            order = touched[key][0] if key in touched else key and self._orders.get(key)
            if key and order:  # else not ours: the position alone follows
                check_order_of(order, fill)
                touched[key] = (order.fill(fill), fill.ts_init)
        for order, now in touched.values():
            self._orders.save(order, now)

    def _fold_positions(
        self, fills: Iterable[Fill], currencies: Mapping[InstrumentId, tuple[str, str]]
    ) -> None:
        touched: dict[tuple[AccountId, InstrumentId], tuple[Position, datetime]] = {}
        for fill in fills:
            key = (fill.account, fill.instrument_id)
            before = touched[key][0] if key in touched else self._positions.get(*key)
            base, _ = currencies[fill.instrument_id]
            touched[key] = (before.apply(fill, base), fill.ts_init)
        for position, now in touched.values():
            self._positions.save(position, now)


def check_order_of(order: Order, fill: Fill) -> None:
    """Raise InvariantBroken when a fill names an order of another account or kind."""
    intent = order.intent
    if (intent.account, intent.instrument_id, intent.side) != (
        fill.account,
        fill.instrument_id,
        fill.side,
    ):
        raise InvariantBroken(
            f"fill {fill.trade_id} is a {fill.side} of {fill.instrument_id} on {fill.account}, "
            f"its order {order.client_order_id} a {intent.side} of {intent.instrument_id} "
            f"on {intent.account}"
        )


def _check_same_trade(booked: Fill, fill: Fill) -> None:
    facts = [(f.instrument_id, f.side, f.last_qty, f.last_px) for f in (booked, fill)]
    if facts[0] != facts[1]:
        raise InvariantBroken(
            f"trade id {fill.trade_id} on {fill.account} is booked as {booked.side} "
            f"{booked.last_qty} {booked.instrument_id} at {booked.last_px}, and came again as "
            f"{fill.side} {fill.last_qty} {fill.instrument_id} at {fill.last_px}"
        )
