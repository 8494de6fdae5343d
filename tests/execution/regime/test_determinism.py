"""The same bars give the same model, to the last digit, however many cores there are."""

import os
import subprocess
import sys

from numba.core.dispatcher import Dispatcher

from execution.regime import compiled
from execution.regime.base import model_sha256
from execution.regime.config import BARS_MAX_MAX
from execution.regime.four import fit_four
from tests.execution.walks import random_walk

ONE_CORE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
CHILD = """
from tests.execution.regime.test_determinism import longest
print(longest())
"""


def longest() -> str:
    """Hash of a model fitted on as many bars as a schedule allows."""
    return model_sha256(fit_four(random_walk(1, BARS_MAX_MAX)))


def test_one_core_and_all_of_them_fit_the_same_model():
    """Twice as many bars did not: sums are shared among cores from somewhere above 10,000."""
    out = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, **ONE_CORE},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout

    assert out.strip() == longest()


def test_compiled_code_may_not_reorder_sums():
    """`fastmath` and `parallel` both may, and a hash would depend on the processor."""
    found = [f for f in vars(compiled).values() if isinstance(f, Dispatcher)]

    assert len(found) >= 10
    for function in found:
        assert not function.targetoptions.get("fastmath")
        assert not function.targetoptions.get("parallel")
