"""From regimes to wishes: one signal an instrument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal

import pandas as pd

from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId, StrategyId
from execution.model.money import ZERO, quantize
from execution.model.regime import Regime
from execution.model.signal import Signal
from execution.strategies.base import FLAT, Strategy
from execution.strategies.wishes import STOP, TARGET, wishes

PLACES = Decimal("0.0001")
NOTHING = pd.Series({"side": 0.0})  # wished where a regime is not traded


def make_signals(
    regimes: Iterable[Regime],
    bars: Mapping[InstrumentId, pd.DataFrame],
    strategies: Mapping[RegimeLabel, Strategy | None],
) -> tuple[tuple[Signal, ...], tuple[str, ...]]:
    """Ask each regime's strategy for its wish at the last bar; also why others give none.

    In the order of `regimes`. A strategy's own weight is the signal's; the other instruments
    with a side share the portfolio equally, rounded down to four places; side 0 has weight 0.
    Confidence is the regime's, or the strategy's own where that is less. A regime mapped to
    None closes; UNKNOWN, a regime that is not mapped, or fewer bars than the strategy's
    `warmup_bars` give no signal: nothing is opened and nothing is closed. Raises InputInvalid
    when the bars are not those of the regime, or a strategy breaks a rule.
    """
    wished: list[tuple[Regime, str, pd.Series[float]]] = []
    left_out: list[str] = []
    for regime in regimes:
        if regime.label is RegimeLabel.UNKNOWN or regime.label not in strategies:
            continue
        frame = bars.get(regime.instrument_id)
        if frame is None or frame.empty or frame["ts_close"].iloc[-1] != regime.ts_event:
            raise InputInvalid(
                f"{regime.instrument_id}: bars do not end at {regime.ts_event}, as its regime does"
            )
        strategy = strategies[regime.label]
        if strategy is None:
            wished.append((regime, FLAT, NOTHING))
        elif len(frame) < strategy.warmup_bars:
            left_out.append(
                f"{regime.instrument_id}: {strategy.name} wants {strategy.warmup_bars:,} bars, "
                f"there are {len(frame):,}"
            )
        else:
            wished.append((regime, strategy.name, _last(strategy, frame, regime.instrument_id)))
    held = sum(bool(wish["side"]) for _, _, wish in wished)
    share = (Decimal(1) / max(1, held)).quantize(PLACES, ROUND_DOWN)
    return tuple(_signal(*each, share) for each in wished), tuple(left_out)


def _last(strategy: Strategy, bars: pd.DataFrame, instrument_id: InstrumentId) -> pd.Series[float]:
    try:
        return wishes(strategy, bars).iloc[-1]
    except InputInvalid as error:
        raise InputInvalid(f"{instrument_id}: {error}") from error


def _signal(regime: Regime, name: str, wish: pd.Series[float], share: Decimal) -> Signal:
    side = int(wish["side"])
    confidence = min(regime.confidence, float(wish.get("confidence", 1.0)))
    weight = _decimal(wish["weight"]) if "weight" in wish else share
    stop, target = (wish.get(column) if side else None for column in (STOP, TARGET))
    return Signal(
        instrument_id=regime.instrument_id,
        ts_event=regime.ts_event,
        regime=regime.label,
        side=side,
        weight=weight if side else ZERO,
        confidence=Decimal(repr(confidence)).quantize(PLACES, ROUND_DOWN),
        strategy=StrategyId(name),
        stop_loss=_price(stop),
        take_profit=_price(target),
    )


def _decimal(value: float) -> Decimal:
    """The shortest decimal that is this float, to the ledger's places."""
    return quantize(Decimal(repr(float(value))))


def _price(value: float | None) -> Decimal | None:
    return None if value is None or pd.isna(value) else _decimal(value)
