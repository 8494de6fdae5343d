"""KuCoin, spot."""

from __future__ import annotations

from execution.model.enums import TimeInForce
from execution.venues.ccxt.exchange import (
    AT_ONCE,
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

QUERIES = Queries(
    by_id=Query(
        call="privateGetHfOrdersClientOrderClientOid",
        params={"symbol": "{symbol}", "clientOid": "{cid}"},
        rows=("data",),
        shape=Shape.ONE,
    ),
    lists=(
        Query(
            call="privateGetHfOrdersActive",
            params={"symbol": "{symbol}"},
            rows=("data",),
            null_is_none=True,
        ),
        Query(
            call="privateGetHfOrdersDone",
            params={
                "symbol": "{symbol}",
                "startAt": "{since_ms}",
                "endAt": "{until_ms}",
                "limit": 100,
            },
            rows=("data", "items"),
            page=100,
            span_s=7 * DAY_S,
        ),
    ),
    open_orders=Query(
        call="privateGetHfOrdersActive",
        params={"symbol": "{symbol}"},
        rows=("data",),
        null_is_none=True,
    ),
    trades=Query(
        call="privateGetHfFills",
        params={
            "symbol": "{symbol}",
            "startAt": "{since_ms}",
            "endAt": "{until_ms}",
            "limit": 100,
        },
        rows=("data", "items"),
        page=100,
        span_s=7 * DAY_S,
    ),
    cancel=Action(
        call="privateDeleteHfOrdersOrderId",
        params={"symbol": "{symbol}", "orderId": "{order_id}"},
        proof=("data", "orderId"),
    ),
    refusals=(("code",),),
    balance={"type": "trade", "uta": False, "hf": True},
    balance_rows=("data",),
    uid=Query(call="privateGetUserApiKey", rows=("data", "uid")),
    rights=Rights(
        call="privateGetUserApiKey",
        trade=Right(("data", "permission"), "spot|trade"),
        withdraw=Right(("data", "permission"), "transfer|withdraw.*"),  # to other addresses
    ),
)

FACTS = Facts(
    name="kucoin",
    cid_pattern=r"[A-Za-z0-9_-]{1,40}",
    time_in_force=dict(AT_ONCE)
    | {TimeInForce.GTD: {"timeInForce": "GTT", "cancelAfter": "{expire_in_s}"}},
    always={"hf": True, "uta": False},
    window_s=5,
    ambiguous=frozenset({"200002", "408000", "429000", "500000", "503000", "102411"}),
    options={"uta": False, "hf": True},
    passphrase=True,
    limit=per_ms(7.5),
    queries=QUERIES,
)
