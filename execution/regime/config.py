"""What regime analysis is told; the defaults are the ones that were measured."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RegimeConfig(BaseModel):
    """Frozen before the first bar is labeled: a label never depends on later bars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bars_min: int = Field(120, ge=1, description="Fewer bars than this: the regime is unknown")
    decay: float = Field(0.94, gt=0, lt=1, description="Weight of the past in the variance")
    calm_quantile: float = Field(0.20, ge=0, le=1, description="At or below it: calm")
    volatile_quantile: float = Field(0.80, ge=0, le=1, description="At or above it: volatile")
    adx_period: int = Field(14, ge=2, description="Bars of the trend filter")
    adx_trending: float = Field(25, ge=0, le=100, description="Above it: trending")
    agreement_bars: int = Field(10, ge=1, description="Bars the confidence looks back over")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.calm_quantile >= self.volatile_quantile:
            raise ValueError(
                f"calm_quantile={self.calm_quantile} breaks calm_quantile < volatile_quantile="
                f"{self.volatile_quantile}"
            )
        if self.bars_min < 2 * self.adx_period:
            raise ValueError(f"bars_min={self.bars_min} breaks bars_min >= 2 * adx_period")
        return self
