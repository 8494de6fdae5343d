"""What an account has made of the money in it, whatever came in or went out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What one unit of the money paid in at first was worth when a run looked."""

    unit: Decimal  # 1 at the first look, >= 0
    ts: datetime  # UTC
