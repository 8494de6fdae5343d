"""How one exchange is described: what it takes, and where its answers are found.

A stop is native only where it keeps one id from placing to the last fill. On the others it
becomes another order under another id when it fires, or is taken for a plain order: there we
hold it ourselves.

The library's own methods read a page of nonsense as an empty list, and ask for more than was
meant. So questions name the venue's endpoints: what is not where the venue puts it is no
answer.

Texts in braces are filled in for each request: `{symbol}` is the market's id there, `{cid}`
our id on the wire, `{since_ms}` and `{until_s}` a window of time, both ends included.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from execution.model.enums import OrderType, TimeInForce
from execution.model.identifiers import ClientOrderId
from execution.venues.capabilities import Capabilities
from execution.venues.rate_limit import Limit

WINDOW_S = 10.0  # over which a venue's rate is counted
SERVER_DELAY_S = 15.0  # how long after its window a request may still be worked on

ROUNDING = Decimal("1E-8")  # the places that venues keep their books to
DAY_S = 86_400
BY_COST = "a market buy spends the quantity at the reference price: what is bought may differ"

Path = tuple[str | int, ...]


class Sandbox(StrEnum):
    """Where a venue lets one trade with play money."""

    TESTNET = "testnet"  # another address
    HEADER = "header"  # the same address, told by a header
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Form:
    """How an order type is asked for: as ccxt's `kind`, with these parameters."""

    kind: str  # market or limit
    params: Mapping[str, str] = field(default_factory=dict)


PLAIN = {OrderType.MARKET: Form("market"), OrderType.LIMIT: Form("limit")}
# ccxt reads `stopLossPrice` as "against us": a sell when it falls, a buy when it rises.
STOP = {OrderType.STOP: Form("market", {"stopLossPrice": "{stop_px}"})}
STOP_LIMIT = {OrderType.STOP_LIMIT: Form("limit", {"stopLossPrice": "{stop_px}"})}
TRIGGER = {OrderType.STOP: Form("market", {"triggerPrice": "{stop_px}"})}
TRIGGER_LIMIT = {OrderType.STOP_LIMIT: Form("limit", {"triggerPrice": "{stop_px}"})}

Tif = Mapping[TimeInForce, Mapping[str, str]]
AT_ONCE: Tif = {TimeInForce.IOC: {"timeInForce": "IOC"}, TimeInForce.FOK: {"timeInForce": "FOK"}}


class Shape(StrEnum):
    """How rows come."""

    LIST = "list"
    BY_ID = "by id"  # a dict
    ONE = "one"  # a single row, by itself


@dataclass(frozen=True, slots=True)
class Cursor:
    """How the next page is asked for: from the reply, from its last row, or by counting."""

    param: str
    reply: Path = ()  # where the reply names the next page; empty there: there is none
    row: str = ""  # or which field of the last row does; a page that is not full is the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question; its rows are at `rows` in the reply, in this shape and no other."""

    call: str
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: Path = ()
    shape: Shape = Shape.LIST
    page: int | None = None  # rows that one reply holds at most; None: it holds all
    span_s: int | None = None  # the longest window that may be asked for
    cursor: Cursor | None = None  # without one a full page is asked for again, in halves
    null_is_none: bool = False  # the venue says null where there are no rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One request that changes an order; `proof` is where the reply says that it was taken."""

    call: str
    params: Mapping[str, Any]
    proof: Path
    expected: object = None  # what must be there; None: anything


@dataclass(frozen=True, slots=True)
class Right:
    """Where a reply tells of one right: as yes or no, or as a word among others.

    The words are a list, one text with commas, or rows of word, read and write.
    """

    path: Path
    word: str = ""  # a pattern of the whole word, in any case; "": it says yes or no
    lacking: bool | None = False  # what it tells that no such word is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """How a venue is asked what the keys may do."""

    call: str
    params: Mapping[str, Any] = field(default_factory=dict)
    trade: Right
    withdraw: Right
    read_only: Path = ()  # where 1 takes every right away
    testnet: bool = True  # whether the testnet has the question, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """What one exchange is asked, and how."""

    by_id: Query | None = None  # finds an order by our id
    lists: tuple[Query, ...] = ()  # among which an order of ours is, if the venue has it
    conclusive: bool = False  # `by_id` alone can prove an absence
    open_orders: Query
    trades: Query
    every_symbol: bool = False  # `trades` and `open_orders` are of all symbols at once
    cancel: Action
    amend: Action | None = None
    wrap: str = ""  # under which ccxt wants a row to be
    refusals: tuple[Path, ...]  # where a refusal's code is; the first one found
    balance: Mapping[str, Any] = field(default_factory=dict)
    balance_rows: Path = ()  # (): the reply itself, a list
    account: Query | None = None  # names the account that orders are asked of
    uid: Query | None = None  # `rows` leads to it
    rights: Rights | None = None  # None: it does not tell what keys may do
    clock: Query | None = None  # a small public one, for the Date of its reply
    trade_cid: str = ""  # of a trade's row: our id on the wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One exchange, spot."""

    name: str
    cid_param: str = "clientOrderId"  # where our id goes, or it is dropped
    cid_pattern: str = r"[A-Za-z0-9_-]{1,32}"
    cid_prefix: str = ""  # on the wire
    cid_is_int: bool = False
    forms: Mapping[OrderType, Form] = field(default_factory=lambda: PLAIN)
    time_in_force: Tif = field(default_factory=lambda: AT_ONCE)
    always: Mapping[str, Any] = field(default_factory=dict)  # parameters of every order
    market_buy: Mapping[str, Any] = field(default_factory=dict)  # and of a market buy
    buys_by_cost: bool = False  # a market buy spends `order_qty` at `px_ref`
    display_param: str = ""  # of an iceberg
    px_digits: int | None = None  # significant digits of a price
    window_s: float = 60.0  # a request that left may be taken this long
    remembers_days: int = 60  # an order that is over can be asked for this long
    ambiguous: frozenset[str] = frozenset()  # codes that do not say that it was refused
    absent: frozenset[str] = frozenset()  # codes that say that there is no such order
    options: Mapping[str, Any] = field(default_factory=dict)  # of ccxt, against hidden calls
    adjusts_clock: bool = True
    rising_nonce: bool = False  # each private request must carry a larger one than the last
    transfers_by_currency: bool = False  # each currency has a wallet that is asked alone
    sandbox: Sandbox = Sandbox.NONE
    passphrase: bool = False
    limit: Limit  # in ccxt's units of cost
    note: str = ""
    queries: Queries

    def wire_id(self, client_order_id: ClientOrderId) -> str | int:
        """Our id as this venue is given it; always the same for the same id."""
        if self.cid_is_int:  # 45 bits, never 0
            digest = hashlib.sha256(client_order_id.encode()).digest()
            return (int.from_bytes(digest[:6]) >> 3) or 1
        return self.cid_prefix + client_order_id

    def takes_id(self, client_order_id: ClientOrderId) -> bool:
        """Whether the venue would take it as it is."""
        return re.fullmatch(self.cid_pattern, client_order_id) is not None

    def capabilities(self) -> Capabilities:
        """What placement may rely on."""
        return Capabilities(
            order_types=frozenset(self.forms),
            time_in_force=frozenset({TimeInForce.GTC, *self.time_in_force}),
            post_only=True,
            amend=self.queries.amend is not None,
            iceberg=bool(self.display_param),
            testnet=self.sandbox is not Sandbox.NONE,
            validity_window_s=self.window_s + SERVER_DELAY_S,
            rounding=ROUNDING,
            note=self.note,
        )


def per_ms(ms_per_unit: float) -> Limit:
    """One unit in so many milliseconds, as ccxt counts."""
    return Limit(WINDOW_S * 1000 / ms_per_unit, WINDOW_S)
