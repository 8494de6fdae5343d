"""From what ccxt made of a reply to our own words: exact, or no answer at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from execution.errors import VenueUnavailable
from execution.model.enums import FillKind, OrderSide, TransferKind
from execution.model.enums import OrderStatus as S
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    TradeId,
    VenueOrderId,
)
from execution.model.money import ZERO
from execution.model.reports import BalanceReport, OrderReport
from execution.model.transfer import Transfer

Raw = Mapping[str, Any]  # one of ccxt's structures

ENDED = {
    "canceled": S.CANCELED,
    "cancelled": S.CANCELED,
    "expired": S.EXPIRED,
    "rejected": S.REJECTED,
}
OPEN = {"open", "canceling", "pending"}
LIQUIDATIONS = {"BustTrade", "AdlTrade"}  # in a trade's own words


def order_report(
    order: Raw,
    instrument_id: InstrumentId,
    client_order_id: ClientOrderId | None,
    order_qty: Decimal | None,
) -> OrderReport:
    """Read an order; `order_qty` is what was asked for, None where that is not known.

    An order that is over with less than that filled is CANCELED: the rest never comes. One
    that the venue rejected may have fills, which are reported all the same.
    """
    what = f"order {order.get('id')} of {instrument_id}"
    cum_qty = number(order.get("filled"), f"filled of {what}")
    amount = order.get("amount")
    qty = order_qty if order_qty is not None else cum_qty
    if order_qty is None and amount is not None:
        qty = number(amount, f"amount of {what}")
    return OrderReport(
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId(text(order.get("id"), f"id of {what}")),
        instrument_id=instrument_id,
        side=_side(order, what),
        status=_status(order, qty, cum_qty, what),
        order_qty=qty,
        cum_qty=cum_qty,
        ts_event=moment(order.get("lastUpdateTimestamp") or order.get("timestamp"), what),
    )


def fill(
    trade: Raw,
    market_id: str,
    instrument_id: InstrumentId,
    account: AccountId,
    client_order_id: ClientOrderId | None,
    now: datetime,
) -> Fill:
    """Read an execution; venues count trades per market, so the market is part of its id.

    A rebate, or a fee in two currencies, cannot be booked: it raises VenueUnavailable.
    """
    what = f"trade {trade.get('id')} of {instrument_id}"
    commission, currency = _fee(trade, instrument_id, what)
    info = trade.get("info")
    forced = isinstance(info, Mapping) and info.get("execType") in LIQUIDATIONS
    last_qty = number(trade.get("amount"), f"amount of {what}")
    last_px = number(trade.get("price"), f"price of {what}")
    if last_qty <= 0 or last_px <= 0:
        raise VenueUnavailable(f"{what}: {last_qty} at {last_px} is no execution")
    return Fill(
        trade_id=TradeId(f"{market_id}:{text(trade.get('id'), f'id of {what}')}"),
        account=account,
        instrument_id=instrument_id,
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId(text(trade.get("order"), f"order of {what}")),
        side=_side(trade, what),
        last_qty=last_qty,
        last_px=last_px,
        commission=commission,
        commission_ccy=currency,
        ts_event=moment(trade.get("timestamp"), what),
        ts_init=now,
        kind=FillKind.LIQUIDATION if forced else FillKind.TRADE,
    )


def balances(balance: Raw) -> dict[str, BalanceReport]:
    """Read an account by currency; what is zero is left out."""
    totals = balance.get("total")
    free = balance.get("free")
    if not isinstance(totals, Mapping) or not isinstance(free, Mapping):
        raise VenueUnavailable("balance: the reply has no totals")
    reports = {}
    for currency, total in totals.items():
        cash = number(total, f"balance of {currency}")
        if cash:
            left = free.get(currency)
            reports[currency] = BalanceReport(
                currency=currency,
                cash=cash,
                buying_power=number(total if left is None else left, f"free {currency}"),
            )
    return reports


def transfers(entry: Raw, kind: TransferKind, account: AccountId) -> tuple[Transfer, ...]:
    """Read a deposit or a withdrawal, and its fee apart; none while it is under way."""
    if entry.get("status") not in ("ok", None):
        return ()
    what = f"{kind} {entry.get('id')}"
    transfer_id = text(entry.get("id") or entry.get("txid"), f"id of {what}")
    currency = text(entry.get("currency"), f"currency of {what}")
    sign = -1 if kind is TransferKind.WITHDRAWAL else 1
    moved = Transfer(
        transfer_id=f"{kind}:{transfer_id}",
        account=account,
        kind=kind,
        currency=currency,
        amount=sign * abs(number(entry.get("amount"), f"amount of {what}")),
        ts_event=moment(entry.get("updated") or entry.get("timestamp"), what),
    )
    fee = entry.get("fee") or {}
    cost = number(fee.get("cost") or "0", f"fee of {what}")
    if not cost or kind is TransferKind.DEPOSIT:  # a deposit is told net of its fee
        return (moved,)
    charged = Transfer(
        transfer_id=f"{moved.transfer_id}:fee",
        account=account,
        kind=TransferKind.FEE,
        currency=text(fee.get("currency") or currency, f"fee of {what}"),
        amount=-abs(cost),
        ts_event=moved.ts_event,
    )
    return moved, charged


def number(value: object, what: str) -> Decimal:
    """Read a number exactly; a float has been rounded already, and is refused."""
    try:
        read = Decimal(value) if isinstance(value, str | int) else None
    except InvalidOperation:
        read = None
    if read is None or isinstance(value, bool) or not read.is_finite():
        raise VenueUnavailable(f"{what}: not a number where the venue puts one")
    return read


def text(value: object, what: str) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise VenueUnavailable(f"{what}: nothing where the venue puts it")
    return value


def moment(value: object, what: str) -> datetime:
    """Read milliseconds since 1970."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise VenueUnavailable(f"time of {what}: not a time where the venue puts one")
    return datetime.fromtimestamp(value / 1000, UTC)


def _side(raw: Raw, what: str) -> OrderSide:
    side = raw.get("side")
    if side not in ("buy", "sell"):
        raise VenueUnavailable(f"side of {what}: neither buy nor sell")
    return OrderSide(side)


def _status(order: Raw, qty: Decimal, cum_qty: Decimal, what: str) -> S:
    status = order.get("status")
    if status in ENDED:
        return ENDED[status]
    if status == "closed":
        return S.FILLED if cum_qty >= qty > 0 else S.CANCELED
    if status in OPEN:
        return S.PARTIALLY_FILLED if cum_qty else S.ACCEPTED
    raise VenueUnavailable(f"status of {what}: none that we know")


def _fee(trade: Raw, instrument_id: InstrumentId, what: str) -> tuple[Decimal, str]:
    """The one fee of a trade, and its currency; the quote's where there is none."""
    fees = [fee for fee in (trade.get("fees") or [trade.get("fee")]) if fee]
    charged = [
        (number(fee.get("cost"), f"fee of {what}"), fee.get("currency"))
        for fee in fees
        if fee.get("cost") is not None
    ]
    charged = [(cost, currency) for cost, currency in charged if cost]
    if not charged:
        return ZERO, instrument_id.symbol.partition("/")[2].partition(":")[0]
    if len({currency for _, currency in charged}) > 1:
        raise VenueUnavailable(f"{what}: fees in two currencies, which the books cannot hold")
    cost = sum((cost for cost, _ in charged), ZERO)
    if cost < 0:
        raise VenueUnavailable(f"{what}: a rebate, which the books cannot hold")
    return cost, text(charged[0][1], f"fee currency of {what}")
