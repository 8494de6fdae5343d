"""What one cycle saw and did, in one value: for the console, the report and Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from data.quality.expectation import Result
from data.store.equity import EquityPoint
from execution.model.discrepancy import Discrepancy
from execution.model.fill import Fill
from execution.model.identifiers import InstrumentId
from execution.model.order import Order
from execution.model.plan import TradingPlan
from execution.model.position import Position
from execution.model.regime import Regime
from execution.monitoring.orders import OrderAttention
from execution.reconciliation.approved import Difference
from tasks.cycle import Cycle
from tasks.signals import SignalBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleReport:
    """What one cycle saw and did, stage by stage."""

    cycle: Cycle
    recovered: tuple[str, ...]  # what an earlier run had left, and what became of it
    regimes: tuple[Regime, ...]
    signals: SignalBatch
    plan: TradingPlan
    skipped: tuple[str, ...]  # why a signal led to no order
    withdrawn: tuple[str, ...]  # approved when planned, denied when sent
    orders: tuple[Order, ...]  # the plan's, as they stand now
    fills: tuple[Fill, ...]  # of the plan's orders and of those recovered
    attention: tuple[OrderAttention, ...]
    positions: tuple[Position, ...]  # the open ones
    marks: Mapping[InstrumentId, Decimal]
    equity: EquityPoint | None
    discrepancies: tuple[Discrepancy, ...]
    ledger_path: Path
    report_path: Path
    quality: tuple[Result, ...] = ()  # warnings of the bars
    differences: tuple[Difference, ...] = ()  # between what was approved and what was sent
    standing: str = ""  # why the account does not trade freely, and what ends that

    @property
    def reconciled(self) -> bool:
        """Whether the books equal the venue."""
        return not self.discrepancies
