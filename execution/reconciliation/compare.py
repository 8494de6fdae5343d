"""The books against the venue: orders, fills, positions and cash, each both ways.

Holdings are compared by asset: a position is so much of its base, whether it was bought,
paid in or taken as a fee, and whatever the instruments are that this run trades.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.enums import OrderType
from execution.model.fill import Fill
from execution.model.identifiers import InstrumentId, TradeId
from execution.model.money import ZERO, plain
from execution.model.order import IN_FLIGHT, OPEN, Order
from execution.model.position import Position
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.model.transfer import Transfer

NOT_OURS = "none of our doing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What we have; `working` are the orders that are not terminal."""

    working: tuple[Order, ...]
    fills: frozenset[TradeId]
    positions: Mapping[InstrumentId, Position]
    cash: Mapping[str, Decimal]  # by currency
    ended: frozenset[str] = frozenset()  # ids, ours and the venue's, of orders that are over
    external: tuple[Fill, ...] = ()  # booked, of orders that are not ours
    brought: tuple[Transfer, ...] = ()  # assets that came without a trade, or were there before
    # The most that is gone already as fees which the venue reports later, by asset.
    fees_due: Mapping[str, Decimal] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()  # keys that a person took into the books


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What the venue claims. A query that failed never gets this far."""

    open_orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    positions: tuple[PositionReport, ...]
    balances: tuple[BalanceReport, ...]


def compare(
    books: Books, venue: Reports, tolerance: Decimal = ZERO, *, adopt: bool = False
) -> tuple[Discrepancy, ...]:
    """Return every disagreement, none when the books equal the venue.

    `tolerance` is in units of a currency, for venues that round what they report; assets
    are exact. What is not ours (orders and trades made by hand, holdings from before the
    books began) is a disagreement too, unless `adopt` or a person has accepted it.
    """
    found = (
        *_orders(books, venue.open_orders, adopt=adopt),
        *_fills(books.fills, venue.fills),
        *_assets(books, venue, tolerance),
        *(() if adopt else _external(books)),
    )
    return tuple(d for d in found if d.kind is not DiscrepancyKind.EXTERNAL or _open(d, books))


def _open(found: Discrepancy, books: Books) -> bool:
    return found.key not in books.accepted


def _orders(books: Books, reports: Iterable[OrderReport], *, adopt: bool) -> Iterable[Discrepancy]:
    ours = {str(o.client_order_id): o for o in books.working if o.status in OPEN | IN_FLIGHT}
    named = {o.venue_order_id: key for key, o in ours.items() if o.venue_order_id is not None}
    theirs = {
        named.get(r.venue_order_id, str(r.client_order_id or r.venue_order_id)): r for r in reports
    }
    for key in sorted(ours.keys() | theirs.keys()):
        order, report = ours.get(key), theirs.get(key)
        have, claimed = _standings(order, report)
        if order is None and report is not None and not _is_ours(report, books.ended):
            if not adopt:
                yield Discrepancy(
                    kind=DiscrepancyKind.EXTERNAL,
                    key=str(report.venue_order_id),
                    books=NOT_OURS,
                    venue=f"{report.side} {plain(report.order_qty)}, {claimed}",
                    instrument_id=report.instrument_id,
                )
        elif have != claimed:
            known = order.intent if order else report
            yield Discrepancy(
                kind=DiscrepancyKind.ORDER,
                key=key,
                books=have,
                venue=claimed,
                instrument_id=known.instrument_id if known else None,
            )


def _is_ours(report: OrderReport, ended: frozenset[str]) -> bool:
    """Whether an order that the books have as ended rests at the venue all the same."""
    return report.client_order_id in ended or report.venue_order_id in ended


def _standings(order: Order | None, report: OrderReport | None) -> tuple[str, str]:
    """How an order stands in the books and at the venue.

    Of a limit order the whole quantity counts, too: an amendment that the venue took may
    never have been written. Others may be told there by what they spend.
    """
    have, claimed = _standing(order), _standing(report)
    if order is not None and order.status in IN_FLIGHT:
        return "sent, its fate unknown", claimed
    if order is None or report is None or order.intent.order_type is not OrderType.LIMIT:
        return have, claimed
    return f"{have} of {plain(order.intent.order_qty)}", f"{claimed} of {plain(report.order_qty)}"


def _standing(order: Order | OrderReport | None) -> str:
    return "not open" if order is None else f"open, filled {plain(order.cum_qty)}"


def _fills(booked: frozenset[TradeId], fills: Iterable[Fill]) -> Iterable[Discrepancy]:
    for fill in fills:
        if fill.trade_id not in booked:
            yield Discrepancy(
                kind=DiscrepancyKind.FILL,
                key=fill.trade_id,
                books="not booked",
                venue=_told(fill),
                instrument_id=fill.instrument_id,
            )


def _told(fill: Fill) -> str:
    return f"{fill.side} {fill.last_qty:f} at {fill.last_px:f}"


def _assets(books: Books, venue: Reports, tolerance: Decimal) -> Iterable[Discrepancy]:
    """One line an asset or currency; an asset of an instrument is told as its position."""
    ours = dict(books.cash)
    for instrument_id, position in books.positions.items():
        _add(ours, instrument_id.base, position.net_qty)
    theirs: dict[str, Decimal] = {}
    for balance in venue.balances:
        _add(theirs, balance.currency, balance.cash)
    for report in venue.positions:
        _add(theirs, report.instrument_id.base, report.net_qty)
    held = {*books.positions, *(report.instrument_id for report in venue.positions)}
    instruments = {instrument_id.base: instrument_id for instrument_id in held}
    for asset in sorted(ours.keys() | theirs.keys()):
        have, claimed = ours.get(asset, ZERO), theirs.get(asset, ZERO)
        of = instruments.get(asset)
        allowed = ZERO if of else tolerance
        if not -allowed <= have - claimed <= allowed + books.fees_due.get(asset, ZERO):
            yield Discrepancy(
                kind=DiscrepancyKind.POSITION if of else DiscrepancyKind.CASH,
                key=str(of or asset),
                books=f"{have:f}",
                venue=f"{claimed:f}",
                instrument_id=of,
            )


def _add(totals: dict[str, Decimal], key: str, amount: Decimal) -> None:
    totals[key] = totals.get(key, ZERO) + amount


def _external(books: Books) -> Iterable[Discrepancy]:
    """What is in the books, because it is so, and was not our doing."""
    for fill in books.external:
        yield Discrepancy(
            kind=DiscrepancyKind.EXTERNAL,
            key=fill.trade_id,
            books=NOT_OURS,
            venue=_told(fill),
            instrument_id=fill.instrument_id,
        )
    named = {i.base: i for i in books.positions}
    for transfer in books.brought:
        yield Discrepancy(
            kind=DiscrepancyKind.EXTERNAL,
            key=transfer.transfer_id,
            books=NOT_OURS,
            venue=f"{transfer.kind} of {plain(transfer.amount)} {transfer.currency}",
            instrument_id=named.get(transfer.currency),
        )
