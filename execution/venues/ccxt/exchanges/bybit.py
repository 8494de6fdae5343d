"""Bybit, spot."""

from __future__ import annotations

from execution.venues.ccxt.exchange import (
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

PAGES = Cursor("cursor", reply=("result", "nextPageCursor"))
QUERIES = Queries(
    lists=(
        Query(
            call="privateGetV5OrderRealtime",
            params={"category": "spot", "symbol": "{symbol}", "orderLinkId": "{cid}"},
            rows=("result", "list"),
        ),
        Query(
            call="privateGetV5OrderHistory",
            params={
                "category": "spot",
                "symbol": "{symbol}",
                "orderLinkId": "{cid}",
                "startTime": "{since_ms}",
                "endTime": "{until_ms}",
            },
            rows=("result", "list"),
            span_s=7 * DAY_S,
        ),
    ),
    open_orders=Query(
        call="privateGetV5OrderRealtime",
        params={"category": "spot", "symbol": "{symbol}", "openOnly": 0, "limit": 50},
        rows=("result", "list"),
        page=50,
        cursor=PAGES,
    ),
    trades=Query(
        call="privateGetV5ExecutionList",
        params={
            "category": "spot",
            "symbol": "{symbol}",
            "startTime": "{since_ms}",
            "endTime": "{until_ms}",
            "limit": 100,
        },
        rows=("result", "list"),
        page=100,
        span_s=7 * DAY_S,
        cursor=PAGES,
    ),
    cancel=Action(
        call="privatePostV5OrderCancel",
        params={"category": "spot", "symbol": "{symbol}", "orderId": "{order_id}"},
        proof=("result", "orderId"),
    ),
    amend=Action(
        call="privatePostV5OrderAmend",
        params={
            "category": "spot",
            "symbol": "{symbol}",
            "orderId": "{order_id}",
            "qty": "{order_qty}",
            "price": "{limit_px}",
        },
        proof=("result", "orderId"),
    ),
    refusals=(("retCode",),),
    balance_rows=("result", "list"),
    uid=Query(call="privateGetV5UserQueryApi", rows=("result", "userID")),
    rights=Rights(
        call="privateGetV5UserQueryApi",
        trade=Right(("result", "permissions", "Spot"), "SpotTrade"),
        withdraw=Right(("result", "permissions", "Wallet"), "Withdraw"),
        read_only=("result", "readOnly"),
    ),
    trade_cid="orderLinkId",
)

FACTS = Facts(
    name="bybit",
    cid_pattern=r"[A-Za-z0-9_-]{1,36}",
    window_s=5,
    ambiguous=frozenset(
        {"10000", "10006", "10016", "10018", "10429", "170007", "170032", "170146", "170147"}
        | {"5004", "429", "3100116", "110072", "170141"}
    ),
    options={"enableUnifiedMargin": False, "enableUnifiedAccount": True},
    sandbox=Sandbox.TESTNET,
    limit=per_ms(20),
    queries=QUERIES,
)
