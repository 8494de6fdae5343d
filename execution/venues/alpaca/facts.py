"""What Alpaca really does with an order; importable without Alpaca's library."""

from __future__ import annotations

from decimal import Decimal

from execution.model.enums import AssetClass, OrderType, TimeInForce
from execution.model.identifiers import VenueId
from execution.venues.capabilities import CAPABILITIES, Capabilities
from execution.venues.rate_limit import Limit

ALPACA = VenueId("alpaca")
LIMIT = Limit(200, 60.0)  # requests of one account, by whatever process
CLIENT_ORDER_ID_MAX = 48  # characters; unique for ever, and so never seen twice

T, F = OrderType, TimeInForce

STOCKS = Capabilities(
    order_types=frozenset(OrderType),
    time_in_force=frozenset({F.DAY, F.GTC, F.IOC, F.FOK}),
    bracket=True,
    oco=True,
    testnet=True,
    note=(
        "regular hours only; stops day or gtc; part of a share only in a simple day order, and "
        "never in a trailing stop or a short sale; gtc ends after 90 days"
    ),
)
CRYPTO = Capabilities(
    order_types=frozenset({T.MARKET, T.LIMIT, T.STOP_LIMIT}),
    time_in_force=frozenset({F.GTC, F.IOC}),
    testnet=True,
    fee_due=Decimal("0.0025"),  # the highest of its tiers
    note="no short sales; the fee is taken out of what is received, and posted later",
)

CAPABILITIES[ALPACA] = {AssetClass.EQUITY: STOCKS, AssetClass.CRYPTO: CRYPTO}
