"""Money and assets that came to an exchange, or left it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import ccxt

from execution.errors import VenueUnavailable
from execution.model.enums import TransferKind
from execution.model.identifiers import AccountId
from execution.model.transfer import Transfer
from execution.venues.ccxt.reading import transfers

PAGE = 50  # the fewest that a venue gives at once
SPAN = timedelta(days=7) - timedelta(seconds=2)  # a window that all of them take
UNDER_WAY = timedelta(days=7)  # a deposit bears the time when it was first seen
STEP = timedelta(seconds=1)
NOT_FOR_US = (ccxt.NotSupported, ccxt.PermissionDenied)
FIAT = {"USD", "EUR", "GBP"}  # Coinbase keeps what banks move apart

METHODS = {
    "fetchDeposits": TransferKind.DEPOSIT,
    "fetchWithdrawals": TransferKind.WITHDRAWAL,
    "fetchDepositsWithdrawals": None,  # the row says which
}


async def transfers_between(
    exchange: Any,  # noqa: ANN401 - ccxt has no types
    account: AccountId,
    currencies: Sequence[str | None],
    since: datetime,
    until: datetime,
) -> tuple[Transfer, ...]:
    """Read what moved in a time, oldest first; of all currencies at once where it is (None,)."""
    found: dict[str, Transfer] = {}
    for method, kind in METHODS.items():
        apart = exchange.has["fetchDeposits"] and exchange.has["fetchWithdrawals"]
        if exchange.has[method] and (kind is None) != bool(apart):
            for currency in currencies:
                start = since - UNDER_WAY
                while start < until:
                    end = min(start + SPAN, until)
                    for row in await _window(exchange, method, currency, start, end):
                        named = kind or TransferKind(str(row.get("type")))
                        found |= {one.transfer_id: one for one in transfers(row, named, account)}
                    start = end
    moved = [one for one in found.values() if one.ts_event >= since]
    return tuple(sorted(moved, key=lambda one: (one.ts_event, one.transfer_id)))


async def _window(
    exchange: Any,  # noqa: ANN401 - ccxt has no types
    method: str,
    currency: str | None,
    since: datetime,
    until: datetime,
) -> list[dict[str, Any]]:
    """One window; one that fills a page is asked for again in halves."""
    start, end = (int(at.timestamp() * 1000) for at in (since, until))
    params: dict[str, Any] = {"until": end}
    if currency is not None and currency not in FIAT:
        params["currencyType"] = "crypto"
    try:
        rows: list[dict[str, Any]] = await getattr(exchange, method)(currency, start, None, params)
    except NOT_FOR_US:
        return []
    if len(rows) < PAGE:
        return rows
    if until - since <= STEP:
        raise VenueUnavailable(f"{exchange.id}: transfers: more than {PAGE} in {STEP}")
    middle = since + (until - since) / 2
    before = await _window(exchange, method, currency, since, middle)
    return before + await _window(exchange, method, currency, middle, until)
