"""A paper account at the scripted venue, in this process: what happens there is the test's."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from execution.model.discrepancy import Discrepancy
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import ClientOrderId, InstrumentId, RunId, StrategyId, VenueId
from execution.model.order import Order, OrderEvent, OrderIntent
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.market_data import load_market
from tasks.orders import recover_orders
from tasks.reconciliation import reconcile
from tests.scripted_venue import ScriptedVenue

PAPER = RunConfig(mode="paper", venue="scripted", feed="scripted", symbols=("GOOG", "MSFT"))
GOOG = InstrumentId("GOOG", VenueId("scripted"))

T = TypeVar("T")


def install(monkeypatch: pytest.MonkeyPatch, home: Path, venue: ScriptedVenue) -> ScriptedVenue:
    """An installation of its own whose paper account is at `venue`."""
    monkeypatch.setenv("REGENT_HOME", str(home))
    monkeypatch.setenv("REGENT_PLUGINS", "tests.scripted_plugin")
    wiring.load_plugins()
    monkeypatch.setitem(wiring.VENUES, "scripted", lambda config, instruments: venue)
    return venue


def read(look: object) -> object:
    with wiring.open_ledger().reading() as books:
        return look(books)  # type: ignore[operator]


def reconciled(config: RunConfig = PAPER) -> tuple[Discrepancy, ...]:
    """What a run of `reconcile` finds, as the flow does it."""
    with open_cycle(config, sends=False) as cycle:
        market = load_market.fn(cycle)
        recover_orders.fn(cycle, market)
        return reconcile.fn(cycle, market)


def placed(
    venue: ScriptedVenue, key: str = "resting", *, qty: str = "10", limit_px: str = "500"
) -> Order:
    """An order of ours that rests at the venue, written and accepted as a run would."""
    now = wiring.wall_clock()
    intent = OrderIntent(
        client_order_id=ClientOrderId(key),
        account=PAPER.account_id,
        instrument_id=GOOG,
        strategy=StrategyId("by-test"),
        signal_time=now,
        leg="entry",
        side=OrderSide.BUY,
        order_qty=Decimal(qty),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        px_ref=Decimal(limit_px),
        confidence=Decimal(1),
        reason="a test wants it",
        limit_px=Decimal(limit_px),
    )
    venue_order_id = venue.take(intent, now)
    with wiring.open_ledger().transaction() as books:
        books.orders.commit_intents(RunId("run"), "digest", [intent], now)
        for status, named in ((S.SUBMITTED, None), (S.ACCEPTED, venue_order_id)):
            event = OrderEvent(
                client_order_id=intent.client_order_id,
                status=status,
                event_key=f"{key}:{status}",
                ts_event=now,
                ts_init=now,
                venue_order_id=named,
            )
            books.orders.append(event)
        order = books.orders.get(intent.client_order_id)
    assert order is not None
    return order
