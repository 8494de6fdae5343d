"""The check of the books: fold everything again from the facts, and compare exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from data.store.books import Books
from data.store.fills import check_order_of
from data.store.rows import event_from, fill_from
from execution.errors import InvariantBroken
from execution.model.enums import OrderSide, OrderType
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId
from execution.model.money import ZERO, quantize
from execution.model.order import SENDABLE, Order, OrderEvent, OrderIntent
from execution.model.position import Position

ACCOUNTS = """
    SELECT DISTINCT account FROM (
        SELECT account FROM intents UNION ALL SELECT account FROM fills
        UNION ALL SELECT account FROM positions UNION ALL SELECT account FROM transfers
    ) ORDER BY account
"""
EVENTS = """
    SELECT e.* FROM order_events e JOIN intents i USING (client_order_id) WHERE i.account = ?
"""
FILLS = "SELECT seq, base, quote, * EXCLUDE (venue, seq, base, quote) FROM fills WHERE account = ?"
# Rows that belong to no intent, so that no account's turn would meet them.
ORPHANS = """
    SELECT 'orders', client_order_id FROM orders ANTI JOIN intents USING (client_order_id)
    UNION
    SELECT 'order_events', client_order_id FROM order_events
    ANTI JOIN intents USING (client_order_id)
    UNION
    SELECT 'no order for the intent', client_order_id FROM intents
    ANTI JOIN orders USING (client_order_id)
    ORDER BY ALL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where the books are not what their facts say."""

    what: str
    key: str
    stored: str
    folded: str

    def __str__(self) -> str:
        return f"{self.what} {self.key}: stored {self.stored}, folded {self.folded}"


def verify(books: Books, account: AccountId | None = None) -> tuple[Finding, ...]:
    """Check one account's books, or all; nothing found means that they are exact."""
    findings = [*_orphans(books), *_models(books)]
    accounts = [account] if account else [AccountId(a) for (a,) in books.session.rows(ACCOUNTS)]
    for one in accounts:
        fills = [
            (seq, base, quote, fill_from(tuple(row)))
            for seq, base, quote, *row in books.session.rows(f"{FILLS} ORDER BY seq", one)
        ]
        findings += _orders(books, one, [(seq, fill) for seq, _, _, fill in fills])
        findings += _positions(books, one, [(base, fill) for _, base, _, fill in fills])
        findings += _cash(books, one, [(base, quote, fill) for _, base, quote, fill in fills])
    return tuple(findings)


def _orphans(books: Books) -> Iterator[Finding]:
    for what, key in books.session.rows(ORPHANS):
        yield Finding(what=what, key=key, stored="a row alone", folded="an intent and its order")


def _models(books: Books) -> Iterator[Finding]:
    for sha256, of_text in books.regime_models.tampered():
        yield Finding(what="regime model", key=sha256[:12], stored="its text", folded=of_text[:12])


def _orders(books: Books, account: AccountId, fills: list[tuple[int, Fill]]) -> Iterator[Finding]:
    stored = {order.client_order_id: order for order in books.orders.all(account)}
    intended = books.orders.intents(account)
    story: dict[ClientOrderId, list[tuple[int, OrderEvent | Fill]]] = {key: [] for key in stored}
    for seq, *row in books.session.rows(EVENTS, account):
        event = event_from(tuple(row))
        story.setdefault(event.client_order_id, []).append((seq, event))
    for seq, fill in fills:
        if fill.client_order_id in stored:
            story[fill.client_order_id].append((seq, fill))
        elif fill.client_order_id is not None:
            yield Finding(
                what="fill",
                key=fill.trade_id,
                stored=f"of order {fill.client_order_id}",
                folded="no such intent",
            )
    for key, order in stored.items():
        steps = [step for _, step in sorted(story[key], key=lambda numbered: numbered[0])]
        yield from _order(order, intended[key], steps)


def _order(stored: Order, intent: OrderIntent, steps: list[OrderEvent | Fill]) -> Iterator[Finding]:
    key = stored.client_order_id
    folded = Order(intent=intent)
    venue_ids = set()
    for step in steps:
        if step.venue_order_id:
            venue_ids.add(step.venue_order_id)
        if isinstance(step, Fill):
            try:
                check_order_of(folded, step)
            except InvariantBroken as error:
                yield Finding(what="fill", key=step.trade_id, stored=str(error), folded="its order")
            folded = folded.fill(step)
            continue
        # The venue may repeat itself; a second send is ours alone, and must not be.
        if step.status is S.SUBMITTED and folded.status not in SENDABLE:
            yield Finding(what="order", key=key, stored="sent again", folded=str(folded.status))
        folded = folded.apply(step)
    if folded != stored:
        yield Finding(what="order", key=key, stored=_tell(stored), folded=_tell(folded))
    if folded.cum_qty > folded.intent.order_qty and not _more_for_its_money(folded):
        yield Finding(
            what="order",
            key=key,
            stored=f"order_qty={folded.intent.order_qty}",
            folded=f"cum_qty={folded.cum_qty}: filled more than was ordered",
        )
    if len(venue_ids) > 1:
        ids = ", ".join(sorted(venue_ids))
        yield Finding(what="order", key=key, stored=f"venue orders {ids}", folded="at most one")


def _more_for_its_money(order: Order) -> bool:
    """Whether a market buy that is told what to spend brought more of it, for no more."""
    intent = order.intent
    buys = intent.side is OrderSide.BUY and intent.order_type is OrderType.MARKET
    return buys and quantize(order.cum_qty * order.avg_px) <= intent.notional


def _tell(o: Order) -> str:
    return (
        f"{o.status} order_qty={o.intent.order_qty} cum_qty={o.cum_qty} avg_px={o.avg_px} "
        f"venue_order_id={o.venue_order_id} reason={o.reason!r}"
    )


def _positions(
    books: Books, account: AccountId, fills: list[tuple[str, Fill]]
) -> Iterator[Finding]:
    folded: dict[InstrumentId, Position] = {}
    for base, fill in fills:
        key = fill.instrument_id
        before = folded.get(key, Position(account=account, instrument_id=key))
        folded[key] = before.apply(fill, base)
    stored = {position.instrument_id: position for position in books.positions.all(account)}
    for key in sorted(folded.keys() | stored.keys()):
        if folded.get(key) != stored.get(key):
            yield Finding(
                what="position",
                key=f"{account} {key}",
                stored=_tell_position(stored.get(key)),
                folded=_tell_position(folded.get(key)),
            )


def _tell_position(p: Position | None) -> str:
    if p is None:
        return "no row"
    return (
        f"net_qty={p.net_qty} avg_px={p.avg_px} realized_pnl={p.realized_pnl} "
        f"commission={p.commission}"
    )


def _cash(
    books: Books, account: AccountId, fills: list[tuple[str, str, Fill]]
) -> Iterator[Finding]:
    """Compare the sum that the database makes with one made here."""
    folded: dict[str, Decimal] = {}
    rows = books.session.rows("SELECT currency, amount FROM transfers WHERE account = ?", account)
    moves: list[tuple[str, Decimal]] = [(currency, amount) for currency, amount in rows]
    for base, quote, fill in fills:
        moves.append((quote, -fill.side.sign * quantize(fill.notional)))
        if fill.commission and fill.commission_ccy != base:
            moves.append((fill.commission_ccy, -fill.commission))
    for currency, amount in moves:
        folded[currency] = folded.get(currency, ZERO) + amount
    summed = books.cash(account)
    for currency in sorted(folded.keys() | summed.keys()):
        if folded.get(currency) != summed.get(currency):
            yield Finding(
                what="cash",
                key=f"{account} {currency}",
                stored=str(summed.get(currency)),
                folded=str(folded.get(currency)),
            )
