"""The other half of the lying exchange: every way in which it can be told to lie.

    exchange.lie(Lie(Fault.RESET_AFTER))                          # the next submit
    exchange.lie(Lie(Fault.TIMEOUT_AFTER, nth=3, delay_s=1))      # the third from now
    exchange.lie(replace(LIES["late_fills"], duration_s=2))       # every listing, for 2 s
    exchange.lie(Lie(Fault.RESET_BEFORE, ANY, times=None, probability=0.1, seed=7))

`LIES` holds one of every fault, scaled down for tests, by its name.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, auto

from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.records import Fill, Order


class Kind(StrEnum):
    """What a request is for."""

    SUBMIT = auto()
    AMEND = auto()
    CANCEL = auto()
    LOOKUP = auto()  # of one order, or a listing in which one has to be looked for
    OPEN_ORDERS = auto()
    FILLS = auto()
    QUERY = auto()  # of anything else
    STREAM = auto()  # one message of an order stream


ANY = frozenset(Kind) - {Kind.STREAM}
SUBMIT = frozenset({Kind.SUBMIT})
LISTINGS = frozenset({Kind.LOOKUP, Kind.OPEN_ORDERS, Kind.CANCEL, Kind.AMEND})


class Fault(StrEnum):
    """One way to lie; `delay_s` is the time it speaks of, `status` its HTTP status."""

    # On the wire, and the exchange never acted
    TIMEOUT_BEFORE = auto()  # no answer for `delay_s`, then the connection ends
    RESET_BEFORE = auto()
    ERROR_BEFORE = auto()  # a 5xx
    HTML_BEFORE = auto()  # 200 with a web page
    EMPTY_BEFORE = auto()  # 200 with nothing
    TOO_MANY_REQUESTS = auto()  # 429 with a Retry-After of `delay_s`
    # On the wire, and the exchange has acted
    TIMEOUT_AFTER = auto()
    RESET_AFTER = auto()
    ERROR_AFTER = auto()
    HTML_AFTER = auto()
    EMPTY_AFTER = auto()
    CUT_JSON_AFTER = auto()  # 200, whole for HTTP, but half the JSON
    BROKEN_BODY_AFTER = auto()  # the connection ends before the length that was announced
    TRICKLED = auto()  # the true answer, but `delay_s` long from its first byte to its last
    REJECTED_THEN_FILLED = auto()  # says refused; the order is there, and fills at once
    # In what it says of its orders and fills
    NOT_FOUND_AT_FIRST = auto()  # an order cannot be seen for `delay_s` after its acceptance
    STALE_OPEN_ORDERS = auto()  # open orders as they were `delay_s` ago
    DUPLICATE_FILLS = auto()
    LATE_FILLS = auto()  # a fill is listed only after `delay_s`
    REORDERED_FILLS = auto()  # newest first
    # In its time and its stream
    CLOCK_SKEW = auto()  # its clock is `delay_s` ahead (< 0: behind) of ours
    STREAM_SILENCE = auto()
    STREAM_DUPLICATES = auto()
    # In what it does with an order
    PARTIAL_FILLS = auto()  # at most half of what is left fills at a time
    FEE_IN_BASE = auto()  # a buy is paid for with a part of what was bought
    FORCED_LIQUIDATION = auto()  # after the order, the whole holding is sold


BEFORE = frozenset(
    {
        Fault.TIMEOUT_BEFORE,
        Fault.RESET_BEFORE,
        Fault.ERROR_BEFORE,
        Fault.HTML_BEFORE,
        Fault.EMPTY_BEFORE,
        Fault.TOO_MANY_REQUESTS,
    }
)
AFTER = frozenset(
    {
        Fault.TIMEOUT_AFTER,
        Fault.RESET_AFTER,
        Fault.ERROR_AFTER,
        Fault.HTML_AFTER,
        Fault.EMPTY_AFTER,
        Fault.CUT_JSON_AFTER,
        Fault.BROKEN_BODY_AFTER,
        Fault.TRICKLED,
        Fault.REJECTED_THEN_FILLED,
    }
)
WIRE = BEFORE | AFTER
# What a fault can happen to at all; everything else can happen to any request.
ONLY: dict[Fault, frozenset[Kind]] = {
    Fault.NOT_FOUND_AT_FIRST: LISTINGS,
    Fault.STALE_OPEN_ORDERS: frozenset({Kind.OPEN_ORDERS}),
    Fault.DUPLICATE_FILLS: frozenset({Kind.FILLS}),
    Fault.LATE_FILLS: frozenset({Kind.FILLS}),
    Fault.REORDERED_FILLS: frozenset({Kind.FILLS}),
    Fault.STREAM_SILENCE: frozenset({Kind.STREAM}),
    Fault.STREAM_DUPLICATES: frozenset({Kind.STREAM}),
}


@dataclass(frozen=True, slots=True)
class Lie:
    """A fault, and which requests it happens to.

    Of the requests of `kinds` (of `dialect`, or of all) since the lie was told, it happens
    from the `nth` on to `times` of them (None: to all), to each with `probability`, and to
    none once `duration_s` has gone by. Chances come from a generator of its own, seeded.
    Raises ValueError where it could never happen: see `ONLY`.
    """

    fault: Fault
    kinds: frozenset[Kind] = SUBMIT
    nth: int = 1
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0
    duration_s: float | None = None
    delay_s: float = 0.2
    status: int = 503
    dialect: str | None = None

    def __post_init__(self) -> None:
        apt = ONLY.get(self.fault, ANY)
        if not self.kinds & apt:
            told, could = (", ".join(sorted(kinds)) for kinds in (self.kinds, apt))
            raise ValueError(f"{self.fault} never happens to {told}, but to {could}")


LIES: dict[str, Lie] = {
    lie.fault.value: lie
    for lie in (
        *(Lie(fault) for fault in Fault if fault in WIRE - {Fault.TOO_MANY_REQUESTS}),
        Lie(Fault.TOO_MANY_REQUESTS, ANY, times=3),
        *(Lie(fault, kinds, times=None) for fault, kinds in ONLY.items()),
        Lie(Fault.CLOCK_SKEW, ANY, times=None, delay_s=60),
        Lie(Fault.PARTIAL_FILLS, times=None),
        Lie(Fault.FEE_IN_BASE, times=None),
        Lie(Fault.FORCED_LIQUIDATION),
    )
}


@dataclass(slots=True)
class _Told:
    lie: Lie
    at: datetime
    chances: random.Random
    seen: int = 0
    left: int | None = field(default=None)

    def holds(self, now: datetime, dialect: str) -> bool:
        lie = self.lie
        over = lie.duration_s is not None and now >= self.at + timedelta(seconds=lie.duration_s)
        return not over and self.left != 0 and lie.dialect in (None, dialect)

    def happens(self) -> bool:
        """Count one request of ours, and say whether the lie happens to it."""
        self.seen += 1
        if self.seen < self.lie.nth or self.chances.random() >= self.lie.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Lies:
    """The lies that were told, oldest first; any thread may ask."""

    def __init__(self) -> None:
        self.happened: Counter[tuple[str, Fault]] = Counter()  # by dialect
        self._told: list[_Told] = []
        self._lock = threading.Lock()

    def tell(self, lie: Lie, now: datetime) -> None:
        with self._lock:
            chances = random.Random(lie.seed)  # noqa: S311 - repeatable, on purpose
            self._told.append(_Told(lie, now, chances, left=lie.times))

    def clear(self) -> None:
        with self._lock:
            self._told.clear()

    def take(self, kind: Kind, dialect: str, now: datetime) -> tuple[Lie, ...]:
        """The lies that happen to this one request; it is counted."""
        with self._lock:
            ours = [t for t in self._told if kind in t.lie.kinds and t.holds(now, dialect)]
            lies = tuple(told.lie for told in ours if told.happens())
            self.happened.update((dialect, lie.fault) for lie in lies)
            return lies

    def skew(self, dialect: str, now: datetime) -> timedelta:
        """How far ahead the exchange's clock is."""
        with self._lock:
            ahead = [
                told.lie.delay_s
                for told in self._told
                if told.lie.fault is Fault.CLOCK_SKEW and told.holds(now, dialect)
            ]
        return timedelta(seconds=sum(ahead))


class View:
    """What one request gets to see of an account, given the lies that happen to it."""

    def __init__(self, engine: Engine, account: str, lies: Iterable[Lie] = ()) -> None:
        self._engine = engine
        self._account = account
        self._delays = {lie.fault: timedelta(seconds=lie.delay_s) for lie in lies}

    def find(self, order_id: str | None = None, client_id: str | None = None) -> Order | None:
        """The newest order with one of these ids; None where the venue would know of none."""
        for order in reversed(self.orders()):
            if order_id is not None and order.order_id == order_id:
                return order
            if client_id is not None and order.client_id == client_id:
                return order
        return None

    def orders(self) -> list[Order]:
        """Every order that ever was, open and closed, oldest first."""
        return [o for o in self._engine.orders(self._account) if self._seen(o)]

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """What may still fill, oldest first; long ago if it is stale."""
        stale = self._delays.get(Fault.STALE_OPEN_ORDERS)
        if stale is None:
            return [o for o in self._engine.open_orders(self._account, symbol) if self._seen(o)]
        then = self._engine.now() - stale
        past = [self._engine.order_at(o.order_id, then) for o in self.orders()]
        return [o for o in past if o and o.open and not o.held and symbol in (None, o.symbol)]

    def fills(self, symbol: str | None = None) -> list[Fill]:
        """Every execution, oldest first."""
        late = self._delays.get(Fault.LATE_FILLS)
        fills = [
            fill
            for fill in self._engine.fills(self._account)
            if symbol in (None, fill.symbol)
            and (late is None or fill.at + late <= self._engine.now())
        ]
        if Fault.DUPLICATE_FILLS in self._delays:
            fills = [fill for fill in fills for _ in range(2)]
        return fills[::-1] if Fault.REORDERED_FILLS in self._delays else fills

    def _seen(self, order: Order) -> bool:
        hidden = self._delays.get(Fault.NOT_FOUND_AT_FIRST)
        # Nothing hidden, nothing to compare: its clock may have been set back since.
        return hidden is None or order.created + hidden <= self._engine.now()
