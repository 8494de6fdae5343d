"""What regime analysis says of one instrument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """The label at the close of one bar, and which bars it was computed from."""

    instrument_id: InstrumentId
    label: RegimeLabel
    confidence: float  # 0 to 1
    volatility: float  # annualized, a fraction: for people to read
    trend_strength: float  # ADX, 0 to 100
    ts_event: datetime  # UTC, close of the last bar used
    bars: int  # how many bars were used
    bars_sha256: str  # of exactly those bars
