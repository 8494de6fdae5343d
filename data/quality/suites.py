"""Every expectation of bars and books, by name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from data.quality.bars import BARS
from data.quality.books import BOOKS
from data.quality.expectation import Expectation
from data.quality.rules import QualityRules, Severity
from execution.errors import ConfigInvalid

EXPECTATIONS: Mapping[str, Expectation[Any]] = {**BARS, **BOOKS}


def require_expectations(rules: QualityRules) -> None:
    """Raise ConfigInvalid for the severity of what there is not, or of what must be an error."""
    for name, severity in rules.severity.items():
        key = f"quality.severity.{name}"
        if name not in EXPECTATIONS:
            near = get_close_matches(name, EXPECTATIONS, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; `regent quality -v` lists them"
            raise ConfigInvalid(f"{key} is unknown{hint}")
        if EXPECTATIONS[name].gate and severity is not Severity.ERROR:
            raise ConfigInvalid(
                f"{key}={severity}: bars that break it are never taken: it is always an error"
            )
