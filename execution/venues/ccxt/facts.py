"""The exchanges that are known, and what placement may rely on; importable without ccxt."""

from __future__ import annotations

from collections.abc import Mapping

from execution.errors import ConfigInvalid
from execution.model.enums import AssetClass
from execution.venues.capabilities import CAPABILITIES
from execution.venues.ccxt.exchange import Facts
from execution.venues.ccxt.exchanges import (
    binance,
    bitfinex,
    bitget,
    bybit,
    coinbase,
    cryptocom,
    gate,
    htx,
    kraken,
    kucoin,
    mexc,
    okx,
)

FACTS: Mapping[str, Facts] = {
    exchange.FACTS.name: exchange.FACTS
    for exchange in (
        binance,
        bybit,
        coinbase,
        okx,
        kucoin,
        kraken,
        gate,
        bitget,
        mexc,
        htx,
        bitfinex,
        cryptocom,
    )
}

CAPABILITIES |= {name: {AssetClass.CRYPTO: facts.capabilities()} for name, facts in FACTS.items()}


def facts_of(name: str) -> Facts:
    """Raise ConfigInvalid for an exchange that is not in the table."""
    if name not in FACTS:
        raise ConfigInvalid(f"exchange {name!r} is not one of {', '.join(FACTS)}")
    return FACTS[name]
