"""The fake is believed by every other test, so it is tested itself."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from execution.errors import VenueUnavailable
from execution.model.enums import OrderSide, TransferKind
from execution.model.enums import OrderStatus as S
from execution.model.order import Order
from execution.venues.base import LookupOutcome, OrderHint, SubmitOutcome, Venue
from tests.execution.examples import ACCOUNT, NOW, make_intent, make_transfer
from tests.scripted_venue import ScriptedVenue, absent, not_sent, times_out_after_accepting

INTENT = make_intent()

CHILD = """
import asyncio
from tests.execution.examples import NOW, make_intent
from tests.scripted_venue import ScriptedVenue
asyncio.run(ScriptedVenue.from_env().submit(make_intent("child"), NOW))
"""


def test_it_is_a_venue():
    assert isinstance(ScriptedVenue(), Venue)


def test_a_market_order_fills_at_its_reference_price_and_the_account_follows():
    async def trade() -> None:
        venue = ScriptedVenue()
        await venue.submit(INTENT, NOW)
        await venue.submit(
            make_intent("out", side=OrderSide.SELL, order_qty=Decimal(4), px_ref=Decimal(110)), NOW
        )

        assert (await venue.balances())[0].cash == Decimal(100_000) - 1_000 + 440
        assert [position.net_qty for position in await venue.positions()] == [Decimal(6)]
        assert [fill.trade_id for fill in await venue.fills(NOW)] == ["T-1", "T-2"]
        assert await venue.fills(NOW + timedelta(seconds=1)) == ()
        assert await venue.open_orders() == ()

    asyncio.run(trade())


def test_a_limit_rests_until_it_is_filled_or_canceled():
    async def trade() -> None:
        venue = ScriptedVenue()
        placed = await venue.submit(make_intent(limit_px=Decimal(90)), NOW)
        assert placed.venue_order_id == "V-1"
        venue.fill(INTENT.client_order_id, Decimal(3), Decimal(90), NOW)
        assert (await venue.open_orders())[0].status is S.PARTIALLY_FILLED

        canceled = await venue.cancel(Order(intent=INTENT), NOW)
        again = await venue.cancel(Order(intent=INTENT), NOW)

        assert (canceled.outcome, again.outcome) == (SubmitOutcome.ACCEPTED, SubmitOutcome.REJECTED)
        report = venue.truth(INTENT.client_order_id).report
        assert report is not None
        assert (report.status, report.cum_qty) == (S.CANCELED, Decimal(3))

    asyncio.run(trade())


def test_an_open_order_is_amended_and_a_closed_one_is_not():
    async def trade() -> None:
        venue, order = ScriptedVenue(), Order(intent=INTENT)
        gone = await venue.amend(order, Decimal(4), None, NOW)
        await venue.submit(make_intent(limit_px=Decimal(90)), NOW)
        amended = await venue.amend(order, Decimal(4), Decimal(91), NOW)

        assert (gone.outcome, amended.outcome) == (SubmitOutcome.REJECTED, SubmitOutcome.ACCEPTED)
        assert (await venue.open_orders())[0].order_qty == Decimal(4)

    asyncio.run(trade())


def test_hints_are_pushed_once_and_without_any_there_is_no_stream():
    hint = OrderHint(client_order_id=INTENT.client_order_id, venue_order_id=None, ts_event=NOW)

    async def listen(venue: ScriptedVenue) -> list[OrderHint]:
        return [hint async for hint in venue.hints()]

    assert asyncio.run(listen(ScriptedVenue(hints=[hint]))) == [hint]
    with pytest.raises(VenueUnavailable, match="there is no stream"):
        asyncio.run(listen(ScriptedVenue()))


def test_money_that_moves_without_a_trade_is_told_and_counted():
    venue = ScriptedVenue()
    moved = make_transfer(ACCOUNT, "t-1", TransferKind.DEPOSIT, "USD", Decimal(5), NOW)
    venue.move(moved)

    assert asyncio.run(venue.transfers(NOW)) == (moved,)
    assert asyncio.run(venue.transfers(NOW + timedelta(seconds=1))) == ()
    assert venue.cash == Decimal(100_005)


def test_a_list_of_behaviors_is_used_up_and_then_it_behaves():
    async def trade() -> None:
        venue = ScriptedVenue(on_submit=[not_sent(), times_out_after_accepting()])
        venue_with_doubts = ScriptedVenue(on_lookup=[absent()])
        outcomes = [(await venue.submit(INTENT, NOW)).outcome for _ in range(3)]
        assert outcomes == [SubmitOutcome.NOT_SENT, SubmitOutcome.UNKNOWN, SubmitOutcome.ACCEPTED]
        assert (len(venue.submitted), len(venue.accepted)) == (3, 2)

        await venue_with_doubts.submit(INTENT, NOW)
        answers = [await venue_with_doubts.lookup(Order(intent=INTENT), NOW) for _ in range(2)]
        assert [a.outcome for a in answers] == [LookupOutcome.ABSENT, LookupOutcome.FOUND]

    asyncio.run(trade())


def test_another_process_on_the_same_file_sees_and_adds_submissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    log = tmp_path / "venue.jsonl"
    asyncio.run(ScriptedVenue(log=log).submit(INTENT, NOW))
    environment = os.environ | {"SCRIPTED_VENUE_LOG": str(log)}

    subprocess.run([sys.executable, "-c", CHILD], env=environment, check=True, timeout=60)

    monkeypatch.setenv("SCRIPTED_VENUE_LOG", str(log))
    venue = ScriptedVenue.from_env()
    assert venue.submitted == venue.accepted == ["order-a", "child"]
    assert venue.cash == Decimal(98_000)
    assert [p.net_qty for p in asyncio.run(venue.positions())] == [Decimal(20)]
    calls = [json.loads(line)["call"] for line in log.read_text().splitlines()]
    assert calls == ["submit", "take", "fill"] * 2
