import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from data.store.connection import Ledger
from data.store.simulated import SimulatedLedger
from execution.errors import InputInvalid
from execution.model.enums import OrderSide
from execution.model.identifiers import AccountId
from execution.venues.base import LookupOutcome, SubmitOutcome
from execution.venues.fill_model import FillModel
from execution.venues.simulated import SimulatedVenue
from execution.venues.simulated_account import InMemoryAccounts, SimulatedAccounts, SimulatedState
from tests.execution.examples import (
    AAPL,
    ACCOUNT,
    NOW,
    VENUE,
    make_bar,
    make_instrument,
    make_intent,
    make_order,
)

DAY = timedelta(days=1)
PLAIN = FillModel(
    half_spread_bps=Decimal(0), impact_coefficient=Decimal(0), commission_bps=Decimal(100)
)


@pytest.fixture
def accounts(ledger: Ledger) -> SimulatedLedger:
    accounts = SimulatedLedger(ledger)
    accounts.open(ACCOUNT, "USD", Decimal(100_000))
    return accounts


def state(accounts: SimulatedAccounts) -> SimulatedState:
    return accounts.update(ACCOUNT, lambda state: (state, state))


async def trade(accounts: SimulatedAccounts) -> list[object]:
    """Buy with a resting limit, sell part and all, cancel, ask again: everything said."""
    said: list[object] = []
    for day in range(6):
        # A new venue each day: all that it knows of yesterday is in its accounts.
        venue = SimulatedVenue(accounts, ACCOUNT, {AAPL: make_instrument()}, PLAIN, VENUE)
        now = NOW + day * DAY
        await venue.on_market([make_bar(now - DAY, now - timedelta(minutes=5))], now)
        side = OrderSide.SELL if day in {2, 4} else OrderSide.BUY
        qty = Decimal([150, 20, 60, 10, 110, 5][day])
        limit_px = Decimal(99) if day == 3 else None
        intent = make_intent(f"order-{day}", side=side, order_qty=qty, limit_px=limit_px)
        said += [await venue.submit(intent, now), await venue.submit(intent, now)]
        if day == 5:
            said += [await venue.cancel(make_order("order-3"), now)]
        said += [await venue.open_orders(), await venue.positions(), await venue.balances()]
    said += [await venue.fills(NOW), await venue.fills(NOW + 4 * DAY)]
    said += [await venue.lookup(make_order(f"order-{day}"), NOW) for day in range(7)]
    return said


def test_the_ledger_keeps_an_account_as_memory_does(accounts: SimulatedLedger):
    """One venue over both stores says the same, word for word, across restarts."""
    memory = InMemoryAccounts()
    memory.open(ACCOUNT, "USD", Decimal(100_000))

    said = asyncio.run(trade(accounts))

    assert said == asyncio.run(trade(memory))
    assert state(accounts) == state(memory)
    assert SubmitOutcome.ACCEPTED is said[0].outcome
    assert LookupOutcome.ABSENT is said[-1].outcome
    assert len(accounts.fills(ACCOUNT, NOW)) > 4


def test_the_volume_of_a_bar_is_taken_once_across_restarts(accounts: SimulatedLedger):
    bar = make_bar(NOW - DAY, NOW - timedelta(minutes=5))
    for attempt in range(2):
        venue = SimulatedVenue(accounts, ACCOUNT, {AAPL: make_instrument()}, PLAIN, VENUE)
        asyncio.run(venue.on_market([bar], NOW))
        intent = make_intent(f"order-{attempt}", order_qty=Decimal(400))
        asyncio.run(venue.submit(intent, NOW))

    assert state(accounts).taken == {
        (AAPL, bar.ts_event): sum(f.last_qty for f in accounts.fills(ACCOUNT, NOW))
    }
    assert [f.client_order_id for f in accounts.fills(ACCOUNT, NOW)] == ["order-0"]


def test_an_account_is_opened_once(accounts: SimulatedLedger):
    assert not accounts.open(ACCOUNT, "USD", Decimal(5))

    assert state(accounts).cash == Decimal(100_000)
    with pytest.raises(InputInvalid, match="simulated account 'other' was never opened"):
        accounts.update(AccountId("other"), lambda state: (state, None))


def test_nothing_is_saved_when_the_step_raises(accounts: SimulatedLedger):
    def broken(state: SimulatedState) -> tuple[SimulatedState, None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        accounts.update(ACCOUNT, broken)

    assert state(accounts).cash == Decimal(100_000)


def test_a_position_that_is_gone_is_flat(accounts: SimulatedLedger):
    accounts.update(ACCOUNT, lambda s: (replace(s, positions={AAPL: Decimal("1.5")}), None))
    assert state(accounts).positions == {AAPL: Decimal("1.5")}

    accounts.update(ACCOUNT, lambda s: (replace(s, positions={}), None))
    assert state(accounts).positions == {}
