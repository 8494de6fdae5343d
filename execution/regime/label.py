"""The label of each bar: volatility level first, then the trend filter in the middle level."""

from __future__ import annotations

import numpy as np
import pandas as pd

from execution.errors import InputInvalid
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId
from execution.model.regime import Regime
from execution.regime.bars import bars_sha256
from execution.regime.config import RegimeConfig
from execution.regime.levels import Level, annualized, levels, variance
from execution.regime.trend import trend_strength

DEFAULT = RegimeConfig()


def label_bars(bars: pd.DataFrame, config: RegimeConfig = DEFAULT) -> pd.DataFrame:
    """Label every bar from it and the bars before it alone; at least one bar.

    Columns: `label` (a RegimeLabel), `confidence` (0 to 1), `volatility` (annualized, a
    fraction), `trend_strength` (ADX, 0 to 100; 0 while it is not known). The index is that
    of `bars`. What is labeled never changes when later bars arrive.
    """
    variances = variance(bars, config)
    trend = trend_strength(bars, config)
    level = levels(variances, config)
    label = np.select(
        [
            (np.arange(len(bars)) + 1 < config.bars_min) | variances.isna() | trend.isna(),
            level == Level.HIGH,
            level == Level.LOW,
            trend > config.adx_trending,
        ],
        [RegimeLabel.UNKNOWN, RegimeLabel.VOLATILE, RegimeLabel.CALM, RegimeLabel.TRENDING],
        RegimeLabel.MEAN_REVERTING,
    )
    labels = pd.Series([RegimeLabel(text) for text in label], index=bars.index, dtype=object)
    return pd.DataFrame(
        {
            "label": labels,
            "confidence": agreement(labels, config.agreement_bars),
            "volatility": annualized(variances, bars),
            "trend_strength": trend.fillna(0.0),
        }
    )


def agreement(labels: pd.Series[str], bars: int) -> pd.Series[float]:
    """Share of the last `bars` labels, this one among them, that equal this one.

    A measure of how settled the label is, not a calibrated probability. 0 for UNKNOWN;
    bars before the first count as different.
    """
    same = pd.Series(0, index=labels.index)
    for back in range(bars):
        same += labels == labels.shift(back)
    return (same / bars).where(labels != RegimeLabel.UNKNOWN, 0.0)


def analyse(
    instrument_id: InstrumentId, bars: pd.DataFrame, config: RegimeConfig = DEFAULT
) -> Regime:
    """Label the last bar; UNKNOWN with confidence 0 while there are too few bars."""
    if bars.empty:
        raise InputInvalid(f"no bars of {instrument_id}")
    last = label_bars(bars, config).iloc[-1]
    return Regime(
        instrument_id=instrument_id,
        label=last["label"],
        confidence=float(last["confidence"]),
        volatility=float(last["volatility"]),
        trend_strength=float(last["trend_strength"]),
        ts_event=bars["ts_close"].iloc[-1].to_pydatetime(),
        bars=len(bars),
        bars_sha256=bars_sha256(bars),
    )
