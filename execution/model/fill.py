"""Facts: executions at a venue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.model.enums import FillKind, OrderSide
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    TradeId,
    VenueOrderId,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. Never edited: a correction is a new fill."""

    trade_id: TradeId  # from the venue; the dedupe key with venue and account
    account: AccountId
    instrument_id: InstrumentId
    client_order_id: ClientOrderId | None  # None: an order that is not ours
    venue_order_id: VenueOrderId
    side: OrderSide
    last_qty: Decimal  # base units, > 0
    last_px: Decimal  # quote per base unit, > 0
    commission: Decimal  # >= 0, in commission_ccy
    commission_ccy: str
    ts_event: datetime  # UTC, venue clock
    ts_init: datetime  # UTC, our clock
    kind: FillKind = FillKind.TRADE

    @property
    def notional(self) -> Decimal:
        """What changed hands, in quote units."""
        return self.last_qty * self.last_px
