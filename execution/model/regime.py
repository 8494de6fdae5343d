"""What regime analysis says of one instrument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The bars a model was fitted on, and nothing after them."""

    bars: int
    ts_first: datetime  # UTC, open of the first
    ts_last: datetime  # UTC, close of the last
    bars_sha256: str  # of exactly those bars
    moves_sha256: str  # restated history has another; a history that was scaled has not
    parts_sha256: tuple[str, ...] = ()  # of the moves by the hundred bars, newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """Which fitted model has said it."""

    kind: str
    sha256: str  # 64 hex, of the whole model; the ledger keeps it under this
    trained_to: datetime  # UTC, close of the last bar it was fitted on

    def __str__(self) -> str:
        return f"{self.kind} {self.sha256[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """The label at the close of one bar, and which bars it was computed from."""

    instrument_id: InstrumentId
    label: RegimeLabel
    confidence: float  # 0 to 1
    volatility: float  # annualized, a fraction: for people to read
    trend_strength: float  # ADX, 0 to 100: for people to read
    ts_event: datetime  # UTC, close of the last bar used
    bars: int  # how many bars were used
    bars_sha256: str  # of exactly those bars
    model: ModelRef | None = None  # None: there was none to say it
    reason: str = ""  # why it is unknown
