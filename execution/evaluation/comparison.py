"""Regime models side by side: what their labels were worth, and how steady they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from execution.errors import ConfigInvalid, InputInvalid
from execution.evaluation.sampling import batched, clustered_error
from execution.evaluation.spells import UNKNOWN, switches
from execution.evaluation.walking import Walk, hindsight, walk
from execution.regime import four, volatility
from execution.regime.base import Fit, RegimeModel, label
from execution.regime.calibration import calibration_error
from execution.regime.compiled import Floats, log_returns, student_t
from execution.regime.config import RefitSchedule
from execution.regime.registry import MODELS

NU = 5.0  # of the density that returns are foretold with
SCALE_BARS = 20.0  # how many made-up bars say that a label makes no difference
ITERATIONS = 50
WINDOWS = (0.0, 0.05, 0.10, 0.15, 0.20)  # of a training left out at its beginning

# Who judges labels in hindsight, by what they can say: the name of a model that looks back.
JUDGES = {four.NAMES: "four", volatility.NAMES[2]: "student-t", volatility.NAMES[3]: "student-t-3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScore:
    """One model on one history, every label by a model of earlier bars alone."""

    name: str
    says: str
    problem: str = ""  # why there are no figures: not installed, cannot be fitted
    fits: int = 0
    bars: int = 0  # labeled
    switches: float | None = None  # changes a 1,000 bars
    gain: float | None = None  # nats a 1,000 bars, see `likelihood_gain`
    gain_error: float | None = None  # its standard error
    agreement: float | None = None  # with hindsight, 0 to 1
    calibration_error: float | None = None  # of the confidence, against hindsight, 0 to 1
    refits_agree: float | None = None  # 0 to 1, see `refits_agree`
    windows_agree: float | None = None  # 0 to 1, see `windows_agree`


class Comparison:
    """One history and its walks: each model is walked over it once."""

    def __init__(self, bars: pd.DataFrame, schedule: RefitSchedule) -> None:
        self._bars = bars
        self._schedule = schedule
        self._walks: dict[str, Walk] = {}

    def score(self, name: str) -> ModelScore:
        """Walk one registered model over the history and judge it.

        What is not installed or cannot be fitted on these bars is told in `problem`.
        """
        says = MODELS[name].says
        try:
            return self._score(name, says)
        except (ConfigInvalid, InputInvalid) as error:
            return ModelScore(name=name, says=says, problem=str(error))

    def _walk(self, name: str) -> Walk:
        if name not in self._walks:
            self._walks[name] = walk(MODELS[name].fit, self._bars, self._schedule)
        return self._walks[name]

    def _score(self, name: str, says: str) -> ModelScore:
        walked = self._walk(name)
        if not walked.fits:
            few = f"{len(self._bars)} bars are too few to fit on and to judge by"
            return ModelScore(name=name, says=says, problem=few)
        gains = likelihood_gain(walked, self._bars)
        labels = walked.labels["label"].tolist()
        judge = self._walk(JUDGES[walked.fits[0].model.names])
        right, said = judged(walked, hindsight(judge, self._bars))
        return ModelScore(
            name=name,
            says=says,
            fits=len(walked.fits),
            bars=sum(text != UNKNOWN for text in labels),
            switches=switches(labels),
            gain=1_000 * float(gains.mean()) if len(gains) else None,
            gain_error=1_000 * clustered_error(*batched(gains)) if len(gains) > 3 else None,
            agreement=float(right.mean()) if len(right) else None,
            calibration_error=calibration_error(said, right) if len(right) else None,
            refits_agree=refits_agree(walked, self._bars),
            windows_agree=windows_agree(MODELS[name].fit, self._bars, self._schedule),
        )


def likelihood_gain(walked: Walk, bars: pd.DataFrame) -> Floats:
    """Log likelihood of each next return given the label, over the one without labels; nats.

    One value for each labeled bar whose next return is known. Both densities are Student's t
    of five degrees of freedom around 0; its scale after each label, and over all labels, is
    learned on the training of the model that labels the bar, so nothing later is used. A
    logarithmic score (Good 1952): above 0 when the label says how far the next bar moves,
    whatever the model is made of; 0 for labels that say nothing.
    """
    ahead = np.append(log_returns(bars["close"].to_numpy(float), np.nan)[1:], np.nan)
    gains = []
    for fitted in walked.fits:
        training = bars.iloc[fitted.first : fitted.begin]
        said = label(fitted.model, training)["label"].to_numpy()[:-1]
        after = ahead[fitted.first : fitted.begin - 1]  # known when the training ended
        whole = scale_of(after, None)
        now = walked.labels["label"].to_numpy()[fitted.begin : fitted.end]
        x = ahead[fitted.begin : fitted.end]
        scales = {name: scale_of(after[said == name], whole) for name in fitted.model.names}
        own = np.array([scales.get(text, whole) for text in now])
        gains.append((_density(x, own) - _density(x, np.full(len(x), whole)))[np.isfinite(x)])
    return np.concatenate(gains) if gains else np.empty(0)


def _density(x: Floats, scale: Floats) -> Floats:
    """Log density of each return at its own scale; 0 where it is not known."""
    density: Floats = student_t(x / scale, np.zeros(1), np.ones(1), NU)[:, 0] - np.log(scale)
    return density


def scale_of(x: Floats, usual: float | None) -> float:
    """Scale of Student's t around 0 by maximum likelihood, drawn to what is `usual`, if given."""
    made_up = 0.0 if usual is None else SCALE_BARS
    center = 0.0 if usual is None else usual**2
    square = center or float(np.mean(x * x))
    if square <= 0:
        raise InputInvalid("closes do not move: there is no return to foretell")
    for _ in range(ITERATIONS):
        weight = (NU + 1) / (NU + x * x / square)
        square = float(((weight * x * x).sum() + made_up * center) / (len(x) + made_up))
    return float(np.sqrt(square))


def judged(walked: Walk, seen: Floats) -> tuple[Floats, Floats]:
    """How right each label was in hindsight (0 to 1), and its confidence, as many.

    `seen`: what `hindsight` says of each bar, in the order of the model's names. The judge is
    a yardstick of our own kind, not the truth.
    """
    place = {name: k for k, name in enumerate(walked.fits[0].model.names)}
    labels = walked.labels["label"].tolist()
    rows = [t for t, text in enumerate(labels) if text in place and np.isfinite(seen[t, 0])]
    right = seen[rows, [place[labels[t]] for t in rows]]
    return right, walked.labels["confidence"].to_numpy(float)[rows]


def refits_agree(walked: Walk, bars: pd.DataFrame) -> float | None:
    """Share of bars of which the next refit says the same as was said; None before two fits.

    Each model's bars are labeled again by the one after it, which was fitted on them.
    """
    same = total = 0
    for before, after in pairwise(walked.fits):
        again = label(after.model, bars.iloc[after.first : after.begin])["label"].to_numpy()
        block = walked.labels["label"].to_numpy()[before.begin : before.end]
        same += int((again[-len(block) :] == block).sum())
        total += len(block)
    return same / total if total else None


def windows_agree(fit: Fit, bars: pd.DataFrame, schedule: RefitSchedule) -> float | None:
    """Mean share of bars of which two fits on slightly other histories say the same.

    The last training with its first 0, 5, 10, 15 and 20 % left out, the shortest's bars
    labeled by each; None where that leaves fewer bars than are fitted on.
    """
    window = bars.tail(schedule.bars_max)
    cuts = [int(share * len(window)) for share in WINDOWS]
    if len(window) - cuts[-1] < schedule.bars_min:
        return None
    models: Sequence[RegimeModel] = [
        fit(window.iloc[cut:], bars_min=schedule.bars_min) for cut in cuts
    ]
    told = [label(model, window)["label"].to_numpy()[cuts[-1] :] for model in models]
    return float(np.mean([(a == b).mean() for a, b in combinations(told, 2)]))
