"""Hamilton (1989): the filter against statsmodels and EViews, on US real GNP.

His model's mean switches and its errors are autoregressive of order four, so a state is the
regimes of five quarters. It is laid over the same compiled forward step as our models.
"""

import ast
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from statsmodels.tsa.regime_switching.markov_autoregression import MarkovAutoregression

from execution.regime.compiled import Floats, forward
from execution.regime.hidden_markov import stationary

ORDER = 4
LATE = np.array([[0.754673, 1 - 0.754673], [0.095915, 1 - 0.095915]])  # from, to
MEANS, VARIANCE = np.array([-0.358811, 1.163516]), np.exp(-0.262658) ** 2
LAGS = np.array([0.013486, -0.057521, -0.246983, -0.212923])
LOG_LIKELIHOOD = -181.26339
PATHS = np.array(list(product([0, 1], repeat=ORDER + 1)))  # the latest quarter first


def published(name: str) -> Floats:
    """A list in statsmodels' own test of this model; read, for its markers are not ours."""
    spec = find_spec("statsmodels.tsa.regime_switching.tests.test_markov_autoregression")
    assert spec is not None
    assert spec.origin is not None
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return np.array(ast.literal_eval(node.value))
    raise AssertionError(f"statsmodels has no {name} any more")


def growth() -> Floats:
    """US real GNP, quarterly growth in per cent, 1951-1984."""
    return published("rgnp")


def expanded() -> tuple[Floats, Floats, Floats]:
    """Log density, transition and start of the chain of five quarters' regimes."""
    y = growth()
    step = np.zeros((len(PATHS), len(PATHS)))
    for (i, before), (j, after) in product(enumerate(PATHS), repeat=2):
        if (after[1:] == before[:-1]).all():
            step[i, j] = LATE[before[0], after[0]]
    lagged = np.stack([y[ORDER - k : len(y) - k] for k in range(ORDER + 1)], axis=1)
    deviation = lagged[:, None, :] - MEANS[PATHS]
    error = deviation @ np.concatenate([[1.0], -LAGS])
    density = -0.5 * (np.log(2 * np.pi * VARIANCE) + error**2 / VARIANCE)
    start = stationary(LATE)[PATHS[:, -1]].copy()
    for late, early in zip(PATHS.T[:-1], PATHS.T[1:], strict=True):
        start *= LATE[early, late]
    return density, step, start


def test_the_filter_is_hamiltons():
    filtered, log_likelihood = forward(*expanded())
    by_regime = np.stack([filtered[:, PATHS[:, 0] == s].sum(axis=1) for s in (0, 1)], axis=1)

    model = MarkovAutoregression(growth(), k_regimes=2, order=ORDER, switching_ar=False)
    theirs = model.smooth(np.r_[LATE[:, 0], MEANS, VARIANCE, LAGS])

    assert log_likelihood == pytest.approx(LOG_LIKELIHOOD, abs=1e-5)
    assert log_likelihood == pytest.approx(theirs.llf, abs=1e-12 * abs(theirs.llf))
    assert_allclose(by_regime, theirs.filtered_marginal_probabilities, rtol=0, atol=1e-12)
    assert_allclose(by_regime[:, 1], published("hamilton_ar4_filtered"), rtol=0, atol=1e-5)
