"""Eight exchanges answer in their own shapes: what we read is what they said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from aiohttp import web

from execution.errors import VenueUnavailable
from execution.model.enums import OrderSide, OrderStatus
from execution.model.reports import OrderReport
from execution.venues.base import LookupOutcome, SubmitOutcome
from execution.venues.ccxt.venue import CcxtVenue
from tests.execution.venues.ccxt.places import CID, NOW, clock, instrument_id, intent, make_venue
from tests.execution.venues.ccxt.places import order as our_order
from tests.execution.venues.ccxt.scripted import ScriptedExchange, scripted
from tests.execution.venues.ccxt.shapes import SHAPES, TRADED

T = TypeVar("T")
EIGHT = pytest.mark.parametrize("name", SHAPES)
HTML = web.Response(text="<html>busy</html>", content_type="text/html")
LIMIT = {"limit_px": Decimal(49000)}


def ask(
    name: str,
    answers: dict[str, Any],
    question: Callable[[CcxtVenue], Awaitable[T]],
    then: Callable[[ScriptedExchange], None] = lambda exchange: None,
) -> T:
    """Ask one question of an exchange that answers like this."""

    async def run() -> T:
        async with scripted(name, **answers) as exchange:
            venue = make_venue(name, exchange.url)
            try:
                return await question(venue)
            finally:
                then(exchange)
                await venue.close()

    return asyncio.run(run())


def created(name: str) -> dict[str, Any]:
    shapes = SHAPES[name]
    path, reply = shapes.create
    if name == "gate":
        reply = shapes.order
    if name == "bitfinex":
        reply = [TRADED, "on-req", None, None, [shapes.order], None, "SUCCESS", "Submitting"]
    return {path: reply}


@EIGHT
def test_a_taken_order_is_accepted_under_the_venues_id(name: str):
    result = ask(name, created(name), lambda venue: venue.submit(intent(name, **LIMIT), NOW))
    assert (result.outcome, result.venue_order_id) == (SubmitOutcome.ACCEPTED, "9001")


@EIGHT
def test_an_order_is_found_by_our_id(name: str):
    answers = SHAPES[name].answers([SHAPES[name].order], [])
    result = ask(name, answers, lambda venue: venue.lookup(our_order(name, **LIMIT), NOW))

    assert LookupOutcome.FOUND is result.outcome, result.reason
    report = result.report
    assert report is not None
    assert (report.client_order_id, report.venue_order_id) == (CID, "9001")
    assert instrument_id(name) == report.instrument_id
    assert (report.side, report.status) == (OrderSide.BUY, OrderStatus.PARTIALLY_FILLED)
    assert (Decimal("0.01234"), Decimal("0.004")) == (report.order_qty, report.cum_qty)


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "okx"])
def test_an_order_that_is_not_found_by_id_may_still_be_listed(name: str):
    """So a miss by id proves nothing there, and the lists are read in full."""
    answers = SHAPES[name].answers([SHAPES[name].order], [], by_id=False)
    result = ask(name, answers, lambda venue: venue.lookup(our_order(name, **LIMIT), NOW))
    assert LookupOutcome.FOUND is result.outcome, result.reason


@EIGHT
def test_an_order_is_absent_when_every_place_was_read_in_full(name: str):
    answers = SHAPES[name].answers([], [])
    result = ask(name, answers, lambda venue: venue.lookup(our_order(name, **LIMIT), NOW))
    assert LookupOutcome.ABSENT is result.outcome, result.reason


@EIGHT
@pytest.mark.parametrize("nonsense", ["{}", "html", "null", "500", "of another"])
def test_a_reply_that_makes_no_sense_never_proves_an_absence(name: str, nonsense: str):
    shapes = SHAPES[name]
    replies = {
        "{}": {},
        "html": web.Response(text="<html>", content_type="text/html"),
        "null": web.Response(text="null", content_type="application/json"),
        "500": web.Response(text="{}", status=500),
        "of another": {"data": {"items": {}}, "result": [], "status": "ok"},
    }
    # The last list alone is nonsense; before it, everything says that there is no such order.
    last = [*shapes.lists][-1] if name != "okx" else "/trade/order"
    answers = {**shapes.answers([], []), last: replies[nonsense]}
    result = ask(name, answers, lambda venue: venue.lookup(our_order(name, **LIMIT), NOW))
    assert LookupOutcome.UNKNOWN is result.outcome
    assert "http" not in result.reason


@EIGHT
def test_open_orders_are_reported_with_our_id(name: str):
    answers = SHAPES[name].answers([SHAPES[name].order], [])

    async def both(venue: CcxtVenue) -> tuple[OrderReport, ...]:
        await venue.lookup(our_order(name, **LIMIT), NOW)  # Bitfinex's numbers are told so
        return await venue.open_orders()

    (report,) = ask(name, answers, both)
    assert (report.client_order_id, report.venue_order_id) == (CID, "9001")
    assert (Decimal("0.01234"), Decimal("0.004")) == (report.order_qty, report.cum_qty)


@EIGHT
def test_a_fill_is_read_with_its_fee_and_its_market(name: str):
    shapes = SHAPES[name]
    (fill,) = ask(name, shapes.answers([], [shapes.trade]), lambda venue: venue.fills(NOW))

    assert fill.trade_id.endswith(":7001")
    assert fill.venue_order_id == "9001"
    assert fill.client_order_id in (CID, None)
    assert (OrderSide.BUY, Decimal("0.004"), Decimal(48999)) == (
        fill.side,
        fill.last_qty,
        fill.last_px,
    )
    assert shapes.fee == (f"{fill.commission:f}", fill.commission_ccy)
    assert datetime.fromtimestamp(TRADED / 1000, UTC) == fill.ts_event


@EIGHT
def test_a_question_that_is_not_answered_is_not_read_as_nothing(name: str):
    shapes = SHAPES[name]
    for path, question in (
        (shapes.trades[0], lambda venue: venue.fills(NOW)),
        (next(iter(shapes.lists)), lambda venue: venue.open_orders()),
        (shapes.balance[0], lambda venue: venue.balances()),
        (shapes.balance[0], lambda venue: venue.positions()),
        (shapes.uid[0], lambda venue: venue.account_uid()),
    ):
        with pytest.raises(VenueUnavailable, match=name):
            ask(name, {**shapes.answers([], []), path: {}}, question)


@EIGHT
def test_holdings_and_money_are_told_apart(name: str):
    async def both(venue: CcxtVenue) -> tuple[Any, Any]:
        return await venue.positions(), await venue.balances()

    positions, balances = ask(name, dict([SHAPES[name].balance]), both)
    quote = instrument_id(name).symbol.partition("/")[2]
    assert [(instrument_id(name), Decimal("0.25"))] == [
        (held.instrument_id, held.net_qty) for held in positions
    ]
    assert [(quote, Decimal("1000.5"), Decimal(900))] == [
        (money.currency, money.cash, money.buying_power) for money in balances
    ]


@EIGHT
def test_a_cancel_is_taken_refused_or_not_known(name: str):
    path, taken, missing = SHAPES[name].cancel
    outcomes = [
        ask(name, {path: reply}, lambda venue: venue.cancel(our_order(name, "9001"), NOW)).outcome
        for reply in (taken, missing, web.Response(text="<html>"), {})
    ]
    assert outcomes == [
        SubmitOutcome.ACCEPTED,
        SubmitOutcome.REJECTED,
        SubmitOutcome.UNKNOWN,
        SubmitOutcome.UNKNOWN,
    ]


@EIGHT
def test_the_clock_is_the_venues(name: str):
    at = datetime(2026, 3, 1, 11, 59, 30, tzinfo=UTC)

    def answer(_: object) -> web.Response:
        return web.json_response(clock(name, at), headers={"Date": "Sun, 01 Mar 2026 11:59:30 GMT"})

    paths = ("/time", "/timestamp", "/public/time", "/platform/status", "/get-tickers")
    assert at == ask(name, dict.fromkeys(paths, answer), lambda venue: venue.server_time())


@EIGHT
def test_the_account_has_the_venues_name(name: str):
    assert ask(name, dict([SHAPES[name].uid]), lambda venue: venue.account_uid()) == "4242"


@EIGHT
def test_fills_are_read_window_by_window_and_never_twice(name: str):
    """Ten days are longer than some venues let one ask for at once."""
    shapes = SHAPES[name]
    asked: list[int] = []
    fills = ask(
        name,
        shapes.answers([], [shapes.trade]),
        lambda venue: venue.fills(NOW - timedelta(days=10)),
        lambda exchange: asked.append(
            sum(request.path.endswith(shapes.trades[0]) for request in exchange.asked)
        ),
    )
    assert len(fills) == 1
    windows = {"okx": 1, "kucoin": 2, "gate": 1, "bitget": 1, "mexc": 2, "htx": 6}
    assert [{**windows, "bitfinex": 1, "cryptocom": 11}[name]] == asked
