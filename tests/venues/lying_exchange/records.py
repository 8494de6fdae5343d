"""What the lying exchange keeps: instruments, accounts, orders, fills, transfers, events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, auto

from execution.model.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from execution.model.money import ZERO

OPEN = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED})


class Dedupe(StrEnum):
    """What a venue makes of a client order id that it has seen before."""

    WHILE_OPEN = auto()  # refused while the other is open, then free again: Binance, Kraken
    FOREVER = auto()  # refused always: Bybit, Alpaca
    RETURN_EXISTING = auto()  # answered with the order that has it: Coinbase


class FeeIn(StrEnum):
    """Which currency a fee is taken from."""

    QUOTE = auto()
    RECEIVED = auto()  # base on a buy, quote on a sell
    THIRD = auto()  # such as BNB


class Trigger(StrEnum):
    """Which way the price has to cross `stop_px`."""

    ABOVE = auto()  # at or above
    BELOW = auto()


class Why(StrEnum):
    """Why the exchange refuses; each dialect has its own code and words for each."""

    UNKNOWN_KEY = auto()
    UNKNOWN_SYMBOL = auto()
    UNKNOWN_ORDER = auto()
    NOT_OPEN = auto()  # too late to cancel or amend
    DUPLICATE_CLIENT_ID = auto()
    INSUFFICIENT_FUNDS = auto()
    REDUCE_ONLY = auto()  # would not reduce a holding
    QTY_TOO_SMALL = auto()
    QTY_STEP = auto()
    PX_STEP = auto()
    NOTIONAL_TOO_SMALL = auto()
    WOULD_TAKE = auto()  # post-only, and it would fill at once
    WOULD_TRIGGER = auto()  # the stop has been crossed already
    NO_PRICE = auto()
    BAD_PARAMETER = auto()
    WINDOW_TOO_LONG = auto()  # a listing asks for more time than one page may span
    CLOCK = auto()  # the request's time is outside the window
    TOO_MANY_REQUESTS = auto()


class Refused(Exception):
    """The exchange says no; a dialect's `refuse` turns it into a reply."""

    def __init__(self, why: Why, text: str = "") -> None:
        super().__init__(text or why.value)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is traded; steps and minima are in base units and in quote."""

    symbol: str  # "BTC/USDT"
    px_step: Decimal
    qty_step: Decimal
    qty_min: Decimal
    notional_min: Decimal

    @property
    def base(self) -> str:
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.split("/")[1]

    @property
    def joined(self) -> str:
        """Without the slash: `BTCUSDT`."""
        return self.base + self.quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one venue differs from another; ids are made from a running number."""

    dedupe: Dedupe
    order_id: Callable[[int], str] = str
    trade_id: Callable[[int], str] = str
    market_rests: bool = False  # the rest of a market order stays open: Alpaca
    stops_may_trigger_at_once: bool = False  # else a stop that is crossed already is refused
    post_only_cancels: bool = False  # a taking post-only order is canceled, not refused: Bybit


@dataclass(frozen=True, slots=True, kw_only=True)
class FeePolicy:
    """What an account pays; `rate` is a fraction of the notional, for makers and takers."""

    rate: Decimal = Decimal("0.001")
    fee_in: FeeIn = FeeIn.QUOTE
    third: str = "BNB"
    third_px: Decimal = Decimal(500)  # quote for one unit of `third`


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency of one account; `total` is both together."""

    free: Decimal
    locked: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for; `qty` or, for a market order, `quote_qty` to spend or get.

    What trails has `trail` (in quote) or `trail_rate` (a fraction), and no `stop_px` yet.
    `trigger` is which way `stop_px` is crossed: by default a buy's from below, a sell's from
    above (a stop); the other way round makes it a take-profit. `memo` is for the dialect
    alone: whatever it has to echo later.
    """

    symbol: str
    side: OrderSide
    type: OrderType
    qty: Decimal = ZERO
    quote_qty: Decimal | None = None
    limit_px: Decimal | None = None
    stop_px: Decimal | None = None
    trail: Decimal | None = None
    trail_rate: Decimal | None = None
    trigger: Trigger | None = None
    tif: TimeInForce = TimeInForce.GTC
    expires_at: datetime | None = None
    post_only: bool = False
    reduce_only: bool = False
    client_id: str | None = None
    memo: Mapping[str, str] = field(default_factory=dict)

    @property
    def trails(self) -> bool:
        """Whether `stop_px` follows the price: of a trailing stop, or a trailing stop-limit."""
        return self.trail is not None or self.trail_rate is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(NewOrder):
    """An order the exchange has, as it was at `updated`; a change makes a new one."""

    order_id: str
    account: str
    created: datetime
    updated: datetime
    status: OrderStatus = OrderStatus.ACCEPTED
    cum_qty: Decimal = ZERO
    cum_quote: Decimal = ZERO  # what the fills came to, without fees
    triggered: bool = False  # its stop was crossed: it is a market or limit order now
    held: bool = False  # the leg of a bracket whose entry has not filled
    group_id: str | None = None
    liquidation: bool = False
    reason: str = ""  # why it was refused, canceled or expired
    fee_in: FeeIn | None = None  # instead of the account's
    fill_fraction: Decimal = Decimal(1)  # how much of what is left fills at a time

    @property
    def leaves_qty(self) -> Decimal:
        return self.qty - self.cum_qty

    @property
    def avg_px(self) -> Decimal | None:
        """The fill-weighted price; None without a fill."""
        return self.cum_quote / self.cum_qty if self.cum_qty else None

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def waits(self) -> bool:
        """A stop that was not crossed yet."""
        return self.stop_px is not None and not self.triggered


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution; a liquidation's has no client id."""

    trade_id: str
    order_id: str
    client_id: str | None
    account: str
    symbol: str
    side: OrderSide
    qty: Decimal
    px: Decimal
    fee: Decimal
    fee_ccy: str
    maker: bool
    liquidation: bool
    at: datetime

    @property
    def notional(self) -> Decimal:
        return self.qty * self.px


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A deposit (`amount` > 0) or a withdrawal (`amount` < 0)."""

    transfer_id: str
    account: str
    ccy: str
    amount: Decimal
    at: datetime


class Happening(StrEnum):
    """What happened to an order."""

    NEW = auto()
    TRIGGERED = auto()
    TRADE = auto()
    AMENDED = auto()
    CANCELED = auto()
    EXPIRED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened to `order`, which is how it was right after; `fill` with a TRADE."""

    event_id: int
    happening: Happening
    order: Order
    fill: Fill | None
    at: datetime
