"""The books against the venue: orders, fills, positions and cash, each both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.fill import Fill
from execution.model.identifiers import InstrumentId, TradeId
from execution.model.money import ZERO
from execution.model.order import IN_FLIGHT, OPEN, Order
from execution.model.position import Position
from execution.model.reports import BalanceReport, OrderReport, PositionReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What we have; `working` are the orders that are not terminal."""

    working: tuple[Order, ...]
    fills: frozenset[TradeId]
    positions: Mapping[InstrumentId, Position]
    cash: Mapping[str, Decimal]  # by currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What the venue claims. A query that failed never gets this far."""

    open_orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    positions: tuple[PositionReport, ...]
    balances: tuple[BalanceReport, ...]


def compare(
    books: Books, venue: Reports, cash_tolerance: Decimal = ZERO
) -> tuple[Discrepancy, ...]:
    """Return every disagreement, none when the books equal the venue.

    `cash_tolerance` is in units of the currency, for venues that round what they report.
    """
    return (
        *_orders(books.working, venue.open_orders),
        *_fills(books.fills, venue.fills),
        *_positions(books.positions, venue.positions),
        *_cash(books.cash, venue.balances, cash_tolerance),
    )


def _orders(working: Iterable[Order], reports: Iterable[OrderReport]) -> Iterable[Discrepancy]:
    ours = {str(o.client_order_id): o for o in working if o.status in OPEN | IN_FLIGHT}
    theirs = {str(r.client_order_id or r.venue_order_id): r for r in reports}
    for key in sorted(ours.keys() | theirs.keys()):
        order, report = ours.get(key), theirs.get(key)
        in_flight = order is not None and order.status in IN_FLIGHT
        cum_qty = order.cum_qty if order else None
        books = "sent, its fate unknown" if in_flight else _open(cum_qty)
        venue = _open(report.cum_qty if report else None)
        if books != venue:
            known = order.intent if order else report
            yield Discrepancy(
                kind=DiscrepancyKind.ORDER,
                key=key,
                books=books,
                venue=venue,
                instrument_id=known.instrument_id if known else None,
            )


def _open(cum_qty: Decimal | None) -> str:
    return "not open" if cum_qty is None else f"open, filled {cum_qty.normalize():f}"


def _fills(booked: frozenset[TradeId], fills: Iterable[Fill]) -> Iterable[Discrepancy]:
    for fill in fills:
        if fill.trade_id not in booked:
            yield Discrepancy(
                kind=DiscrepancyKind.FILL,
                key=fill.trade_id,
                books="not booked",
                venue=f"{fill.side} {fill.last_qty:f} at {fill.last_px:f}",
                instrument_id=fill.instrument_id,
            )


def _positions(
    positions: Mapping[InstrumentId, Position], reports: Iterable[PositionReport]
) -> Iterable[Discrepancy]:
    ours = {i: p.net_qty for i, p in positions.items()}
    theirs = {r.instrument_id: r.net_qty for r in reports}
    for instrument_id in sorted(ours.keys() | theirs.keys()):
        books, venue = ours.get(instrument_id, ZERO), theirs.get(instrument_id, ZERO)
        if books != venue:
            yield Discrepancy(
                kind=DiscrepancyKind.POSITION,
                key=str(instrument_id),
                books=f"{books:f}",
                venue=f"{venue:f}",
                instrument_id=instrument_id,
            )


def _cash(
    cash: Mapping[str, Decimal], balances: Iterable[BalanceReport], tolerance: Decimal
) -> Iterable[Discrepancy]:
    theirs = {b.currency: b.cash for b in balances}
    for currency in sorted(cash.keys() | theirs.keys()):
        books, venue = cash.get(currency, ZERO), theirs.get(currency, ZERO)
        if abs(books - venue) > tolerance:
            yield Discrepancy(
                kind=DiscrepancyKind.CASH, key=currency, books=f"{books:f}", venue=f"{venue:f}"
            )
