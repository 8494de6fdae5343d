"""The orders that a watch follows, as the books last had them, and what has changed since."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from data.store.books import Books
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, ClientOrderId
from execution.model.order import IN_FLIGHT, OPEN, SENDABLE, Order
from execution.venues.base import OrderHint
from tasks import wiring

UNDER_WAY = OPEN | IN_FLIGHT  # the venue has it, or may have it


class Followed:
    """One account's orders, kept between two looks: a look into the ledger has its price."""

    def __init__(self, account: AccountId) -> None:
        self.opened_at: datetime | None = None  # None: the account has no books yet
        self.sent_at: dict[ClientOrderId, datetime] = {}  # when each was first sent, our clock
        self._account = account
        self._working: dict[ClientOrderId, Order] | None = None

    @property
    def under_way(self) -> tuple[Order, ...]:
        """Those that are open or in flight, oldest first."""
        working = self._working or {}
        return tuple(order for order in working.values() if order.status in UNDER_WAY)

    @property
    def holds(self) -> bool:
        """Whether something waits with us for its price or its time."""
        return any(order.status is S.HELD for order in (self._working or {}).values())

    def refresh(self) -> tuple[Order, ...]:
        """Read them again; return those whose status or filled quantity is another one now.

        The first time there is nothing to compare with, so none has changed.
        """
        before = self._working
        with wiring.open_ledger().reading() as books:
            self.opened_at = self.opened_at or books.accounts.opened_at(self._account)
            now = {o.client_order_id: o for o in books.orders.working(self._account)}
            ended = [books.orders.get(key) for key in (before or {}) if key not in now]
            self._learn_sends(books, now.values())
        self._working = now
        if before is None:
            return ()
        changed = [o for o in now.values() if _state(o) != _state(before.get(o.client_order_id))]
        return (*(order for order in ended if order is not None), *changed)

    def named(self, hints: Iterable[OrderHint]) -> tuple[tuple[Order, ...], bool]:
        """The orders of ours that hints are of, and whether every hint is of one."""
        given = tuple(hints)
        known = _by_id((self._working or {}).values())
        if any(_match(hint, known) is None for hint in given):
            known |= _by_id(self._look_up(given))
        matches = [_match(hint, known) for hint in given]
        found = {order.client_order_id: order for order in matches if order is not None}
        return tuple(found.values()), None not in matches

    def _look_up(self, hints: Iterable[OrderHint]) -> list[Order]:
        """The orders of these ids in the books: new ones, and those that have ended."""
        given = tuple(hints)
        with wiring.open_ledger().reading() as books:
            ids = [h.venue_order_id for h in given if h.venue_order_id]
            orders = [*books.orders.by_venue_id(self._account, ids).values()]
            keys = [h.client_order_id for h in given if h.client_order_id]
            orders += [order for key in keys if (order := books.orders.get(key)) is not None]
            ours = [order for order in orders if order.intent.account == self._account]
            self._learn_sends(books, ours)
        return ours

    def _learn_sends(self, books: Books, orders: Iterable[Order]) -> None:
        new = [o for o in orders if o.client_order_id not in self.sent_at]
        sent = books.orders.sends([o for o in new if o.status not in SENDABLE])
        self.sent_at |= {key: times[0] for key, times in sent.items()}


def _by_id(orders: Iterable[Order]) -> dict[str, Order]:
    """Each order under our id and, once it has one, under the venue's."""
    found: dict[str, Order] = {}
    for order in orders:
        found[order.client_order_id] = order
        if order.venue_order_id:
            found[order.venue_order_id] = order
    return found


def _match(hint: OrderHint, known: dict[str, Order]) -> Order | None:
    return known.get(hint.client_order_id or "") or known.get(hint.venue_order_id or "")


def _state(order: Order | None) -> tuple[object, ...]:
    return (order.status, order.cum_qty) if order else ()
