"""The limits a trader sets; the names and numbers of the requirements."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class RiskLimits(BaseModel):
    """Fractions are of the account's equity; money is in the account's currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_position_size_pct: Decimal = Field(
        Decimal("0.20"), gt=0, le=1, description="Largest worth of one position"
    )
    max_exposure_pct: Decimal = Field(
        Decimal("0.95"), gt=0, le=1, description="Largest worth of all positions together"
    )
    max_positions: int = Field(10, ge=1, description="Most positions held at once")
    min_confidence: Decimal = Field(
        Decimal("0.50"), ge=0, le=1, description="Lowest confidence that may open a position"
    )
    max_signal_age_h: Decimal = Field(
        Decimal(96), gt=0, description="Oldest signal that may open a position: a long weekend"
    )
    max_daily_loss_pct: Decimal = Field(
        Decimal("0.05"), gt=0, le=1, description="Loss since the day's start that stops opening"
    )
    min_balance: Decimal = Field(
        Decimal(100), ge=0, description="Least equity with which positions are opened"
    )
    buying_power_buffer_pct: Decimal = Field(
        Decimal("0.01"), ge=0, le=1, description="Kept back for fees and slippage on buys"
    )
