"""Stage 2: wishes, from our own analysis or from a file, through one validation."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import task

from data import signal_files
from execution.model.regime import Regime
from execution.model.signal import Signal
from execution.strategies.signals import make_signals
from tasks import wiring
from tasks.cycle import Cycle
from tasks.market_data import Market
from tasks.policies import READS


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalBatch:
    """The signals of one cycle, and what was left out: bad rows, instruments with few bars."""

    signals: tuple[Signal, ...]
    left_out: tuple[str, ...] = ()


@task(name="validate-signals", **READS)
def validate_signals(cycle: Cycle, market: Market, regimes: tuple[Regime, ...]) -> SignalBatch:
    """Make or read the signals and validate every one; a bad row stops the run."""
    source = cycle.config.signals
    with cycle.stage("signal-validation", source=str(source or "analysis")) as outcome:
        if source is None:
            chosen = wiring.choose_strategies(cycle.config)
            outcome["strategies"] = {s.name: s.document() for s in chosen.values() if s}
            signals, left_out = make_signals(regimes, market.bars, chosen)
            signal_files.validate_signals(signals)
            batch = SignalBatch(signals=signals, left_out=left_out)
        else:
            signals, bad_rows = signal_files.read_signals(
                source, market.traded.values(), skip_bad_rows=cycle.config.skip_bad_rows
            )
            batch = SignalBatch(signals=signals, left_out=tuple(map(str, bad_rows)))
        with wiring.open_ledger().transaction() as books:
            books.signals.save(cycle.run_id, source.name if source else "analysis", signals)
        outcome.update(signals=len(signals), left_out=list(batch.left_out))
        return batch
