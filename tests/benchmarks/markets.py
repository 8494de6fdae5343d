"""Simulated markets whose regimes are known: published chains, and four regimes of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from execution.regime.compiled import Floats, Ints, decide, student_t
from execution.regime.four import NAMES
from execution.regime.hidden_markov import stationary

DAYS_MONTH = 21
CALM, BACK, TREND, VOLATILE = range(4)  # as in NAMES


def frame(open_: Floats, high: Floats, low: Floats, close: Floats) -> pd.DataFrame:
    """Daily bars of these prices, from 2000 on."""
    ts_open = pd.date_range("2000-01-01", periods=len(close), freq="D", tz="UTC", unit="us")
    return pd.DataFrame(
        {
            "ts_open": ts_open,
            "ts_close": ts_open + pd.Timedelta(days=1),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": 1.0,
        }
    )


@dataclass(frozen=True)
class Chain:
    """A Markov chain of normal or Student-t log returns a day; states by rising deviation."""

    transition: Floats
    mean: Floats
    deviation: Floats
    nu: float | None = None  # None: normal

    @property
    def states(self) -> int:
        return len(self.mean)

    def simulate(self, days: int, rng: Generator) -> tuple[Ints, pd.DataFrame]:
        """Return the true states and the bars, whose closes alone mean something."""
        usual, rows = stationary(self.transition), self.transition.cumsum(axis=1)
        states = np.empty(days, np.int64)
        states[0] = rng.choice(self.states, p=usual)
        draws = rng.random(days)
        for t in range(1, days):
            states[t] = min(np.searchsorted(rows[states[t - 1]], draws[t]), self.states - 1)
        if self.nu is None:
            noise = rng.standard_normal(days)
        else:
            noise = rng.standard_t(self.nu, days) * np.sqrt((self.nu - 2) / self.nu)
        close = 100 * np.exp(np.cumsum(self.mean[states] + self.deviation[states] * noise))
        return states, frame(close, close, close, close)

    def true_labels(self, bars: pd.DataFrame) -> Ints:
        """What the filter with the true parameters says: nothing honest does better."""
        returns = np.diff(np.log(bars["close"].to_numpy(float)), prepend=np.nan)
        nu = 1e7 if self.nu is None else self.nu
        scale = self.deviation * (1.0 if self.nu is None else np.sqrt((nu - 2) / nu))
        density, usual = student_t(returns, self.mean, scale, nu), stationary(self.transition)
        places = np.arange(self.states)
        return decide(density, self.transition, usual, places, usual, 0.0, -1)[2]


def monthly(means: list[float], deviations: list[float], out: float, back: float) -> Chain:
    """Put a monthly two-state chain on the grid of days: the 21st root of its transitions."""
    month = np.array([[1 - out, out], [back, 1 - back]])
    values, vectors = np.linalg.eig(month)
    day = vectors @ np.diag(values ** (1 / DAYS_MONTH)) @ np.linalg.inv(vectors)
    return Chain(day.real, np.array(means) / DAYS_MONTH, np.array(deviations) / DAYS_MONTH**0.5)


def heavy(chain: Chain) -> Chain:
    """The same chain with the noise of Student's t with five degrees of freedom."""
    return Chain(chain.transition, chain.mean, chain.deviation, 5.0)


# Hardy (2001), A regime-switching model of long-term stock returns, NAAJ 5(2), table 2:
# maximum likelihood on monthly total returns 1956-1999.
TSE = monthly([0.0123, -0.0157], [0.0347, 0.0778], 0.0371, 0.2101)
SP = monthly([0.0126, -0.0185], [0.0350, 0.0748], 0.0398, 0.3798)
# Maximum likelihood of three normal states on the daily S&P 500, 1999-2018 (the sp500 of the
# package arch, log returns of Adj Close, n = 5,030, log likelihood -6,901.486 in per cent).
SP3 = Chain(
    np.array([[0.97928, 0.02043, 0.00029], [0.02013, 0.97327, 0.0066], [0.0, 0.03147, 0.96853]]),
    np.array([0.000915, -0.000243, -0.001597]),
    np.array([0.005482, 0.011666, 0.026647]),
)
CHAINS = {"tse": TSE, "tse t5": heavy(TSE), "sp": SP, "3-state": SP3, "3-state t5": heavy(SP3)}


@dataclass(frozen=True)
class FourWorld:
    """Bars drawn tick by tick inside blocks of the four regimes; nothing the models assume."""

    level: tuple[float, float, float, float]  # deviation of CALM, BACK, TREND, VOLATILE
    drift: float = 0.25  # of TREND, in units of the base deviation a bar
    pull: float = 0.2  # of BACK: the share of the way to the anchor that a bar goes
    dwell: float = 80.0  # mean bars of a block; gamma distributed, not geometric
    shape: float = 4.0
    spread: float = 0.0  # of the logs of drift and pull, from block to block
    clustering: float = 0.0  # deviation of the log volatility around its level; AR(1) of .9
    nu: float | None = None  # of the ticks' noise
    gap: float = 0.0  # deviation between bars, as a share of the bar's
    ticks: int = 24
    base: float = 0.01

    def simulate(self, bars: int, rng: Generator) -> tuple[Ints, pd.DataFrame]:
        """Return the true regimes (places in NAMES) and the bars."""
        regimes, rows = np.empty(bars, np.int64), np.empty((bars, 4))
        regime, begin, price, swing = int(rng.integers(4)), 0, 0.0, 0.0
        while begin < bars:
            end = min(begin + max(15, int(rng.gamma(self.shape, self.dwell / self.shape))), bars)
            regimes[begin:end] = regime
            strength = np.exp(self.spread * rng.standard_normal())
            drift = self.drift * strength * rng.choice([-1, 1]) if regime == TREND else 0.0
            pull = self.pull * strength if regime == BACK else 0.0
            anchor = price
            for t in range(begin, end):
                swing = 0.9 * swing + np.sqrt(1 - 0.9**2) * self.clustering * rng.standard_normal()
                deviation = self.base * self.level[regime] * np.exp(swing)
                price += self.gap * deviation * rng.standard_normal()
                rows[t], price = self._bar(price, anchor, deviation, drift, pull, rng)
            regime, begin = (regime + int(rng.integers(1, 4))) % 4, end
        return regimes, frame(*(100 * np.exp(rows.T)))

    def _bar(
        self,
        price: float,
        anchor: float,
        deviation: float,
        drift: float,
        pull: float,
        rng: Generator,
    ) -> tuple[list[float], float]:
        """Log open, high, low and close of one bar."""
        if self.nu is None:
            noise = rng.standard_normal(self.ticks)
        else:
            noise = rng.standard_t(self.nu, self.ticks) * np.sqrt((self.nu - 2) / self.nu)
        path = [price]
        for shock in (deviation / self.ticks**0.5 * noise).tolist():
            step = drift * self.base / self.ticks - pull / self.ticks * (path[-1] - anchor)
            path.append(path[-1] + step + shock)
        return [path[0], max(path), min(path), path[-1]], path[-1]


WORLDS = {
    # levels apart by two, every block alike
    "plain": FourWorld(level=(0.5, 1.0, 1.0, 2.0)),
    # levels close, volatility that clusters inside them, every block another strength
    "rough": FourWorld(
        level=(0.55, 1.0, 1.0, 1.9), drift=0.3, pull=0.25, spread=0.3, clustering=0.25, nu=5.0,
        gap=0.2,
    ),
    # long blocks, large gaps as of stocks over night, geometric dwell
    "gaps": FourWorld(
        level=(0.5, 1.0, 1.0, 2.2), drift=0.25, pull=0.15, dwell=150.0, shape=1.0, spread=0.2,
        clustering=0.15, nu=5.0, gap=0.7,
    ),
}  # fmt: skip
assert NAMES[TREND] == "trending"
assert NAMES[BACK] == "mean_reverting"

Simulate = Callable[[int, Generator], tuple[Ints, pd.DataFrame]]
