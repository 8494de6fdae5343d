"""One exchange through ccxt, as we use it: opened once, and ready to be asked."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from execution.errors import ConfigInvalid, TradingError, VenueUnavailable
from execution.venues.ccxt.exchange import Facts, Sandbox
from execution.venues.ccxt.paging import rows_of
from execution.venues.ccxt.wire import Wire, session
from execution.venues.keys import Keys
from execution.venues.rate_limit import RateLimiter

OPEN_DEADLINE_S = 30.0  # the first call loads the venue's markets, megabytes of them
MARKETS_TTL_S = 3600.0
NO_HELPERS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Markets:
    """What a venue says of its markets, and when it said so."""

    markets: Mapping[str, Any]
    currencies: Mapping[str, Any]
    helpers: Mapping[str, Any]  # options that ccxt finds a market by: Kraken's other names
    loaded_at: float  # monotonic, s


class MarketsCache:
    """The markets of a process: several clients of one venue load them once."""

    def __init__(self) -> None:
        self._kept: dict[str, Markets] = {}

    def get(self, place: str) -> Markets | None:
        """The markets of `place`, unless they are too old."""
        kept = self._kept.get(place)
        fresh = kept is not None and time.monotonic() - kept.loaded_at < MARKETS_TTL_S
        return kept if fresh else None

    def put(
        self,
        place: str,
        markets: Mapping[str, Any],
        currencies: Mapping[str, Any],
        helpers: Mapping[str, Any] = NO_HELPERS,
    ) -> None:
        """Keep what a venue said just now."""
        self._kept[place] = Markets(markets, currencies, helpers, time.monotonic())


MARKETS = MarketsCache()


class Client:
    """A connection to one account. It belongs to the loop that it was first used in."""

    def __init__(
        self,
        facts: Facts,
        keys: Keys,
        limiter: RateLimiter,
        key: str,
        endpoint: str | None,
        deadline_s: float,
    ) -> None:
        if endpoint is None and keys.testnet and facts.sandbox is Sandbox.NONE:
            raise ConfigInvalid(
                f"{facts.name} has no testnet: there paper trading is not possible; use the "
                "dry-run mode, or another venue"
            )
        if facts.passphrase and not keys.passphrase:
            raise ConfigInvalid(f"{facts.name} wants a passphrase with its keys")
        self.facts = facts
        self._keys = keys
        self._limiter = limiter
        self._key = key
        self._endpoint = endpoint
        self._deadline_s = deadline_s
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._exchange: Any = None
        self.values: dict[str, Any] = {}  # what questions of this account have in common

    @property
    def place(self) -> str:
        """Where it trades; the same markets for all that trade there."""
        return f"{self.facts.name} {self._endpoint or ('testnet' if self._keys.testnet else '')}"

    @property
    def on_testnet(self) -> bool:
        """Whether it is the venue's own testnet."""
        return self._endpoint is None and self._keys.testnet

    @property
    def api_key(self) -> str:
        """The public half of the keys, by which a venue names them."""
        return self._keys.api_key

    async def open(self) -> Any:  # noqa: ANN401 - ccxt has no types
        """The exchange with its markets, ready to be asked; VenueUnavailable where it is not."""
        if self._exchange is not None:
            return self._exchange
        async with self._opening:
            if self._exchange is None:
                exchange = self._build()
                try:
                    async with asyncio.timeout(OPEN_DEADLINE_S):
                        await self._prepare(exchange)
                except BaseException as error:
                    await self._close(exchange)
                    if isinstance(error, TradingError) or not isinstance(error, Exception):
                        raise
                    # Only the class: another library's text may quote a request, keys and all.
                    raise VenueUnavailable(
                        f"{self.facts.name} cannot be reached: {type(error).__name__}"
                    ) from None
                self._exchange = exchange
        return self._exchange

    async def close(self) -> None:
        """Let go of every connection."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await self._close(exchange)

    def _build(self) -> Any:  # noqa: ANN401 - ccxt has no types
        """The exchange's class with our wire under it, and nothing asked of it yet."""
        base = getattr(importlib.import_module(f"ccxt.pro.{self.facts.name}"), self.facts.name)
        self._session = session()
        exchange = type(base.__name__, (Wire, base), {})(
            {
                "apiKey": self._keys.api_key,
                # A key in PEM form often comes with its line ends written out.
                "secret": self._keys.secret.replace("\\n", "\n"),
                "password": self._keys.passphrase,
                "session": self._session,
                "timeout": int(self._deadline_s * 1000),
                # maxRetriesOnFailure stays 0: ccxt would repeat any request, an order too.
                "enableRateLimit": True,
                "options": {
                    "defaultType": "spot",
                    "fetchMarkets": {"types": ["spot"]},
                    **self.facts.options,
                },
            }
        )
        exchange.limiter, exchange.key = self._limiter, self._key
        exchange.limit, exchange.wait_s = self.facts.limit, OPEN_DEADLINE_S
        exchange.turn = asyncio.Lock() if self.facts.rising_nonce else nullcontext()
        exchange.number = str  # numbers come out exactly as the venue wrote them
        exchange.timeout_on_exit = 0
        exchange.has["fetchCurrencies"] = False
        if self._endpoint is not None:
            exchange.urls["api"] = pointed(exchange.urls["api"], self._endpoint)
        elif self._keys.testnet:
            exchange.set_sandbox_mode(True)
        return exchange

    async def _prepare(self, exchange: Any) -> None:  # noqa: ANN401 - ccxt has no types
        """Load what every call needs, so that none has to fetch it in between."""
        kept = MARKETS.get(self.place)
        if kept is None:
            await exchange.load_markets()
            names = exchange.options.get("marketHelperProps", ())
            helpers = {name: exchange.options[name] for name in names}
            MARKETS.put(self.place, exchange.markets, exchange.currencies, helpers)
        else:
            exchange.set_markets(list(kept.markets.values()), kept.currencies)
            exchange.options.update(kept.helpers)
        if self.facts.adjusts_clock:
            await exchange.load_time_difference()
        account = self.facts.queries.account
        if account is not None:
            rows = await rows_of(exchange, self.facts, account, {})
            names = [str(row.get("id")) for row in rows if row.get("type") == "spot"]
            if not names:
                raise VenueUnavailable(f"{self.facts.name}: the keys open no spot account")
            self.values["account"] = names[0]
            exchange.accounts = exchange.parse_accounts(rows)
            exchange.accountsById = exchange.index_by(exchange.accounts, "id")

    async def _close(self, exchange: Any) -> None:  # noqa: ANN401 - ccxt has no types
        try:
            await exchange.close()
        finally:  # also when it is cancelled meanwhile
            if self._session is not None:
                await self._session.close()
                self._session = None


def pointed(urls: Any, endpoint: str) -> Any:  # noqa: ANN401 - a tree of texts
    """The same addresses at another host, paths and streams included."""
    if isinstance(urls, Mapping):
        return {name: pointed(url, endpoint) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    parts = urlsplit(urls)
    base = endpoint.rstrip("/")
    if parts.scheme in ("ws", "wss"):
        base = "ws" + base.removeprefix("http")
    return base + parts.path
