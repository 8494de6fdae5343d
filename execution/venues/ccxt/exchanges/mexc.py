"""MEXC, spot."""

from __future__ import annotations

from execution.venues.ccxt.exchange import (
    DAY_S,
    Action,
    Facts,
    Queries,
    Query,
    Right,
    Rights,
    Shape,
    per_ms,
)

OPEN = Query(call="spotPrivateGetOpenOrders", params={"symbol": "{symbol}"})
QUERIES = Queries(
    by_id=Query(
        call="spotPrivateGetOrder",
        params={"symbol": "{symbol}", "origClientOrderId": "{cid}"},
        shape=Shape.ONE,
    ),
    lists=(
        OPEN,
        Query(
            call="spotPrivateGetAllOrders",
            params={
                "symbol": "{symbol}",
                "startTime": "{since_ms}",
                "endTime": "{until_ms}",
                "limit": 1000,
            },
            page=1000,
            span_s=7 * DAY_S,
        ),
    ),
    open_orders=OPEN,
    trades=Query(
        call="spotPrivateGetMyTrades",
        params={
            "symbol": "{symbol}",
            "startTime": "{since_ms}",
            "endTime": "{until_ms}",
            "limit": 100,
        },
        page=100,
        span_s=7 * DAY_S,
    ),
    cancel=Action(
        call="spotPrivateDeleteOrder",
        params={"symbol": "{symbol}", "orderId": "{order_id}"},
        proof=("orderId",),
    ),
    refusals=(("code",),),
    balance={"type": "spot"},
    balance_rows=("balances",),
    uid=Query(call="spotPrivateGetUid", rows=("uid",)),
    # What the account may; of the keys alone it does not tell.
    rights=Rights(
        call="spotPrivateGetAccount",
        trade=Right(("canTrade",)),
        withdraw=Right(("canWithdraw",)),
    ),
    trade_cid="clientOrderId",
)

FACTS = Facts(
    name="mexc",
    window_s=5,
    remembers_days=7,
    ambiguous=frozenset({"-1000", "-1001", "-1007", "429", "500", "503", "504", "510"}),
    absent=frozenset({"-2013"}),
    limit=per_ms(50),
    queries=QUERIES,
)
