"""What an analysis is told beside the run's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from execution.errors import ConfigInvalid
from execution.venues.fill_model import BPS, FillModel

FEES = FillModel()


class AnalysisMode(StrEnum):
    """How much is looked at."""

    FAST = "fast"  # the configured model alone
    THOROUGH = "thorough"  # every model there is, on a longer history


HISTORY_BARS = {AnalysisMode.FAST: 2_500, AnalysisMode.THOROUGH: 5_000}


class AnalysisSettings(BaseModel):
    """Mode, history and costs of an analysis; it sends nothing and writes no books."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: AnalysisMode = Field(
        AnalysisMode.FAST, description="fast: one model; thorough: all of them, and how steady"
    )
    history_bars: int | None = Field(
        None, ge=1, description="Bars looked at; 2,500 (fast) or 5,000 (thorough) when left out"
    )
    cost_bps: Decimal = Field(
        FEES.half_spread_bps + FEES.commission_bps,
        ge=0,
        lt=10_000,
        description="What trading costs, in hundredths of a percent of what is traded",
    )
    out: Path | None = Field(
        None, description="Folder of the report; REGENT_HOME/signals/latest when left out"
    )

    @property
    def thorough(self) -> bool:
        """Whether models are compared."""
        return self.mode is AnalysisMode.THOROUGH

    @property
    def limit(self) -> int:
        """How many bars are read."""
        return self.history_bars or HISTORY_BARS[self.mode]

    @property
    def cost(self) -> float:
        """A fraction of what is traded."""
        return float(self.cost_bps * BPS)


def make_settings(told: Mapping[str, object]) -> AnalysisSettings:
    """Validate what was told, without what is None; ConfigInvalid with one line a problem."""
    try:
        return AnalysisSettings.model_validate({k: v for k, v in told.items() if v is not None})
    except ValidationError as error:
        lines = (f"{e['loc'][0]}={e['input']!r}: {e['msg']}" for e in error.errors())
        raise ConfigInvalid("\n".join(lines)) from None
