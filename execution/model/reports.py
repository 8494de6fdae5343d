"""What a venue claims; the books decide what to make of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.model.enums import OrderSide, OrderStatus
from execution.model.fill import Fill
from execution.model.identifiers import ClientOrderId, InstrumentId, VenueOrderId

FillReport = Fill  # a fill is a fact: the claim and the fact have one shape


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """One order as the venue sees it."""

    client_order_id: ClientOrderId | None  # None: not placed by us
    venue_order_id: VenueOrderId
    instrument_id: InstrumentId
    side: OrderSide
    status: OrderStatus
    order_qty: Decimal  # base units
    cum_qty: Decimal
    ts_event: datetime  # UTC, venue clock
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReport:
    """One holding as the venue sees it; `net_qty` < 0 is short."""

    instrument_id: InstrumentId
    net_qty: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceReport:
    """The account's money as the venue sees it, in one currency."""

    currency: str
    cash: Decimal
    buying_power: Decimal
