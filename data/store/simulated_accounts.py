"""The simulated venue's rows: what a real venue would keep on its side."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from data.store.session import Row, Session
from execution.errors import InputInvalid
from execution.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId
from execution.model.order import OPEN
from execution.venues.simulated_account import SimulatedFill, SimulatedOrder, SimulatedState

# How far back a bar may be worked again with its volume still remembered.
BARS_REMEMBERED = 200
TAKEN = """
    SELECT instrument, ts_bar, sum(last_qty)::DECIMAL(38,12)
    FROM simulated_fills WHERE account = ?
    GROUP BY instrument, ts_bar
    QUALIFY row_number() OVER (PARTITION BY instrument ORDER BY ts_bar DESC) <= ?
"""
ORDERS = "SELECT * EXCLUDE (account) FROM simulated_orders WHERE account = ?"


class SimulatedRows:
    """The `simulated_*` tables."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open(self, account: AccountId, currency: str, cash: Decimal) -> bool:
        """Start an account with `cash`; False when it is there, which changes nothing."""
        tail = "ON CONFLICT (account) DO NOTHING RETURNING account"
        row = (account, currency, cash, 1)
        return bool(self._session.insert("simulated_accounts", [row], tail))

    def load(
        self, account: AccountId, client_order_id: ClientOrderId | None = None
    ) -> SimulatedState:
        """The account with its open orders, and one more that was asked for.

        Raises InputInvalid when it was never opened.
        """
        row = self._session.row(
            "SELECT currency, cash, next_id FROM simulated_accounts WHERE account = ?", account
        )
        if row is None:
            raise InputInvalid(f"simulated account {account!r} was never opened")
        currency, cash, next_id = row
        held = self._session.rows(
            "SELECT instrument, net_qty FROM simulated_positions WHERE account = ?", account
        )
        orders = self._session.rows(
            f"{ORDERS} AND (list_contains(?, status) OR client_order_id = ?)",
            account,
            [status.value for status in OPEN],
            client_order_id,
        )
        taken = self._session.rows(TAKEN, account, BARS_REMEMBERED)
        return SimulatedState(
            account=account,
            currency=currency,
            cash=cash,
            next_id=next_id,
            positions={InstrumentId.parse(instrument): qty for instrument, qty in held},
            orders={order.client_order_id: order for order in map(_order, orders)},
            taken={(InstrumentId.parse(i), ts_bar): qty for i, ts_bar, qty in taken},
        )

    def save(self, before: SimulatedState, after: SimulatedState) -> None:
        """Write what a step changed."""
        account = before.account
        self._session.rows(
            "UPDATE simulated_accounts SET cash = ?, next_id = ? WHERE account = ?",
            after.cash,
            after.next_id,
            account,
        )
        for instrument_id in before.positions.keys() - after.positions.keys():
            self._session.rows(
                "DELETE FROM simulated_positions WHERE account = ? AND instrument = ?",
                account,
                instrument_id,
            )
        self._session.insert(
            "simulated_positions",
            [
                (account, instrument_id, qty)
                for instrument_id, qty in after.positions.items()
                if qty != before.positions.get(instrument_id)
            ],
            "ON CONFLICT (account, instrument) DO UPDATE SET net_qty = excluded.net_qty",
        )
        self._session.insert(
            "simulated_orders",
            [
                _order_row(account, order)
                for key, order in after.orders.items()
                if order != before.orders.get(key)
            ],
            "ON CONFLICT (account, client_order_id) DO UPDATE SET cum_qty = excluded.cum_qty, "
            "status = excluded.status, reason = excluded.reason",
        )
        self._session.insert(
            "simulated_fills", [_fill_row(account, fill) for fill in after.new_fills]
        )

    def order(self, account: AccountId, client_order_id: ClientOrderId) -> SimulatedOrder | None:
        """One order, whatever its status."""
        row = self._session.row(f"{ORDERS} AND client_order_id = ?", account, client_order_id)
        return None if row is None else _order(row)

    def fills(self, account: AccountId, since: datetime) -> tuple[Fill, ...]:
        """Executions with ts_event at or after `since`, oldest first."""
        rows = self._session.rows(
            "SELECT * EXCLUDE (account) FROM simulated_fills WHERE account = ? AND ts_event >= ? "
            "ORDER BY ts_event, rowid",
            account,
            since,
        )
        return tuple(_fill(row).as_fill(account) for row in rows)


def _order_row(account: AccountId, o: SimulatedOrder) -> Row:
    return (
        account,
        o.client_order_id,
        o.venue_order_id,
        o.instrument_id,
        o.side,
        o.order_type,
        o.time_in_force,
        o.order_qty,
        o.limit_px,
        o.cum_qty,
        o.status,
        o.reason,
        o.ts_placed,
    )


def _order(row: Row) -> SimulatedOrder:
    client_order_id, venue_order_id, instrument, side, order_type, time_in_force, *rest = row
    order_qty, limit_px, cum_qty, status, reason, ts_placed = rest
    return SimulatedOrder(
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        instrument_id=InstrumentId.parse(instrument),
        side=OrderSide(side),
        order_type=OrderType(order_type),
        time_in_force=TimeInForce(time_in_force),
        order_qty=order_qty,
        limit_px=limit_px,
        cum_qty=cum_qty,
        status=OrderStatus(status),
        reason=reason,
        ts_placed=ts_placed,
    )


def _fill_row(account: AccountId, f: SimulatedFill) -> Row:
    return (
        account,
        f.trade_id,
        f.client_order_id,
        f.venue_order_id,
        f.instrument_id,
        f.side,
        f.last_qty,
        f.last_px,
        f.commission,
        f.commission_ccy,
        f.ts_bar,
        f.ts_event,
    )


def _fill(row: Row) -> SimulatedFill:
    trade_id, client_order_id, venue_order_id, instrument, side, last_qty, *rest = row
    last_px, commission, commission_ccy, ts_bar, ts_event = rest
    return SimulatedFill(
        trade_id=trade_id,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        instrument_id=InstrumentId.parse(instrument),
        side=OrderSide(side),
        last_qty=last_qty,
        last_px=last_px,
        commission=commission,
        commission_ccy=commission_ccy,
        ts_bar=ts_bar,
        ts_event=ts_event,
    )
