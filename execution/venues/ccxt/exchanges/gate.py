"""Gate, spot."""

from __future__ import annotations

from execution.venues.ccxt.exchange import (
    BY_COST,
    DAY_S,
    Action,
    Cursor,
    Facts,
    Queries,
    Query,
    Sandbox,
    per_ms,
)

OPEN = Query(
    call="privateSpotGetOrders",
    params={"currency_pair": "{symbol}", "status": "open", "limit": 100},
    page=100,
    cursor=Cursor("page"),
)
QUERIES = Queries(
    # By its text an order is found only while it rests: a miss would prove nothing.
    lists=(
        OPEN,
        Query(
            call="privateSpotGetOrders",
            params={
                "currency_pair": "{symbol}",
                "status": "finished",
                "from": "{since_s}",
                "to": "{until_s}",
                "limit": 100,
            },
            page=100,
            span_s=30 * DAY_S,
            cursor=Cursor("page"),
        ),
    ),
    open_orders=OPEN,
    trades=Query(
        call="privateSpotGetMyTrades",
        params={
            "currency_pair": "{symbol}",
            "from": "{since_s}",
            "to": "{until_s}",
            "limit": 1000,
        },
        page=1000,
        span_s=30 * DAY_S,
        cursor=Cursor("page"),
    ),
    cancel=Action(
        call="privateSpotDeleteOrdersOrderId",
        params={"currency_pair": "{symbol}", "order_id": "{order_id}"},
        proof=("id",),
    ),
    refusals=(("label",),),
    uid=Query(call="privateAccountGetDetail", rows=("user_id",)),
    trade_cid="text",
)

FACTS = Facts(
    name="gate",
    cid_param="text",
    cid_pattern=r"[A-Za-z0-9._-]{1,26}",
    cid_prefix="t-",
    buys_by_cost=True,
    display_param="iceberg",
    window_s=60,
    ambiguous=frozenset({"INTERNAL", "SERVER_ERROR", "TOO_BUSY", "TOO_MANY_REQUESTS"}),
    options={"unifiedAccount": False},
    sandbox=Sandbox.TESTNET,
    note=BY_COST,
    limit=per_ms(50),
    queries=QUERIES,
)
