from decimal import Decimal

import pandas as pd
import pytest

from data.signal_files import validate_signals
from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.regime import Regime
from execution.strategies.registry import sides
from execution.strategies.signals import make_signals
from tests.execution.walks import random_walk


def make_regime(
    symbol: str, label: RegimeLabel, bars: pd.DataFrame, confidence: float = 0.7
) -> Regime:
    return Regime(
        instrument_id=InstrumentId(symbol, VenueId("simulated")),
        label=label,
        confidence=confidence,
        volatility=0.2,
        trend_strength=30.0,
        ts_event=bars["ts_close"].iloc[-1].to_pydatetime(),
        bars=len(bars),
        bars_sha256="0" * 64,
    )


def ending_long(name: str) -> pd.DataFrame:
    """Bars at whose end the strategy is long."""
    bars = random_walk(7, 400)
    last = sides(name, bars).to_numpy().nonzero()[0]
    end = next(i for i in reversed(last) if sides(name, bars)[i] == 1)
    return bars[: end + 1]


def test_each_regime_is_traded_by_its_strategy_and_shares_the_portfolio():
    names = {
        RegimeLabel.TRENDING: "donchian",
        RegimeLabel.CALM: "ma_cross",
        RegimeLabel.MEAN_REVERTING: "mean_reversion",
    }
    frames = {label: ending_long(name) for label, name in names.items()}
    regimes = [make_regime(label.upper(), label, bars) for label, bars in frames.items()]

    signals = make_signals(regimes, {r.instrument_id: frames[r.label] for r in regimes})

    assert [s.strategy for s in signals] == ["donchian", "ma_cross", "mean_reversion"]
    assert [s.side for s in signals] == [1, 1, 1]
    assert {Decimal("0.3333")} == {s.weight for s in signals}  # rounded down: never above the whole
    assert {Decimal("0.7")} == {s.confidence for s in signals}
    assert [r.ts_event for r in regimes] == [s.ts_event for s in signals]
    validate_signals(signals)


def test_a_volatile_market_is_left_and_takes_no_share():
    calm, wild = ending_long("ma_cross"), random_walk(1, 200)
    regimes = [
        make_regime("A", RegimeLabel.CALM, calm),
        make_regime("B", RegimeLabel.VOLATILE, wild),
    ]
    bars = {regimes[0].instrument_id: calm, regimes[1].instrument_id: wild}

    calm_signal, wild_signal = make_signals(regimes, bars)

    assert (1, Decimal(1)) == (calm_signal.side, calm_signal.weight)
    assert (0, Decimal(0), "flat") == (wild_signal.side, wild_signal.weight, wild_signal.strategy)


def test_an_unknown_regime_gives_no_signal_at_all():
    """Too little history is no reason to close what a person holds."""
    bars = random_walk(1, 50)
    regime = make_regime("A", RegimeLabel.UNKNOWN, bars, confidence=0.0)

    assert make_signals([regime], {regime.instrument_id: bars}) == ()


def test_unknown_stays_untraded_even_when_it_is_mapped():
    bars = ending_long("donchian")
    regime = make_regime("A", RegimeLabel.UNKNOWN, bars)

    mapped = {RegimeLabel.UNKNOWN: "donchian"}

    assert make_signals([regime], {regime.instrument_id: bars}, mapped) == ()


def test_bars_that_are_not_the_regimes_are_refused():
    """A side from other bars than the regime's would be a signal about another moment."""
    bars = ending_long("donchian")
    regime = make_regime("A", RegimeLabel.TRENDING, bars)

    with pytest.raises(InputInvalid, match=r"A\.SIMULATED: bars do not end at"):
        make_signals([regime], {regime.instrument_id: bars[:-1]})
    with pytest.raises(InputInvalid, match=r"A\.SIMULATED: bars do not end at"):
        make_signals([regime], {})
