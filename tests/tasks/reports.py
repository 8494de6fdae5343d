"""One cycle's report with something in every part of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from data.quality.expectation import Result
from data.quality.rules import Severity
from data.schemas.report import BadRow
from data.store.equity import EquityPoint
from execution.model.discrepancy import Discrepancy, DiscrepancyKind
from execution.model.enums import OrderStatus, RegimeLabel, RunMode
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId, RunId, StrategyId
from execution.model.plan import RiskDecision, TradingPlan, Verdict
from execution.model.position import Position
from execution.model.regime import Regime
from execution.model.signal import Signal
from execution.monitoring.orders import AttentionKind, OrderAttention
from execution.reconciliation.approved import Difference, DifferenceKind
from execution.regime.config import RefitSchedule
from execution.regime.refit import label_since, unknown
from execution.regime.registry import analyse, fit_or_why
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.cycle_report import CycleReport
from tasks.market_data import Market
from tasks.signals import SignalBatch
from tests.execution.examples import (
    AAPL,
    MSFT,
    VENUE,
    make_bar,
    make_fill,
    make_instrument,
    make_intent,
    make_order,
)
from tests.execution.walks import random_walk

HOSTILE = "<script>alert(1)</script> & 'co'"
ACCOUNT = AccountId("dry-run/simulated/demo")
DISCREPANCY = Discrepancy(
    kind=DiscrepancyKind.POSITION, key="AAPL", books="1250", venue="1200", instrument_id=AAPL
)
WARNED = Result(
    subject=str(AAPL),
    expectation="volume_outlier",
    severity=Severity.WARNING,
    rule="|robust z| of the log volume <= 10",
    rows=400,
    failing=2,
    first=BadRow(7, "volume", HOSTILE, "|robust z| of the log volume <= 10"),
)
LIVE = Cycle(
    run_id=RunId("run-1"),
    attempt=1,
    config=RunConfig(mode=RunMode.LIVE, venue="scripted", feed="scripted"),
)
DIFFERENCE = Difference(
    kind=DifferenceKind.MORE,
    client_order_id=ClientOrderId("order-a"),
    approved="1250",
    sent="1251 filled",
)


def make_market() -> Market:
    bars = random_walk(seed=5, bars=400)
    now = bars["ts_close"].iloc[-1].to_pydatetime()
    snapshot = make_bar(now - timedelta(hours=1), now, last_px=Decimal("101.5"))
    return Market(
        instruments={i: make_instrument(i) for i in (AAPL, MSFT)},
        bars={AAPL: bars, MSFT: bars.tail(3)},
        snapshots={AAPL: snapshot, MSFT: replace(snapshot, instrument_id=MSFT)},
        price_age_max=dict.fromkeys((AAPL, MSFT), timedelta(hours=2)),
        replayed=True,
    )


def analysed(market: Market) -> dict[InstrumentId, tuple[Regime, list[str]]]:
    """What a model says of AAPL, and of every bar; MSFT has too few bars for one."""
    found = {}
    for i, bars in market.bars.items():
        model, reason = fit_or_why("bucket-adx", bars[:-1], RefitSchedule(bars_min=100))
        labels = label_since(model, bars) if model else unknown(bars)
        found[i] = analyse(model, i, bars, reason), labels["label"].tolist()
    return found


def make_labels() -> dict[InstrumentId, list[str]]:
    return {i: labels for i, (_, labels) in analysed(make_market()).items()}


def make_report(folder: Path, **changes: object) -> CycleReport:
    """Bought 1,250 AAPL at 100.25; MSFT was denied."""
    market = make_market()
    now = market.ts_event
    bought = make_intent("order-a", order_qty=Decimal("1250.000000000000"), px_ref=Decimal(100))
    denied = make_intent("order-b", instrument_id=MSFT, reason=HOSTILE)
    fill = make_fill(
        last_qty=Decimal(1250),
        last_px=Decimal("100.25"),
        commission=Decimal("12.531"),
        ts_event=now,
    )
    order = make_order("order-a", intent={"order_qty": Decimal(1250)}, status=OrderStatus.ACCEPTED)
    values: dict[str, Any] = {
        "cycle": Cycle(run_id=RunId("run-1"), attempt=1, config=RunConfig()),
        "recovered": ("buy 3 AAPL.SCRIPTED: was unknown, is filled",),
        "regimes": tuple(regime for regime, _ in analysed(market).values()),
        "signals": SignalBatch(
            signals=(
                Signal(
                    instrument_id=AAPL,
                    ts_event=now,
                    regime=RegimeLabel.MEAN_REVERTING,
                    side=1,
                    weight=Decimal("0.125"),
                    confidence=Decimal("0.8"),
                    strategy=StrategyId(HOSTILE),
                ),
            ),
            left_out=("row 3, column weight: value 1.7 breaks 0 <= weight <= 1",),
        ),
        "plan": TradingPlan(
            run_id=RunId("run-1"),
            account=ACCOUNT,
            venue=VENUE,
            mode=RunMode.DRY_RUN,
            currency="USD",
            created_at=now,
            expires_at=now + timedelta(minutes=15),
            decision=RiskDecision(
                approved=(bought,),
                denied=(denied,),
                verdicts=tuple(
                    Verdict(
                        client_order_id=intent.client_order_id,
                        check=check,
                        passed=intent is bought or check == "confidence",
                        facts="share=0.20 limit=20000",
                    )
                    for intent in (bought, denied)
                    for check in ("confidence", "position_size")
                ),
            ),
        ),
        "skipped": ("MSFT: this signal's order was sent before and is filled",),
        "withdrawn": (),
        "orders": (order.fill(fill),),
        "fills": (fill,),
        "attention": (
            OrderAttention(
                client_order_id=order.client_order_id,
                instrument_id=AAPL,
                kind=AttentionKind.PARTIALLY_FILLED,
                reason="10 of 20 filled",
            ),
        ),
        "positions": (
            Position(
                account=ACCOUNT,
                instrument_id=AAPL,
                net_qty=Decimal(1250),
                avg_px=Decimal("100.25"),
            ),
        ),
        "marks": market.marks,
        "equity": EquityPoint(
            account=ACCOUNT,
            run_id=RunId("run-1"),
            currency="USD",
            cash=Decimal("874674.969"),
            holdings=Decimal(126875),
            equity=Decimal("1001549.969"),
            unrealized_pnl=Decimal("1562.5"),
            realized_pnl=Decimal(0),
            ts_event=now,
            ts_init=now,
            buying_power=Decimal("874674.969"),
        ),
        "discrepancies": (),
        "ledger_path": folder / "ledger.duckdb",
        "report_path": folder / "reports" / "run-1.html",
    }
    return CycleReport(**(values | changes))
