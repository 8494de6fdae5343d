"""A wish, before it is sized or allowed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.model.enums import RegimeLabel, TimeInForce
from execution.model.identifiers import InstrumentId, StrategyId


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a strategy wants to hold of one instrument from `ts_event` on."""

    instrument_id: InstrumentId
    ts_event: datetime  # UTC: the close of the bar it was computed from
    regime: RegimeLabel
    side: int  # 1 long, -1 short, 0 close
    weight: Decimal  # share of the portfolio, 0 to 1
    confidence: Decimal  # 0 to 1
    strategy: StrategyId
    stop_loss: Decimal | None = None  # quote per base unit
    take_profit: Decimal | None = None
    quantity: Decimal | None = None  # base units; overrides the weight
    price: Decimal | None = None  # a limit; without it the order is a market order
    stop_px: Decimal | None = None  # the order goes out when the price gets there
    trail_pct: Decimal | None = None  # a stop that follows the price, instead of `stop_loss`
    display_qty: Decimal | None = None  # what an iceberg shows, base units
    time_in_force: TimeInForce | None = None  # as is usual for the instrument when left out
    expire_at: datetime | None = None  # with GTD, UTC
    post_only: bool = False
