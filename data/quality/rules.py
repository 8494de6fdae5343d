"""What a person may set: how grave each expectation is, and where its line runs."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Severity(StrEnum):
    """What follows when an expectation is not met."""

    ERROR = "error"  # the run stops before anything is computed
    WARNING = "warning"  # it is recorded and shown
    OFF = "off"  # nobody looks


class QualityRules(BaseModel):
    """Severities by expectation where they are not the usual ones, and the thresholds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: dict[str, Severity] = Field(
        {}, description="By expectation: error, warning or off; `regent quality` lists them"
    )
    reference: str | None = Field(
        None, description="Another source to compare closes with: a feed, or a file of bars"
    )
    late_bars_max: int = Field(
        1, ge=0, description="Bars that may have closed since the newest one, live or stored"
    )
    zero_volume_run_max: int = Field(3, ge=1, description="Bars in a row without any volume")
    stale_run_max: int = Field(5, ge=1, description="Bars in a row with one and the same close")
    return_z_max: float = Field(
        10, gt=0, description="Robust z of a bar's log return: in MADs, scaled to deviations"
    )
    spike_left_max: float = Field(
        0.25, ge=0, lt=1, description="Share of such a return that is left after the next bar"
    )
    split_tolerance: float = Field(
        0.03, gt=0, lt=0.1, description="How near an opening jump comes to a split's ratio"
    )
    open_repeats_max: float = Field(
        0.1, ge=0, le=1, description="Share of openings that may equal the close before"
    )
    volume_z_max: float = Field(10, gt=0, description="Robust z of a bar's log volume")
    reference_difference_max: float = Field(
        0.01, gt=0, description="Difference of closes from the reference's, a fraction"
    )
    row_count_tolerance: float = Field(
        0.01, ge=0, lt=1, description="Share of the calendar's bars that may be lacking or too many"
    )
    leverage_max: float = Field(
        1, ge=1, description="Holdings by equity: above 1 cash may be below 0 by as much"
    )


DEFAULT_RULES = QualityRules()
