"""The table of what each exchange does, as placement and people read it."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import ccxt.pro
import pytest

from execution.model.enums import AssetClass, OrderType, TimeInForce
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    StrategyId,
    VenueId,
    client_order_id,
)
from execution.venues.base import Venue
from execution.venues.capabilities import CAPABILITIES
from execution.venues.ccxt.facts import FACTS
from tests.execution.venues.ccxt.places import CID, NOW, VENUES, instrument_id, make_venue


def test_the_table_is_read_without_the_library():
    """`regent venues` lists what there is; ccxt alone takes half a second to import."""
    program = "import sys, execution.venues.ccxt.facts; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_exchange_tells_its_capabilities():
    assert set(VENUES) <= set(CAPABILITIES)
    for name in VENUES:
        assert CAPABILITIES[name] == {AssetClass.CRYPTO: FACTS[name].capabilities()}


def test_what_is_native_is_exactly_this():
    """Stops that keep their id from placing to their fill; all else we hold ourselves."""
    stops = {
        name: {kind.value for kind in facts.forms} - {"market", "limit"}
        for name, facts in FACTS.items()
    }
    assert {name: kinds for name, kinds in stops.items() if kinds} == {
        "binance": {"stop", "stop_limit", "trailing_stop"},
        "coinbase": {"stop_limit"},
        "kraken": {"stop", "stop_limit", "trailing_stop"},
        "htx": {"stop_limit"},
        "bitfinex": {"stop", "stop_limit"},
    }
    assert {n for n, f in FACTS.items() if f.queries.amend} == {"bybit", "okx", "kraken"}
    assert {n for n, f in FACTS.items() if f.display_param} == {"binance", "gate"}
    gtd = {n for n, f in FACTS.items() if TimeInForce.GTD in f.time_in_force}
    assert gtd == {"coinbase", "kucoin", "kraken"}
    assert all({OrderType.MARKET, OrderType.LIMIT} <= set(f.forms) for f in FACTS.values())


@pytest.mark.parametrize("name", VENUES)
def test_our_ids_are_taken_as_they_are(name: str):
    """And are another exchange's never: each has its own alphabet and length."""
    ours = client_order_id(
        AccountId("main"), StrategyId("donchian"), instrument_id(name), NOW, "entry"
    )
    facts = FACTS[name]
    assert facts.takes_id(ours)
    assert not facts.takes_id(ClientOrderId(""))
    assert not facts.takes_id(ClientOrderId("ö"))
    assert facts.wire_id(ours) == facts.wire_id(ours)


def test_an_id_on_the_wire_is_one_of_four_forms():
    ours = ClientOrderId(CID)
    assert FACTS["binance"].wire_id(ours) == CID
    assert FACTS["gate"].wire_id(ours) == f"t-{CID}"
    # Without a prefix of our own an id that begins with t would go out as it is.
    assert FACTS["gate"].wire_id(ClientOrderId("tabc")) == "t-tabc"
    number = FACTS["bitfinex"].wire_id(ours)
    assert isinstance(number, int)
    assert 0 < number < 2**45
    assert number != FACTS["bitfinex"].wire_id(ClientOrderId("another"))


@pytest.mark.parametrize("name", VENUES)
def test_every_question_is_one_that_the_library_can_ask(name: str):
    queries = FACTS[name].queries
    exchange = getattr(ccxt.pro, name)()
    asked = [
        *(queries.by_id, *queries.lists, queries.open_orders, queries.trades),
        *(queries.cancel, queries.amend, queries.account, queries.uid, queries.clock),
        queries.rights,
    ]
    for query in asked:
        assert query is None or callable(getattr(exchange, query.call))
    assert queries.by_id or queries.lists
    assert queries.lists or queries.conclusive


def test_a_venue_is_one_that_the_domain_can_use():
    async def run() -> None:
        for name in VENUES:
            venue = make_venue(name, "http://127.0.0.1:1")
            assert isinstance(venue, Venue)
            assert venue.venue_id == VenueId(name)
            assert venue.capabilities(instrument_id(name)) == FACTS[name].capabilities()
            await venue.on_market((), NOW)
            await venue.close()

    asyncio.run(run())
