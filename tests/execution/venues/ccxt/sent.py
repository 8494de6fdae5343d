"""What goes over the wire: one row for each exchange and order type, `None` where nothing does."""

from __future__ import annotations

from typing import Any

from tests.execution.venues.ccxt.places import CID

# Method, path, and what is in every order there.
COMMON: dict[str, tuple[str, str, dict[str, Any]]] = {
    "binance": (
        "POST",
        "/api/v3/order",
        {
            "symbol": "BTCUSDT",
            "newClientOrderId": CID,
            "newOrderRespType": "FULL",
            "quantity": "0.01234",
        },
    ),
    "bybit": (
        "POST",
        "/v5/order/create",
        {"symbol": "BTCUSDT", "orderLinkId": CID, "category": "spot", "qty": "0.01234"},
    ),
    "coinbase": (
        "POST",
        "/api/v3/brokerage/orders",
        {"client_order_id": CID, "product_id": "BTC-USD"},
    ),
    "okx": (
        "POST",
        "/api/v5/trade/batch-orders",
        {
            "instId": "BTC-USDT",
            "sz": "0.01234",
            "tdMode": "cash",
            "tgtCcy": "base_ccy",
            "clOrdId": CID,
        },
    ),
    "kucoin": (
        "POST",
        "/api/v1/hf/orders",
        {"clientOid": CID, "symbol": "BTC-USDT", "size": "0.01234"},
    ),
    "kraken": (
        "POST",
        "/0/private/AddOrder",
        {
            "pair": "XXBTZUSD",
            "volume": "0.01234",
            "cl_ord_id": CID,
            "deadline": "2026-03-01T12:00:30Z",
            "oflags": "fciq",
        },
    ),
    "gate": (
        "POST",
        "/api/v4/spot/orders",
        {"currency_pair": "BTC_USDT", "account": "spot", "text": "t-" + CID},
    ),
    "bitget": ("POST", "/api/v2/spot/trade/place-order", {"symbol": "BTCUSDT", "clientOid": CID}),
    "mexc": (
        "POST",
        "/api/v3/order",
        {"symbol": "BTCUSDT", "quantity": "0.01234", "newClientOrderId": CID},
    ),
    "htx": (
        "POST",
        "/v1/order/orders/place",
        {"account-id": "4711", "symbol": "btcusdt", "client-order-id": CID},
    ),
    "bitfinex": ("POST", "/v2/auth/w/order/submit", {"symbol": "tBTCUSD", "cid": 29135254828266}),
    "cryptocom": (
        "POST",
        "/exchange/v1/private/create-order",
        {
            "instrument_name": "BTC_USD",
            "quantity": "0.01234",
            "broker_id": "CCXT",
            "spot_margin": "SPOT",
            "client_oid": CID,
        },
    ),
}

# What each type adds to it.
SENT: dict[str, dict[str, dict[str, Any] | None]] = {
    "binance": {
        "market buy": {"side": "BUY", "type": "MARKET"},
        "market sell": {"side": "SELL", "type": "MARKET"},
        "limit": {"side": "BUY", "type": "LIMIT", "price": "49000.5", "timeInForce": "GTC"},
        "post-only": {"side": "BUY", "type": "LIMIT_MAKER", "price": "49000.5"},
        "ioc": {"side": "BUY", "type": "LIMIT", "price": "49000.5", "timeInForce": "IOC"},
        "fok": {"side": "BUY", "type": "LIMIT", "price": "49000.5", "timeInForce": "FOK"},
        "gtd": None,
        "stop": {"side": "SELL", "type": "STOP_LOSS", "stopPrice": "45000.5"},
        "stop-limit": {
            "side": "SELL",
            "type": "STOP_LOSS_LIMIT",
            "price": "44900.5",
            "stopPrice": "45000.5",
            "timeInForce": "GTC",
        },
        "trailing": {"side": "SELL", "trailingDelta": "250", "type": "STOP_LOSS"},
        "iceberg": {
            "side": "BUY",
            "type": "LIMIT",
            "price": "49000.5",
            "timeInForce": "GTC",
            "icebergQty": "0.001",
        },
    },
    "bybit": {
        "market buy": {"side": "Buy", "orderType": "Market", "marketUnit": "baseCoin"},
        "market sell": {"side": "Sell", "orderType": "Market", "marketUnit": "baseCoin"},
        "limit": {"side": "Buy", "orderType": "Limit", "price": "49000.5"},
        "post-only": {
            "side": "Buy",
            "orderType": "Limit",
            "timeInForce": "PostOnly",
            "price": "49000.5",
        },
        "ioc": {"side": "Buy", "orderType": "Limit", "timeInForce": "IOC", "price": "49000.5"},
        "fok": {"side": "Buy", "orderType": "Limit", "timeInForce": "FOK", "price": "49000.5"},
        "gtd": None,
        "stop": None,
        "stop-limit": None,
        "trailing": None,
        "iceberg": None,
    },
    "coinbase": {
        "market buy": {
            "side": "BUY",
            "order_configuration": {"market_market_ioc": {"base_size": "0.01234"}},
        },
        "market sell": {
            "side": "SELL",
            "order_configuration": {"market_market_ioc": {"base_size": "0.01234"}},
        },
        "limit": {
            "side": "BUY",
            "order_configuration": {
                "limit_limit_gtc": {
                    "base_size": "0.01234",
                    "limit_price": "49000.5",
                    "post_only": False,
                }
            },
        },
        "post-only": {
            "side": "BUY",
            "order_configuration": {
                "limit_limit_gtc": {
                    "base_size": "0.01234",
                    "limit_price": "49000.5",
                    "post_only": True,
                }
            },
        },
        "ioc": {
            "side": "BUY",
            "order_configuration": {
                "sor_limit_ioc": {"base_size": "0.01234", "limit_price": "49000.5"}
            },
        },
        "fok": {
            "side": "BUY",
            "order_configuration": {
                "limit_limit_fok": {"base_size": "0.01234", "limit_price": "49000.5"}
            },
        },
        "gtd": {
            "side": "BUY",
            "order_configuration": {
                "limit_limit_gtd": {
                    "base_size": "0.01234",
                    "limit_price": "49000.5",
                    "end_time": "2026-03-01T13:00:00Z",
                    "post_only": False,
                }
            },
        },
        "stop": None,
        "stop-limit": {
            "side": "SELL",
            "order_configuration": {
                "stop_limit_stop_limit_gtc": {
                    "base_size": "0.01234",
                    "limit_price": "44900.5",
                    "stop_price": "45000.5",
                    "stop_direction": "STOP_DIRECTION_STOP_DOWN",
                }
            },
        },
        "trailing": None,
        "iceberg": None,
    },
    "okx": {
        "market buy": {"side": "buy", "ordType": "market"},
        "market sell": {"side": "sell", "ordType": "market"},
        "limit": {"side": "buy", "ordType": "limit", "px": "49000.5"},
        "post-only": {"side": "buy", "ordType": "post_only", "px": "49000.5"},
        "ioc": {"side": "buy", "ordType": "ioc", "px": "49000.5"},
        "fok": {"side": "buy", "ordType": "fok", "px": "49000.5"},
        "gtd": None,
        "stop": None,
        "stop-limit": None,
        "trailing": None,
        "iceberg": None,
    },
    "kucoin": {
        "market buy": {"side": "buy", "type": "market"},
        "market sell": {"side": "sell", "type": "market"},
        "limit": {"side": "buy", "type": "limit", "price": "49000.5"},
        "post-only": {"side": "buy", "type": "limit", "price": "49000.5", "postOnly": True},
        "ioc": {"side": "buy", "type": "limit", "price": "49000.5", "timeInForce": "IOC"},
        "fok": {"side": "buy", "type": "limit", "price": "49000.5", "timeInForce": "FOK"},
        "gtd": {
            "side": "buy",
            "type": "limit",
            "price": "49000.5",
            "timeInForce": "GTT",
            "cancelAfter": 3600,
        },
        "stop": None,
        "stop-limit": None,
        "trailing": None,
        "iceberg": None,
    },
    "kraken": {
        "market buy": {"type": "buy", "ordertype": "market"},
        "market sell": {"type": "sell", "ordertype": "market"},
        "limit": {"type": "buy", "ordertype": "limit", "price": "49000.5"},
        "post-only": {
            "type": "buy",
            "ordertype": "limit",
            "price": "49000.5",
            "oflags": "fciq,post",
        },
        "ioc": {"type": "buy", "ordertype": "limit", "price": "49000.5", "timeinforce": "IOC"},
        "fok": None,
        "gtd": {
            "type": "buy",
            "ordertype": "limit",
            "price": "49000.5",
            "timeinforce": "GTD",
            "expiretm": "1772370000",
        },
        "stop": {"type": "sell", "ordertype": "stop-loss", "price": "45000.5"},
        "stop-limit": {
            "type": "sell",
            "ordertype": "stop-loss-limit",
            "price": "45000.5",
            "price2": "44900.5",
        },
        "trailing": {
            "type": "sell",
            "ordertype": "trailing-stop",
            "trigger": "last",
            "price": "+2.5%",
        },
        "iceberg": None,
    },
    "gate": {
        "market buy": {"type": "market", "side": "buy", "amount": "617", "time_in_force": "ioc"},
        "market sell": {
            "type": "market",
            "side": "sell",
            "amount": "0.01234",
            "time_in_force": "ioc",
        },
        "limit": {"type": "limit", "side": "buy", "amount": "0.01234", "price": "49000.5"},
        "post-only": {
            "type": "limit",
            "side": "buy",
            "amount": "0.01234",
            "price": "49000.5",
            "time_in_force": "poc",
        },
        "ioc": {
            "type": "limit",
            "side": "buy",
            "amount": "0.01234",
            "price": "49000.5",
            "time_in_force": "ioc",
        },
        "fok": {
            "type": "limit",
            "side": "buy",
            "amount": "0.01234",
            "price": "49000.5",
            "time_in_force": "fok",
        },
        "gtd": None,
        "stop": None,
        "stop-limit": None,
        "trailing": None,
        "iceberg": {
            "type": "limit",
            "side": "buy",
            "amount": "0.01234",
            "price": "49000.5",
            "iceberg": "0.001",
        },
    },
    "bitget": {
        "market buy": {"orderType": "market", "force": "GTC", "side": "buy", "size": "617"},
        "market sell": {"orderType": "market", "force": "GTC", "side": "sell", "size": "0.01234"},
        "limit": {
            "orderType": "limit",
            "price": "49000.5",
            "force": "GTC",
            "side": "buy",
            "size": "0.01234",
        },
        "post-only": {
            "orderType": "limit",
            "price": "49000.5",
            "force": "post_only",
            "side": "buy",
            "size": "0.01234",
        },
        "ioc": {
            "orderType": "limit",
            "price": "49000.5",
            "force": "IOC",
            "side": "buy",
            "size": "0.01234",
        },
        "fok": {
            "orderType": "limit",
            "price": "49000.5",
            "force": "FOK",
            "side": "buy",
            "size": "0.01234",
        },
        "gtd": None,
        "stop": None,
        "stop-limit": None,
        "trailing": None,
        "iceberg": None,
    },
    "mexc": {
        "market buy": {"side": "BUY", "type": "MARKET"},
        "market sell": {"side": "SELL", "type": "MARKET"},
        "limit": {"side": "BUY", "type": "LIMIT", "price": "49000.5"},
        "post-only": {"side": "BUY", "type": "LIMIT_MAKER", "price": "49000.5"},
        "ioc": {"side": "BUY", "type": "IMMEDIATE_OR_CANCEL", "price": "49000.5"},
        "fok": {"side": "BUY", "type": "FILL_OR_KILL", "price": "49000.5"},
        "gtd": None,
        "stop": None,
        "stop-limit": None,
        "trailing": None,
        "iceberg": None,
    },
    "htx": {
        "market buy": {"type": "buy-market", "amount": "617"},
        "market sell": {"type": "sell-market", "amount": "0.01234"},
        "limit": {"type": "buy-limit", "amount": "0.01234", "price": "49000.5"},
        "post-only": {"type": "buy-limit-maker", "amount": "0.01234", "price": "49000.5"},
        "ioc": {"type": "buy-ioc", "amount": "0.01234", "price": "49000.5"},
        "fok": {"type": "buy-limit-fok", "amount": "0.01234", "price": "49000.5"},
        "gtd": None,
        "stop": None,
        "stop-limit": {
            "stop-price": "45000.5",
            "operator": "lte",
            "type": "sell-stop-limit",
            "amount": "0.01234",
            "price": "44900.5",
        },
        "trailing": None,
        "iceberg": None,
    },
    "bitfinex": {
        "market buy": {"amount": "0.01234", "type": "EXCHANGE MARKET"},
        "market sell": {"amount": "-0.01234", "type": "EXCHANGE MARKET"},
        "limit": {"amount": "0.01234", "price": "49000", "type": "EXCHANGE LIMIT"},
        "post-only": {
            "amount": "0.01234",
            "price": "49000",
            "type": "EXCHANGE LIMIT",
            "flags": 4096,
        },
        "ioc": {"amount": "0.01234", "price": "49000", "type": "EXCHANGE IOC"},
        "fok": {"amount": "0.01234", "price": "49000", "type": "EXCHANGE FOK"},
        "gtd": None,
        "stop": {"amount": "-0.01234", "price": "45000", "type": "EXCHANGE STOP"},
        "stop-limit": {
            "amount": "-0.01234",
            "price": "45000",
            "price_aux_limit": "44900",
            "type": "EXCHANGE STOP LIMIT",
        },
        "trailing": None,
        "iceberg": None,
    },
    "cryptocom": {
        "market buy": {"side": "BUY", "type": "MARKET"},
        "market sell": {"side": "SELL", "type": "MARKET"},
        "limit": {"side": "BUY", "price": "49000.5", "type": "LIMIT"},
        "post-only": {
            "side": "BUY",
            "price": "49000.5",
            "exec_inst": ["POST_ONLY"],
            "time_in_force": "GOOD_TILL_CANCEL",
            "type": "LIMIT",
        },
        "ioc": {
            "side": "BUY",
            "price": "49000.5",
            "time_in_force": "IMMEDIATE_OR_CANCEL",
            "type": "LIMIT",
        },
        "fok": {
            "side": "BUY",
            "price": "49000.5",
            "time_in_force": "FILL_OR_KILL",
            "type": "LIMIT",
        },
        "gtd": None,
        "stop": None,
        "stop-limit": None,
        "trailing": None,
        "iceberg": None,
    },
}
