"""The suite of bars: every expectation there is, by name."""

from __future__ import annotations

from data.quality.bar_errors import ERRORS
from data.quality.bar_warnings import WARNINGS
from data.quality.expectation import Expectation
from data.quality.sample import BarSample

BARS: dict[str, Expectation[BarSample]] = {one.name: one for one in (*ERRORS, *WARNINGS)}
