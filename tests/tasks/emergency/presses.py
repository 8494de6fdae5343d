"""The button, pressed in a test's time; and what it finds: positions and resting orders."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId, InstrumentId, RunId, StrategyId
from execution.model.order import Order, OrderEvent, OrderIntent
from tasks import wiring
from tasks.config import RunConfig
from tasks.emergency import EmergencyStop
from tasks.emergency_account import Pace
from tasks.emergency_report import AccountOutcome, EmergencyReport
from tests.cycles import run_cycle
from tests.scripted_venue import ScriptedVenue
from tests.tasks.paper import GOOG, PAPER, install

HASTY = Pace(
    ledger_try=0.3,
    ledger=20,
    cancel=10,
    learn=0.5,
    guard=0.5,
    flatten=30,
    question=2,
    waits=(0.02, 0.05, 0.1, 0.2),
)

# For what will not go: then it is not waited for so long.
HASTIEST = replace(HASTY, cancel=1, flatten=1)


@dataclass(frozen=True)
class Kept:
    """An installation after a first cycle, to be copied: a cycle takes longer than a test."""

    home: Path
    log: Path

    def install(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> ScriptedVenue:
        """One of its own, with a venue that knows what that one knew."""
        log = Path(shutil.copy(self.log, folder / "venue.jsonl"))
        shutil.copytree(self.home, folder / "home")
        venue = install(monkeypatch, folder / "home", ScriptedVenue(log=log))
        with wiring.open_ledger().transaction() as books:
            books.session.rows("UPDATE accounts SET uid = ?", venue.uid)
        return venue


def kept(folder: Path, config: RunConfig = PAPER) -> Kept:
    """Run a first cycle of `config` and keep what it leaves: 23 GOOG and 688 MSFT."""
    made = Kept(folder / "home", folder / "venue.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        install(patch, made.home, ScriptedVenue(log=made.log))
        run_cycle(config)
    return made


def press(**changes: object) -> EmergencyReport:
    """Press, and wait until it has done what it can."""
    stop = pressed(**changes)
    return stop.finish()


def pressed(**changes: object) -> EmergencyStop:
    """Press; what waits for a person is left waiting."""
    given = {"reason": "a test", "actor": "Ann", "pace": HASTY} | changes
    stop = EmergencyStop(**given)  # type: ignore[arg-type]
    stop.start()
    return stop


def only(report: EmergencyReport) -> AccountOutcome:
    """The one account that it is about."""
    (account,) = report.accounts
    return account


def intent_of(
    key: str,
    config: RunConfig = PAPER,
    *,
    instrument_id: InstrumentId = GOOG,
    side: OrderSide = OrderSide.BUY,
    qty: str = "10",
    px: str = "500",
    order_type: OrderType = OrderType.LIMIT,
    reduce_only: bool = False,
) -> OrderIntent:
    """An order of ours, as a run would have written it."""
    stops = order_type is OrderType.STOP
    return OrderIntent(
        client_order_id=ClientOrderId(key),
        account=config.account_id,
        instrument_id=instrument_id,
        strategy=StrategyId("by-test"),
        signal_time=wiring.wall_clock(),
        leg="stop" if stops else "entry",
        side=side,
        order_qty=Decimal(qty),
        order_type=order_type,
        time_in_force=TimeInForce.GTC,
        reduce_only=reduce_only,
        px_ref=Decimal(px),
        confidence=Decimal(1),
        reason="a test wants it",
        limit_px=Decimal(px) if order_type is OrderType.LIMIT else None,
        stop_px=Decimal(px) if stops else None,
    )


def written(intent: OrderIntent, *events: tuple[S, str | None]) -> Order:
    """Write an order with these events, each with the venue's name for it."""
    now = wiring.wall_clock()
    with wiring.open_ledger().transaction() as books:
        books.orders.commit_intents(RunId("run"), "digest", [intent], now)
        for status, named in events:
            books.orders.append(
                OrderEvent(
                    client_order_id=intent.client_order_id,
                    status=status,
                    event_key=f"{intent.client_order_id}:{status}",
                    ts_event=now,
                    ts_init=now,
                    venue_order_id=named,  # type: ignore[arg-type]
                )
            )
        order = books.orders.get(intent.client_order_id)
    assert order is not None
    return order


def resting(venue: ScriptedVenue, intent: OrderIntent) -> Order:
    """The order, at the venue and in the books."""
    named = venue.take(intent, wiring.wall_clock())
    return written(intent, (S.SUBMITTED, None), (S.ACCEPTED, named))
