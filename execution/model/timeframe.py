"""The length of a bar as people write it: `1m`, `4h`, `1d`, `1w`."""

from __future__ import annotations

import re
from datetime import timedelta

from execution.errors import InputInvalid

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
UNITS = {"w": WEEK, "d": DAY, "h": timedelta(hours=1), "m": MINUTE}


def parse_timeframe(text: str) -> timedelta:
    """Read `1h` as an hour; raise InputInvalid for what no calendar can tell the bars of.

    A part of a day must divide it, or its bars would open at other times every day: there is
    `15m` and `4h`, but no `7m`. Above that there are a day and a week.
    """
    match = re.fullmatch(r"([1-9]\d*)([mhdw])", text)
    if not match:
        raise InputInvalid(f"timeframe {text!r} is not of the form 15m, 1h, 4h, 1d or 1w")
    interval = int(match[1]) * UNITS[match[2]]
    require_regular(interval)
    return interval


def require_regular(interval: timedelta) -> None:
    """Raise InputInvalid unless the interval is whole minutes that divide a day, or a week."""
    divides = interval > timedelta() and not DAY % interval and not interval % MINUTE
    if not (divides or interval == WEEK):
        raise InputInvalid(f"timeframe of {interval}: bars are a part of a day, a day or a week")


def timeframe_of(interval: timedelta) -> str:
    """Write an interval in its largest unit: `1h`, never `60m`."""
    require_regular(interval)
    unit, length = next((u, length) for u, length in UNITS.items() if not interval % length)
    return f"{interval // length}{unit}"
