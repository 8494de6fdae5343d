"""From Alpaca's JSON to our reports: exact, or ValueError; never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from execution.model.enums import AssetClass, OrderSide
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import (
    CLIENT_ORDER_ID_LENGTH,
    AccountId,
    ClientOrderId,
    InstrumentId,
    TradeId,
    VenueOrderId,
)
from execution.model.instrument import Instrument
from execution.model.money import ZERO
from execution.model.reports import BalanceReport, OrderReport, PositionReport
from execution.venues.alpaca.facts import ALPACA

STATUS = {
    "new": S.ACCEPTED,
    "accepted": S.ACCEPTED,
    "pending_new": S.ACCEPTED,
    "accepted_for_bidding": S.ACCEPTED,
    "pending_review": S.ACCEPTED,
    "held": S.ACCEPTED,  # the leg of a bracket whose entry has not filled
    "stopped": S.ACCEPTED,  # a fill is promised
    "suspended": S.ACCEPTED,
    "calculated": S.ACCEPTED,
    "done_for_day": S.ACCEPTED,  # it may go on tomorrow
    "pending_replace": S.ACCEPTED,
    "partially_filled": S.PARTIALLY_FILLED,
    "filled": S.FILLED,
    "pending_cancel": S.PENDING_CANCEL,
    "canceled": S.CANCELED,
    "replaced": S.CANCELED,  # by another order, under another id
    "expired": S.EXPIRED,
    "rejected": S.REJECTED,
}
SIDES = {"buy": OrderSide.BUY, "sell": OrderSide.SELL, "sell_short": OrderSide.SELL}
OURS = re.compile(rf"[a-z2-7]{{{CLIENT_ORDER_ID_LENGTH}}}")
NEW_YORK = ZoneInfo("America/New_York")
DOLLARS = "USD"


class Symbols:
    """Alpaca's spellings of the instruments we trade there, and of any other."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._all = tuple(instruments)
        self._by_name = {_compact(i.instrument_id.symbol): i.instrument_id for i in self._all}
        self._quotes = {i.instrument_id: i.quote for i in self._all}

    def of(self, symbol: str) -> InstrumentId:
        """The instrument of an order or a fill: `BTC/USD` and `BTCUSD` are one."""
        return self._by_name.get(_compact(symbol)) or InstrumentId(symbol, ALPACA)

    def quote(self, instrument_id: InstrumentId) -> str:
        """What its prices are in; dollars for what we do not trade."""
        return self._quotes.get(instrument_id, DOLLARS)

    def held(self, symbol: str) -> InstrumentId | None:
        """The instrument that a holding counts for; None where we trade none of it.

        A coin is held as a pair with the dollar, whatever it was bought with. Raises
        ValueError where two of our pairs could claim it.
        """
        exact = self._by_name.get(_compact(symbol))
        pairs = self._pairs(symbol)
        if exact is not None or not pairs:
            return exact
        if len(pairs) > 1:
            raise ValueError(f"a holding is of more than one instrument: {len(pairs)}")
        return pairs[0].instrument_id

    def asset(self, symbol: str, *, is_coin: bool) -> str:
        """What is moved under a symbol: the coin of a pair, or the stock."""
        base, slash, _ = symbol.partition("/")
        if slash or not (is_coin or self._pairs(symbol)):
            return base
        return symbol.removesuffix(DOLLARS)

    def _pairs(self, symbol: str) -> list[Instrument]:
        base = symbol.removesuffix(DOLLARS).removesuffix("/")
        return [i for i in self._all if i.asset_class is AssetClass.CRYPTO and i.base == base]


def order_report(body: Mapping[str, Any], symbols: Symbols, now: datetime) -> OrderReport:
    """One order. A `client_order_id` that is not of our form was not placed by us.

    An order of so many dollars, which a person may place, has no quantity: what it has
    filled stands in for it.
    """
    cum_qty = number(body["filled_qty"])
    status = STATUS.get(body["status"], S.UNKNOWN)
    if status is S.ACCEPTED and cum_qty > 0:
        status = S.PARTIALLY_FILLED
    client_order_id = body["client_order_id"]
    times = (body.get(name) for name in ("updated_at", "submitted_at", "created_at"))
    ts_text = next(filter(None, times), None)
    return OrderReport(
        client_order_id=ClientOrderId(client_order_id) if OURS.fullmatch(client_order_id) else None,
        venue_order_id=VenueOrderId(body["id"]),
        instrument_id=symbols.of(body["symbol"]),
        side=SIDES[body["side"]],
        status=status,
        order_qty=cum_qty if body["qty"] is None else number(body["qty"]),
        cum_qty=cum_qty,
        ts_event=moment(ts_text) if ts_text else now,
        reason=_reason(body),
    )


def _reason(body: Mapping[str, Any]) -> str:
    if body["status"] == "replaced":
        return f"replaced by {body.get('replaced_by')}"
    if body["status"] not in STATUS:
        return f"Alpaca says {body['status']!r}, which is not known here"
    if body.get("order_class") in ("bracket", "oco", "oto"):
        return f"of a {body['order_class']}"
    return "for an amount of money" if body["qty"] is None else ""


def fill(
    body: Mapping[str, Any],
    account: AccountId,
    symbols: Symbols,
    now: datetime,
) -> Fill:
    """One FILL activity. Its fee is none: Alpaca posts fees later, apart from the fill."""
    instrument_id = symbols.of(body["symbol"])
    last_qty, last_px = number(body["qty"]), number(body["price"])
    if last_qty <= 0 or last_px <= 0:
        raise ValueError(f"qty={last_qty}, price={last_px} breaks > 0")
    return Fill(
        trade_id=TradeId(text(body["id"])),
        account=account,
        instrument_id=instrument_id,
        client_order_id=None,
        venue_order_id=VenueOrderId(text(body["order_id"])),
        side=SIDES[body["side"]],
        last_qty=last_qty,
        last_px=last_px,
        commission=ZERO,
        commission_ccy=symbols.quote(instrument_id),
        ts_event=moment(body["transaction_time"]),
        ts_init=now,
    )


def positions(body: object, symbols: Symbols) -> tuple[PositionReport, ...]:
    """The holdings of what we trade there."""
    if not isinstance(body, list):
        raise TypeError("not a list")
    held = ((symbols.held(text(entry["symbol"])), entry) for entry in body)
    return tuple(
        PositionReport(instrument_id=instrument_id, net_qty=_signed(entry))
        for instrument_id, entry in held
        if instrument_id is not None
    )


def _signed(body: Mapping[str, Any]) -> Decimal:
    """A short holding is negative, whether its quantity says so or only its side."""
    qty = abs(number(body["qty"]))
    return {"long": qty, "short": -qty}[body["side"]]


def balance(body: Mapping[str, Any], *, crypto: bool) -> BalanceReport:
    """The account's dollars; where crypto is traded, what it lends is no buying power."""
    buying_power = number(body["buying_power"])
    if crypto:
        buying_power = min(buying_power, number(body["non_marginable_buying_power"]))
    return BalanceReport(
        currency=text(body["currency"]), cash=number(body["cash"]), buying_power=buying_power
    )


def blocks(body: Mapping[str, Any], *, crypto: bool) -> tuple[str, ...]:
    """Why the account may not trade now; what is not said is a block, too."""
    found = [
        f"{name}={body.get(name)}"
        for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user")
        if body.get(name) is not False
    ]
    states = ("status", "crypto_status") if crypto else ("status",)
    found += [f"{name}={body.get(name)}" for name in states if body.get(name) != "ACTIVE"]
    return tuple(found)


def uid(body: Mapping[str, Any]) -> str:
    """The account's own id."""
    return text(body["id"])


def number(value: object) -> Decimal:
    """An exact number: text, or a JSON number that was parsed as Decimal or int."""
    if type(value) not in (str, int, Decimal):
        raise ValueError(f"a number is {type(value).__name__}")
    try:
        parsed = Decimal(value)  # type: ignore[arg-type]
    except InvalidOperation:
        raise ValueError("a number is not one") from None
    if not parsed.is_finite():
        raise ValueError(f"a number is {parsed}")
    return parsed


def moment(value: object) -> datetime:
    """A time with its zone, as UTC; of what is finer than a microsecond nothing is kept."""
    parsed = datetime.fromisoformat(text(value))
    if parsed.tzinfo is None:
        raise ValueError("a time has no zone")
    return parsed.astimezone(UTC)


def end_of_day(value: object) -> datetime:
    """The last moment of a date in New York, UTC."""
    day = datetime.strptime(text(value), "%Y-%m-%d").date()  # noqa: DTZ007 - a date, no time
    return datetime.combine(day, time.max, NEW_YORK).astimezone(UTC)


def flag(value: object) -> bool:
    """Yes or no, and nothing else."""
    if not isinstance(value, bool):
        raise TypeError(f"a flag is {type(value).__name__}")
    return value


def text(value: object) -> str:
    """Words that must be there."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"a text is {type(value).__name__} or empty")
    return value


def _compact(symbol: str) -> str:
    return symbol.upper().replace("/", "")
