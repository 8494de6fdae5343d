"""From entries and exits to what is held."""

from __future__ import annotations

import pandas as pd

# What is held was entered some time ago: after ten lengths of the longest window, a history
# that began flat has met an entry or an exit, and holds what the whole history holds.
HOLD_PERIODS = 10


def hold(
    enter_long: pd.Series[bool],
    exit_long: pd.Series[bool],
    enter_short: pd.Series[bool],
    exit_short: pd.Series[bool],
) -> pd.Series[int]:
    """Walk through the bars: hold a side until its exit, or until the other side's entry.

    An entry counts before an exit at the same bar; long counts before short.
    """
    side, held = 0, []
    rows = zip(
        enter_long.tolist(),
        exit_long.tolist(),
        enter_short.tolist(),
        exit_short.tolist(),
        strict=True,
    )
    for long, leave_long, short, leave_short in rows:
        if long:
            side = 1
        elif short:
            side = -1
        elif (side == 1 and leave_long) or (side == -1 and leave_short):
            side = 0
        held.append(side)
    return pd.Series(held, index=enter_long.index, dtype="int64")
