"""Every exchange × every order type: the exact request, or that nothing is sent at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.order import OrderIntent
from execution.orders.placement import Place, as_placed, place
from execution.venues.base import SubmitOutcome, SubmitResult
from execution.venues.ccxt.facts import FACTS
from tests.execution.venues.ccxt.places import NOW, VENUES, intent, make_venue
from tests.execution.venues.ccxt.scripted import Asked, scripted
from tests.execution.venues.ccxt.sent import COMMON, SENT

SELL = {"side": OrderSide.SELL, "reduce_only": True}
LIMIT = {"order_type": OrderType.LIMIT, "limit_px": Decimal("49000.5")}
TERMS: dict[str, dict[str, Any]] = {
    "market buy": {"order_type": OrderType.MARKET},
    "market sell": {"order_type": OrderType.MARKET, **SELL},
    "limit": LIMIT,
    "post-only": {**LIMIT, "post_only": True},
    "ioc": {**LIMIT, "time_in_force": TimeInForce.IOC},
    "fok": {**LIMIT, "time_in_force": TimeInForce.FOK},
    "gtd": {
        **LIMIT,
        "time_in_force": TimeInForce.GTD,
        "expire_at": NOW + timedelta(hours=1),
    },
    "stop": {"order_type": OrderType.STOP, "stop_px": Decimal("45000.5"), **SELL},
    "stop-limit": {
        "order_type": OrderType.STOP_LIMIT,
        "stop_px": Decimal("45000.5"),
        "limit_px": Decimal("44900.5"),
        **SELL,
    },
    "trailing": {"order_type": OrderType.TRAILING_STOP, "trail_pct": Decimal("0.025"), **SELL},
    "iceberg": {**LIMIT, "display_qty": Decimal("0.001")},
}
# Where we do it ourselves, and where it cannot be done.
HELD = {"stop", "stop-limit", "trailing"}
REFUSED = {"iceberg", "fok"}
CELLS = [(name, kind) for name in VENUES for kind in TERMS]


def test_no_cell_is_missing():
    """Twelve exchanges, eleven forms of one order, and the pair that cancels each other."""
    assert set(FACTS) == set(VENUES) == set(SENT) == set(COMMON)
    assert all(set(row) == set(TERMS) for row in SENT.values())
    assert len(CELLS) == 12 * 11


@pytest.mark.parametrize("name", VENUES)
def test_each_type_goes_out_as_itself_or_not_at_all(name: str):
    seen = asyncio.run(sent_of_each(name))
    method, path, common = COMMON[name]
    expected = {
        kind: None if terms is None else (method, path, {**common, **terms})
        for kind, terms in SENT[name].items()
    }
    assert expected == {
        kind: None if asked is None else (asked.method, asked.path, orders_terms(name, asked))
        for kind, (asked, _) in seen.items()
    }


@pytest.mark.parametrize("name", VENUES)
def test_what_is_not_sent_is_refused_before_anything_leaves(name: str):
    """And placement knew: it holds the order, sends it as another type's equal, or refuses."""
    capabilities = FACTS[name].capabilities()
    for kind, (asked, result) in asyncio.run(sent_of_each(name)).items():
        wanted = cell(name, kind)
        placement = place(wanted, capabilities, NOW)
        if asked is not None:
            assert Place.NATIVE is placement.place, kind
            continue
        assert SubmitOutcome.REJECTED is result.outcome, kind
        assert name in result.reason
        if kind == "gtd":  # goes out as a plain limit, and we cancel it
            assert (
                cell(name, "limit").time_in_force is as_placed(wanted, capabilities).time_in_force
            )
        elif kind in HELD:
            assert Place.HELD is placement.place
            assert "we watch its price" in placement.reason
        else:
            assert kind in REFUSED
            assert Place.REFUSED is placement.place


@pytest.mark.parametrize("name", VENUES)
def test_of_a_pair_that_cancels_each_other_one_is_with_us(name: str):
    """No exchange is trusted with both: stop and target would claim the same coins twice."""
    capabilities = FACTS[name].capabilities()
    stop = cell(name, "stop", group_id="g")
    target = cell(name, "limit", group_id="g", **SELL)

    assert not capabilities.oco
    assert not capabilities.bracket
    assert Place.HELD is place(target, capabilities, NOW).place
    stop_place = place(stop, capabilities, NOW).place
    assert (Place.NATIVE if SENT[name]["stop"] else Place.HELD) is stop_place


@pytest.mark.parametrize("name", VENUES)
def test_nothing_is_sent_that_would_be_rounded(name: str):
    """A library that rounds a price can raise a buy limit."""
    inexact = (
        {"order_qty": Decimal("0.012345")},
        {"limit_px": Decimal("49000.51")},
        {"order_qty": Decimal("1E-9")},
    )

    async def outcomes() -> tuple[list[SubmitResult], int]:
        async with scripted(name) as exchange:
            venue = make_venue(name, exchange.url)
            results = [
                await venue.submit(intent(name, **{**TERMS["limit"], **change}), NOW)
                for change in inexact
            ]
            await venue.close()
            return results, len(exchange.asked)

    results, asked = asyncio.run(outcomes())
    assert [result.outcome for result in results] == [SubmitOutcome.REJECTED] * 3
    assert asked == 0


def test_an_id_that_the_venue_would_mangle_is_not_sent():
    """OKX takes letters and digits alone; Kraken takes eighteen of them."""

    async def reasons() -> list[str]:
        found = []
        for name, client_order_id in {"okx": "order-a", "kraken": "x" * 19, "gate": ""}.items():
            async with scripted(name) as exchange:
                venue = make_venue(name, exchange.url)
                result = await venue.submit(intent(name, client_order_id), NOW)
                await venue.close()
                assert not exchange.asked
                found.append(result.reason)
        return found

    assert [
        "okx does not take 'order-a' as an id",
        f"kraken does not take '{'x' * 19}' as an id",
        "gate does not take '' as an id",
    ] == asyncio.run(reasons())


async def sent_of_each(name: str) -> dict[str, tuple[Asked | None, SubmitResult]]:
    """Submit every type, and see what each of them was on the wire."""
    seen: dict[str, tuple[Asked | None, SubmitResult]] = {}
    async with scripted(name) as exchange:
        venue = make_venue(name, exchange.url)
        for kind in TERMS:
            before = len(exchange.writes)
            result = await venue.submit(cell(name, kind), NOW)
            writes = exchange.writes[before:]
            assert len(writes) <= 1
            seen[kind] = (writes[0] if writes else None, result)
        await venue.close()
    return seen


def cell(name: str, kind: str, **changes: object) -> OrderIntent:
    terms = {**TERMS[kind], **changes}
    if FACTS[name].px_digits is not None:
        prices = {key: px // 1 for key, px in terms.items() if key.endswith("_px")}
        terms |= prices
    return intent(name, **terms)


def orders_terms(name: str, asked: Asked) -> dict[str, Any]:
    """The order within the request."""
    if name == "okx":
        (single,) = asked.terms[""]
        return dict(single)
    return dict(asked.terms["params"]) if name == "cryptocom" else asked.terms
