"""Bitfinex, spot."""

from __future__ import annotations

from execution.venues.ccxt.exchange import (
    PLAIN,
    TRIGGER,
    TRIGGER_LIMIT,
    Action,
    Facts,
    Queries,
    Query,
    Right,
    Rights,
    per_ms,
)

OPEN = Query(call="privatePostAuthROrdersSymbol", params={"symbol": "{symbol}"})
QUERIES = Queries(
    lists=(
        OPEN,
        Query(
            call="privatePostAuthROrdersSymbolHist",
            params={
                "symbol": "{symbol}",
                "start": "{since_ms}",
                "end": "{until_ms}",
                "limit": 2500,
            },
            page=2500,
        ),
    ),
    open_orders=OPEN,
    trades=Query(
        call="privatePostAuthRTradesSymbolHist",
        params={
            "symbol": "{symbol}",
            "start": "{since_ms}",
            "end": "{until_ms}",
            "limit": 2500,
        },
        page=2500,
    ),
    cancel=Action(
        call="privatePostAuthWOrderCancel",
        params={"id": "{order_number}"},
        proof=(6,),
        expected="SUCCESS",
    ),
    wrap="result",
    refusals=((5,), (1,)),
    clock=Query(call="publicGetPlatformStatus"),
    uid=Query(call="privatePostAuthRInfoUser", rows=(0,)),
    rights=Rights(
        call="privatePostAuthRPermissions",
        trade=Right((), "orders"),
        withdraw=Right((), "withdraw"),
    ),
)

FACTS = Facts(
    name="bitfinex",
    cid_is_int=True,
    forms=PLAIN | TRIGGER | TRIGGER_LIMIT,
    px_digits=5,
    window_s=60,
    ambiguous=frozenset({"10000", "11010", "20060", "20002"}),
    adjusts_clock=False,
    rising_nonce=True,
    note="prices have five significant digits; our ids are numbers there",
    limit=per_ms(250),
    queries=QUERIES,
)
