"""A type per identity, so that one cannot be passed for another."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NewType, Self

from execution.errors import InputInvalid

RunId = NewType("RunId", str)
AccountId = NewType("AccountId", str)
VenueId = NewType("VenueId", str)
StrategyId = NewType("StrategyId", str)
ClientOrderId = NewType("ClientOrderId", str)  # ours, deterministic: the idempotency key
VenueOrderId = NewType("VenueOrderId", str)  # theirs
TradeId = NewType("TradeId", str)  # theirs; the fill's dedupe key

CLIENT_ORDER_ID_LENGTH = 18


@dataclass(frozen=True, slots=True, order=True)
class InstrumentId:
    """What is traded, with its venue; written `AAPL.SIMULATED`, `BTC/USDT.BINANCE`."""

    symbol: str
    venue: VenueId

    def __str__(self) -> str:
        return f"{self.symbol}.{self.venue.upper()}"

    @property
    def base(self) -> str:
        """The asset that a quantity counts: BTC of BTC/USDT, AAPL of AAPL."""
        return self.symbol.partition("/")[0]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str()` wrote; the venue is what follows the last dot."""
        symbol, dot, venue = text.rpartition(".")
        if not (symbol and dot and venue):
            raise InputInvalid(f"instrument id {text!r} is not of the form SYMBOL.VENUE")
        return cls(symbol, VenueId(venue.lower()))


def client_order_id(
    account: AccountId,
    strategy: StrategyId,
    instrument: InstrumentId,
    signal_time: datetime,
    leg: str,
    attempt: int = 0,
) -> ClientOrderId:
    """Derive the id from the intent, never from the run: 18 characters of `[a-z2-7]`.

    The same wish always has the same id, so a retry, a resumed run or a second run
    cannot make a second order of it. 90 bits of SHA-256; the alphabet and the length are
    accepted by every venue that takes a text id.
    """
    if signal_time.tzinfo is None:
        raise InputInvalid(f"signal_time={signal_time} has no time zone")
    stamp = signal_time.astimezone(UTC).isoformat()
    key = "\x1f".join((account, strategy, str(instrument), stamp, leg, str(attempt)))
    text = base64.b32encode(hashlib.sha256(key.encode()).digest()).decode().lower()
    return ClientOrderId(text[:CLIENT_ORDER_ID_LENGTH])
