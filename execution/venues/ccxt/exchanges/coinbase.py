"""Coinbase Advanced, spot."""

from __future__ import annotations

from execution.model.enums import TimeInForce
from execution.venues.ccxt.exchange import (
    AT_ONCE,
    PLAIN,
    STOP_LIMIT,
    Action,
    Cursor,
    Facts,
    Queries,
    Query,
    Right,
    Rights,
)
from execution.venues.rate_limit import Limit

PAGES = Cursor("cursor", reply=("cursor",))
OPEN = Query(
    call="v3PrivateGetBrokerageOrdersHistoricalBatch",
    params={"product_id": "{symbol}", "order_status": "OPEN", "limit": 100},
    rows=("orders",),
    page=100,
    cursor=PAGES,
)
QUERIES = Queries(
    lists=(
        Query(
            call="v3PrivateGetBrokerageOrdersHistoricalBatch",
            params={
                "product_id": "{symbol}",
                "start_date": "{since_iso}",
                "end_date": "{until_iso}",
                "limit": 100,
            },
            rows=("orders",),
            page=100,
            cursor=PAGES,
        ),
        # What rests may be older than the window, as the venue dates it.
        OPEN,
    ),
    open_orders=OPEN,
    trades=Query(
        call="v3PrivateGetBrokerageOrdersHistoricalFills",
        params={
            "product_id": "{symbol}",
            "start_sequence_timestamp": "{since_iso}",
            "end_sequence_timestamp": "{until_iso}",
            "limit": 100,
        },
        rows=("fills",),
        page=100,
        cursor=PAGES,
    ),
    cancel=Action(
        call="v3PrivatePostBrokerageOrdersBatchCancel",
        params={"order_ids": ["{order_id}"]},
        proof=("results", 0, "success"),
        expected=True,
    ),
    refusals=(
        ("error_response", "preview_failure_reason"),
        ("error_response", "error"),
        ("results", 0, "failure_reason"),
        ("error",),
        ("errors", 0, "id"),
    ),
    balance={"v3": True},
    balance_rows=("accounts",),
    uid=Query(call="v3PrivateGetBrokerageKeyPermissions", rows=("portfolio_uuid",)),
    rights=Rights(
        call="v3PrivateGetBrokerageKeyPermissions",
        trade=Right(("can_trade",)),
        withdraw=Right(("can_transfer",)),
    ),
)

FACTS = Facts(
    name="coinbase",
    cid_param="client_order_id",
    cid_pattern=r"[A-Za-z0-9_-]{1,128}",
    forms=PLAIN | STOP_LIMIT,
    time_in_force=dict(AT_ONCE)
    | {TimeInForce.GTD: {"timeInForce": "GTD", "end_time": "{expire_at}"}},
    # ccxt would say what to spend; the venue takes the quantity as well.
    market_buy={
        "createMarketBuyOrderRequiresPrice": False,
        "order_configuration": {"market_market_ioc": {"base_size": "{order_qty}"}},
    },
    transfers_by_currency=True,
    window_s=120,
    ambiguous=frozenset(
        {"UNKNOWN", "UNKNOWN_FAILURE_REASON", "INTERNAL", "internal", "unavailable", "timeout"}
        | {"UNKNOWN_CREATE_ORDER_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON"}
        | {"INTERNAL_ERROR", "internal_server_error", "deadline_exceeded", "unknown"}
    ),
    limit=Limit(10, 1.0),
    queries=QUERIES,
)
