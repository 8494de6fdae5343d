"""What a venue says, written to the ledger: order events, fills, transfers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from data.store.books import Books
from execution.errors import InvariantBroken, TradingStopped
from execution.model.enums import FillKind, Severity, Topic, TradingState
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, InstrumentId
from execution.model.order import IN_FLIGHT, TERMINAL, Order, OrderEvent
from execution.model.reports import OrderReport
from execution.model.transfer import Transfer
from execution.orders.submission import ENDED, seen
from tasks import halting, wiring
from tasks.alerts import alert
from tasks.cycle import Cycle
from tasks.events import emit_order
from tasks.market_data import Market


def record(event: OrderEvent) -> Order | None:
    """Commit one order event; None when it was booked before.

    A send is written only while the account trades: a halt counts from the moment it is
    written, in the middle of a plan too. Only what an open emergency stop closes with may
    leave meanwhile, and only for as long as that is open. Raises TradingStopped, nothing sent.
    """
    with wiring.open_ledger().transaction() as books:
        if event.status is S.SUBMITTED:
            _require_trading(books, event)
        after = books.orders.append(event)
    if after is not None:
        emit_order(after)
    return after


def _require_trading(books: Books, event: OrderEvent) -> None:
    order = books.orders.get(event.client_order_id)
    if order is None:
        raise InvariantBroken(f"{event.client_order_id} is to be sent and was never written")
    what = f"{order.intent.side} {order.intent.instrument_id}"
    if order.intent.flattens:  # a person who lets the account trade again has ended it
        if books.emergencies.lets_through(order.intent):
            return
        raise TradingStopped(f"{what} was not sent: its emergency stop is over")
    state = halting.trading_state(books, order.intent.account)
    reduces = state is TradingState.REDUCING and order.intent.reduce_only
    if state is not TradingState.ACTIVE and not reduces:
        raise TradingStopped(f"{what} was not sent: trading is {state}")


def book_fills(cycle: Cycle, market: Market, fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """Book fills with the orders and positions they move; return those that were new.

    A fill of an order that the books do not know is not ours, and booked all the same: it
    moved the account. While an order of ours is in flight on its instrument the fill may
    be that order's, and waits for its fate.
    """
    with wiring.open_ledger().transaction() as books:
        booked = _book_fills(books, cycle, market, fills)
        orders = [books.orders.get(f.client_order_id) for f in booked if f.client_order_id]
    _tell(cycle, orders, booked)
    return booked


def book_reports(
    cycle: Cycle,
    market: Market,
    reports: Iterable[tuple[Order, OrderReport]],
    fills: Iterable[Fill],
) -> tuple[Order, ...]:
    """Book orders as the venue reports them, and fills, in one transaction.

    Each report comes with its order as it was last read. One in flight is adopted. An end is
    booked only with all the fills it speaks of: an order whose fills are not all here is
    returned, to be asked for again. What was booked before changes nothing.
    """
    given = tuple(reports)
    missing = []
    changed: dict[ClientOrderId, Order | None] = {}
    with wiring.open_ledger().transaction() as books:
        for order, report in given:
            if order.status in IN_FLIGHT:  # before the fills: they join by the id it is given
                order = _known(books, order)
            if order.status in IN_FLIGHT:
                event = seen(order, report, market.clock())
                changed[order.client_order_id] = books.orders.append(event)
        booked = _book_fills(books, cycle, market, fills)
        keys = {f.client_order_id for f in booked if f.client_order_id}
        changed |= {key: books.orders.get(key) for key in keys}
        for order, report in given:
            order = changed.get(order.client_order_id) or order
            if order.cum_qty < report.cum_qty or report.status in ENDED:
                order = _known(books, order)  # booked by somebody else meanwhile, it may be
            if order.cum_qty < report.cum_qty:
                missing.append(order)
            elif report.status in ENDED and order.status not in TERMINAL:
                event = seen(order, report, market.clock())
                changed[order.client_order_id] = books.orders.append(event)
    _tell(cycle, changed.values(), booked)
    return tuple(missing)


def _known(books: Books, order: Order) -> Order:
    return books.orders.get(order.client_order_id) or order


def _book_fills(
    books: Books, cycle: Cycle, market: Market, fills: Iterable[Fill]
) -> tuple[Fill, ...]:
    """Book those that are new and join ours with their orders; return them."""
    new = books.fills.unbooked(cycle.config.venue_id, fills)
    if not new:
        return ()
    ours = _joined(books, cycle, new)
    currencies = {f.instrument_id: _currencies(f.instrument_id, cycle, market) for f in ours}
    return books.fills.record_all(cycle.config.venue_id, ours, currencies)


def _joined(books: Books, cycle: Cycle, fills: Iterable[Fill]) -> list[Fill]:
    """The fills with our own ids, those left out that may be of an order in flight."""
    given = list(fills)
    named = books.orders.by_venue_id(cycle.account, [f.venue_order_id for f in given])
    keys = []
    for fill in given:
        order = named.get((fill.instrument_id, fill.venue_order_id))
        if order is None and fill.client_order_id is not None:
            order = books.orders.get(fill.client_order_id)
        keys.append(order.client_order_id if order else None)
    in_flight = books.orders.by_status(cycle.account, IN_FLIGHT) if None in keys else ()
    locked = {order.intent.instrument_id for order in in_flight}
    return [
        replace(fill, client_order_id=key)
        for fill, key in zip(given, keys, strict=True)
        if key or fill.instrument_id not in locked or fill.kind is FillKind.LIQUIDATION
    ]


def _currencies(instrument_id: InstrumentId, cycle: Cycle, market: Market) -> tuple[str, str]:
    """Base and quote, also of what was traded by hand and this run does not trade."""
    instrument = market.instruments.get(instrument_id)
    if instrument is not None:
        return instrument.base, instrument.quote
    _, _, quote = instrument_id.symbol.partition("/")
    return instrument_id.base, quote or wiring.account_currency(cycle.config, market.traded)


def _tell(cycle: Cycle, orders: Iterable[Order | None], booked: Iterable[Fill]) -> None:
    """Say what has changed, now that it is in the ledger."""
    for order in orders:
        if order is not None:
            emit_order(order)
    for fill in booked:
        _tell_if_not_ours(cycle, fill)


def _tell_if_not_ours(cycle: Cycle, fill: Fill) -> None:
    what = f"{fill.side} {fill.last_qty:f} {fill.instrument_id} at {fill.last_px:f}"
    if fill.kind is FillKind.LIQUIDATION:
        text = f"the venue closed by force: {what} (trade {fill.trade_id})"
        alert(cycle.account, cycle.run_id, Severity.CRITICAL, Topic.LIQUIDATION, text)
    elif fill.client_order_id is None:
        text = f"booked a trade that no order of ours made: {what} (trade {fill.trade_id})"
        alert(cycle.account, cycle.run_id, Severity.WARNING, Topic.EXTERNAL_TRADE, text)


def book_transfers(cycle: Cycle, transfers: Iterable[Transfer]) -> None:
    """Book money and assets that came or went; they are never fills."""
    for transfer in transfers:
        with wiring.open_ledger().transaction() as books:
            new = books.transfers.record(transfer)
        if new:
            text = f"{transfer.kind} of {transfer.amount:f} {transfer.currency}"
            alert(cycle.account, cycle.run_id, Severity.INFO, Topic.TRANSFER, text)
