import sys
from decimal import ROUND_DOWN, Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.signal_files import validate_signals
from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.regime import Regime
from execution.model.signal import Signal
from execution.regime.base import label
from execution.regime.registry import analyse
from execution.strategies.base import Strategy, declared_in, strategy
from execution.strategies.registry import DEFAULT_STRATEGIES, choose, sides
from execution.strategies.signals import PLACES, make_signals
from execution.strategies.wishes import ask
from tests.execution.examples import AAPL
from tests.execution.regime.chains import TRAIN, fitted
from tests.execution.walks import random_walk

OURS = choose(DEFAULT_STRATEGIES)


@strategy("scripted", warmup_bars=3)
def scripted(
    bars: pd.DataFrame,
    side: int = 1,
    weight: float = 0.25,
    confidence: float = 0.6,
    stop: float = 0.9,
    target: float = 1.2,
) -> pd.DataFrame:
    """The same at every bar; exits as parts of the close, none for 0."""
    close = bars["close"]
    exits = {"stop_loss": stop, "take_profit": target}
    said = {name: close * part for name, part in exits.items() if part}
    return pd.DataFrame(
        {"side": side, "weight": weight, "confidence": confidence, **said}, index=bars.index
    )


@strategy("rising", warmup_bars=1)
def rising(bars: pd.DataFrame) -> pd.Series:
    """Long after a rise: another wish at every other bar."""
    return (bars["close"].diff() > 0).astype(int)


DECLARED = {definition.name: definition for definition in declared_in(sys.modules[__name__])}


def saying(**params: object) -> Strategy:
    return DECLARED["scripted"].with_params(params)


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

    bars = {r.instrument_id: frames[r.label] for r in regimes}
    signals, left_out = make_signals(regimes, bars, OURS)

    assert left_out == ()
    assert [s.strategy for s in signals] == ["donchian", "ma_cross", "mean_reversion"]
    assert [s.side for s in signals] == [1, 1, 1]
    assert {Decimal("0.3333")} == {s.weight for s in signals}  # rounded down: never above the whole
    assert {Decimal("0.7")} == {s.confidence for s in signals}
    assert [r.ts_event for r in regimes] == [s.ts_event for s in signals]
    validate_signals(signals)


@given(seed=st.integers(0, 2**32), upto=st.integers(TRAIN, 1_000))
@settings(max_examples=25)
def test_no_signal_changes_when_later_bars_arrive(seed: int, upto: int):
    """From bars to the wish, to the last place: what is said then is what all bars say of then."""
    model, whole, asked = (
        fitted("four"),
        random_walk(seed, 1_000),
        DECLARED["rising"].with_params({}),
    )

    bars = whole[:upto]
    regime = analyse(model, AAPL, bars)
    ((signal,), left_out) = make_signals([regime], {AAPL: bars}, dict.fromkeys(OURS, asked))

    then, wish = label(model, whole).iloc[upto - 1], ask(asked, whole).iloc[upto - 1]
    assert left_out == ()
    assert (signal.regime.value, signal.side) == (then["label"], wish["side"])
    assert signal.confidence == Decimal(repr(float(then["confidence"]))).quantize(
        PLACES, ROUND_DOWN
    )


def test_a_volatile_market_is_left_and_takes_no_share():
    calm, wild = ending_long("ma_cross"), random_walk(1, 200)
    regimes = [
        make_regime("A", RegimeLabel.CALM, calm),
        make_regime("B", RegimeLabel.VOLATILE, wild),
    ]
    bars = {regimes[0].instrument_id: calm, regimes[1].instrument_id: wild}

    (calm_signal, wild_signal), _ = make_signals(regimes, bars, OURS)

    assert (1, Decimal(1)) == (calm_signal.side, calm_signal.weight)
    assert (0, Decimal(0), "flat") == (wild_signal.side, wild_signal.weight, wild_signal.strategy)


def test_an_unknown_regime_gives_no_signal_at_all():
    """Too little history is no reason to close what a person holds."""
    bars = random_walk(1, 50)
    regime = make_regime("A", RegimeLabel.UNKNOWN, bars, confidence=0.0)

    assert make_signals([regime], {regime.instrument_id: bars}, OURS) == ((), ())


def test_unknown_stays_untraded_even_when_it_is_mapped():
    bars = ending_long("donchian")
    regime = make_regime("A", RegimeLabel.UNKNOWN, bars)

    mapped = choose({RegimeLabel.UNKNOWN: "donchian"})

    assert make_signals([regime], {regime.instrument_id: bars}, mapped) == ((), ())


def test_bars_that_are_not_the_regimes_are_refused():
    """A side from other bars than the regime's would be a signal about another moment."""
    bars = ending_long("donchian")
    regime = make_regime("A", RegimeLabel.TRENDING, bars)

    with pytest.raises(InputInvalid, match=r"A\.SIMULATED: bars do not end at"):
        make_signals([regime], {regime.instrument_id: bars[:-1]}, OURS)
    with pytest.raises(InputInvalid, match=r"A\.SIMULATED: bars do not end at"):
        make_signals([regime], {}, OURS)


def signal_of(said: Strategy, bars: pd.DataFrame, confidence: float = 0.7) -> Signal:
    regime = make_regime("A", RegimeLabel.TRENDING, bars, confidence)
    strategies = {RegimeLabel.TRENDING: said}
    ((signal,), _) = make_signals([regime], {regime.instrument_id: bars}, strategies)
    return signal


def test_a_strategys_own_weight_stop_and_target_go_into_its_signal():
    bars = random_walk(1, 10).assign(close=100.0, low=99.0, high=101.0)

    signal = signal_of(saying(), bars)

    assert (1, Decimal("0.25"), "scripted") == (signal.side, signal.weight, signal.strategy)
    assert (Decimal(90), Decimal(120)) == (signal.stop_loss, signal.take_profit)
    validate_signals([signal])


def test_a_strategy_is_never_surer_than_the_regime_it_runs_in():
    bars = random_walk(1, 10)

    assert Decimal("0.6") == signal_of(saying(confidence=0.6), bars, 0.7).confidence
    assert Decimal("0.7") == signal_of(saying(confidence=0.9), bars, 0.7).confidence


def test_who_wants_nothing_has_no_weight_and_no_exits():
    signal = signal_of(saying(side=0), random_walk(1, 10))

    assert (0, Decimal(0)) == (signal.side, signal.weight)
    assert (signal.stop_loss, signal.take_profit) == (None, None)


def test_a_weight_of_nothing_is_not_a_share_of_the_portfolio():
    assert Decimal(0) == signal_of(saying(weight=0.0), random_walk(1, 10)).weight


def test_exits_that_are_not_there_are_none():
    bars = random_walk(1, 10)

    signal = signal_of(saying(stop=0, target=0), bars)

    assert (signal.stop_loss, signal.take_profit) == (None, None)


def test_too_few_bars_for_the_warm_up_give_no_signal_and_say_so():
    """What is held is not closed for it, and nothing is opened."""
    bars = random_walk(1, 2)
    regime = make_regime("A", RegimeLabel.TRENDING, bars)

    made = make_signals([regime], {regime.instrument_id: bars}, {RegimeLabel.TRENDING: saying()})

    assert made == ((), ("A.SIMULATED: scripted wants 3 bars, there are 2",))


def test_a_wish_outside_the_rules_stops_everything_and_names_file_bar_and_rule():
    bars = random_walk(1, 10)

    with pytest.raises(InputInvalid) as error:
        signal_of(saying(weight=1.7), bars)

    assert str(error.value) == (
        f"A.SIMULATED: strategy scripted ({__name__}): bar 3 (2024-01-01T03:00:00+00:00), "
        "column weight: value 1.7 breaks 0 <= weight <= 1"
    )
