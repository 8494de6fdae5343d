"""Regime models by name: how each is fitted, and how a kept one is read again."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from execution.errors import ConfigInvalid, InputInvalid
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId
from execution.model.regime import ModelRef, Regime
from execution.regime import four
from execution.regime.bars import bars_sha256
from execution.regime.base import Fit, RegimeModel, canonical, check_prices, model_sha256
from execution.regime.baselines import BucketAdxModel, EwmaCutModel, fit_bucket_adx, fit_ewma_cut
from execution.regime.config import BucketConfig, RefitSchedule
from execution.regime.extras import JumpModel, fit_hmmlearn, fit_jumpmodels
from execution.regime.four import FourRegimeModel, fit_four
from execution.regime.levels import annualized, variance
from execution.regime.refit import fit_latest, label_since
from execution.regime.trend import trend_strength
from execution.regime.volatility import VolatilityModel, fit_volatility

BUCKETS = BucketConfig()


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry: how it is fitted, and the class that a kept model of its kind is read into."""

    fit: Fit
    model: type[Any]
    says: str
    four: bool = False  # whether it says the four regimes that strategies are chosen by


# A module that REGENT_PLUGINS names may enter its own: `MODELS["kind"] = Choice(...)`.
MODELS: dict[str, Choice] = {
    "four": Choice(fit_four, FourRegimeModel, "log range, then trend against pull", True),
    "bucket-adx": Choice(fit_bucket_adx, BucketAdxModel, "volatility bucket, then ADX", True),
    "student-t": Choice(fit_volatility, VolatilityModel, "two levels, Student-t chain"),
    "student-t-3": Choice(
        partial(fit_volatility, states=3), VolatilityModel, "three levels, Student-t chain"
    ),
    "ewma-cut": Choice(fit_ewma_cut, EwmaCutModel, "two levels, cut of the EWMA volatility"),
    "hmmlearn": Choice(fit_hmmlearn, VolatilityModel, "two levels, Gaussian chain of hmmlearn"),
    "jumpmodels": Choice(fit_jumpmodels, JumpModel, "two levels, jump model of jumpmodels"),
}


def choice(name: str) -> Choice:
    """Find a model by name; ConfigInvalid when unknown."""
    if name not in MODELS:
        raise ConfigInvalid(f"regime model {name!r} is unknown; there are {', '.join(MODELS)}")
    return MODELS[name]


def require_four(name: str) -> None:
    """Raise ConfigInvalid unless a run can choose strategies by what this model says."""
    fits = [known for known, choice in MODELS.items() if choice.four]
    if name in fits:
        return
    if name in MODELS:
        problem = f"says {MODELS[name].says.partition(',')[0]}, not the four regimes that"
        problem += f" strategies are chosen by; there are {', '.join(fits)}"
    else:
        near = difflib.get_close_matches(name, fits, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(fits)}"
        problem = f"is unknown; {hint}"
    raise ConfigInvalid(f"regime.model={name!r} {problem}")


def load(text: str) -> RegimeModel:
    """Read what `canonical` wrote; InputInvalid when it is not exactly that."""
    try:
        fields = json.loads(text)
        kind = fields["kind"]
        known = MODELS[kind].model
        model: RegimeModel = TypeAdapter(known).validate_python(fields)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputInvalid(f"this is no regime model of this version: {error}") from error
    if canonical(model) != text:
        raise InputInvalid(
            f"a {kind} model does not read back as it was written (version "
            f"{fields.get('version')}): fit it again"
        )
    return model


def fit_or_why(
    name: str, bars: pd.DataFrame, schedule: RefitSchedule
) -> tuple[RegimeModel | None, str]:
    """Fit a model on these bars, or say why there is none: too few of them, or no movement."""
    try:
        return fit_latest(choice(name).fit, bars, schedule), ""
    except InputInvalid as error:
        return None, f"before this bar, {error}"


def analyse(
    model: RegimeModel | None, instrument_id: InstrumentId, bars: pd.DataFrame, reason: str = ""
) -> Regime:
    """Label the last bar with a fitted model of the four regimes; UNKNOWN without one.

    `reason`: why there is none. Confidence is calibrated; volatility and trend strength
    (ADX) are for people.
    """
    if bars.empty:
        raise InputInvalid(f"no bars of {instrument_id}")
    check_prices(bars)
    said, confidence, ref = RegimeLabel.UNKNOWN, 0.0, None
    if model is not None:
        if model.names != four.NAMES:
            raise ConfigInvalid(f"regime model {model.kind!r} does not say the four regimes")
        trained_to = model.training.ts_last
        if trained_to > bars["ts_close"].iloc[-1]:
            raise InputInvalid(
                f"the {model.kind} model was trained on bars up to {trained_to}, later "
                f"than {bars['ts_close'].iloc[-1]}: that would be lookahead; fit it on earlier bars"
            )
        last = label_since(model, bars).iloc[-1]
        said, confidence = RegimeLabel(last["label"]), float(last["confidence"])
        ref = ModelRef(kind=model.kind, sha256=model_sha256(model), trained_to=trained_to)
    trend = trend_strength(bars, BUCKETS).iloc[-1]
    return Regime(
        instrument_id=instrument_id,
        label=said,
        confidence=confidence,
        volatility=float(annualized(variance(bars, BUCKETS), bars).iloc[-1]),
        trend_strength=0.0 if pd.isna(trend) else float(trend),
        ts_event=bars["ts_close"].iloc[-1].to_pydatetime(),
        bars=len(bars),
        bars_sha256=bars_sha256(bars),
        model=ref,
        reason=reason,
    )
