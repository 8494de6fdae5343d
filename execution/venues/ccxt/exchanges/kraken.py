"""Kraken, spot."""

from __future__ import annotations

from execution.model.enums import OrderType, TimeInForce
from execution.venues.ccxt.exchange import (
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
    Shape,
)
from execution.venues.rate_limit import Limit

QUERIES = Queries(
    lists=(
        Query(
            call="privatePostOpenOrders",
            params={"cl_ord_id": "{cid}"},
            rows=("result", "open"),
            shape=Shape.BY_ID,
        ),
        Query(
            call="privatePostClosedOrders",
            params={"cl_ord_id": "{cid}", "start": "{since_s}", "end": "{until_s}"},
            rows=("result", "closed"),
            shape=Shape.BY_ID,
            page=50,
        ),
    ),
    open_orders=Query(call="privatePostOpenOrders", rows=("result", "open"), shape=Shape.BY_ID),
    trades=Query(
        call="privatePostTradesHistory",
        params={"start": "{since_s}", "end": "{until_s}"},
        rows=("result", "trades"),
        shape=Shape.BY_ID,
        page=50,
    ),
    every_symbol=True,
    cancel=Action(
        call="privatePostCancelOrder",
        params={"txid": "{order_id}"},
        proof=("result", "count"),
    ),
    amend=Action(
        call="privatePostAmendOrder",
        params={"txid": "{order_id}", "order_qty": "{order_qty}", "limit_price": "{limit_px}"},
        proof=("result", "amend_id"),
    ),
    refusals=(("error", 0),),
    balance_rows=("result",),
    rights=Rights(
        call="privatePostGetApiKeyInfo",
        trade=Right(("result", "permissions"), ".*modify.*", lacking=None),
        withdraw=Right(("result", "permissions"), ".*withdraw.*"),
    ),
)

FACTS = Facts(
    name="kraken",
    cid_pattern=r"[A-Za-z0-9_-]{1,18}",
    forms=PLAIN
    | STOP
    | STOP_LIMIT
    | {OrderType.TRAILING_STOP: Form("market", {"trailingPercent": "{trail_percent}"})},
    time_in_force={
        TimeInForce.IOC: {"timeInForce": "IOC"},
        TimeInForce.GTD: {"timeInForce": "GTD", "expiretm": "{expire_at_s}"},
    },
    # Fees in the quote currency: of a sale they were taken in base, which a trade does not tell.
    always={"deadline": "{deadline}", "oflags": "fciq"},
    window_s=30,  # the deadline that every order carries
    ambiguous=frozenset(
        {"EGeneral:Internal error", "EGeneral:Unknown error", "EGeneral:Temporary lockout"}
        | {"EService:Unavailable", "EService:Busy", "EService:Timeout", "EService:Throttled"}
        | {"EAPI:Rate limit exceeded", "EOrder:Rate limit exceeded", "EOrder:Internal error"}
    ),
    note="a deposit or trade can take seconds to show; one key for one process",
    # Fifteen requests of three units at once, and then one in three seconds.
    rising_nonce=True,
    limit=Limit(45, 45.0),
    queries=QUERIES,
)
