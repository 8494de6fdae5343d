"""Binance, spot."""

from __future__ import annotations

from execution.model.enums import OrderType
from execution.venues.ccxt.exchange import (
    DAY_S,
    PLAIN,
    STOP,
    STOP_LIMIT,
    Action,
    Facts,
    Form,
    Queries,
    Query,
    Right,
    Rights,
    Sandbox,
    Shape,
    per_ms,
)

QUERIES = Queries(
    by_id=Query(
        call="privateGetOrder",
        params={"symbol": "{symbol}", "origClientOrderId": "{cid}"},
        shape=Shape.ONE,
    ),
    conclusive=True,
    open_orders=Query(call="privateGetOpenOrders", params={"symbol": "{symbol}"}),
    trades=Query(
        call="privateGetMyTrades",
        params={
            "symbol": "{symbol}",
            "startTime": "{since_ms}",
            "endTime": "{until_ms}",
            "limit": 1000,
        },
        page=1000,
        span_s=DAY_S,
    ),
    cancel=Action(
        call="privateDeleteOrder",
        params={"symbol": "{symbol}", "orderId": "{order_id}"},
        proof=("orderId",),
    ),
    refusals=(("code",),),
    balance={"type": "spot"},
    balance_rows=("balances",),
    uid=Query(call="privateGetAccount", rows=("uid",)),
    rights=Rights(
        call="sapiGetAccountApiRestrictions",
        trade=Right(("enableSpotAndMarginTrading",)),
        withdraw=Right(("enableWithdrawals",)),
        testnet=False,
    ),
)

FACTS = Facts(
    name="binance",
    forms=PLAIN
    | STOP
    | STOP_LIMIT
    | {
        OrderType.TRAILING_STOP: Form(
            "market",
            {"trailingPercent": "{trail_percent}", "stopLossOrTakeProfit": "stopLoss"},
        )
    },
    display_param="icebergAmount",
    window_s=20,  # recvWindow, and as long again in the engine
    ambiguous=frozenset({"-1000", "-1001", "-1006", "-1007", "-1008", "-1015", "-1016"}),
    absent=frozenset({"-2013"}),
    options={"fetchMargins": False},
    sandbox=Sandbox.TESTNET,
    limit=per_ms(50),
    queries=QUERIES,
)
