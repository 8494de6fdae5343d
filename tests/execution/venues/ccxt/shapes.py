"""What eight exchanges answer, in their own shapes; every value is made up.

One order everywhere: buy 0.01234 at 49000.5 (49000 on Bitfinex), 0.004 of it filled at 48999.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from execution.venues.ccxt.facts import FACTS
from tests.execution.venues.ccxt.places import CID
from tests.execution.venues.ccxt.scripted import Answer, Asked

PLACED, TRADED = 1772366400000, 1772366401000
CID_NUMBER = FACTS["bitfinex"].wire_id(CID)

Wrapped = Callable[[list[Any]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """One exchange's replies; the paths are how requests end there."""

    create: tuple[str, object]
    order: Any  # one row
    by_id: tuple[str, Wrapped, object] | None = None  # and what it says when there is none
    lists: Mapping[str, Wrapped]  # where orders are listed
    trade: Any  # one row
    trades: tuple[str, Wrapped]
    cancel: tuple[str, object, object]  # and what it says when there is none
    balance: tuple[str, object]
    uid: tuple[str, object]
    fee: tuple[str, str]
    more: Mapping[str, Answer] = field(default_factory=dict)

    def answers(
        self, orders: list[Any], trades: list[Any], *, by_id: bool = True
    ) -> dict[str, Any]:
        """An exchange that has these."""
        found: dict[str, Any] = {path: wrap(orders) for path, wrap in self.lists.items()}
        if self.by_id is not None:
            path, wrap, missing = self.by_id
            found[path] = wrap(orders) if orders and by_id else missing
        path, wrap = self.trades
        found[path] = wrap(trades)
        return {**found, **self.more}


def data(code: str = "0", **more: object) -> Wrapped:
    return lambda rows: {"code": code, "data": rows, **more}


def one(code: str, **more: object) -> Wrapped:
    return lambda rows: {"code": code, "data": rows[0], **more}


def plain(rows: list[Any]) -> object:
    return rows


def _gate_orders(asked: Asked, rows: list[Any]) -> object:
    """Resting and finished orders are asked for at one place."""
    wanted = asked.params.get("status")
    return rows[0] if asked.method == "POST" else [r for r in rows if r["status"] == wanted]


SHAPES: dict[str, Shapes] = {
    "okx": Shapes(
        create=(
            "/trade/batch-orders",
            {"code": "0", "data": [{"clOrdId": CID, "ordId": "9001", "sCode": "0", "sMsg": ""}]},
        ),
        order={
            "accFillSz": "0.004",
            "avgPx": "48999",
            "cTime": str(PLACED),
            "uTime": str(TRADED),
            "clOrdId": CID,
            "fee": "-0.000004",
            "feeCcy": "BTC",
            "instId": "BTC-USDT",
            "instType": "SPOT",
            "ordId": "9001",
            "ordType": "limit",
            "px": "49000.5",
            "side": "buy",
            "state": "partially_filled",
            "sz": "0.01234",
            "tdMode": "cash",
        },
        by_id=(
            "/trade/order",
            data(),
            {"code": "51603", "data": [], "msg": "Order does not exist"},
        ),
        lists={"/trade/orders-pending": data()},
        trade={
            "instType": "SPOT",
            "instId": "BTC-USDT",
            "tradeId": "7001",
            "ordId": "9001",
            "clOrdId": CID,
            "billId": "1",
            "fillPx": "48999",
            "fillSz": "0.004",
            "side": "buy",
            "execType": "T",
            "feeCcy": "BTC",
            "fee": "-0.000004",
            "ts": str(TRADED),
        },
        trades=("/trade/fills-history", data()),
        cancel=(
            "/trade/cancel-order",
            {"code": "0", "data": [{"clOrdId": "", "ordId": "9001", "sCode": "0", "sMsg": ""}]},
            {
                "code": "1",
                "data": [{"clOrdId": "", "ordId": "9001", "sCode": "51400", "sMsg": "filled"}],
                "msg": "",
            },
        ),
        balance=(
            "/account/balance",
            {
                "code": "0",
                "data": [
                    {
                        "uTime": str(PLACED),
                        "details": [
                            {"ccy": "BTC", "eq": "0.25", "cashBal": "0.25", "availBal": "0.2"},
                            {"ccy": "USDT", "eq": "1000.5", "cashBal": "1000.5", "availBal": "900"},
                        ],
                    }
                ],
            },
        ),
        uid=("/account/config", {"code": "0", "data": [{"uid": "4242"}]}),
        fee=("0.000004", "BTC"),
    ),
    "kucoin": Shapes(
        create=("/hf/orders", {"code": "200000", "data": {"orderId": "9001", "clientOid": CID}}),
        order={
            "id": "9001",
            "clientOid": CID,
            "symbol": "BTC-USDT",
            "type": "limit",
            "side": "buy",
            "price": "49000.5",
            "size": "0.01234",
            "dealSize": "0.004",
            "dealFunds": "195.996",
            "fee": "0.195996",
            "feeCurrency": "USDT",
            "timeInForce": "GTC",
            "active": True,
            "cancelExist": False,
            "createdAt": PLACED,
            "tradeType": "TRADE",
        },
        by_id=(
            f"/client-order/{CID}",
            one("200000"),
            {"code": "400100", "msg": "order_not_exist_or_not_allow_to_cancel"},
        ),
        lists={
            "/hf/orders/active": lambda rows: {"code": "200000", "data": rows or None},
            "/hf/orders/done": lambda rows: {"code": "200000", "data": {"items": [], "lastId": 0}},
        },
        trade={
            "id": 1,
            "tradeId": "7001",
            "orderId": "9001",
            "symbol": "BTC-USDT",
            "side": "buy",
            "price": "48999",
            "size": "0.004",
            "funds": "195.996",
            "fee": "0.195996",
            "feeCurrency": "USDT",
            "liquidity": "taker",
            "type": "limit",
            "createdAt": TRADED,
            "tradeType": "TRADE",
        },
        trades=("/hf/fills", lambda rows: {"code": "200000", "data": {"items": rows, "lastId": 0}}),
        cancel=(
            "/hf/orders/9001",
            {"code": "200000", "data": {"orderId": "9001"}},
            {"code": "400100", "msg": "order_not_exist_or_not_allow_to_cancel"},
        ),
        balance=(
            "/accounts",
            {
                "code": "200000",
                "data": [
                    {"type": kind, "currency": code, "balance": total, "available": free}
                    for kind in ("trade", "trade_hf")
                    for code, total, free in (("BTC", "0.25", "0.2"), ("USDT", "1000.5", "900"))
                ],
            },
        ),
        uid=("/user/api-key", {"code": "200000", "data": {"uid": 4242}}),
        fee=("0.195996", "USDT"),
    ),
    "gate": Shapes(
        create=("/spot/orders", {}),  # told by its rows
        order={
            "id": "9001",
            "text": f"t-{CID}",
            "create_time": "1772366400",
            "create_time_ms": PLACED,
            "update_time_ms": TRADED,
            "status": "open",
            "currency_pair": "BTC_USDT",
            "type": "limit",
            "account": "spot",
            "side": "buy",
            "amount": "0.01234",
            "price": "49000.5",
            "time_in_force": "gtc",
            "left": "0.00834",
            "filled_total": "195.996",
            "fee": "0.000008",
            "fee_currency": "BTC",
            "gt_fee": "0",
            "point_fee": "0",
            "rebated_fee": "0",
            "rebated_fee_currency": "USDT",
        },
        lists={"/spot/orders": lambda rows: lambda asked: _gate_orders(asked, rows)},
        trade={
            "id": "7001",
            "create_time": "1772366401",
            "create_time_ms": f"{TRADED}.123",
            "currency_pair": "BTC_USDT",
            "side": "buy",
            "role": "taker",
            "amount": "0.004",
            "price": "48999",
            "order_id": "9001",
            "fee": "0.000008",
            "fee_currency": "BTC",
            "point_fee": "0",
            "gt_fee": "0",
            "text": f"t-{CID}",
        },
        trades=("/spot/my_trades", plain),
        cancel=(
            "/spot/orders/9001",
            {"id": "9001", "status": "cancelled"},
            {"label": "ORDER_NOT_FOUND", "message": "order not found"},
        ),
        balance=(
            "/spot/accounts",
            [
                {"currency": "BTC", "available": "0.2", "locked": "0.05"},
                {"currency": "USDT", "available": "900", "locked": "100.5"},
            ],
        ),
        uid=("/account/detail", {"user_id": 4242}),
        fee=("0.000008", "BTC"),
    ),
    "bitget": Shapes(
        create=(
            "/trade/place-order",
            {"code": "00000", "msg": "success", "data": {"orderId": "9001", "clientOid": CID}},
        ),
        order={
            "userId": "4242",
            "symbol": "BTCUSDT",
            "orderId": "9001",
            "clientOid": CID,
            "price": "49000.5",
            "size": "0.01234",
            "orderType": "limit",
            "side": "buy",
            "status": "partially_filled",
            "priceAvg": "48999",
            "baseVolume": "0.004",
            "quoteVolume": "195.996",
            "feeDetail": "",
            "cTime": str(PLACED),
            "uTime": str(TRADED),
        },
        by_id=(
            "/trade/orderInfo",
            data("00000", msg="success"),
            {"code": "00000", "msg": "success", "data": []},
        ),
        lists={
            "/trade/unfilled-orders": data("00000", msg="success"),
            "/trade/history-orders": lambda rows: data("00000", msg="success")([]),
        },
        trade={
            "symbol": "BTCUSDT",
            "orderId": "9001",
            "tradeId": "7001",
            "orderType": "limit",
            "side": "buy",
            "priceAvg": "48999",
            "size": "0.004",
            "amount": "195.996",
            "feeDetail": {"feeCoin": "BTC", "totalFee": "-0.000004"},
            "tradeScope": "taker",
            "cTime": str(TRADED),
            "uTime": str(TRADED),
        },
        trades=("/trade/fills", data("00000", msg="success")),
        cancel=(
            "/trade/cancel-order",
            {"code": "00000", "msg": "success", "data": {"orderId": "9001", "clientOid": CID}},
            {"code": "43001", "msg": "The order does not exist", "data": None},
        ),
        balance=(
            "/account/assets",
            {
                "code": "00000",
                "msg": "success",
                "data": [
                    {"coin": "BTC", "available": "0.2", "frozen": "0.05", "locked": "0"},
                    {"coin": "USDT", "available": "900", "frozen": "100.5", "locked": "0"},
                ],
            },
        ),
        uid=("/account/info", {"code": "00000", "msg": "success", "data": {"userId": "4242"}}),
        fee=("0.000004", "BTC"),
    ),
    "mexc": Shapes(
        create=("/api/v3/order", {"symbol": "BTCUSDT", "orderId": "9001", "orderListId": -1}),
        order={
            "symbol": "BTCUSDT",
            "orderId": "9001",
            "clientOrderId": CID,
            "price": "49000.5",
            "origQty": "0.01234",
            "executedQty": "0.004",
            "cummulativeQuoteQty": "195.996",
            "status": "PARTIALLY_FILLED",
            "type": "LIMIT",
            "side": "BUY",
            "time": PLACED,
            "updateTime": TRADED,
        },
        by_id=(
            "/api/v3/order",
            lambda rows: rows[0],
            {"code": -2013, "msg": "Order does not exist."},
        ),
        lists={"/openOrders": plain, "/allOrders": lambda rows: []},
        trade={
            "symbol": "BTCUSDT",
            "id": "7001",
            "orderId": "9001",
            "price": "48999",
            "qty": "0.004",
            "quoteQty": "195.996",
            "commission": "0.097998",
            "commissionAsset": "USDT",
            "time": TRADED,
            "isBuyer": True,
            "isMaker": False,
            "clientOrderId": CID,
        },
        trades=("/myTrades", plain),
        cancel=(
            "/api/v3/order",
            {"symbol": "BTCUSDT", "orderId": "9001"},
            {"code": -2011, "msg": "Unknown order sent."},
        ),
        balance=(
            "/api/v3/account",
            {
                "balances": [
                    {"asset": "BTC", "free": "0.2", "locked": "0.05"},
                    {"asset": "USDT", "free": "900", "locked": "100.5"},
                ]
            },
        ),
        uid=("/uid", {"uid": "4242"}),
        fee=("0.097998", "USDT"),
    ),
    "htx": Shapes(
        create=("/order/orders/place", {"status": "ok", "data": "9001"}),
        order={
            "id": 9001,
            "symbol": "btcusdt",
            "account-id": 4711,
            "client-order-id": CID,
            "amount": "0.01234",
            "price": "49000.5",
            "created-at": PLACED,
            "type": "buy-limit",
            "field-amount": "0.004",
            "field-cash-amount": "195.996",
            "field-fees": "0.000008",
            "state": "partial-filled",
        },
        by_id=(
            "/orders/getClientOrder",
            lambda rows: {"status": "ok", "data": rows[0]},
            {"status": "error", "err-code": "base-record-invalid", "err-msg": "record invalid"},
        ),
        lists={
            "/order/openOrders": lambda rows: {"status": "ok", "data": rows},
            "/order/history": lambda rows: {"status": "ok", "data": []},
        },
        trade={
            "symbol": "btcusdt",
            "fee-currency": "btc",
            "order-id": 9001,
            "created-at": TRADED,
            "role": "taker",
            "price": "48999",
            "filled-amount": "0.004",
            "filled-fees": "0.000008",
            "filled-points": "0.0",
            "fee-deduct-currency": "",
            "trade-id": 7001,
            "id": 55,
            "type": "buy-limit",
        },
        trades=("/order/matchresults", lambda rows: {"status": "ok", "data": rows}),
        cancel=(
            "/submitcancel",
            {"status": "ok", "data": "9001"},
            {"status": "error", "err-code": "order-orderstate-error", "err-msg": "filled"},
        ),
        balance=(
            "/4711/balance",
            {
                "status": "ok",
                "data": {
                    "list": [
                        {"currency": "btc", "type": "trade", "balance": "0.2"},
                        {"currency": "btc", "type": "frozen", "balance": "0.05"},
                        {"currency": "usdt", "type": "trade", "balance": "900"},
                        {"currency": "usdt", "type": "frozen", "balance": "100.5"},
                    ]
                },
            },
        ),
        uid=("/user/uid", {"code": 200, "data": 4242}),
        fee=("0.000008", "BTC"),
    ),
    "bitfinex": Shapes(
        create=("/order/submit", []),  # told by its rows
        order=[
            *(9001, None, CID_NUMBER, "tBTCUSD", PLACED, TRADED, 0.00834, 0.01234),
            *("EXCHANGE LIMIT", None, None, None, 0, "PARTIALLY FILLED @ 48999.0(0.004)"),
            *(None, None, 49000, 48999, 0, 0, None, None, None, 0, 0, None, None, None),
            *("API>BFX", None, None, {}),
        ],
        lists={"/orders/tBTCUSD": plain, "/orders/tBTCUSD/hist": lambda rows: []},
        trade=[
            *(7001, "tBTCUSD", TRADED, 9001, 0.004, 48999, "EXCHANGE LIMIT", 49000, -1),
            *(-0.000008, "BTC", CID_NUMBER),
        ],
        trades=("/trades/tBTCUSD/hist", plain),
        cancel=(
            "/order/cancel",
            [PLACED, "oc-req", None, None, [9001], None, "SUCCESS", "Submitted"],
            [PLACED, "oc-req", None, None, None, None, "ERROR", "Order not found."],
        ),
        balance=(
            "/wallets",
            [
                ["exchange", "BTC", 0.25, 0, 0.2, None, None],
                ["exchange", "USD", 1000.5, 0, 900, None, None],
                ["margin", "USD", 7, 0, 7, None, None],
            ],
        ),
        uid=("/info/user", [4242, "a@b.c", "who"]),
        fee=("0.000008", "BTC"),
    ),
    "cryptocom": Shapes(
        create=(
            "/private/create-order",
            {"id": 1, "code": 0, "result": {"order_id": "9001", "client_oid": CID}},
        ),
        order={
            "order_id": "9001",
            "client_oid": CID,
            "order_type": "LIMIT",
            "time_in_force": "GOOD_TILL_CANCEL",
            "side": "BUY",
            "exec_inst": [],
            "quantity": "0.01234",
            "limit_price": "49000.5",
            "avg_price": "48999",
            "cumulative_quantity": "0.004",
            "cumulative_value": "195.996",
            "cumulative_fee": "0.000004",
            "status": "ACTIVE",
            "create_time": PLACED,
            "update_time": TRADED,
            "instrument_name": "BTC_USD",
            "fee_instrument_name": "BTC",
        },
        by_id=(
            "/private/get-order-detail",
            lambda rows: {"id": 1, "code": 0, "result": rows[0]},
            {"id": 1, "code": 40401, "message": "NOT_FOUND"},
        ),
        lists={
            "/private/get-open-orders": lambda rows: {"code": 0, "result": {"data": rows}},
            "/private/get-order-history": lambda rows: {"code": 0, "result": {"data": []}},
        },
        trade={
            "traded_quantity": "0.004",
            "traded_price": "48999",
            "fees": "-0.000004",
            "order_id": "9001",
            "trade_id": "7001",
            "client_oid": CID,
            "taker_side": "TAKER",
            "side": "BUY",
            "instrument_name": "BTC_USD",
            "fee_instrument_name": "BTC",
            "create_time": TRADED,
        },
        trades=("/private/get-trades", lambda rows: {"code": 0, "result": {"data": rows}}),
        cancel=(
            "/private/cancel-order",
            {"id": 1, "code": 0, "result": {"order_id": "9001", "client_oid": CID}},
            {"id": 1, "code": 40401, "message": "NOT_FOUND"},
        ),
        balance=(
            "/private/user-balance",
            {
                "code": 0,
                "result": {
                    "data": [
                        {
                            "position_balances": [
                                {
                                    "instrument_name": "BTC",
                                    "quantity": "0.25",
                                    "reserved_qty": "0.05",
                                },
                                {
                                    "instrument_name": "USD",
                                    "quantity": "1000.5",
                                    "reserved_qty": "100.5",
                                },
                            ]
                        }
                    ]
                },
            },
        ),
        uid=(
            "/private/get-accounts",
            {"code": 0, "result": {"master_account": {"uuid": "4242"}, "sub_account_list": []}},
        ),
        fee=("0.000004", "BTC"),
    ),
}
