"""Stage 1: how each market behaves."""

from __future__ import annotations

from prefect import task

from execution.model.regime import Regime
from execution.regime.registry import analyse
from tasks import artifacts, wiring
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.policies import READS
from tasks.regime_models import choose_models, keep_models


@task(name="analyse-regime", **READS)
def analyse_regime(cycle: Cycle, market: Market) -> tuple[Regime, ...]:
    """Label every instrument's market at its last bar, by a model fitted before it."""
    names = list(market.bars)
    with cycle.stage(
        "regime-analysis", instruments=names, model=cycle.config.regime.model
    ) as outcome:
        chosen = choose_models(cycle, market)
        regimes = tuple(
            analyse(chosen[i].model, i, bars, chosen[i].reason) for i, bars in market.bars.items()
        )
        with wiring.open_ledger().transaction() as books:
            keep_models(books, cycle, market, chosen)
            books.regimes.save(cycle.run_id, regimes)
        outcome.update({str(r.instrument_id): r.label for r in regimes})
        outcome["fitted"] = [str(i) for i, one in chosen.items() if one.fitted]
    artifacts.regimes(regimes)
    return regimes
