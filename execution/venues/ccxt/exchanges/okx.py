"""OKX, spot."""

from __future__ import annotations

from execution.venues.ccxt.exchange import (
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

QUERIES = Queries(
    by_id=Query(
        call="privateGetTradeOrder",
        params={"instId": "{symbol}", "clOrdId": "{cid}"},
        rows=("data",),
    ),
    conclusive=True,
    open_orders=Query(
        call="privateGetTradeOrdersPending",
        params={"instType": "SPOT", "instId": "{symbol}", "limit": "100"},
        rows=("data",),
        page=100,
        cursor=Cursor("after", row="ordId"),
    ),
    trades=Query(
        call="privateGetTradeFillsHistory",
        params={
            "instType": "SPOT",
            "instId": "{symbol}",
            "begin": "{since_ms}",
            "end": "{until_ms}",
            "limit": "100",
        },
        rows=("data",),
        page=100,
        cursor=Cursor("after", row="billId"),
    ),
    cancel=Action(
        call="privatePostTradeCancelOrder",
        params={"instId": "{symbol}", "ordId": "{order_id}"},
        proof=("data", 0, "ordId"),
    ),
    amend=Action(
        call="privatePostTradeAmendOrder",
        params={
            "instId": "{symbol}",
            "ordId": "{order_id}",
            "newSz": "{order_qty}",
            "newPx": "{limit_px}",
        },
        proof=("data", 0, "ordId"),
    ),
    refusals=(("data", 0, "sCode"), ("code",)),
    balance_rows=("data",),
    uid=Query(call="privateGetAccountConfig", rows=("data", 0, "uid")),
    rights=Rights(
        call="privateGetAccountConfig",
        trade=Right(("data", 0, "perm"), "trade"),
        withdraw=Right(("data", 0, "perm"), "withdraw"),
    ),
    trade_cid="clOrdId",
)

FACTS = Facts(
    name="okx",
    cid_pattern=r"[A-Za-z0-9]{1,32}",
    always={"tdMode": "cash"},  # never on borrowed money
    window_s=30,
    ambiguous=frozenset(
        {"50001", "50004", "50005", "50011", "50013", "50026", "50061", "51016", "51054"}
    ),
    absent=frozenset({"51603"}),
    sandbox=Sandbox.HEADER,
    passphrase=True,
    limit=per_ms(110),
    queries=QUERIES,
)
