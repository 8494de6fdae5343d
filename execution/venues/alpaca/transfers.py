"""Alpaca's activities that are no trades: money and assets that came or went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from execution.model.enums import TransferKind
from execution.model.identifiers import AccountId
from execution.model.transfer import Transfer
from execution.venues.alpaca.reading import DOLLARS, Symbols, end_of_day, moment, number, text

K = TransferKind
COIN_FEE = "CFEE"  # in coins where coins were received
KINDS = {
    "FEE": K.FEE,
    COIN_FEE: K.FEE,
    "PTC": K.FEE,  # of a depositary receipt, passed through
    "INT": K.INTEREST,
    "INTNRA": K.INTEREST,
    "INTTW": K.INTEREST,
}
DIVIDENDS = "DIV"  # and DIVNRA, DIVROC, DIVTXEX ...: with the tax that is kept back
# With these a quantity only says what was held or traded; with any other it moved.
IN_MONEY = ("DIV", "INT", "FEE", "PTC")
TRADE = "FILL"
CANCELED = "canceled"


def of(body: Mapping[str, Any], account: AccountId, symbols: Symbols) -> Iterator[Transfer]:
    """What one activity moved: dollars, an asset, both, or nothing.

    Many name only their day: theirs is the end of that day in New York. Many are posted
    days later; the id tells them apart for ever.
    """
    activity = text(body["activity_type"])
    if activity == TRADE or body.get("status") == CANCELED:
        return
    ts_event = moment(body["created_at"]) if body.get("created_at") else end_of_day(body["date"])
    identity = text(body["id"])
    amount = number(body.get("net_amount") or 0)
    if amount:
        yield _transfer(identity, account, activity, DOLLARS, amount, ts_event)
    qty = number(body.get("qty") or 0)
    if qty and not activity.startswith(IN_MONEY):
        asset = symbols.asset(text(body["symbol"]), is_coin=activity == COIN_FEE)
        yield _transfer(f"{identity}:asset", account, activity, asset, qty, ts_event)


def _transfer(
    transfer_id: str,
    account: AccountId,
    activity: str,
    currency: str,
    amount: Decimal,
    ts_event: datetime,
) -> Transfer:
    kind = KINDS.get(activity) or (K.DIVIDEND if activity.startswith(DIVIDENDS) else None)
    return Transfer(
        transfer_id=transfer_id,
        account=account,
        kind=kind or (K.DEPOSIT if amount > 0 else K.WITHDRAWAL),
        currency=currency,
        amount=amount,
        ts_event=ts_event,
    )
