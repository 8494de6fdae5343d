"""44 transport faults × twelve exchanges: what may have landed is never called refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import pytest

from execution.venues.base import SubmitOutcome, SubmitResult
from execution.venues.ccxt.client import pointed
from execution.venues.ccxt.venue import CcxtVenue
from tests.execution.venues.ccxt.faults import (
    FAULTS,
    UNCONNECTED,
    FaultyExchange,
    closed_port,
    deaf_port,
    faulty,
)
from tests.execution.venues.ccxt.places import NOW, VENUES, FreeLimiter, intent, make_venue

Cell = tuple[str, str]
DEADLINE_S = 0.8


@pytest.fixture(scope="module")
def matrix() -> dict[Cell, SubmitResult]:
    """Every fault at every exchange, through the real client, in one loop."""
    results: dict[Cell, SubmitResult] = {}

    async def run() -> None:
        async with deaf_port() as deaf, AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(opened_at(name)) for name in VENUES]
            await asyncio.gather(*(meet_all(*one, deaf, results) for one in opened))

    asyncio.run(run())
    return results


@asynccontextmanager
async def opened_at(name: str) -> AsyncIterator[tuple[FaultyExchange, CcxtVenue, FreeLimiter]]:
    """One venue that is ready to trade, at an exchange that is still well."""
    limiter = FreeLimiter()
    async with faulty(name) as exchange:
        venue = make_venue(name, f"http://127.0.0.1:{exchange.port}/well", limiter, DEADLINE_S)
        try:
            await venue._client.open()
            yield exchange, venue, limiter
        finally:
            await venue.close()


async def meet_all(
    exchange: FaultyExchange,
    venue: CcxtVenue,
    limiter: FreeLimiter,
    deaf: int,
    results: dict[Cell, SubmitResult],
) -> None:
    """Submit one order into each fault."""
    name, base = exchange.name, f"http://127.0.0.1:{exchange.port}"
    places = {
        "refused": f"http://127.0.0.1:{closed_port()}",
        "unknown host": "http://nobody.invalid",
        "connect timeout": f"http://127.0.0.1:{deaf}",
        "no tls": f"https://127.0.0.1:{exchange.port}",
    }
    for number, fault in enumerate(FAULTS):
        await point(venue, places.get(fault, f"{base}/{number}"))
        results[name, fault] = await venue.submit(intent(name, limit_px=Decimal(49000)), NOW)
    assert [fault for fault in FAULTS if fault not in UNCONNECTED] == exchange.met
    assert exchange.elsewhere == 0  # a signed order is not carried elsewhere
    assert limiter.blocks == [(f"{name}/main", 5.0), (f"{name}/main", 7.0)]


async def point(venue: CcxtVenue, endpoint: str) -> None:
    """Send what comes next to another place."""
    exchange = await venue._client.open()
    exchange.urls["api"] = pointed(exchange.urls["api"], endpoint)


def test_the_matrix_is_whole(matrix: dict[Cell, SubmitResult], capsys: pytest.CaptureFixture[str]):
    assert 44 == len(FAULTS) == len(set(FAULTS))
    assert len(matrix) == 12 * 44
    counts = Counter(str(result.outcome) for result in matrix.values())
    with capsys.disabled():
        print(f"\n{len(matrix)} = 12 exchanges × 44 faults: {dict(counts)}")


def test_what_may_have_landed_is_neither_refused_nor_unsent(matrix: dict[Cell, SubmitResult]):
    wrong = {
        cell: result
        for cell, result in matrix.items()
        if cell[1] not in UNCONNECTED and result.outcome is not SubmitOutcome.UNKNOWN
    }
    assert wrong == {}


def test_what_never_had_a_connection_may_be_sent_again(matrix: dict[Cell, SubmitResult]):
    """It would be safe to call it unknown as well, but every outage would lock the account."""
    wrong = {
        cell: result
        for cell, result in matrix.items()
        if cell[1] in UNCONNECTED and result.outcome is not SubmitOutcome.NOT_SENT
    }
    assert wrong == {}


def test_no_reason_quotes_a_request(matrix: dict[Cell, SubmitResult]):
    """Signatures and keys are in its address, which other libraries' errors repeat."""
    for cell, result in matrix.items():
        assert "http" not in result.reason, cell
        assert "key" not in result.reason, cell
        assert len(result.reason) <= 80, cell
