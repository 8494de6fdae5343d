"""From regimes to wishes: one signal an instrument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal

import pandas as pd

from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId, StrategyId
from execution.model.money import ZERO
from execution.model.regime import Regime
from execution.model.signal import Signal
from execution.strategies.registry import DEFAULT_STRATEGIES, sides

FLAT = StrategyId("flat")  # stands where a regime is not traded: it closes
PLACES = Decimal("0.0001")


def make_signals(
    regimes: Iterable[Regime],
    bars: Mapping[InstrumentId, pd.DataFrame],
    strategies: Mapping[RegimeLabel, str | None] = DEFAULT_STRATEGIES,
) -> tuple[Signal, ...]:
    """Ask each regime's strategy for its side at the last bar, in the order of `regimes`.

    Instruments with a side share the portfolio equally, rounded down to four places; side 0
    has weight 0. A regime mapped to None closes; UNKNOWN, or a regime that is not mapped,
    gives no signal: nothing is opened and nothing is closed. Raises InputInvalid when the
    bars are not those of the regime.
    """
    wishes: list[tuple[Regime, str, int]] = []
    for regime in regimes:
        if regime.label is RegimeLabel.UNKNOWN or regime.label not in strategies:
            continue
        frame = bars.get(regime.instrument_id)
        if frame is None or frame.empty or frame["ts_close"].iloc[-1] != regime.ts_event:
            raise InputInvalid(
                f"{regime.instrument_id}: bars do not end at {regime.ts_event}, as its regime does"
            )
        name = strategies[regime.label]
        side = 0 if name is None else int(sides(name, frame).iloc[-1])
        wishes.append((regime, name or FLAT, side))
    held = sum(side != 0 for _, _, side in wishes)
    share = (Decimal(1) / max(1, held)).quantize(PLACES, ROUND_DOWN)
    return tuple(
        Signal(
            instrument_id=regime.instrument_id,
            ts_event=regime.ts_event,
            regime=regime.label,
            side=side,
            weight=share if side else ZERO,
            confidence=Decimal(repr(regime.confidence)).quantize(PLACES, ROUND_DOWN),
            strategy=StrategyId(name),
        )
        for regime, name, side in wishes
    )
