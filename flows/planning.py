"""What a run would do, found out on a copy of the books."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from data.quality.expectation import Result
from execution.errors import LedgerUnavailable
from execution.model.enums import RunMode
from execution.model.identifiers import RunId
from execution.model.regime import Regime
from tasks import halting, wiring
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.market_data import Market, load_market
from tasks.opening import open_account
from tasks.orders import recover_orders
from tasks.quality import judge_bars
from tasks.reconciliation import compare_books
from tasks.regime import analyse_regime
from tasks.risk import Planned, approve_risk
from tasks.signals import SignalBatch, validate_signals
from tasks.sync import look
from tasks.trading_state import standing


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCycle:
    """A trading cycle up to where orders would be sent."""

    recovered: tuple[str, ...]  # what an earlier run had left
    quality: tuple[Result, ...]  # warnings of the bars
    regimes: tuple[Regime, ...]
    signals: SignalBatch
    planned: Planned
    standing: str = ""  # why the account does not trade freely, and what ends that


def plan_cycle(config: RunConfig) -> PlannedCycle:
    """Run the stages before execution on a copy of the books; nothing is sent or kept.

    In dry-run the venue's own books are in the copy too, so what is left from an earlier
    run is settled as a run would settle it. A real venue is only read.
    """
    wiring.require_available(config)
    wiring.choose_strategies(config)
    with copied_books():
        cycle = Cycle(run_id=RunId(str(uuid4())), attempt=1, config=config)
        market = load_market.fn(cycle)
        if config.mode is RunMode.DRY_RUN:
            left = recover_orders.fn(cycle, market)
        else:
            # Recovery cancels what is overdue: at a real venue that is no plan any more.
            left = ()
            asyncio.run(_open(cycle, market))
        market = judge_bars.fn(cycle, market)
        regimes = analyse_regime.fn(cycle, market)
        signals = validate_signals.fn(cycle, market, regimes)
        planned = approve_risk.fn(cycle, market, signals.signals)
        with wiring.open_ledger().reading() as books:
            stands = standing(books, cycle.account)
        return PlannedCycle(
            recovered=tuple(f"{o.client_order_id} on {o.intent.instrument_id}" for o in left),
            quality=market.quality,
            regimes=regimes,
            signals=signals,
            planned=planned,
            standing=stands,
        )


async def _open(cycle: Cycle, market: Market) -> None:
    async with wiring.open_venue(cycle.config, market.traded) as venue:
        await open_account(cycle, venue, market)
        # A run compares before it plans, and opens nothing on an old comparison.
        await compare_books(cycle, venue, market, look)


@contextmanager
def copied_books() -> Iterator[Path]:
    """Work on a copy of the ledger, thrown away at the end."""
    ledger = wiring.open_ledger()
    with TemporaryDirectory(prefix="regent-plan-") as name:
        folder = Path(name)
        if ledger.path.exists():
            with ledger.quiesced() as path:
                try:
                    shutil.copyfile(path, folder / path.name)
                except OSError as error:
                    raise LedgerUnavailable(f"{path}: no copy: {error.strerror}") from error
        halt = halting.halt_file().path
        if halt.exists():
            shutil.copyfile(halt, folder / halt.name)
        with wiring.using_home(folder):
            yield folder
