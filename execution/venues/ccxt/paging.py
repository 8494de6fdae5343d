"""Reading an answer in full, however the venue orders and cuts it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from execution.errors import VenueUnavailable
from execution.venues.ccxt.classify import at
from execution.venues.ccxt.exchange import Facts, Query, Shape
from execution.venues.ccxt.orders import fill

PAGES_MAX = 200
STEP = timedelta(seconds=1)  # the shortest window: several venues count time in seconds

Values = Mapping[str, Any]


class FullPage(VenueUnavailable):
    """A page is full and names no successor: there may be more."""


async def rows_of(
    exchange: Any,  # noqa: ANN401 - ccxt has no types
    facts: Facts,
    query: Query,
    values: Values,
) -> list[Any]:
    """Ask one question and follow its pages.

    Raises VenueUnavailable for a malformed reply, FullPage for one that cannot be followed.
    """
    params = fill(query.params, values)
    found: list[Any] = []
    for number in range(1, PAGES_MAX + 1):
        reply = await getattr(exchange, query.call)(dict(params))
        page = _page(reply, facts, query)
        found += page
        full = query.page is not None and len(page) >= query.page
        if query.cursor is None:
            if full:
                raise FullPage(f"{facts.name}: {query.call} holds more than a page")
            return found
        follows = at(reply, query.cursor.reply) if query.cursor.reply else full
        if not follows or not page:
            return found
        if query.cursor.reply:
            params[query.cursor.param] = follows
        elif query.cursor.row:
            params[query.cursor.param] = at(page[-1], (query.cursor.row,))
        else:
            params[query.cursor.param] = number + 1
    raise VenueUnavailable(f"{facts.name}: {query.call} has more than {PAGES_MAX} pages")


async def rows_between(
    exchange: Any,  # noqa: ANN401 - ccxt has no types
    facts: Facts,
    query: Query,
    values: Values,
    since: datetime,
    until: datetime,
) -> list[Any]:
    """All rows of a time; those at the seams of windows may come twice.

    The venue's longest window is kept, and a window that fills a page is asked for again in
    halves, until no page is full.
    """
    if not any("{since" in str(value) for value in query.params.values()):
        return await rows_of(exchange, facts, query, values)
    # Windows are rounded outwards, to whole seconds.
    span = timedelta(seconds=query.span_s - 2) if query.span_s else until - since
    found: list[Any] = []
    start = since
    while start < until:
        end = min(start + span, until)
        found += await _window(exchange, facts, query, values, start, end)
        start = end
    return found


def window(since: datetime, until: datetime) -> dict[str, Any]:
    """A window of time in each of the forms that venues want, outwards to whole seconds."""
    start, end = int(since.timestamp()), -int(-until.timestamp() // 1)
    return {
        "since_ms": start * 1000,
        "until_ms": end * 1000,
        "since_s": start,
        "until_s": end,
        "since_iso": f"{since:%Y-%m-%dT%H:%M:%S}Z",
        "until_iso": f"{until + STEP:%Y-%m-%dT%H:%M:%S}Z",
    }


async def _window(
    exchange: Any,  # noqa: ANN401 - ccxt has no types
    facts: Facts,
    query: Query,
    values: Values,
    since: datetime,
    until: datetime,
) -> list[Any]:
    try:
        return await rows_of(exchange, facts, query, {**values, **window(since, until)})
    except FullPage:
        if until - since <= STEP:
            raise
    middle = since + (until - since) / 2
    before = await _window(exchange, facts, query, values, since, middle)
    return before + await _window(exchange, facts, query, values, middle, until)


def _page(reply: object, facts: Facts, query: Query) -> list[Any]:
    """The rows of a reply; what is not where the venue puts it is no answer."""
    found = at(reply, query.rows) if query.rows else reply
    if found is None and query.null_is_none and isinstance(reply, dict) and "data" in reply:
        return []
    if query.shape is Shape.ONE and isinstance(found, dict) and found:
        return [found]
    if query.shape is Shape.BY_ID and isinstance(found, dict):
        found = [
            {"id": key, **row} if isinstance(row, dict) else None for key, row in found.items()
        ]
    elif query.shape is not Shape.LIST:
        found = None
    wanted: type = list if facts.queries.wrap else dict
    if not isinstance(found, list) or not all(isinstance(row, wanted) for row in found):
        raise VenueUnavailable(f"{facts.name}: {query.call}: a malformed reply")
    return found
