"""HTX, spot."""

from __future__ import annotations

from execution.venues.ccxt.exchange import (
    BY_COST,
    DAY_S,
    PLAIN,
    TRIGGER_LIMIT,
    Action,
    Facts,
    Queries,
    Query,
    Right,
    Rights,
    Shape,
    per_ms,
)

OPEN = Query(
    call="spotPrivateGetV1OrderOpenOrders",
    params={"account-id": "{account}", "symbol": "{symbol}", "size": 500},
    rows=("data",),
    page=500,
)
QUERIES = Queries(
    by_id=Query(
        call="spotPrivateGetV1OrderOrdersGetClientOrder",
        params={"clientOrderId": "{cid}"},
        rows=("data",),
        shape=Shape.ONE,
    ),
    lists=(
        OPEN,
        Query(
            call="spotPrivateGetV1OrderHistory",
            params={
                "symbol": "{symbol}",
                "start-time": "{since_ms}",
                "end-time": "{until_ms}",
                "size": 1000,
            },
            rows=("data",),
            page=1000,
            span_s=2 * DAY_S,
        ),
    ),
    open_orders=OPEN,
    trades=Query(
        call="spotPrivateGetV1OrderMatchresults",
        params={
            "symbol": "{symbol}",
            "start-time": "{since_ms}",
            "end-time": "{until_ms}",
            "size": 500,
        },
        rows=("data",),
        page=500,
        span_s=2 * DAY_S,
    ),
    cancel=Action(
        call="spotPrivatePostV1OrderOrdersOrderIdSubmitcancel",
        params={"order-id": "{order_id}"},
        proof=("data",),
    ),
    refusals=(("err-code",), ("code",)),
    balance_rows=("data", "list"),
    account=Query(call="spotPrivateGetV1AccountAccounts", rows=("data",)),
    uid=Query(call="v2PrivateGetUserUid", rows=("data",)),
    rights=Rights(
        call="v2PrivateGetUserApiKey",
        params={"uid": "{uid}", "accessKey": "{api_key}"},
        trade=Right(("data", 0, "permission"), "trade"),
        withdraw=Right(("data", 0, "permission"), "withdraw"),
    ),
)

FACTS = Facts(
    name="htx",
    cid_pattern=r"[A-Za-z0-9_-]{1,64}",
    # A stop at the market is not among its types.
    forms=PLAIN | TRIGGER_LIMIT,
    buys_by_cost=True,
    window_s=300,
    ambiguous=frozenset(
        {"timeout", "api-timeout", "gateway-internal-error", "system-maintenance"}
        | {"base-system-error", "order-update-error", "base-record-exist"}
    ),
    absent=frozenset({"base-record-invalid"}),
    note=BY_COST,
    limit=per_ms(100),
    queries=QUERIES,
)
