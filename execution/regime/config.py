"""What regime analysis is told: the model, when it is fitted again, and the plain buckets.

Nothing here loads what fits a model: settings are read by every command.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

BARS_MIN = 500  # fewer bars than this teach nothing that holds
# Longer sums are split among the processor's cores, and then their last digits depend on them.
BARS_MAX_MAX = 10_000


class RefitSchedule(BaseModel):
    """How much history a model is fitted on, and for how long it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bars_min: int = Field(BARS_MIN, ge=100, description="Fewer bars to fit on: regime unknown")
    bars_max: int = Field(
        2_000, ge=100, le=BARS_MAX_MAX, description="At most so many bars are fitted on"
    )
    every_bars: int = Field(250, ge=1, description="New bars after which it is fitted again")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.bars_max < self.bars_min:
            raise ValueError(f"bars_max={self.bars_max} breaks bars_max >= {self.bars_min=}")
        return self

    @property
    def bars_needed(self) -> int:
        """Bars from the first that a model was fitted on to the last that it may label."""
        return self.bars_max + self.every_bars


class RegimeSettings(RefitSchedule):
    """Which model says the regimes of a run, and its schedule."""

    model: str = Field("four", description="Which model says the regime; bucket-adx is plainer")


class BucketConfig(BaseModel):
    """Volatility buckets and the trend filter; frozen before the first bar is labeled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decay: float = Field(0.94, gt=0, lt=1, description="Weight of the past in the variance")
    calm_quantile: float = Field(0.20, ge=0, le=1, description="At or below it: calm")
    volatile_quantile: float = Field(0.80, ge=0, le=1, description="At or above it: volatile")
    adx_period: int = Field(14, ge=2, description="Bars of the trend filter")
    adx_trending: float = Field(25, ge=0, le=100, description="Above it: trending")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.calm_quantile >= self.volatile_quantile:
            raise ValueError(
                f"calm_quantile={self.calm_quantile} breaks calm_quantile < volatile_quantile="
                f"{self.volatile_quantile}"
            )
        return self
