"""What hmmlearn and jumpmodels fit, labeled online by our own steps."""

import math

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from execution.regime.base import WARMUP_BARS, canonical, label, model_sha256, update
from execution.regime.compiled import log_returns
from execution.regime.extras import (
    DECAYS,
    JUMP_PENALTY,
    STARTS,
    _features,
    fit_hmmlearn,
    fit_jumpmodels,
)
from execution.regime.hidden_markov import SEED
from execution.regime.registry import MODELS, load
from tests.execution.regime.chains import EXTRAS, TRAIN, history
from tests.execution.walks import assert_no_lookahead

hmm = pytest.importorskip("hmmlearn.hmm", reason="the extra `regimes` is not installed")
jump = pytest.importorskip("jumpmodels.jump", reason="the extra `regimes` is not installed")

every_kind = pytest.mark.parametrize("kind", EXTRAS)


@every_kind
def test_no_label_changes_when_later_bars_arrive(kind: str):
    model = MODELS[kind].fit(history()[:TRAIN])

    for upto in (1, 2, 20, 333, 999):
        assert_no_lookahead(lambda bars: label(model, bars), history(), upto)


@every_kind
def test_bar_by_bar_gives_exactly_the_batch(kind: str):
    model, progress = MODELS[kind].fit(history()[:TRAIN]), None

    for place in range(60):
        progress, one = update(model, progress or model.start(), history()[place : place + 1])
        batch = label(model, history()[: place + 1])
        assert_frame_equal(batch[place:], one, check_exact=True)


@every_kind
def test_a_model_that_was_kept_reads_back(kind: str):
    model = MODELS[kind].fit(history()[:TRAIN])

    assert model_sha256(model) == model_sha256(load(canonical(model)))
    assert model_sha256(model) == model_sha256(MODELS[kind].fit(history()[:TRAIN]))


def test_the_filter_agrees_with_hmmlearns_likelihood():
    """Both count the same density over the same chain, but for how the first bar begins."""
    model = fit_hmmlearn(history()[:TRAIN])
    x = 100 * log_returns(history()["close"][:TRAIN].to_numpy(), math.nan)[1:, None]
    given = {"covars_prior": 1e-6, "min_covar": 1e-6, "n_iter": 200}
    starts = [hmm.GaussianHMM(2, random_state=SEED + k, **given).fit(x) for k in range(STARTS)]

    # Per cent against fractions: a factor of 100 in each density.
    ours = model.markov.log_likelihood - math.log(100) * len(x)

    assert max(start.score(x) for start in starts) == pytest.approx(ours, abs=2.0)


def test_labels_are_jumpmodels_own_online_labels():
    model = fit_jumpmodels(history()[:TRAIN])
    x = _features(history())
    kept = x[WARMUP_BARS:TRAIN]
    theirs = jump.JumpModel(n_components=2, jump_penalty=JUMP_PENALTY, random_state=SEED)
    mean, deviation = kept.mean(axis=0), kept.std(axis=0)
    theirs.fit((kept - mean) / deviation, sort_by="freq")
    turned = bool(theirs.centers_[0].sum() > theirs.centers_[1].sum())

    online = np.asarray(theirs.predict_online((x - mean) / deviation)) ^ turned

    assert len(DECAYS) == x.shape[1]
    assert list(online) == list(model.places(history()))
