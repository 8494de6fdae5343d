"""What REGENT_PLUGINS=tests.data.feeds.candle_plugin enters: Binance's candles by a stand-in.

CANDLES_URL says where it listens.
"""

from __future__ import annotations

import os

from data.feeds.ccxt import CcxtFeed
from tasks.config import RunConfig
from tasks.wiring import FEEDS
from tests.data.feeds.candle_exchange import endpoint_feed


def _feed(config: RunConfig) -> CcxtFeed:
    return endpoint_feed(os.environ["CANDLES_URL"], *config.symbols)


FEEDS["ccxt:binance"] = _feed
