"""What every regime model is: fitted once, frozen, and the same to the bit ever after.

A model is a frozen dataclass. `advance` takes what is known of the bars so far and the next
bars, one or many, and says of each what it is; how the bars are cut into calls makes no
difference. So `label` (a history) and `update` (a new bar) are one thing called twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd

from execution.errors import InputInvalid, InvariantBroken
from execution.model.enums import RegimeLabel
from execution.model.regime import Training
from execution.regime.bars import bars_sha256, moves_sha256, parts_sha256
from execution.regime.calibration import Calibration, calibrate
from execution.regime.compiled import Floats, Ints
from execution.regime.config import BARS_MIN

WARMUP_BARS = 20  # the first bars of a history are UNKNOWN: the filter knows too little


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a model carries from one bar to the next; as much as it needs of the past."""

    bars: int
    filtered: tuple[float, ...]  # P(state | bars so far)
    label: int = -1  # the last one, as a place in the model's names
    ts_last: datetime | None = None  # UTC, close of the last bar
    last_close: float | None = None
    anchor: float | None = None  # log price
    past: pd.DataFrame | None = None  # the bars so far: what baselines compute from


class RegimeModel(Protocol):
    """A fitted model; every field is JSON, so that it can be kept and told by its hash."""

    @property
    def kind(self) -> str:
        """What it is; `registry.load` reads it by this."""

    @property
    def version(self) -> int:
        """Another version of a kind reads and labels in another way."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it can say, in rising order where there is one."""

    @property
    def training(self) -> Training:
        """What it was fitted on."""

    def start(self) -> Progress:
        """What is known before the first bar."""

    def advance(self, progress: Progress, bars: pd.DataFrame) -> tuple[Progress, pd.DataFrame]:
        """Say what each next bar is, and carry on; at least one bar.

        Columns: `label` (one of `names`, or "unknown"), `confidence` (0 to 1) and a
        probability `p_NAME` for each name. The index is that of `bars`.
        """


class Fit(Protocol):
    """How a model is made."""

    def __call__(self, bars: pd.DataFrame, *, bars_min: int = BARS_MIN) -> RegimeModel:
        """Fit on these bars alone; InputInvalid when they are too few or teach nothing.

        The same bars give the same model: what is random in it starts from a fixed seed.
        """


def label(model: RegimeModel, bars: pd.DataFrame) -> pd.DataFrame:
    """Label a history from its first bar on: each bar from it and those before it alone."""
    return model.advance(model.start(), bars)[1]


def update(
    model: RegimeModel, progress: Progress, bar: pd.DataFrame
) -> tuple[Progress, pd.DataFrame]:
    """Label one more bar (a frame of one row): exactly what `label` says of it."""
    if len(bar) != 1:
        raise InputInvalid(f"bars={len(bar)} breaks bars = 1: update takes one closed bar")
    return model.advance(progress, bar)


def require_bars(bars: pd.DataFrame, bars_min: int) -> None:
    """Raise InputInvalid for too few bars to fit on."""
    if len(bars) < bars_min:
        raise InputInvalid(
            f"bars={len(bars)} breaks bars >= {bars_min}: too few to fit a regime model; "
            "until there are more the regime is unknown and nothing is opened"
        )


def trained_on(bars: pd.DataFrame, bars_min: int = BARS_MIN) -> Training:
    """Note what a model is fitted on; InputInvalid when that is too little or not a price."""
    require_bars(bars, bars_min)
    check_prices(bars)
    return Training(
        bars=len(bars),
        ts_first=bars["ts_open"].iloc[0].to_pydatetime(),
        ts_last=bars["ts_close"].iloc[-1].to_pydatetime(),
        bars_sha256=bars_sha256(bars),
        moves_sha256=moves_sha256(bars),
        parts_sha256=parts_sha256(bars),
    )


def check_next(progress: Progress, bars: pd.DataFrame) -> datetime:
    """Refuse bars that do not follow what is known; the close of the last of them.

    A bar counted twice, or one of the past, would spoil every label after it.
    """
    check_prices(bars)
    opens, closes = bars["ts_open"], bars["ts_close"]
    before = closes.shift(1)
    before.iloc[0] = progress.ts_last
    early = opens < before  # not before the first bar of all, where nothing is known
    if early.any():
        row = int(early.to_numpy().argmax())
        raise InputInvalid(
            f"ts_open={opens.iloc[row]} of bar {row} breaks ts_open >= {before.iloc[row]}: the "
            "bar before it closed then; give each bar once, in order"
        )
    last: datetime = closes.iloc[-1].to_pydatetime()
    return last


def check_prices(bars: pd.DataFrame) -> None:
    """Refuse bars that no logarithm can be taken of: one would spoil every label after it."""
    if bars.empty:
        raise InputInvalid("no bars")
    for name in ("high", "low", "close", "open"):
        values = bars[name].to_numpy(float)
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            row = int(wrong.argmax())
            raise InputInvalid(f"{name}={values[row]} of bar {row} breaks a price above 0")
    crossed = bars["high"].to_numpy(float) < bars["low"].to_numpy(float)
    if crossed.any():
        raise InputInvalid(f"bar {int(crossed.argmax())} breaks high >= low")


def floats(values: Sequence[float] | Sequence[Sequence[float]]) -> Floats:
    """An array of what a model keeps as tuples."""
    return np.array(values, dtype=np.float64)


def told(
    names: Sequence[str],
    labels: Ints,
    probability: Floats,
    confidence: Floats,
    unknown: int,
    index: pd.Index[Any],
) -> pd.DataFrame:
    """Lay out what is said of each bar; the first `unknown` of them are "unknown"."""
    known = np.arange(len(index)) >= unknown
    texts = np.array([*names, RegimeLabel.UNKNOWN.value], dtype=object)
    frame = {
        "label": texts[np.where(known, labels, len(names))],
        "confidence": np.where(known, confidence, 0.0),
        **{f"p_{name}": probability[:, k] for k, name in enumerate(names)},
    }
    return pd.DataFrame(frame, index=index)


def calibrate_on_training(
    probability: Floats, labels: Ints, smoothed: Floats, skip: int = WARMUP_BARS
) -> Calibration:
    """Learn how often a label of the training was right, by what is known after all of it."""
    rows = np.arange(len(labels))
    said = probability[rows, labels][skip:]
    right = smoothed[rows, labels][skip:]
    return calibrate(said, right)


def canonical(model: RegimeModel) -> str:
    """The model as JSON: sorted keys, no spaces, every float to the bit."""
    if not hasattr(type(model), "__dataclass_fields__"):
        raise InvariantBroken(f"{type(model).__name__} is no dataclass: it has no canonical form")
    fields = asdict(model)  # type: ignore[call-overload]
    return json.dumps(
        fields, sort_keys=True, separators=(",", ":"), allow_nan=False, default=datetime.isoformat
    )


def model_sha256(model: RegimeModel) -> str:
    """Tell a model by the SHA-256 of its canonical JSON; 64 hex."""
    return hashlib.sha256(canonical(model).encode()).hexdigest()
