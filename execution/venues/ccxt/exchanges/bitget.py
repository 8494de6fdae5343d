"""Bitget, spot."""

from __future__ import annotations

from execution.venues.ccxt.exchange import (
    BY_COST,
    DAY_S,
    Action,
    Cursor,
    Facts,
    Queries,
    Query,
    Right,
    Rights,
    Sandbox,
    per_ms,
)

OPEN = Query(
    call="privateSpotGetV2SpotTradeUnfilledOrders",
    params={"symbol": "{symbol}", "limit": 100},
    rows=("data",),
    page=100,
    cursor=Cursor("idLessThan", row="orderId"),
)
QUERIES = Queries(
    by_id=Query(
        call="privateSpotGetV2SpotTradeOrderInfo", params={"clientOid": "{cid}"}, rows=("data",)
    ),
    lists=(
        OPEN,
        Query(
            call="privateSpotGetV2SpotTradeHistoryOrders",
            params={
                "symbol": "{symbol}",
                "startTime": "{since_ms}",
                "endTime": "{until_ms}",
                "limit": 100,
            },
            rows=("data",),
            page=100,
            span_s=90 * DAY_S,
        ),
    ),
    open_orders=OPEN,
    trades=Query(
        call="privateSpotGetV2SpotTradeFills",
        params={
            "symbol": "{symbol}",
            "startTime": "{since_ms}",
            "endTime": "{until_ms}",
            "limit": 100,
        },
        rows=("data",),
        page=100,
        span_s=90 * DAY_S,
    ),
    cancel=Action(
        call="privateSpotPostV2SpotTradeCancelOrder",
        params={"symbol": "{symbol}", "orderId": "{order_id}"},
        proof=("data", "orderId"),
    ),
    refusals=(("code",),),
    balance_rows=("data",),
    uid=Query(call="privateSpotGetV2SpotAccountInfo", rows=("data", "userId")),
    rights=Rights(
        call="privateSpotGetV2SpotAccountInfo",
        trade=Right(("data", "authorities"), "stow|trade"),
        withdraw=Right(("data", "authorities"), "wwow|withdraw"),
    ),
)

FACTS = Facts(
    name="bitget",
    cid_pattern=r"[A-Za-z0-9_-]{1,50}",
    buys_by_cost=True,
    window_s=30,
    ambiguous=frozenset(
        {"40010", "40015", "40200", "40725", "40808", "45001", "429", "30007", "30008"}
        | {"50008", "40786", "43118"}
    ),
    absent=frozenset({"43001", "40109"}),
    options={"uta": False},
    sandbox=Sandbox.HEADER,
    passphrase=True,
    note=BY_COST,
    limit=per_ms(50),
    queries=QUERIES,
)
