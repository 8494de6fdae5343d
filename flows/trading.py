"""One trading cycle: what happens to the money, stage by stage. Read this first.

    bars → regimes → signals → plan → [a person, in live mode] → orders → fills → books = venue

Every stage writes what it saw and did to the ledger under one run id. Any stage may be
killed at any moment and the cycle run again: a signal is turned into at most one order.
"""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from execution.errors import Refused
from flows.approval import approved_plan
from tasks.approved import compared_with_approved
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.cycle_report import CycleReport
from tasks.market_data import load_market
from tasks.monitoring import monitor_orders
from tasks.orders import execute_orders, recover_orders
from tasks.preflight import preflight
from tasks.quality import judge_bars
from tasks.reconciliation import reconcile
from tasks.regime import analyse_regime
from tasks.reporting import report_cycle
from tasks.risk import approve_risk
from tasks.signals import validate_signals


@flow(name="trading-cycle", retries=0, persist_result=False)
def trading_cycle(config: RunConfig) -> CycleReport | State[Any]:
    """Run one cycle; in live mode a person approves the exact plan before anything is sent."""
    try:
        with open_cycle(config) as cycle:
            preflight(cycle)
            market = load_market(cycle)
            recovered = recover_orders(cycle, market)

            market = judge_bars(cycle, market)
            regimes = analyse_regime(cycle, market)
            signals = validate_signals(cycle, market, regimes)
            planned = approve_risk(cycle, market, signals.signals)

            approval = None
            if cycle.live and planned.plan.intents:
                market, planned, approval = approved_plan(cycle, signals.signals, planned)

            with compared_with_approved(cycle) as differences:
                try:
                    execution = execute_orders(cycle, market, planned.plan, approval)
                finally:  # however that ended, what has left is looked after
                    attention = monitor_orders(cycle, market)
                    discrepancies = reconcile(cycle, market)

            return report_cycle(
                cycle,
                market,
                recovered=recovered,
                regimes=regimes,
                signals=signals,
                planned=planned,
                execution=execution,
                attention=attention,
                discrepancies=discrepancies,
                differences=tuple(differences),
            )
    except Refused as refusal:
        # A no is an answer, not a failure: nobody needs to be paged for it.
        get_run_logger().warning("refused: %s", refusal)
        return Cancelled(message=str(refusal))
