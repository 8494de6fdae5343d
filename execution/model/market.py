"""What the market last said of one instrument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.model.identifiers import InstrumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSnapshot:
    """The last closed bar, with what the fill model needs to know of liquidity."""

    instrument_id: InstrumentId
    last_px: Decimal  # the bar's close, or the price traded now; quote per base unit, > 0
    high: Decimal
    low: Decimal
    volume: Decimal  # base units traded in the bar, >= 0
    ts_open: datetime  # UTC, start of the bar
    ts_event: datetime  # UTC, when `last_px` was known: the end of the bar, or now
    adv: Decimal  # average daily volume over the last 20 days, base units, >= 0
    volatility_day: Decimal  # standard deviation of daily log returns, a fraction, >= 0
