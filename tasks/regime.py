"""Stage 1: how each market behaves."""

from __future__ import annotations

from prefect import task

from execution.model.regime import Regime
from execution.regime.label import analyse
from tasks import artifacts, wiring
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.policies import READS


@task(name="analyse-regime", **READS)
def analyse_regime(cycle: Cycle, market: Market) -> tuple[Regime, ...]:
    """Label every instrument's market at its last bar."""
    with cycle.stage("regime-analysis", instruments=list(market.bars)) as outcome:
        regimes = tuple(analyse(i, bars) for i, bars in market.bars.items())
        with wiring.open_ledger().transaction() as books:
            books.regimes.save(cycle.run_id, regimes)
        outcome.update({str(r.instrument_id): r.label for r in regimes})
    artifacts.regimes(regimes)
    return regimes
