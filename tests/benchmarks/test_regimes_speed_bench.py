"""How long fitting and labeling take, and how much memory, beside hmmlearn and statsmodels."""

from __future__ import annotations

import math
import time
import tracemalloc
import warnings
from collections.abc import Callable
from importlib import import_module

import pandas as pd
import pytest

from execution.regime.base import label, update
from execution.regime.compiled import log_returns
from execution.regime.four import fit_four
from execution.regime.volatility import fit_volatility
from tests.benchmarks.markets import TSE, WORLDS, heavy
from tests.benchmarks.scores import TRAIN, paths_of

INSTRUMENTS, DAYS = 100, 2_520
FITS = 5


def seconds(work: Callable[[], object], times: int = 1) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def mebibytes(work: Callable[[], object]) -> float:
    """Most memory held at once while it works, of what Python and numpy ask for."""
    tracemalloc.start()
    try:
        kept = work()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del kept
    return peak / 2**20


@pytest.mark.bench
def test_labels_of_a_hundred_instruments_over_ten_years():
    bars = [bars for _, bars in paths_of(WORLDS["rough"].simulate, 1, 4)]
    long = [pd.concat([b] * 2)[:DAYS] for b in bars]
    for frame in long:  # a history goes on in time
        frame["ts_open"] = pd.date_range("2000-01-01", periods=DAYS, freq="D", tz="UTC", unit="us")
        frame["ts_close"] = frame["ts_open"] + pd.Timedelta(days=1)
    universe = [long[i % len(long)] for i in range(INSTRUMENTS)]
    print(f"\n{INSTRUMENTS} instruments, {DAYS} days each, one process, one core")
    for name, fit in (("four", fit_four), ("student-t", fit_volatility)):
        model = fit(long[0][:TRAIN])
        label(model, long[0])
        took = seconds(lambda m=model: [label(m, b) for b in universe])
        peak = mebibytes(lambda m=model: [label(m, b) for b in universe])
        progress, _ = model.advance(model.start(), long[0][:-1])
        one = seconds(lambda m=model, p=progress: update(m, p, long[0][-1:]), 200)
        print(
            f"  {name:12} {took:6.2f} s for all labels, {1e6 * one:6.0f} us for one more bar, "
            f"{peak:5.0f} MiB at the peak, all labels kept"
        )
        assert took < 5


@pytest.mark.bench
def test_fits_and_labels_beside_others():
    _, bars = paths_of(heavy(TSE).simulate, 1, 1)[0]
    train = bars[:TRAIN]
    returns = log_returns(bars["close"].to_numpy(float), math.nan)[1:]
    fit_volatility(train)  # compiled by now
    fit_four(paths_of(WORLDS["plain"].simulate, 1, 1)[0][1][:TRAIN])
    world = paths_of(WORLDS["plain"].simulate, 2, 1)[0][1]
    ours, levels = fit_volatility(train), fit_volatility(train, states=3)
    four = fit_four(world[:TRAIN])
    rows = {
        "student-t": (lambda: fit_volatility(train), lambda: label(ours, bars)),
        "student-t, 3 levels": (
            lambda: fit_volatility(train, states=3),
            lambda: label(levels, bars),
        ),
        "four": (lambda: fit_four(world[:TRAIN]), lambda: label(four, world)),
    }
    hmm = pytest.importorskip("hmmlearn.hmm")
    gaussian = hmm.GaussianHMM(2, covars_prior=1e-6, min_covar=1e-6, n_iter=200, random_state=1)
    x = 100 * returns[:, None]
    gaussian.fit(x[:TRAIN])
    rows["hmmlearn (looks ahead)"] = (
        lambda: gaussian.fit(x[:TRAIN]),
        lambda: gaussian.predict_proba(x),
    )
    switching = import_module("statsmodels.tsa.regime_switching.markov_regression")

    def theirs(part: int) -> object:
        return switching.MarkovRegression(
            100 * returns[:part], k_regimes=2, trend="c", switching_variance=True
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its optimizer
        fitted = theirs(TRAIN).fit(disp=False)  # type: ignore[attr-defined]
        rows["statsmodels"] = (
            lambda: theirs(TRAIN).fit(disp=False),  # type: ignore[attr-defined]
            lambda: theirs(len(returns)).filter(fitted.params),  # type: ignore[attr-defined]
        )
        print(f"\n{TRAIN} bars fitted, {len(bars)} labeled; mean of {FITS}; peak of memory in MiB")
        for name, (fit, say) in rows.items():
            print(
                f"  {name:24} fit {seconds(fit, FITS):7.3f} s {mebibytes(fit):6.1f}   "
                f"label {seconds(say, FITS):8.4f} s {mebibytes(say):6.1f}"
            )
    assert seconds(lambda: fit_volatility(train), FITS) < 2
