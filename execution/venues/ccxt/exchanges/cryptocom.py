"""Crypto.com, spot."""

from __future__ import annotations

from execution.venues.ccxt.exchange import (
    DAY_S,
    Action,
    Facts,
    Queries,
    Query,
    Sandbox,
    Shape,
    per_ms,
)

OPEN = Query(
    call="v1PrivatePostPrivateGetOpenOrders",
    params={"instrument_name": "{symbol}"},
    rows=("result", "data"),
)
WINDOW = {
    "instrument_name": "{symbol}",
    "start_time": "{since_ms}",
    "end_time": "{until_ms}",
    "limit": 100,
}
QUERIES = Queries(
    by_id=Query(
        call="v1PrivatePostPrivateGetOrderDetail",
        params={"client_oid": "{cid}"},
        rows=("result",),
        shape=Shape.ONE,
    ),
    lists=(
        OPEN,
        Query(
            call="v1PrivatePostPrivateGetOrderHistory",
            params=WINDOW,
            rows=("result", "data"),
            page=100,
            span_s=DAY_S,
        ),
    ),
    open_orders=OPEN,
    trades=Query(
        call="v1PrivatePostPrivateGetTrades",
        params=WINDOW,
        rows=("result", "data"),
        page=100,
        span_s=DAY_S,
    ),
    cancel=Action(
        call="v1PrivatePostPrivateCancelOrder",
        params={"order_id": "{order_id}"},
        proof=("result", "order_id"),
    ),
    refusals=(("code",),),
    balance_rows=("result", "data"),
    clock=Query(call="v1PublicGetPublicGetTickers", params={"instrument_name": "{symbol}"}),
    uid=Query(call="v1PrivatePostPrivateGetAccounts", rows=("result", "master_account", "uuid")),
    trade_cid="client_oid",
)

FACTS = Facts(
    name="cryptocom",
    cid_param="client_oid",
    cid_pattern=r"[A-Za-z0-9_-]{1,36}",
    window_s=60,
    ambiguous=frozenset({"10001", "40801", "42901", "43012", "50001"}),
    absent=frozenset({"212", "213", "40401"}),
    adjusts_clock=False,
    sandbox=Sandbox.TESTNET,
    limit=per_ms(10),
    queries=QUERIES,
)
